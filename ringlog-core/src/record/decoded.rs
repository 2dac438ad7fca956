//! Decoding: a record's bytes read against its definition.

use std::borrow::Cow;
use std::fmt;

use crate::record::definition::{Definition, Field};
use crate::record::level::Level;
use crate::record::template::Template;
use crate::record::types::Type;
use crate::record::value::{Cursor, Value};
use crate::shm::record_header::flag;

/// A definition, and its template if its text is one.
#[derive(Debug)]
pub(crate) struct ParsedDefinition {
    pub(crate) definition: Definition,
    pub(crate) template: Option<Template>,
    /// Whether some of its fields are attributes.
    has_attributes: bool,
}

impl ParsedDefinition {
    pub(crate) fn new(definition: Definition) -> ParsedDefinition {
        let template =
            definition.template.then(|| Template::parse(&definition.text, definition.fields.len()));
        let has_attributes = definition.fields.iter().any(|field| attribute_name(&field.name).is_some());
        ParsedDefinition { definition, template, has_attributes }
    }
}

/// A record on the reading side. Malformed bytes read as empty or end early; nothing here can fail.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The record's number among those of its lane's incarnation, from 0.
    pub sequence: u64,
    /// Level.
    pub level: Level,
    /// Dotted name of the logger.
    pub logger: &'a str,
    /// Source file, empty if unknown.
    pub file: &'a str,
    /// Line in it, 0 if unknown.
    pub line: u32,
    /// Module path, empty if unknown.
    pub module: &'a str,
    /// Function, empty if unknown.
    pub function: &'a str,
    /// Whether its text was cut because it was longer than the ring takes.
    pub cut: bool,
    message: Message<'a>,
    fields: &'a [Field],
    payload: &'a [u8],
    /// Whether fields without a name belong to the message or the level alone.
    nameless_hidden: bool,
    /// Whether key=values follow the fields.
    trailing: bool,
    /// Whether some of the definition's fields are attributes.
    has_attributes: bool,
}

/// The source of a message's text.
#[derive(Clone, Copy, Debug)]
enum Message<'a> {
    /// No text: a typed record.
    None,
    Text(&'a [u8]),
    Template(&'a Template),
}

impl<'a> Received<'a> {
    /// A record of the built-in definition. Its payload holds level, logger and place too.
    pub(crate) fn plain(sequence: u64, payload: &'a [u8], flags: u8) -> Received<'a> {
        let mut at = Cursor::new(payload);
        let level = at.u8().map_or(Level::INFO, Level::from_number);
        let logger = text(at.prefixed());
        let file = text(at.prefixed());
        let line = at.u32().unwrap_or(0);
        let (module, function) = (text(at.prefixed()), text(at.prefixed()));
        let message = at.prefixed();
        Received {
            sequence,
            level,
            logger,
            file,
            line,
            module,
            function,
            cut: flags & flag::CUT != 0,
            message: Message::Text(message.unwrap_or_default()),
            fields: &[],
            payload: at.rest(),
            nameless_hidden: false,
            trailing: flags & flag::TRAILING != 0 && message.is_some(),
            has_attributes: false,
        }
    }

    /// A record of a registered definition. Without the definition its payload cannot be decoded.
    pub(crate) fn defined(
        sequence: u64,
        known: Option<&'a ParsedDefinition>,
        payload: &'a [u8],
        flags: u8,
    ) -> Self {
        static UNDEFINED: Definition = Definition::new(Level::INFO, "");
        let by = known.map_or(&UNDEFINED, |known| &known.definition);
        let message = match known {
            None => Message::Text(b"(its definition is not in the ring)"),
            Some(ParsedDefinition { template: Some(template), .. }) => Message::Template(template),
            Some(_) if by.fields.is_empty() || !by.text.is_empty() => Message::Text(by.text.as_bytes()),
            Some(_) => Message::None,
        };
        Received {
            sequence,
            level: own_level(by, payload).unwrap_or(by.level),
            logger: &by.logger,
            file: &by.file,
            line: by.line,
            module: &by.module,
            function: &by.function,
            cut: flags & flag::CUT != 0,
            message,
            fields: &by.fields,
            payload,
            nameless_hidden: by.template || by.level_in_record,
            trailing: flags & flag::TRAILING != 0 && known.is_some(),
            has_attributes: known.is_some_and(|known| known.has_attributes),
        }
    }

    /// The text of the message, usually UTF-8. `None` for a typed record without a text. That of a log statement is
    /// formatted at each call.
    pub fn text(&self) -> Option<Cow<'a, [u8]>> {
        match self.message {
            Message::None => None,
            Message::Text(text) => Some(Cow::Borrowed(text)),
            Message::Template(template) => {
                let mut text = Vec::new();
                template.render(self.fields, self.payload, &mut text);
                Some(Cow::Owned(text))
            }
        }
    }

    /// As [`text`](Self::text), without an allocation for each record: a formatted text replaces the contents of
    /// `scratch`.
    #[inline]
    pub fn text_in<'b>(&self, scratch: &'b mut Vec<u8>) -> Option<&'b [u8]>
    where
        'a: 'b,
    {
        match self.message {
            Message::None => None,
            Message::Text(text) => Some(text),
            Message::Template(template) => {
                scratch.clear();
                template.render(self.fields, self.payload, scratch);
                Some(scratch)
            }
        }
    }

    /// Whether this is a typed record: its fields are its contents, not an addition to its text.
    pub fn is_typed(&self) -> bool {
        !self.fields.is_empty() && !matches!(self.message, Message::Template(_))
    }

    /// Names and values of the fields: those of the definition in its order, then the record's own key=values.
    /// Without the nameless fields, which belong to the message alone, and without the
    /// [attributes](Self::attributes). Ends early where the payload does.
    #[inline]
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        self.fields_where(|_| true)
    }

    /// The fields that the text does not show.
    #[inline]
    pub fn extra_fields(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        let template = match self.message {
            Message::Template(template) => Some(template),
            _ => None,
        };
        self.fields_where(move |field| template.is_none_or(|template| !template.shows(field)))
    }

    /// What the producer knows of the record in place of the ring, by the names of FORMAT.md: its own time of
    /// creation, its own names of threads. Only records of other logging systems have attributes.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        let mut at = Cursor::new(self.payload);
        let fields: &'a [Field] = if self.has_attributes { self.fields } else { &[] };
        let mut fields = fields.iter();
        std::iter::from_fn(move || {
            for Field { name, ty } in fields.by_ref() {
                match attribute_name(name) {
                    Some(name) => return Some((name, at.value(*ty)?)),
                    None => at.skip(*ty)?,
                }
            }
            None
        })
    }

    /// The fields for whose number `wanted` is true, without the nameless ones of a message and the attributes.
    #[inline]
    fn fields_where(self, wanted: impl Fn(usize) -> bool) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let mut at = Cursor::new(self.payload);
        let mut defined = self.fields.iter().enumerate();
        let Received { trailing, nameless_hidden, has_attributes, .. } = self;
        std::iter::from_fn(move || {
            for (i, Field { name, ty }) in defined.by_ref() {
                let is_attribute = has_attributes && attribute_name(name).is_some();
                if wanted(i) && !(nameless_hidden && name.is_empty()) && !is_attribute {
                    return Some((&**name, at.value(*ty)?));
                }
                at.skip(*ty)?;
            }
            if !trailing {
                return None;
            }
            let (name, ty) = (text(Some(at.prefixed()?)), at.ty()?);
            Some((name, at.value(ty)?))
        })
    }
}

/// The beginning of the names of fields that are attributes of the record.
const ATTRIBUTE: &str = "ringlog.";

/// The attribute that a field of this name is, if it is one.
fn attribute_name(field: &str) -> Option<&str> {
    field.strip_prefix(ATTRIBUTE)
}

/// The level that the record carries as its first field, if the definition has `level_in_record`.
fn own_level(by: &Definition, payload: &[u8]) -> Option<Level> {
    let carries = by.level_in_record && by.fields.first()?.ty == Type::Level;
    carries.then(|| payload.first().copied().map(Level::from_number))?
}

/// Text that should be UTF-8; a question mark otherwise.
fn text(bytes: Option<&[u8]>) -> &str {
    str::from_utf8(bytes.unwrap_or_default()).unwrap_or("?")
}

impl fmt::Display for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(text) = self.text() {
            f.write_str(&String::from_utf8_lossy(&text))?;
            separator = " ";
        }
        for (name, value) in self.extra_fields() {
            write!(f, "{separator}{name}={value}")?;
            separator = " ";
        }
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_plain_record_reads_as_empty() {
        let record = Received::plain(3, &[20, 255, 255, 255, 255], flag::TRAILING);
        assert_eq!((record.logger, record.line, record.text().as_deref()), ("", 0, Some(&b""[..])));
        assert_eq!(record.fields().count(), 0);
    }

    /// `order {0} filled at {2:.1$}` with a nameless precision, a field besides and the record's own level.
    fn statement() -> ParsedDefinition {
        ParsedDefinition::new(Definition {
            text: "order {1} filled at {3:.2$}".into(),
            template: true,
            level_in_record: true,
            fields: vec![
                Field::new("", Type::Level),
                Field::new("order", Type::U16),
                Field::new("", Type::U64),
                Field::new("price", Type::F64),
                Field::new("venue", Type::Str),
            ]
            .into(),
            ..Definition::new(Level::INFO, "orders")
        })
    }

    fn payload() -> Vec<u8> {
        [&[40, 7, 0, 2, 0, 0, 0, 0, 0, 0, 0][..], &9.5_f64.to_le_bytes(), &[4, 0, 0, 0], b"XETR"].concat()
    }

    #[test]
    fn a_statement_has_message_fields_and_level() {
        let (statement, payload) = (statement(), payload());
        let record = Received::defined(0, Some(&statement), &payload, 0);
        assert_eq!(record.level, Level::ERROR);
        let text = b"order 7 filled at 9.50";
        assert_eq!(record.text().as_deref(), Some(&text[..]));
        let mut scratch = b"the one before".to_vec();
        assert_eq!(record.text_in(&mut scratch), Some(&text[..]));
        let venue = ("venue", Value::Text(b"XETR"));
        let fields: Vec<_> = record.fields().collect();
        assert_eq!(fields, [("order", Value::U64(7)), ("price", Value::F64(9.5)), venue]);
        assert_eq!(record.extra_fields().collect::<Vec<_>>(), [venue]);
        assert_eq!(record.to_string(), "order 7 filled at 9.50 venue=XETR");
        assert!(!record.is_typed());
    }

    #[test]
    fn key_values_of_a_record_follow_its_fields() {
        // A text, a list of 16-bit integers and a type of a later version.
        let added = [
            &[4, 0, 0, 0][..],
            b"user",
            &[16, 0, 0, 0, 0, 3, 0, 0, 0],
            b"eve",
            &[5, 0, 0, 0],
            b"ports",
            &[25, 0, 0, 0, 0, 3, 2, 0, 0, 0, 4, 0, 0, 0, 80, 0, 187, 1],
            &[5, 0, 0, 0],
            b"later",
            &[99, 2, 0, 0, 0, 7, 8],
        ]
        .concat();
        let ports = [Value::U64(80), Value::U64(443)];
        let later = Value::Unknown(&[7, 8]);
        let ports = Value::List(ports[..].into());
        let expected = [("user", Value::Text(b"eve")), ("ports", ports), ("later", later)];
        let (statement, mut payload) = (statement(), payload());
        payload.extend(&added);
        let added_to = |flags| Received::defined(0, Some(&statement), &payload, flags);
        let fields: Vec<_> = added_to(flag::TRAILING).fields().skip(3).collect();
        assert_eq!(fields, expected);
        assert_eq!(added_to(flag::TRAILING).extra_fields().skip(1).collect::<Vec<_>>(), expected);
        assert_eq!(added_to(0).fields().count(), 3);
        let plain = [&[20][..], &[0; 20], &[2, 0, 0, 0], b"hi", &added].concat();
        let record = Received::plain(0, &plain, flag::TRAILING);
        assert_eq!(record.fields().collect::<Vec<_>>(), expected);
        assert_eq!(record.to_string(), "hi user=eve ports=[80, 443] later=<2 bytes of unknown type>");
        assert_eq!(Received::plain(0, &plain, 0).fields().count(), 0);
        // Whatever its length, it is read up to where it makes sense.
        for len in 0..payload.len() {
            let record = Received::defined(0, Some(&statement), &payload[..len], flag::TRAILING);
            let whole = added_to(flag::TRAILING);
            assert!(record.fields().zip(whole.fields()).all(|(cut, whole)| cut == whole), "{len}");
            assert!(record.fields().count() < 6 && record.text().is_some());
        }
    }

    #[test]
    fn attributes_are_no_fields() {
        let definition = ParsedDefinition::new(Definition {
            text: "{0}".into(),
            template: true,
            fields: vec![
                Field::new("", Type::Str),
                Field::new("ringlog.created", Type::F64),
                Field::new("user", Type::U8),
                Field::new("ringlog.thread", Type::U64),
            ]
            .into(),
            ..Definition::new(Level::INFO, "orders")
        });
        let payload = [&[2, 0, 0, 0][..], b"hi", &1.5_f64.to_le_bytes(), &[7], &9_u64.to_le_bytes()].concat();
        let record = Received::defined(0, Some(&definition), &payload, 0);
        assert_eq!(record.to_string(), "hi user=7");
        assert_eq!(record.fields().collect::<Vec<_>>(), [("user", Value::U64(7))]);
        let attributes: Vec<_> = record.attributes().collect();
        assert_eq!(attributes, [("created", Value::F64(1.5)), ("thread", Value::U64(9))]);
        let cut = Received::defined(0, Some(&definition), &payload[..payload.len() - 1], 0);
        assert_eq!(cut.attributes().count(), 1);
        let added = [&payload[..], &[12, 0, 0, 0], b"ringlog.msecs", &[2, 0, 0, 0, 0, 1]].concat();
        let with_own = Received::defined(0, Some(&definition), &added, flag::TRAILING);
        assert_eq!(with_own.attributes().count(), 2, "a key=value is no attribute");
    }

    #[test]
    fn a_missing_level_is_the_definitions() {
        let statement = statement();
        assert_eq!(Received::defined(0, Some(&statement), &[], 0).level, Level::INFO);
        let definition = Definition {
            fields: vec![Field::new("", Type::U8)].into(),
            level_in_record: true,
            ..Definition::new(Level::WARN, "")
        };
        assert_eq!(
            Received::defined(0, Some(&ParsedDefinition::new(definition)), &[50], 0).level,
            Level::WARN
        );
    }
}
