//! Python's `%` formatting, put off: the arguments travel as values, and the format becomes a template in the syntax
//! of the ring.
//!
//! Put off are exact `int` (of 64 bits), `float`, `str`, `bool` and `None` where both syntaxes give the same text.
//! Everything else is formatted at the call, by Python itself.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};
use ringlog::schema::Type;

use crate::payload::{self, Payload};

/// How many arguments are put off at most.
pub(crate) const ARGUMENTS_MAX: usize = 8;
/// The widest field and the longest fraction that are put off.
const WIDTH_MAX: u16 = 999;

/// A `%` conversion. Of flags, width and precision only what both syntaxes have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Conversion {
    is_left: bool,
    has_sign: bool,
    has_prefix: bool,
    has_zeros: bool,
    letter: u8,
    width: u16,
    precision: Option<u16>,
}

/// A part of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Value(Conversion),
}

/// The parts of a format; an item is `None` from the first conversion on that is not put off.
struct Parts<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Option<Part<'a>>;

    fn next(&mut self) -> Option<Option<Part<'a>>> {
        let bytes = self.rest.as_bytes();
        match bytes {
            [] => None,
            [b'%', b'%', ..] => {
                let percent = &self.rest[..1];
                self.rest = &self.rest[2..];
                Some(Some(Part::Text(percent)))
            }
            [b'%', spec @ ..] => {
                let parsed = Conversion::parse(spec);
                let length = parsed.map_or(bytes.len(), |(_, length)| 1 + length);
                self.rest = self.rest.get(length..).unwrap_or("");
                Some(parsed.map(|(conversion, _)| Part::Value(conversion)))
            }
            _ => {
                let end = bytes.iter().position(|byte| *byte == b'%').unwrap_or(bytes.len());
                let (text, rest) = self.rest.split_at(end);
                self.rest = rest;
                Some(Some(Part::Text(text)))
            }
        }
    }
}

impl Conversion {
    /// The conversion behind a `%`, and its length.
    fn parse(spec: &[u8]) -> Option<(Conversion, usize)> {
        let mut conversion = Conversion::default();
        let mut at = 0;
        loop {
            match spec.get(at)? {
                b'-' => conversion.is_left = true,
                b'+' => conversion.has_sign = true,
                b'#' => conversion.has_prefix = true,
                b'0' => conversion.has_zeros = true,
                _ => break,
            }
            at += 1;
        }
        conversion.width = number(spec, &mut at)?;
        if spec.get(at) == Some(&b'.') {
            at += 1;
            conversion.precision = Some(number(spec, &mut at)?);
        }
        conversion.letter = match spec.get(at)? {
            b'i' => b'd',
            letter => *letter,
        };
        conversion.is_put_off().then_some((conversion, at + 1))
    }

    /// Whether the ring's templates have it.
    fn is_put_off(&self) -> bool {
        let is_plain = !self.has_sign && !self.has_prefix && !self.has_zeros;
        // Zeros on the right are none in Python, and would be some there.
        let has_order = !(self.is_left && self.has_zeros);
        match self.letter {
            b's' => is_plain,
            b'd' => self.precision.is_none() && !self.has_prefix && has_order,
            b'x' | b'o' => self.precision.is_none() && !self.has_sign && has_order,
            b'X' => self.precision.is_none() && !self.has_sign && !self.has_prefix && has_order,
            b'f' | b'F' => !self.has_prefix && has_order,
            _ => false,
        }
    }

    /// The type as which the value travels; `None` if it is not put off. Runs no Python code.
    fn accepts(&self, value: &Bound<'_, PyAny>) -> Option<Type> {
        if self.letter == b's' {
            let is_float = value.is_exact_instance_of::<PyFloat>();
            let is_number = value.is_exact_instance_of::<PyInt>();
            return match () {
                // A precision cuts the text of a number.
                () if self.precision.is_some() => is_text(value).then_some(Type::Str),
                () if is_number => value.extract::<i64>().ok().map(|_| Type::I64),
                () if is_float => value.extract::<f64>().ok().map(|number| {
                    let size = number.abs();
                    let is_alike = size == 0.0 || (1e-4..1e16).contains(&size);
                    if is_alike { Type::F64 } else { Type::Str }
                }),
                () if value.is_exact_instance_of::<PyBool>() || value.is_none() => Some(Type::Str),
                () => is_text(value).then_some(Type::Str),
            };
        }
        let is_fraction = matches!(self.letter, b'f' | b'F');
        if is_fraction && let Ok(number) = value.cast_exact::<PyFloat>() {
            return number.value().is_finite().then_some(Type::F64);
        }
        let is_bool = value.is_exact_instance_of::<PyBool>() && self.letter == b'd';
        if !is_bool && !value.is_exact_instance_of::<PyInt>() {
            return None;
        }
        let number = value.extract::<i64>().ok()?;
        match self.letter {
            b'f' | b'F' => Some(Type::F64),
            // A negative number is its complement there.
            b'x' | b'X' | b'o' if number < 0 => None,
            _ => Some(Type::I64),
        }
    }

    /// Puts a value that it accepts.
    fn put(&self, value: &Bound<'_, PyAny>, ty: Type, payload: &mut Payload) -> PyResult<()> {
        match ty {
            Type::F64 => payload.put_float(value.extract()?),
            Type::I64 => payload.put_signed(value.extract()?),
            _ => match value.cast_exact::<PyString>() {
                Ok(text) => payload.put_text(text.to_str()?.as_bytes()),
                Err(_) => payload.put_text(value.str()?.to_str()?.as_bytes()),
            },
        };
        Ok(())
    }

    /// The placeholder of field `number`.
    fn write(&self, number: usize, ty: Type, template: &mut String) {
        template.push_str(&format!("{{{number}"));
        let mut spec = String::new();
        if self.width > 0 && (self.is_left || !self.has_zeros) {
            spec.push(if self.is_left { '<' } else { '>' });
        }
        if self.has_sign {
            spec.push('+');
        }
        if self.has_prefix {
            spec.push('#');
        }
        if self.has_zeros && self.width > 0 {
            spec.push('0');
        }
        if self.width > 0 {
            spec.push_str(&self.width.to_string());
        }
        match (self.letter, self.precision) {
            (b'f' | b'F', precision) => spec.push_str(&format!(".{}", precision.unwrap_or(6))),
            (_, Some(precision)) => spec.push_str(&format!(".{precision}")),
            _ => {}
        }
        match self.letter {
            b's' if ty == Type::F64 => spec.push('?'),
            letter @ (b'x' | b'X' | b'o') => spec.push(char::from(letter)),
            _ => {}
        }
        if !spec.is_empty() {
            template.push(':');
            template.push_str(&spec);
        }
        template.push('}');
    }
}

/// A text that has UTF-8.
fn is_text(value: &Bound<'_, PyAny>) -> bool {
    value.cast_exact::<PyString>().is_ok_and(|text| text.to_str().is_ok())
}

/// The number at `at`, 0 if there is none; `None` if it is too large.
fn number(spec: &[u8], at: &mut usize) -> Option<u16> {
    let mut number = 0;
    while let Some(digit) = spec.get(*at).filter(|byte| byte.is_ascii_digit()) {
        number = number * 10 + u16::from(digit - b'0');
        *at += 1;
        if number > WIDTH_MAX {
            return None;
        }
    }
    Some(number)
}

/// The arguments of a format that travel as values: how each is converted, and the type as which it travels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arguments {
    values: [(Conversion, Type); ARGUMENTS_MAX],
    count: usize,
}

impl Arguments {
    /// The arguments of this format; `None` if they are to be formatted at the call. Runs no Python code.
    pub fn of(format: &str, given: &[Borrowed<'_, '_, PyAny>]) -> Option<Arguments> {
        let values = [(Conversion::default(), Type::Bool); ARGUMENTS_MAX];
        let mut arguments = Arguments { values, count: 0 };
        for part in (Parts { rest: format }) {
            let Part::Value(conversion) = part? else { continue };
            let ty = conversion.accepts(given.get(arguments.count)?)?;
            *arguments.values.get_mut(arguments.count)? = (conversion, ty);
            arguments.count += 1;
        }
        (arguments.count == given.len()).then_some(arguments)
    }

    fn iter(&self) -> impl Iterator<Item = (Conversion, Type)> {
        self.values[..self.count].iter().copied()
    }

    /// The types as which they travel.
    pub fn types(&self) -> impl Iterator<Item = Type> {
        self.iter().map(|(_, ty)| ty)
    }

    /// The types as a number.
    pub fn code(&self) -> u32 {
        self.types().enumerate().fold(0, |code, (at, ty)| code | (payload::code(ty) as u32) << (4 * at))
    }

    /// Puts the values.
    ///
    /// # Errors
    /// None: what [`of`](Self::of) has found goes.
    pub fn put(&self, given: &[Borrowed<'_, '_, PyAny>], payload: &mut Payload) -> PyResult<()> {
        given
            .iter()
            .zip(self.iter())
            .try_for_each(|(value, (conversion, ty))| conversion.put(value, ty, payload))
    }

    /// The template that gives the same text for them, with fields from 0 on.
    pub fn template(&self, format: &str) -> String {
        let mut template = String::with_capacity(format.len() + 8);
        let mut types = self.types().enumerate();
        for part in (Parts { rest: format }) {
            match part {
                Some(Part::Text(text)) => template.push_str(&text.replace('{', "{{").replace('}', "}}")),
                Some(Part::Value(conversion)) => {
                    let Some((number, ty)) = types.next() else { continue };
                    conversion.write(number, ty, &mut template);
                }
                None => {}
            }
        }
        template
    }
}
