//! The types of fields: their codes and widths.

/// The type of a field. FORMAT.md lists codes and encodings. A reader skips types that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// One byte, 0 or 1.
    Bool,
    /// Unsigned, 1 byte.
    U8,
    /// Unsigned, 2 bytes.
    U16,
    /// Unsigned, 4 bytes.
    U32,
    /// Unsigned, 8 bytes.
    U64,
    /// Unsigned, 16 bytes.
    U128,
    /// Signed, 1 byte.
    I8,
    /// Signed, 2 bytes.
    I16,
    /// Signed, 4 bytes.
    I32,
    /// Signed, 8 bytes.
    I64,
    /// Signed, 16 bytes.
    I128,
    /// IEEE 754, 4 bytes.
    F32,
    /// IEEE 754, 8 bytes.
    F64,
    /// A Unicode scalar value, 4 bytes.
    Char,
    /// Text, usually UTF-8: length and bytes.
    Str,
    /// Bytes: length and bytes.
    Bytes,
    /// This number of bytes, without a length.
    FixedBytes(u32),
    /// A value that may be absent: length, and the value if it is there.
    Option(Element),
    /// Values one after the other, after their length in bytes.
    List(Element),
    /// An IPv4 address, 4 bytes.
    Ipv4,
    /// An IPv6 address, 16 bytes.
    Ipv6,
    /// An address of either family: family (4 or 6) and 16 bytes.
    Ip,
    /// An address with port, flow and scope: family, 16 bytes, port, flow, scope.
    Socket,
    /// Seconds in 8 bytes and nanoseconds in 4.
    Duration,
    /// Nanoseconds since 1970, signed, 8 bytes.
    Timestamp,
    /// A UUID, 16 bytes as written.
    Uuid,
    /// A level, 1 byte.
    Level,
    /// An error and its causes, a line each: length and text.
    Error,
    /// Text that the producer has formatted as its placeholder says: length and text.
    Formatted,
    /// A type of a later version: its code and width, 0 if it carries its length.
    Unknown(u8, u32),
}

/// The type of the values in an [`Option`](Type::Option) or a [`List`](Type::List): any type but these two, errors and
/// formatted text.
///
/// ```
/// use ringlog::schema::{Element, Type};
/// let ports = Type::List(Element::new(Type::U16).expect("a plain type"));
/// assert!(Element::new(ports).is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Element {
    code: u8,
    width: u32,
}

impl Element {
    /// The element of this type; `None` for an option, list, error or formatted text.
    pub const fn new(ty: Type) -> Option<Element> {
        let (code, width) = ty.code_and_width();
        Element::from_code(code, width)
    }

    const fn from_code(code: u8, width: u32) -> Option<Element> {
        match code {
            OPTION | LIST | ERROR | FORMATTED => None,
            _ => Some(Element { code, width }),
        }
    }

    /// The element's type.
    pub fn ty(self) -> Type {
        Type::from_code(self.code, self.width, None)
    }
}

/// The types that are identified by their code alone.
const KNOWN: [Type; 26] = [
    Type::Bool,
    Type::U8,
    Type::U16,
    Type::U32,
    Type::U64,
    Type::U128,
    Type::I8,
    Type::I16,
    Type::I32,
    Type::I64,
    Type::I128,
    Type::F32,
    Type::F64,
    Type::Char,
    Type::Str,
    Type::Bytes,
    Type::Ipv4,
    Type::Ipv6,
    Type::Ip,
    Type::Socket,
    Type::Duration,
    Type::Timestamp,
    Type::Uuid,
    Type::Level,
    Type::Error,
    Type::Formatted,
];
const FIXED_BYTES: u8 = 18;
const OPTION: u8 = 24;
const LIST: u8 = 25;
const ERROR: u8 = 40;
const FORMATTED: u8 = 41;

/// Bytes that name an element type: its code and width.
pub(crate) const ELEMENT_BYTES: usize = 5;

impl Type {
    const fn code_and_width(self) -> (u8, u32) {
        match self {
            Type::Bool => (1, 1),
            Type::U8 => (2, 1),
            Type::U16 => (3, 2),
            Type::U32 => (4, 4),
            Type::U64 => (5, 8),
            Type::U128 => (6, 16),
            Type::I8 => (7, 1),
            Type::I16 => (8, 2),
            Type::I32 => (9, 4),
            Type::I64 => (10, 8),
            Type::I128 => (11, 16),
            Type::F32 => (12, 4),
            Type::F64 => (13, 8),
            Type::Char => (14, 4),
            Type::Str => (16, 0),
            Type::Bytes => (17, 0),
            Type::FixedBytes(width) => (FIXED_BYTES, width),
            Type::Option(_) => (OPTION, 0),
            Type::List(_) => (LIST, 0),
            Type::Ipv4 => (32, 4),
            Type::Ipv6 => (33, 16),
            Type::Ip => (34, 17),
            Type::Socket => (35, 27),
            Type::Duration => (36, 12),
            Type::Timestamp => (37, 8),
            Type::Uuid => (38, 16),
            Type::Level => (39, 1),
            Type::Error => (ERROR, 0),
            Type::Formatted => (FORMATTED, 0),
            Type::Unknown(code, width) => (code, width),
        }
    }

    /// The type's code in a definition.
    pub const fn code(self) -> u8 {
        self.code_and_width().0
    }

    /// Bytes that a value takes; 0 if each carries its own length in the 4 bytes before it.
    #[inline]
    pub const fn width(self) -> u32 {
        self.code_and_width().1
    }

    /// The element type of an option or a list.
    pub const fn element(self) -> Option<Element> {
        match self {
            Type::Option(element) | Type::List(element) => Some(element),
            _ => None,
        }
    }

    /// Whether a type with this code and width names an element type.
    pub(crate) const fn has_element(code: u8, width: u32) -> bool {
        matches!(code, OPTION | LIST) && width == 0
    }

    /// Code and width of the element type, as they follow in a definition.
    pub(crate) const fn element_bytes(self) -> Option<[u8; ELEMENT_BYTES]> {
        match self.element() {
            Some(Element { code, width }) => {
                let [a, b, c, d] = width.to_le_bytes();
                Some([code, a, b, c, d])
            }
            None => None,
        }
    }

    /// Numbers that identify the type.
    pub(crate) const fn identity(self) -> [u32; 4] {
        let (code, width) = self.code_and_width();
        match self.element() {
            Some(of) => [code as u32, width, of.code as u32, of.width],
            None => [code as u32, width, 0, 0],
        }
    }

    /// The type with this code. `Unknown` for an unknown code, a known one of another width, and an option or list of
    /// an invalid element.
    pub(crate) fn from_code(code: u8, width: u32, element: Option<[u8; ELEMENT_BYTES]>) -> Type {
        if code == FIXED_BYTES && width > 0 {
            return Type::FixedBytes(width);
        }
        if Type::has_element(code, width)
            && let Some([of, a, b, c, d]) = element
            && let Some(element) = Element::from_code(of, u32::from_le_bytes([a, b, c, d]))
        {
            return if code == OPTION { Type::Option(element) } else { Type::List(element) };
        }
        let known = KNOWN.into_iter().find(|known| known.code_and_width() == (code, width));
        known.unwrap_or(Type::Unknown(code, width))
    }
}

/// A linked list of types: a constant that a generic function can name.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Types {
    pub(crate) first: Type,
    pub(crate) rest: Option<&'static Types>,
}

impl Types {
    /// The types, in order.
    pub(crate) fn iter(types: Option<&'static Types>) -> impl Iterator<Item = Type> {
        std::iter::successors(types, |types| types.rest).map(|types| types.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_pinned() {
        let codes = KNOWN.map(Type::code);
        let pinned =
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41];
        assert_eq!(codes, pinned);
        let widths = KNOWN.map(Type::width);
        assert_eq!(
            widths,
            [1, 1, 2, 4, 8, 16, 1, 2, 4, 8, 16, 4, 8, 4, 0, 0, 4, 16, 17, 27, 12, 8, 16, 1, 0, 0]
        );
        for ty in KNOWN {
            assert_eq!(Type::from_code(ty.code(), ty.width(), None), ty);
        }
        assert_eq!(Type::from_code(18, 7, None), Type::FixedBytes(7));
        assert_eq!(Type::from_code(5, 4, None), Type::Unknown(5, 4));
        assert_eq!(Type::from_code(200, 0, None), Type::Unknown(200, 0));
    }

    #[test]
    fn options_and_lists_name_their_element() {
        for of in KNOWN.into_iter().chain([Type::FixedBytes(7), Type::Unknown(99, 0)]) {
            let plain = !matches!(of, Type::Error | Type::Formatted);
            assert_eq!(Element::new(of).is_some(), plain, "{of:?}");
            let Some(element) = Element::new(of) else { continue };
            assert_eq!(element.ty(), of);
            for (ty, code) in [(Type::Option(element), 24), (Type::List(element), 25)] {
                assert_eq!((ty.code(), ty.width()), (code, 0));
                assert_eq!(Type::from_code(code, 0, ty.element_bytes()), ty);
                assert_eq!(Element::new(ty), None, "no nesting");
            }
        }
        assert_eq!(Type::List(Element::new(Type::U64).unwrap()).element_bytes(), Some([5, 8, 0, 0, 0]));
    }

    #[test]
    fn options_and_lists_of_invalid_elements_are_unknown() {
        for element in [None, Some([24, 0, 0, 0, 0]), Some([25, 0, 0, 0, 0]), Some([40, 0, 0, 0, 0])] {
            assert_eq!(Type::from_code(24, 0, element), Type::Unknown(24, 0));
            assert_eq!(Type::from_code(25, 0, element), Type::Unknown(25, 0));
        }
        assert_eq!(Type::from_code(24, 3, Some([5, 8, 0, 0, 0])), Type::Unknown(24, 3));
    }
}
