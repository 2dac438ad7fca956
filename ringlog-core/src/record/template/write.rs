//! Formatting by a specification known only at run time. The standard library takes width and precision at run time,
//! but fill, alignment and flags only as literals: hence one `write!` for each combination of them.

use std::fmt::{self, Write};

use super::argument::Shown;
use super::parse::{Align, Spec, Style};

/// The placeholder of the fill character. The standard library writes the fill by `write_char`, and nothing else that
/// can be this character: text goes by `write_str`, a `char` with a width too, and a `Debug` escapes this character
/// as ASCII.
const FILL: char = '\u{10FFFF}';

/// The output of a message: memory up to a limit, beyond which writing fails.
pub(super) struct Sink<'a> {
    pub(super) out: &'a mut Vec<u8>,
    /// How long `out` may become.
    pub(super) limit: usize,
    fill: char,
}

impl<'a> Sink<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, limit: usize) -> Sink<'a> {
        Sink { out, limit, fill: ' ' }
    }
}

impl Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.limit.saturating_sub(self.out.len());
        if text.len() > room {
            let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
            let fits = ends.take_while(|end| *end <= room).last().unwrap_or(0);
            self.out.extend_from_slice(&text.as_bytes()[..fits]);
            return Err(fmt::Error);
        }
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        let c = if c == FILL { self.fill } else { c };
        self.write_str(c.encode_utf8(&mut [0; 4]))
    }
}

/// Chooses the literals one after the other; `$part` are those chosen so far.
macro_rules! combinations {
    (align, $by:literal, $to:ident, $shown:ident, $how:ident) => {
        match ($how.spec.align, $how.spec.fill) {
            (None, _) => combinations!(sign, $by, $to, $shown, $how, ""),
            // Pretty-printing looks for the ends of lines, also in the fill.
            (Some(Align::Left), '\n') => combinations!(sign, $by, $to, $shown, $how, "\n<"),
            (Some(Align::Center), '\n') => combinations!(sign, $by, $to, $shown, $how, "\n^"),
            (Some(Align::Right), '\n') => combinations!(sign, $by, $to, $shown, $how, "\n>"),
            (Some(Align::Left), _) => combinations!(sign, $by, $to, $shown, $how, "\u{10FFFF}<"),
            (Some(Align::Center), _) => combinations!(sign, $by, $to, $shown, $how, "\u{10FFFF}^"),
            (Some(Align::Right), _) => combinations!(sign, $by, $to, $shown, $how, "\u{10FFFF}>"),
        }
    };
    (sign, $by:literal, $to:ident, $shown:ident, $how:ident, $($part:literal),*) => {
        match $how.spec.plus {
            true => combinations!(alternate, $by, $to, $shown, $how, $($part,)* "+"),
            false => combinations!(alternate, $by, $to, $shown, $how, $($part),*),
        }
    };
    (alternate, $by:literal, $to:ident, $shown:ident, $how:ident, $($part:literal),*) => {
        match $how.spec.alternate {
            true => combinations!(zero, $by, $to, $shown, $how, $($part,)* "#"),
            false => combinations!(zero, $by, $to, $shown, $how, $($part),*),
        }
    };
    (zero, $by:literal, $to:ident, $shown:ident, $how:ident, $($part:literal),*) => {
        match $how.spec.zero {
            true => combinations!(precision, $by, $to, $shown, $how, $($part,)* "0"),
            false => combinations!(precision, $by, $to, $shown, $how, $($part),*),
        }
    };
    (precision, $by:literal, $to:ident, $shown:ident, $how:ident, $($part:literal),*) => {
        match $how.precision {
            Some(p) => write!($to, concat!("{0:", $($part,)* "1$.2$", $by, "}"), $shown, $how.width, p),
            None => write!($to, concat!("{0:", $($part,)* "1$", $by, "}"), $shown, $how.width),
        }
    };
}

/// A specification with its width and precision resolved. No width and a width of 0 are the same.
pub(super) struct How<'a> {
    pub(super) spec: &'a Spec,
    pub(super) width: usize,
    pub(super) precision: Option<usize>,
}

/// Formats the argument as `format!` does by this specification.
pub(super) fn write(to: &mut Sink<'_>, shown: &Shown<'_>, how: &How<'_>) -> fmt::Result {
    to.fill = how.spec.fill;
    match shown.style {
        Style::DebugLowerHex => combinations!(align, "x?", to, shown, how),
        Style::DebugUpperHex => combinations!(align, "X?", to, shown, how),
        _ => combinations!(align, "", to, shown, how),
    }
}
