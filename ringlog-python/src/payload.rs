//! The payload of a record, in the making: the values of its fields one after the other, as FORMAT.md says.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString};
use ringlog::schema::{Element, Type};

use crate::text::Utf8;

/// The type of a field that has no value here.
pub(crate) const NOTHING: Type = match Element::new(Type::Bool) {
    Some(element) => Type::Option(element),
    None => Type::Bool,
};

/// Encoded values.
#[derive(Default)]
pub(crate) struct Payload {
    bytes: Vec<u8>,
    /// Where the texts begin, behind their lengths.
    texts: Vec<usize>,
}

impl Payload {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Empties it, for another record.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.texts.clear();
    }

    pub fn put_signed(&mut self, number: i64) -> Type {
        self.bytes.extend_from_slice(&number.to_le_bytes());
        Type::I64
    }

    pub fn put_float(&mut self, number: f64) -> Type {
        self.bytes.extend_from_slice(&number.to_le_bytes());
        Type::F64
    }

    pub fn put_text(&mut self, text: &[u8]) -> Type {
        self.put_prefixed(text);
        Type::Str
    }

    pub fn put_nothing(&mut self) -> Type {
        self.bytes.extend_from_slice(&0_u32.to_le_bytes());
        NOTHING
    }

    /// Lines that follow the message, as a traceback does.
    pub fn put_lines(&mut self, text: &[u8]) -> Type {
        self.put_prefixed(text);
        Type::Error
    }

    fn put_prefixed(&mut self, bytes: &[u8]) {
        // Longer ones are longer than any ring takes.
        let bytes = &bytes[..bytes.len().min(u32::MAX as usize)];
        self.bytes.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.texts.push(self.bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Puts a value of Python. One that has no type here is its `str()`.
    ///
    /// # Errors
    /// What that raises.
    pub fn put(&mut self, value: &Bound<'_, PyAny>) -> PyResult<Type> {
        if let Ok(text) = value.cast_exact::<PyString>() {
            return Ok(match text.to_str() {
                Ok(text) => self.put_text(text.as_bytes()),
                Err(_) => self.put_text(Utf8::new(text.clone())?.bytes()),
            });
        }
        if let Ok(number) = value.cast_exact::<PyFloat>() {
            return Ok(self.put_float(number.value()));
        }
        if value.is_none() {
            return Ok(self.put_nothing());
        }
        if value.is_exact_instance_of::<PyInt>() {
            if let Ok(number) = value.extract::<i64>() {
                return Ok(self.put_signed(number));
            }
            if let Ok(number) = value.extract::<u64>() {
                self.bytes.extend_from_slice(&number.to_le_bytes());
                return Ok(Type::U64);
            }
        }
        if let Ok(truth) = value.cast_exact::<PyBool>() {
            self.bytes.push(truth.is_true().into());
            return Ok(Type::Bool);
        }
        if let Ok(bytes) = value.cast_exact::<PyBytes>() {
            self.put_prefixed(bytes.as_bytes());
            return Ok(Type::Bytes);
        }
        Ok(self.put_text(Utf8::of(value)?.bytes()))
    }

    /// Shortens the texts from the first on, between characters, until the payload is no longer than `limit`. False if
    /// it was not.
    pub fn cut(&mut self, limit: usize) -> bool {
        let is_longer = self.bytes.len() > limit;
        for at in 0..self.texts.len() {
            let excess = self.bytes.len().saturating_sub(limit);
            if excess == 0 {
                break;
            }
            let start = self.texts[at];
            let end = self.texts.get(at + 1).map_or(self.bytes.len(), |next| next - 4);
            self.cut_text(at, start, end, excess);
        }
        is_longer
    }

    /// Takes so many bytes and a few more from the text at `start`. What follows it up to `end` are other values.
    fn cut_text(&mut self, number: usize, start: usize, end: usize, excess: usize) {
        let length = match self.bytes[start - 4..start].try_into() {
            Ok(length) => (u32::from_le_bytes(length) as usize).min(end - start),
            Err(_) => return,
        };
        let mut keep = length.saturating_sub(excess);
        while keep > 0 && self.bytes[start + keep] & 0xc0 == 0x80 {
            keep -= 1;
        }
        self.bytes[start - 4..start].copy_from_slice(&(keep as u32).to_le_bytes());
        self.bytes.drain(start + keep..start + length);
        self.texts[number + 1..].iter_mut().for_each(|later| *later -= length - keep);
    }
}

/// The types that a payload has. The number of each, from 1, is its code.
const TYPES: [Type; 8] =
    [Type::F64, Type::I64, Type::U64, Type::Bool, Type::Str, Type::Bytes, NOTHING, Type::Error];

/// The code of a type, from 1 to 15.
pub(crate) fn code(ty: Type) -> u64 {
    TYPES.iter().position(|known| *known == ty).map_or(0, |at| at as u64 + 1)
}

/// The type with this code; `None` for 0.
pub(crate) fn of_code(code: u64) -> Option<Type> {
    TYPES.get((code as usize).checked_sub(1)?).copied()
}
