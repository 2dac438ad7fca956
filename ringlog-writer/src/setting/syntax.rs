//! Parsing TOML, with error messages for readers who do not know its grammar.

use toml::de::DeTable;

/// A syntax error and its place.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) at: usize,
    pub(crate) what: String,
}

/// Parses as much of the text as possible. Returns the errors too, at most one a line.
pub(crate) fn parse(text: &str) -> (DeTable<'_>, Vec<Error>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let place = |error: &toml::de::Error| error.span().map_or(0, |span| span.start.min(text.len()));
    let mut found: Vec<(usize, &str)> = errors.iter().map(|error| (place(error), error.message())).collect();
    found.sort_by_key(|(at, _)| *at);
    // After an error the parser's reading of the rest of the line is unreliable.
    let on_one_line = |from: usize, to: usize| text.get(from..to).is_some_and(|text| !text.contains('\n'));
    let mut last = None;
    found.retain(|(at, _)| !last.replace(*at).is_some_and(|last| on_one_line(last, *at)));
    let mut errors = Vec::new();
    for (at, message) in found {
        let in_list = is_in_open_list(text, at, message);
        errors.push(Error { at, what: explained(text, at, message, in_list) });
        if in_list {
            // Everything after the unclosed list is unreliable too.
            break;
        }
    }
    (table.into_inner(), errors)
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1)
}

/// Whether the error is the beginning of a line that was taken for an element of an unclosed list.
fn is_in_open_list(text: &str, at: usize, message: &str) -> bool {
    let before = text.get(line_start(text, at)..at).unwrap_or_default();
    message.starts_with("missing comma between array elements") && before.trim().is_empty()
}

fn explained(text: &str, at: usize, message: &str, in_list: bool) -> String {
    if in_list {
        return "this is not TOML: the list before this line lacks a `]`, or a comma at its end".to_owned();
    }
    let rest = text.get(at..).unwrap_or_default();
    let word: String = rest.chars().take_while(|c| !" \t\r\n=,]}#".contains(*c)).collect();
    if message == "duplicate key" {
        return format!("{word} is defined twice; keep one of them");
    }
    let before = text.get(line_start(text, at)..at).unwrap_or_default().trim_end();
    let is_value = before.ends_with('=') || message.starts_with("string values must be quoted");
    if is_value && word.is_empty() {
        return "this is not TOML: the value is missing".to_owned();
    }
    let is_word = word.chars().all(|c| c.is_alphanumeric() || "-_./:%+()".contains(c));
    if is_value && is_word && word.contains(char::is_alphabetic) {
        let lower = word.to_lowercase();
        return match lower.as_str() {
            "true" | "false" => format!("this is not TOML: {word} is not a boolean; write {lower}"),
            _ => format!("this is not TOML: the string {word} needs quotes; write {word:?}"),
        };
    }
    format!("this is not TOML: {message}")
}
