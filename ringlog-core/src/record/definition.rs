//! Definitions: the description of the records of one site, by which any reader decodes them.

use std::borrow::Cow;
use std::fmt;

use crate::record::encode::Encoder;
use crate::record::level::Level;
use crate::record::types::{ELEMENT_BYTES, Type, Types};
use crate::record::value::Cursor;

/// Flags of a definition.
const TEMPLATE: u8 = 1;
const LEVEL_IN_RECORD: u8 = 2;

/// One field of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The field's name, the key in `key=value`. Empty if the field belongs to the message alone.
    pub name: Cow<'static, str>,
    /// The field's type.
    pub ty: Type,
}

impl Field {
    /// A field with a constant name.
    pub const fn new(name: &'static str, ty: Type) -> Field {
        Field { name: Cow::Borrowed(name), ty }
    }
}

/// The common properties of the records of one site. Written into the ring once for each process, so records carry
/// only their values.
///
/// ```
/// use ringlog::Level;
/// use ringlog::schema::{Definition, Field, Type};
/// let fill = Definition {
///     fields: vec![Field::new("order", Type::U64), Field::new("price", Type::F64)].into(),
///     ..Definition::new(Level::INFO, "orders")
/// };
/// assert_eq!(fill.fields[1].name, "price");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Level of every record of the site.
    pub level: Level,
    /// Dotted name of the logger. If empty, the name is `module` with dots.
    pub logger: Cow<'static, str>,
    /// Source file, empty if unknown.
    pub file: Cow<'static, str>,
    /// Line in it, 0 if unknown.
    pub line: u32,
    /// Module path, empty if unknown.
    pub module: Cow<'static, str>,
    /// Function, empty if unknown.
    pub function: Cow<'static, str>,
    /// Text of the message; empty for records that have fields only.
    pub text: Cow<'static, str>,
    /// Whether the text is a template, in which `{0}`, `{1:>8.2}` and so on stand for the fields by number, formatted
    /// as by `format!`; `{{` and `}}` are braces. Widths and precisions may be fields too: `{0:1$}`.
    pub template: bool,
    /// Whether the first field is the record's level, in place of `level`.
    pub level_in_record: bool,
    /// The fields in the order in which records carry them.
    pub fields: Cow<'static, [Field]>,
}

impl Definition {
    /// A definition without fields, text or place.
    pub const fn new(level: Level, logger: &'static str) -> Definition {
        const NONE: Cow<'static, str> = Cow::Borrowed("");
        Definition {
            level,
            logger: Cow::Borrowed(logger),
            file: NONE,
            line: 0,
            module: NONE,
            function: NONE,
            text: NONE,
            template: false,
            level_in_record: false,
            fields: Cow::Borrowed(&[]),
        }
    }
}

/// A module's path as the name of a logger: `.` for each `::`. Without an allocation, because a log call may write it.
struct LoggerName<'a>(&'a str);

impl LoggerName<'_> {
    fn pieces(&self) -> impl Iterator<Item = &str> {
        self.0.split("::")
    }

    fn len(&self) -> usize {
        self.pieces().map(|piece| piece.len() + 1).sum::<usize>() - 1
    }
}

impl fmt::Display for LoggerName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, piece) in self.pieces().enumerate() {
            f.write_str(if at > 0 { "." } else { "" })?;
            f.write_str(piece)?;
        }
        Ok(())
    }
}

impl Definition {
    /// The name that levels are set for: the logger's, or the module's path, in which `::` counts as a dot.
    pub(crate) fn logger_or_module(&self) -> &str {
        if self.logger.is_empty() { &self.module } else { &self.logger }
    }

    /// The name of the logger. Made on demand: as a constant in each statement it took a third of the time that
    /// statements take to compile.
    pub(crate) fn logger_name(&self) -> Cow<'_, str> {
        match &*self.logger {
            "" => Cow::Owned(self.module.replace("::", ".")),
            name => Cow::Borrowed(name),
        }
    }

    /// Names and types of the fields: the types from `types` if given, else the definition's.
    pub(crate) fn fields_of(&self, types: Option<&'static Types>) -> impl Iterator<Item = (&str, Type)> {
        let mut inferred = Types::iter(types);
        self.fields.iter().map(move |field| (&*field.name, inferred.next().unwrap_or(field.ty)))
    }

    /// The exact number of bytes that `encode` writes.
    pub(crate) fn payload_bytes(&self, types: Option<&'static Types>) -> usize {
        let text = |s: &str| 4 + s.len();
        let further = |ty: Type| ty.element().map_or(0, |_| ELEMENT_BYTES);
        let fields: usize =
            self.fields_of(types).map(|(name, ty)| text(name) + 1 + 4 + 4 + further(ty)).sum();
        let texts = [&self.file, &self.module, &self.function, &self.text];
        let logger = match &*self.logger {
            "" => LoggerName(&self.module).len(),
            name => name.len(),
        };
        8 + 4 + logger + texts.iter().map(|s| text(s)).sum::<usize>() + fields
    }

    /// Writes the definition as FORMAT.md says.
    pub(crate) fn encode(&self, types: Option<&'static Types>, out: &mut Encoder<'_>) {
        out.put_u8(self.level.number());
        let template = if self.template { TEMPLATE } else { 0 };
        let level_in_record = if self.level_in_record { LEVEL_IN_RECORD } else { 0 };
        out.put_u8(template | level_in_record);
        out.put_u16(self.fields.len() as u16);
        out.put_u32(self.line);
        match &*self.logger {
            "" => out.put_formatted(&LoggerName(&self.module)),
            name => out.put_bytes(name.as_bytes()),
        }
        for text in [&self.file, &self.module, &self.function, &self.text] {
            out.put_bytes(text.as_bytes());
        }
        for (name, ty) in self.fields_of(types) {
            out.put_bytes(name.as_bytes());
            out.put_u8(ty.code());
            out.put_u32(ty.width());
            out.put_bytes(ty.element_bytes().as_ref().map_or(&[], |bytes| bytes));
        }
    }

    /// Decodes a definition from untrusted bytes; `None` if they are malformed.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Definition> {
        let mut at = Cursor::new(bytes);
        let level = Level::from_number(at.u8()?);
        let flags = at.u8()?;
        let field_count = at.u16()?;
        let line = at.u32()?;
        let mut text = || Some(Cow::Owned(String::from_utf8_lossy(at.prefixed()?).into_owned()));
        let (logger, file, module, function, text) = (text()?, text()?, text()?, text()?, text()?);
        let mut fields = Vec::new();
        for _ in 0..field_count {
            let name = String::from_utf8_lossy(at.prefixed()?).into_owned();
            let (code, width, further) = (at.u8()?, at.u32()?, at.prefixed()?);
            let ty = Type::from_code(code, width, further.try_into().ok());
            fields.push(Field { name: Cow::Owned(name), ty });
        }
        Some(Definition {
            level,
            logger,
            file,
            line,
            module,
            function,
            text,
            template: flags & TEMPLATE != 0,
            level_in_record: flags & LEVEL_IN_RECORD != 0,
            fields: Cow::Owned(fields),
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::record::types::Element;
    use crate::shm::sync::{AtomicU64, Ordering};

    fn example() -> Definition {
        let port = Type::Option(Element::new(Type::U16).unwrap());
        Definition {
            file: "src/db.rs".into(),
            line: 42,
            fields: vec![
                Field::new("order", Type::U64),
                Field::new("venue", Type::FixedBytes(8)),
                Field::new("port", port),
            ]
            .into(),
            ..Definition::new(Level::WARN, "db.pool")
        }
    }

    fn encoded(definition: &Definition) -> Vec<u8> {
        let bytes = definition.payload_bytes(None);
        let words: Vec<AtomicU64> = (0..bytes.div_ceil(8)).map(|_| AtomicU64::new(0)).collect();
        #[allow(unsafe_code)]
        // SAFETY: `words` covers the window and outlives the encoder.
        let mut out = unsafe { Encoder::new(words.as_ptr(), 0, words.len()) };
        definition.encode(None, &mut out);
        assert_eq!(out.finish(), definition.payload_bytes(None));
        let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.load(Ordering::Relaxed).to_le_bytes()).collect();
        bytes.truncate(definition.payload_bytes(None));
        bytes
    }

    #[test]
    fn a_definition_reads_back() {
        for flags in 0..4 {
            let (template, level_in_record) = (flags & 1 != 0, flags & 2 != 0);
            let definition = Definition { template, level_in_record, ..example() };
            let bytes = encoded(&definition);
            assert_eq!(bytes[1], flags);
            assert_eq!(Definition::decode(&bytes), Some(definition));
        }
    }

    #[test]
    fn a_logger_without_a_name_has_the_modules() {
        for (logger, module, name) in [
            ("", "app", "app"),
            ("", "app::db::pool", "app.db.pool"),
            ("", "a:b", "a:b"),
            ("", "", ""),
            ("db::x", "app::db", "db::x"),
        ] {
            let definition = Definition { module: module.into(), ..Definition::new(Level::INFO, logger) };
            assert_eq!(definition.logger_name(), name);
            let read = Definition::decode(&encoded(&definition)).unwrap();
            assert_eq!((&*read.logger, &*read.module), (name, module));
        }
    }

    #[test]
    fn a_malformed_element_type_can_be_skipped() {
        let ports = Type::List(Element::new(Type::U16).unwrap());
        let definition = Definition { fields: vec![Field::new("ports", ports)].into(), ..example() };
        let mut bytes = encoded(&definition);
        assert_eq!(bytes[bytes.len() - 14..], [25, 0, 0, 0, 0, 5, 0, 0, 0, 3, 2, 0, 0, 0]);
        let at = bytes.len() - 5;
        let of_unknown = Type::List(Element::new(Type::Unknown(99, 2)).unwrap());
        for (code, expected) in [(24, Type::Unknown(25, 0)), (99, of_unknown)] {
            bytes[at] = code;
            assert_eq!(Definition::decode(&bytes).unwrap().fields[0].ty, expected);
        }
    }

    #[test]
    fn a_cut_definition_is_refused_at_every_length() {
        let bytes = encoded(&example());
        for len in 0..bytes.len() {
            assert_eq!(Definition::decode(&bytes[..len]), None, "{len}");
        }
    }
}
