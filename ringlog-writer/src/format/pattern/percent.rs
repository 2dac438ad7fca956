//! Formatting values as Python's `%` operator does: flags, width, precision and conversion.

use std::fmt::Write as _;

use super::problem::PatternError;

/// A value to be formatted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Argument<'a> {
    Text(&'a [u8]),
    Truth(bool),
    Integer(i128),
    Float(f64),
}

/// The conversion of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conversion {
    /// `s`
    Text,
    /// `d`, `i`, `u`
    Decimal,
    /// `o`
    Octal,
    /// `x`, `X`
    Hex,
    /// `e`, `E`
    Exponent,
    /// `f`, `F`
    Fixed,
    /// `g`, `G`
    General,
}

/// The specification after the name, as in `%(name)-8.3f`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    left: bool,
    zeros: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    upper: bool,
    width: usize,
    precision: Option<usize>,
    conversion: Conversion,
}

/// The largest width and precision, so that a typing error does not fill the disk.
const WIDTH_MAX: usize = 10_000;

impl Spec {
    /// Parses the specification at the start of `text`. Returns it and its length.
    pub(super) fn parse(text: &str) -> Result<(Spec, usize), PatternError> {
        let bytes = text.as_bytes();
        let mut at = 0;
        let mut spec = Spec {
            left: false,
            zeros: false,
            plus: false,
            space: false,
            alternate: false,
            upper: false,
            width: 0,
            precision: None,
            conversion: Conversion::Text,
        };
        while let Some(flag) = bytes.get(at) {
            match flag {
                b'-' => spec.left = true,
                b'0' => spec.zeros = true,
                b'+' => spec.plus = true,
                b' ' => spec.space = true,
                b'#' => spec.alternate = true,
                _ => break,
            }
            at += 1;
        }
        spec.width = number(bytes, &mut at)?.unwrap_or(0);
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            spec.precision = Some(number(bytes, &mut at)?.unwrap_or(0));
        }
        // C's length modifiers, which Python ignores too.
        at += usize::from(matches!(bytes.get(at), Some(b'h' | b'l' | b'L')));
        let conversion = text[at..].chars().next();
        (spec.conversion, spec.upper) = match conversion {
            Some('s') => (Conversion::Text, false),
            Some('d' | 'i' | 'u') => (Conversion::Decimal, false),
            Some('o') => (Conversion::Octal, false),
            Some(c @ ('x' | 'X')) => (Conversion::Hex, c == 'X'),
            Some(c @ ('e' | 'E')) => (Conversion::Exponent, c == 'E'),
            Some(c @ ('f' | 'F')) => (Conversion::Fixed, c == 'F'),
            Some(c @ ('g' | 'G')) => (Conversion::General, c == 'G'),
            found => return Err(PatternError::Conversion { at, found }),
        };
        Ok((spec, at + 1))
    }

    /// Whether the conversion is for numbers only.
    pub(super) fn is_numeric(&self) -> bool {
        self.conversion != Conversion::Text
    }

    /// Appends the value. A text with a numeric conversion is written as it is.
    pub(super) fn write(&self, argument: Argument<'_>, out: &mut Vec<u8>) {
        let (sign, body) = match (self.conversion, argument) {
            (_, Argument::Text(text)) => return self.pad_text(text, out),
            (Conversion::Text, Argument::Truth(truth)) => {
                return self.pad_text(if truth { b"True" } else { b"False" }, out);
            }
            (_, Argument::Truth(truth)) => return self.write(Argument::Integer(truth.into()), out),
            (Conversion::Text, Argument::Integer(value)) => {
                return self.pad_text(itoa::Buffer::new().format(value).as_bytes(), out);
            }
            // The most frequent case, so it does not allocate.
            (Conversion::Decimal, Argument::Integer(value)) if self.precision.is_none() => {
                let mut digits = itoa::Buffer::new();
                return self.pad_number(value < 0, "", digits.format(value.unsigned_abs()), out);
            }
            (Conversion::Text, Argument::Float(value)) => return self.pad_text(repr(value).as_bytes(), out),
            (Conversion::Decimal | Conversion::Octal | Conversion::Hex, Argument::Integer(value)) => {
                (value < 0, self.integer(value.unsigned_abs()))
            }
            // Python truncates; it refuses NaN and infinity.
            (Conversion::Decimal | Conversion::Octal | Conversion::Hex, Argument::Float(value)) => {
                if !value.is_finite() {
                    return self.pad_text(repr(value).as_bytes(), out);
                }
                (value <= -1.0, self.integer(value.abs().trunc() as u128))
            }
            (_, Argument::Integer(value)) => (value < 0, self.float(value.unsigned_abs() as f64)),
            (_, Argument::Float(value)) => {
                (value.is_sign_negative() && !value.is_nan(), self.float(value.abs()))
            }
        };
        self.pad_number(sign, body.0, &body.1, out);
    }

    fn integer(&self, value: u128) -> (&'static str, String) {
        let digits = match self.conversion {
            Conversion::Octal => format!("{value:o}"),
            Conversion::Hex if self.upper => format!("{value:X}"),
            Conversion::Hex => format!("{value:x}"),
            _ => value.to_string(),
        };
        let prefix = match (self.conversion, self.alternate, self.upper) {
            (Conversion::Octal, true, _) => "0o",
            (Conversion::Hex, true, false) => "0x",
            (Conversion::Hex, true, true) => "0X",
            _ => "",
        };
        let least = self.precision.unwrap_or(0);
        (prefix, format!("{digits:0>least$}"))
    }

    fn float(&self, value: f64) -> (&'static str, String) {
        let precision = self.precision.unwrap_or(6);
        let mut text = if !value.is_finite() {
            if value.is_nan() { "nan".to_owned() } else { "inf".to_owned() }
        } else {
            match self.conversion {
                Conversion::Exponent => exponent(value, precision, self.alternate),
                Conversion::General => general(value, precision.max(1), self.alternate),
                _ => {
                    let mut text = format!("{value:.precision$}");
                    if precision == 0 && self.alternate {
                        text.push('.');
                    }
                    text
                }
            }
        };
        if self.upper {
            text.make_ascii_uppercase();
        }
        ("", text)
    }

    fn pad_text(&self, text: &[u8], out: &mut Vec<u8>) {
        if self.width == 0 && self.precision.is_none() {
            return out.extend_from_slice(text);
        }
        // Counts characters if the text is UTF-8.
        let is_start = |byte: &u8| byte & 0xc0 != 0x80;
        let end = self.precision.and_then(|most| {
            text.iter().enumerate().filter(|(_, byte)| is_start(byte)).nth(most).map(|(at, _)| at)
        });
        let text = &text[..end.unwrap_or(text.len())];
        let width = if self.width == 0 { 0 } else { text.iter().filter(|byte| is_start(byte)).count() };
        self.pad(width, out, |out| out.extend_from_slice(text));
    }

    fn pad_number(&self, is_negative: bool, prefix: &str, digits: &str, out: &mut Vec<u8>) {
        let sign = match (is_negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        let len = sign.len() + prefix.len() + digits.len();
        let zeros = if self.zeros && !self.left { self.width.saturating_sub(len) } else { 0 };
        self.pad(len + zeros, out, |out| {
            out.extend_from_slice(sign.as_bytes());
            out.extend_from_slice(prefix.as_bytes());
            out.resize(out.len() + zeros, b'0');
            out.extend_from_slice(digits.as_bytes());
        });
    }

    /// Pads with spaces before or after.
    fn pad(&self, len: usize, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        let spaces = self.width.saturating_sub(len);
        if !self.left {
            out.resize(out.len() + spaces, b' ');
        }
        write(out);
        if self.left {
            out.resize(out.len() + spaces, b' ');
        }
    }
}

fn number(bytes: &[u8], at: &mut usize) -> Result<Option<usize>, PatternError> {
    let (start, mut value) = (*at, 0_usize);
    while let Some(digit) = bytes.get(*at).filter(|byte| byte.is_ascii_digit()) {
        value = value.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
        *at += 1;
    }
    if value > WIDTH_MAX {
        return Err(PatternError::Wide { at: start, most: WIDTH_MAX });
    }
    Ok((*at > start).then_some(value))
}

/// Splits a number in scientific notation into digits and exponent: `("1.5", 3)` for 1500.
fn scientific(text: &str) -> (&str, i32) {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    (digits, exponent.parse().unwrap_or(0))
}

/// The notation `1.500000e+03`; the exponent has at least two digits.
fn exponent(value: f64, precision: usize, keep_point: bool) -> String {
    let text = format!("{value:.precision$e}");
    let (digits, exponent) = scientific(&text);
    let point = if keep_point && precision == 0 { "." } else { "" };
    format!("{digits}{point}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// The shorter of fixed and exponent notation, without trailing zeros.
fn general(value: f64, precision: usize, keeps_zeros: bool) -> String {
    let rounded = format!("{value:.*e}", precision - 1);
    let (_, power) = scientific(&rounded);
    let is_fixed = power >= -4 && i64::from(power) < precision as i64;
    let mut text = if is_fixed {
        let decimals = (precision as i64 - 1 - i64::from(power)).max(0) as usize;
        format!("{value:.decimals$}")
    } else {
        rounded.split('e').next().unwrap_or_default().to_owned()
    };
    if keeps_zeros && !text.contains('.') {
        text.push('.');
    }
    if !keeps_zeros && text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    if !is_fixed {
        // Writing into a string cannot fail.
        let _ = write!(text, "e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs());
    }
    text
}

/// A float as by Python's `str`: the shortest digits that parse to the same value.
pub(super) fn repr(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let value = value.abs();
    if value.is_infinite() {
        return format!("{sign}inf");
    }
    if value == 0.0 || (1e-4..1e16).contains(&value) {
        return format!("{sign}{value:?}");
    }
    let text = format!("{value:e}");
    let (digits, power) = scientific(&text);
    format!("{sign}{digits}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
}

#[cfg(test)]
mod tests {
    use super::super::python;
    use super::*;

    /// Every combination, compared with Python.
    #[test]
    fn as_python_writes_it() {
        let flags = ["", "-", "0", "+", " ", "#", "-0", "+0", "#0", " -", "+#"];
        let sizes = ["", "1", "7", "12", ".0", ".1", ".3", "9.2", "20.12"];
        let numbers: [(&str, Argument<'_>); 18] = [
            ("True", Argument::Truth(true)),
            ("False", Argument::Truth(false)),
            ("0", Argument::Integer(0)),
            ("7", Argument::Integer(7)),
            ("-42", Argument::Integer(-42)),
            ("65536", Argument::Integer(65536)),
            ("10**30", Argument::Integer(10_i128.pow(30))),
            ("0.0", Argument::Float(0.0)),
            ("-0.0", Argument::Float(-0.0)),
            ("1.5", Argument::Float(1.5)),
            ("-2.675", Argument::Float(-2.675)),
            ("1763720130.1234567", Argument::Float(1_763_720_130.123_456_7)),
            ("1e16", Argument::Float(1e16)),
            ("123456789.0", Argument::Float(123_456_789.0)),
            ("1e-05", Argument::Float(1e-5)),
            ("0.0001", Argument::Float(0.0001)),
            ("6.02e23", Argument::Float(6.02e23)),
            ("999999.5", Argument::Float(999_999.5)),
        ];
        let mut lines = Vec::new();
        let mut script = String::from("import sys\nout = []\n");
        for flag in flags {
            for size in sizes {
                for conversion in "sdiuoxXeEfFgG".chars() {
                    for (python, argument) in &numbers {
                        // Python takes no float for these.
                        if "oxX".contains(conversion) && matches!(argument, Argument::Float(_)) {
                            continue;
                        }
                        let spec = format!("{flag}{size}{conversion}");
                        writeln!(script, "out.append('%{spec}' % ({python},))").unwrap();
                        let (parsed, len) = Spec::parse(&spec).unwrap();
                        assert_eq!(len, spec.len());
                        let mut text = Vec::new();
                        parsed.write(*argument, &mut text);
                        lines.push((spec, *python, String::from_utf8(text).unwrap()));
                    }
                    if conversion == 's' {
                        let spec = format!("{flag}{size}s");
                        writeln!(script, "out.append('%{spec}' % ('gr\\u00fc\\u00dfe',))").unwrap();
                        let mut text = Vec::new();
                        Spec::parse(&spec).unwrap().0.write(Argument::Text("grüße".as_bytes()), &mut text);
                        lines.push((spec, "grüße", String::from_utf8(text).unwrap()));
                    }
                }
            }
        }
        script.push_str("sys.stdout.buffer.write('\\n'.join(out).encode())\n");
        let Some(said) = python::says(&script, "", "UTC") else { return };
        let said: Vec<&str> = said.split('\n').collect();
        assert_eq!(said.len(), lines.len());
        for ((spec, value, ours), theirs) in lines.iter().zip(said) {
            assert_eq!(ours, theirs, "'%{spec}' % {value}");
        }
        println!("{} values", lines.len());
    }
}
