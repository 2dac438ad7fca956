//! Values that hold values: options and lists.

use std::fmt;

use super::{Cursor, Value};
use crate::record::types::Element;

/// Some values of one type.
#[derive(Clone, Copy)]
enum Items<'a> {
    /// The bytes that travel.
    Encoded(Element, &'a [u8]),
    Values(&'a [Value<'a>]),
}

impl<'a> Items<'a> {
    /// The values. Ends early at malformed bytes. Each value takes at least one byte, so it ends.
    fn iter(self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (element, bytes, values) = match self {
            Items::Encoded(element, bytes) => (Some(element.ty()), bytes, &[][..]),
            Items::Values(values) => (None, &[][..], values),
        };
        let mut at = Cursor::new(bytes);
        let encoded = std::iter::from_fn(move || at.value(element?));
        encoded.chain(values.iter().copied())
    }
}

/// The values of a list, in their order.
///
/// ```
/// use ringlog::schema::{List, Value};
/// let ports = [Value::U64(80), Value::U64(443)];
/// let list = List::from(&ports[..]);
/// assert!(list.iter().eq(ports));
/// assert_eq!(Value::List(list).to_string(), "[80, 443]");
/// ```
#[derive(Clone, Copy)]
pub struct List<'a>(Items<'a>);

impl<'a> List<'a> {
    pub(crate) fn encoded(element: Element, bytes: &'a [u8]) -> List<'a> {
        List(Items::Encoded(element, bytes))
    }

    /// The values. Ends early where their bytes do.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        self.0.iter()
    }
}

impl<'a> From<&'a [Value<'a>]> for List<'a> {
    fn from(values: &'a [Value<'a>]) -> List<'a> {
        List(Items::Values(values))
    }
}

impl PartialEq for List<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A value that may be absent.
///
/// ```
/// use ringlog::schema::{Maybe, Value};
/// let port = Value::U64(80);
/// assert_eq!(Maybe::from(Some(&port)).get(), Some(port));
/// assert_eq!(Maybe::from(None).get(), None);
/// ```
#[derive(Clone, Copy)]
pub struct Maybe<'a>(Items<'a>);

impl<'a> Maybe<'a> {
    /// Reads the bytes of an option; `None` where they hold part of a value or more than one.
    pub(super) fn encoded(element: Element, bytes: &'a [u8]) -> Option<Maybe<'a>> {
        let mut at = Cursor::new(bytes);
        let whole = bytes.is_empty() || at.value(element.ty()).is_some() && at.u8().is_none();
        whole.then_some(Maybe(Items::Encoded(element, bytes)))
    }

    /// The value, if it is there.
    pub fn get(&self) -> Option<Value<'a>> {
        self.0.iter().next()
    }
}

impl<'a> From<Option<&'a Value<'a>>> for Maybe<'a> {
    fn from(value: Option<&'a Value<'a>>) -> Maybe<'a> {
        Maybe(Items::Values(value.map_or(&[], std::slice::from_ref)))
    }
}

impl PartialEq for Maybe<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl fmt::Debug for Maybe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}
