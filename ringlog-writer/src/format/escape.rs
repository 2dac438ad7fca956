//! Escaping of untrusted text, so that it cannot forge lines, move the cursor or change the reading direction.

use ringlog::admin::is_harmful;

use super::kind::Newlines;
use super::put::put;

/// Whether a byte is a visible ASCII character or a space.
#[inline(always)]
fn is_plain(byte: u8) -> bool {
    byte.wrapping_sub(0x20) < 0x5f
}

/// The number of leading `plain` bytes. Checks sixteen at once, which the compiler vectorises.
#[inline(always)]
fn plain_len(bytes: &[u8], plain: impl Fn(u8) -> bool) -> usize {
    let (chunks, _) = bytes.as_chunks::<16>();
    let whole =
        chunks.iter().take_while(|chunk| chunk.iter().fold(true, |all, byte| all & plain(*byte))).count();
    let rest = &bytes[whole * 16..];
    whole * 16 + rest.iter().take_while(|byte| plain(**byte)).count()
}

/// Appends a message. Harmful characters and bytes that are not UTF-8 become `\xNN` of their bytes; newlines follow the
/// policy. A backslash is not escaped.
#[inline]
pub(super) fn message(bytes: &[u8], newlines: Newlines, out: &mut Vec<u8>) {
    body(bytes, newlines, false, out);
}

/// As [`message`], but tabs are kept if newlines are, as in Python's files.
#[inline]
pub(super) fn message_with_tabs(bytes: &[u8], newlines: Newlines, out: &mut Vec<u8>) {
    body(bytes, newlines, newlines == Newlines::Raw, out);
}

#[inline]
fn body(bytes: &[u8], newlines: Newlines, tabs: bool, out: &mut Vec<u8>) {
    let plain = plain_len(bytes, is_plain);
    let (head, rest) = bytes.split_at(plain);
    out.extend_from_slice(head);
    if rest.is_empty() {
        return;
    }
    walk(rest, is_harmful, out, |c, out| match (c, newlines) {
        ('\n', Newlines::Escape) => out.extend_from_slice(b"\\n"),
        ('\n', Newlines::Indent) => out.extend_from_slice(b"\n    "),
        ('\n', Newlines::Raw) => out.push(b'\n'),
        ('\t', _) if tabs => out.push(b'\t'),
        _ => hex_char(c, out),
    });
}

/// Appends a name of a logger, thread or file, always on one line.
pub(super) fn name(bytes: &[u8], out: &mut Vec<u8>) {
    message(bytes, Newlines::Escape, out);
}

/// Appends the key or the value of `key=value`, in quotes if its end would be ambiguous.
#[inline]
pub(super) fn value(bytes: &[u8], out: &mut Vec<u8>) {
    let plain = plain_len(bytes, |byte| is_plain(byte) & (byte != b' ') & (byte != b'"') & (byte != b'='));
    if plain == bytes.len() && plain > 0 || is_word(bytes) {
        return out.extend_from_slice(bytes);
    }
    out.push(b'"');
    walk(
        bytes,
        |c| matches!(c, '"' | '\\') || is_harmful(c),
        out,
        |c, out| match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            _ => hex_char(c, out),
        },
    );
    out.push(b'"');
}

/// Whether text that is not plain ASCII needs no quotes.
fn is_word(bytes: &[u8]) -> bool {
    let breaks = |c: char| c.is_whitespace() || matches!(c, '"' | '=') || is_harmful(c);
    !bytes.is_empty() && str::from_utf8(bytes).is_ok_and(|text| !text.contains(breaks))
}

/// Appends text escaped for the inside of a JSON string.
#[inline]
pub(super) fn json(text: &str, out: &mut Vec<u8>) {
    let plain = plain_len(text.as_bytes(), |byte| is_plain(byte) & (byte != b'"') & (byte != b'\\'));
    let (head, rest) = text.as_bytes().split_at(plain);
    out.extend_from_slice(head);
    if rest.is_empty() {
        return;
    }
    walk(
        rest,
        |c| matches!(c, '"' | '\\') || is_harmful(c),
        out,
        |c, out| match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            // Two of them for a character beyond the first 65,536.
            _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| put(out, format_args!("\\u{unit:04x}"))),
        },
    );
}

/// Appends the bytes. `write` appends `special` characters; bytes that are not UTF-8 become `\xNN`.
fn walk(bytes: &[u8], special: impl Fn(char) -> bool, out: &mut Vec<u8>, write: impl Fn(char, &mut Vec<u8>)) {
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| special(*c)) {
            out.extend_from_slice(&rest.as_bytes()[..at]);
            write(c, out);
            rest = &rest[at + c.len_utf8()..];
        }
        out.extend_from_slice(rest.as_bytes());
        hex(chunk.invalid(), out);
    }
}

fn hex_char(c: char, out: &mut Vec<u8>) {
    hex(c.encode_utf8(&mut [0; 4]).as_bytes(), out);
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend_from_slice(&[b'\\', b'x', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(bytes: impl AsRef<[u8]>, newlines: Newlines) -> String {
        let mut out = Vec::new();
        message(bytes.as_ref(), newlines, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn quoted(bytes: impl AsRef<[u8]>) -> String {
        let mut out = Vec::new();
        value(bytes.as_ref(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn control_sequences_never_reach_a_terminal() {
        let message = |bytes: &[u8]| escaped(bytes, Newlines::Escape);
        assert_eq!(message(b"\x1b[2J\x1b]0;owned\x07"), r"\x1b[2J\x1b]0;owned\x07");
        assert_eq!(message(b"a\0b\tc\rd\x08e\x7f"), r"a\x00b\x09c\x0dd\x08e\x7f");
        assert_eq!(message("C1: \u{9b}31m".as_bytes()), r"C1: \xc2\x9b31m");
        assert_eq!(
            message("bidi \u{202e}drowssap\u{2069}".as_bytes()),
            r"bidi \xe2\x80\xaedrowssap\xe2\x81\xa9"
        );
        assert_eq!(message("line\u{2028}par\u{2029}".as_bytes()), r"line\xe2\x80\xa8par\xe2\x80\xa9");
        assert_eq!(message(b"bad \xff\xc3( \xf0\x9f\x98 end"), r"bad \xff\xc3( \xf0\x9f\x98 end");
        assert_eq!(message(b"lone C1 \x9b31m"), r"lone C1 \x9b31m");
    }

    #[test]
    fn what_people_write_stays_readable() {
        for text in ["", "plain", "Grüße, 世界 😀", r"C:\temp\n", "tilde ~ and space", "عربي"] {
            assert_eq!(escaped(text, Newlines::Escape), text);
        }
    }

    #[test]
    fn newlines_follow_the_policy() {
        let text = "one\ntwo\r\n";
        assert_eq!(escaped(text, Newlines::Escape), r"one\ntwo\x0d\n");
        assert_eq!(escaped(text, Newlines::Indent), "one\n    two\\x0d\n    ");
        assert_eq!(escaped(text, Newlines::Raw), "one\ntwo\\x0d\n");
    }

    #[test]
    fn values_with_an_ambiguous_end_are_quoted() {
        for bare in ["XETR", "a/b:c", "grüße", r"C:\temp", "it's"] {
            assert_eq!(quoted(bare), bare);
        }
        assert_eq!(quoted(""), r#""""#);
        assert_eq!(quoted("XETR    "), r#""XETR    ""#);
        assert_eq!(quoted("a=b"), r#""a=b""#);
        assert_eq!(quoted(r#"say "hi" \o/"#), r#""say \"hi\" \\o/""#);
        assert_eq!(quoted("a\nb\x1b"), r#""a\nb\x1b""#);
        assert_eq!(quoted("thin\u{2009}space"), "\"thin\u{2009}space\"");
        assert_eq!(quoted(b"\xff\0"), r#""\xff\x00""#);
    }

    #[test]
    fn harmful_characters_are_found_at_every_offset() {
        for len in 0..70 {
            for at in 0..=len {
                let mut text = vec![b'a'; len];
                text.insert(at, 0x1b);
                let expected = format!("{}\\x1b{}", "a".repeat(at), "a".repeat(len - at));
                assert_eq!(escaped(text, Newlines::Escape), expected);
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_harmful_once_escaped(bytes: Vec<u8>, text: String) {
            for bytes in [&bytes[..], text.as_bytes()] {
                prop_assert!(!escaped(bytes, Newlines::Escape).contains(is_harmful));
                prop_assert!(!quoted(bytes).contains(is_harmful));
                let indented = escaped(bytes, Newlines::Indent);
                prop_assert!(indented.split('\n').skip(1).all(|line| line.starts_with("    ")));
            }
        }

        #[test]
        fn json_strings_read_back(text: String) {
            let mut out = vec![b'"'];
            json(&text, &mut out);
            out.push(b'"');
            prop_assert!(!str::from_utf8(&out).unwrap().contains(is_harmful));
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
