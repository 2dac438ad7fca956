//! Templates: the text of a message with placeholders for fields, formatted by the reader.
//!
//! The message equals that of `format!` in the producer. Definition and payload are untrusted: the template may be any
//! text, and the payload may be shorter than the definition says.

mod argument;
mod parse;
mod write;

use std::fmt::{self, Write as _};

use crate::record::definition::Field;
use crate::record::number;
use crate::record::types::Type;
use crate::record::value::{Cursor, Value};

use argument::{Argument, Shown};
use parse::{Count, Placeholder, Spec, Token};
use write::{How, Sink};

/// A message may be this much longer than sixteen times its payload. Only a template with excessive widths, precisions
/// or repetitions reaches that; its message ends there with [`CUT`].
const SLACK_BYTES: usize = 1 << 20;
const CUT: &str = " [cut: a message has an end]";

/// The bound of widths and precisions: that of `format!`, which panics above it.
const COUNT_MAX: u64 = u16::MAX as u64;

/// The number of fields whose places are kept without an allocation.
const FEW: usize = 32;

/// A template, parsed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    /// The texts between the placeholders, joined.
    text: String,
    pieces: Vec<Piece>,
    /// For each field up to the last one that the message needs, whether the message shows it.
    shown: Vec<bool>,
}

/// A placeholder, and the end of the text before it.
#[derive(Clone, Debug)]
struct Piece {
    /// Where in [`Template::text`] the placeholder stands.
    at: usize,
    way: Way,
    placeholder: Placeholder,
}

/// How a placeholder is formatted. Most have no specification.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// `{}`
    Plain,
    /// `{:.2}`
    Fixed(u16),
    /// By any other specification.
    General,
}

impl Way {
    fn of(spec: &Spec) -> Way {
        match spec.precision {
            _ if *spec == Spec::PLAIN => Way::Plain,
            Some(Count::Is(places)) if *spec == (Spec { precision: spec.precision, ..Spec::PLAIN }) => {
                Way::Fixed(places)
            }
            _ => Way::General,
        }
    }
}

impl Template {
    /// Parses a template over this number of fields. Malformed placeholders stay as text, and one of a field that does
    /// not exist becomes `{7?}`.
    pub(crate) fn parse(mut template: &str, fields: usize) -> Template {
        let mut parsed = Template::default();
        while let Some((token, rest)) = parse::next(template) {
            template = rest;
            match token {
                Token::Text(text) => parsed.text += text,
                Token::Placeholder(placeholder) if placeholder.field as usize >= fields => {
                    parsed.text += &format!("{{{}?}}", placeholder.field);
                }
                Token::Placeholder(placeholder) => parsed.push(placeholder, fields),
            }
        }
        parsed
    }

    fn push(&mut self, placeholder: Placeholder, fields: usize) {
        let field = placeholder.field as usize;
        let counts = [placeholder.spec.width, placeholder.spec.precision].into_iter().flatten();
        let counts = counts.filter_map(|count| match count {
            Count::Field(field) => Some(field as usize).filter(|field| *field < fields),
            Count::Is(_) => None,
        });
        let last = counts.fold(field, usize::max);
        if self.shown.len() <= last {
            self.shown.resize(last + 1, false);
        }
        self.shown[field] = true;
        self.pieces.push(Piece { at: self.text.len(), way: Way::of(&placeholder.spec), placeholder });
    }

    /// Whether the message shows this field.
    pub(crate) fn shows(&self, field: usize) -> bool {
        self.shown.get(field).is_some_and(|shown| *shown)
    }

    /// Appends the message of a record with these fields.
    pub(crate) fn render(&self, fields: &[Field], payload: &[u8], out: &mut Vec<u8>) {
        let most =
            self.text.len().saturating_add(payload.len().saturating_mul(16)).saturating_add(SLACK_BYTES);
        let limit = out.len().saturating_add(most);
        let fields = &fields[..fields.len().min(self.shown.len())];
        let mut few = [0; FEW];
        let mut many = Vec::new();
        let places = match few.get_mut(..fields.len()) {
            Some(few) => few,
            None => {
                many.resize(fields.len(), 0);
                &mut many[..]
            }
        };
        let arguments = Arguments::locate(fields, payload, places);
        let mut sink = Sink::new(out, limit);
        if self.write(&arguments, &mut sink).is_err() {
            out.extend_from_slice(CUT.as_bytes());
        }
    }

    fn write(&self, arguments: &Arguments<'_>, sink: &mut Sink<'_>) -> fmt::Result {
        let mut written = 0;
        for Piece { at, way, placeholder } in &self.pieces {
            sink.out.extend_from_slice(&self.text.as_bytes()[written..*at]);
            written = *at;
            match arguments.get(placeholder.field) {
                Some((ty, value)) => arguments.write(ty, value, *way, &placeholder.spec, sink)?,
                None => write!(sink, "{{{}?}}", placeholder.field)?,
            }
            if sink.out.len() > sink.limit {
                return Err(fmt::Error);
            }
        }
        sink.out.extend_from_slice(&self.text.as_bytes()[written..]);
        Ok(())
    }
}

/// The fields of one record.
struct Arguments<'a> {
    fields: &'a [Field],
    payload: &'a [u8],
    /// The offset of each field in the payload; fewer where the payload ends early.
    places: &'a [u32],
}

impl<'a> Arguments<'a> {
    /// Finds the fields in the payload. `places` has room for each field.
    fn locate(fields: &'a [Field], payload: &'a [u8], places: &'a mut [u32]) -> Arguments<'a> {
        let mut at = Cursor::new(payload);
        let mut located = 0;
        for (field, place) in fields.iter().zip(&mut *places) {
            *place = (payload.len() - at.rest().len()) as u32;
            if at.skip(field.ty).is_none() {
                break;
            }
            located += 1;
        }
        Arguments { fields, payload, places: &places[..located] }
    }

    #[inline]
    fn get(&self, field: u32) -> Option<(Type, Value<'a>)> {
        let place = *self.places.get(field as usize)?;
        let ty = self.fields.get(field as usize)?.ty;
        let value = Cursor::new(self.payload.get(place as usize..)?).value(ty)?;
        Some((ty, value))
    }

    /// The value of a width or precision; `None` without one, or where it is a field that is not a number.
    fn count(&self, count: Option<Count>) -> Option<usize> {
        match count? {
            Count::Is(count) => Some(count.into()),
            Count::Field(field) => match self.get(field)? {
                (_, Value::U64(count)) => Some(count.min(COUNT_MAX) as usize),
                _ => None,
            },
        }
    }

    #[inline]
    fn write(&self, ty: Type, value: Value<'_>, way: Way, spec: &Spec, sink: &mut Sink<'_>) -> fmt::Result {
        match (way, value) {
            (
                Way::Plain,
                Value::U64(_)
                | Value::I64(_)
                | Value::F64(_)
                | Value::F32(_)
                | Value::Bool(_)
                | Value::Text(_),
            ) => value.append_to(sink.out),
            (Way::Fixed(places), Value::F64(v)) if number::fixed(v, places, sink.out).is_some() => {}
            (Way::Fixed(places), Value::F32(v)) if number::fixed(v.into(), places, sink.out).is_some() => {}
            // The producer has formatted it by the specification.
            (_, Value::Text(_)) if ty == Type::Formatted => value.append_to(sink.out),
            (_, Value::Error(_)) => value.append_to(sink.out),
            _ => return self.write_by_spec(ty, value, spec, sink),
        }
        Ok(())
    }

    #[inline(never)]
    fn write_by_spec(&self, ty: Type, value: Value<'_>, spec: &Spec, sink: &mut Sink<'_>) -> fmt::Result {
        let width = self.count(spec.width).unwrap_or(0);
        let how = How { spec, width, precision: self.count(spec.precision) };
        write::write(sink, &Shown { argument: Argument::new(ty, value), style: spec.style }, &how)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
