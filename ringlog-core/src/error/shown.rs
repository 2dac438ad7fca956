//! Paths and other texts from outside in messages, so that they cannot forge lines, move the cursor or change the
//! reading direction.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

/// Whether a terminal or an editor acts on a character, or does not show it: control characters including DEL and C1,
/// separators of lines and paragraphs, characters that change the reading direction, and invisible ones that only
/// format. Not the two joiners (U+200C, U+200D), which scripts and emoji need.
#[inline]
pub fn is_harmful(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '\x7f'..='\u{9f}') || c >= '\u{ad}' && is_format(c)
}

fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Formats a path or a text for a message.
pub trait Shown {
    /// The text, with `\u{1b}` in place of harmful characters and U+FFFD in place of bytes that are not UTF-8.
    fn shown(&self) -> ShownText<'_>;
}

/// A text as messages show it.
#[derive(Clone, Debug)]
pub struct ShownText<'a>(Cow<'a, str>);

impl Shown for Path {
    fn shown(&self) -> ShownText<'_> {
        ShownText(self.to_string_lossy())
    }
}

impl Shown for OsStr {
    fn shown(&self) -> ShownText<'_> {
        ShownText(self.to_string_lossy())
    }
}

impl Shown for str {
    fn shown(&self) -> ShownText<'_> {
        ShownText(self.into())
    }
}

impl fmt::Display for ShownText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = &*self.0;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_harmful(*c)) {
            write!(f, "{}{}", &rest[..at], c.escape_default())?;
            rest = &rest[at + c.len_utf8()..];
        }
        f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_escaped() {
        let path = Path::new("a\nb\x1b[2J\u{9b}\u{202e}\u{200e}\u{200f}\u{61c}\u{feff}\u{e0041}");
        let shown = r"a\nb\u{1b}[2J\u{9b}\u{202e}\u{200e}\u{200f}\u{61c}\u{feff}\u{e0041}";
        assert_eq!(path.shown().to_string(), shown);
        assert_eq!("zurück \\ ‍😀".shown().to_string(), "zurück \\ ‍😀");
    }

    #[test]
    fn joiners_and_visible_characters_are_shown() {
        for c in ['\u{200c}', '\u{200d}', '\u{ac}', '\u{ae}', 'ä', '世', '\u{fe0f}', '\u{600}'] {
            assert!(!is_harmful(c), "{c:?}");
        }
    }
}
