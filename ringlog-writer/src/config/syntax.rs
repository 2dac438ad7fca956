//! TOML, and where a text is none, in words for people who do not know its grammar.

use toml::de::DeTable;

/// Where a text is no TOML.
#[derive(Debug)]
pub(super) struct Error {
    pub(super) at: usize,
    pub(super) what: String,
}

/// All that can be read, and what cannot: at most one error a line.
pub(super) fn parse(text: &str) -> (DeTable<'_>, Vec<Error>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let place = |error: &toml::de::Error| error.span().map_or(0, |span| span.start.min(text.len()));
    let mut found: Vec<(usize, &str)> = errors.iter().map(|error| (place(error), error.message())).collect();
    found.sort_by_key(|(at, _)| *at);
    // Behind an error the rest of its line is guesswork.
    let on_one_line = |from: usize, to: usize| text.get(from..to).is_some_and(|text| !text.contains('\n'));
    let mut last = None;
    found.retain(|(at, _)| !last.replace(*at).is_some_and(|last| on_one_line(last, *at)));
    let mut errors = Vec::new();
    for (at, message) in found {
        let in_list = is_in_open_list(text, at, message);
        errors.push(Error { at, what: explained(text, at, message, in_list) });
        if in_list {
            // And so is all that a list swallows which nobody has closed.
            break;
        }
    }
    (table.into_inner(), errors)
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1)
}

/// Whether the next line's beginning was taken for an element of a list.
fn is_in_open_list(text: &str, at: usize, message: &str) -> bool {
    let before = text.get(line_start(text, at)..at).unwrap_or_default();
    message.starts_with("missing comma between array elements") && before.trim().is_empty()
}

fn explained(text: &str, at: usize, message: &str, in_list: bool) -> String {
    if in_list {
        return "this is not TOML: the list before has no `]`, or no comma before this line".to_owned();
    }
    let rest = text.get(at..).unwrap_or_default();
    let word: String = rest.chars().take_while(|c| !" \t\r\n=,]}#".contains(*c)).collect();
    if message == "duplicate key" {
        return format!("{word} is there twice; keep one of them");
    }
    let before = text.get(line_start(text, at)..at).unwrap_or_default().trim_end();
    let is_value = before.ends_with('=') || message.starts_with("string values must be quoted");
    if is_value && word.is_empty() {
        return "this is not TOML: there is no value".to_owned();
    }
    let is_word = word.chars().all(|c| c.is_alphanumeric() || "-_./:%+()".contains(c));
    if is_value && is_word && word.contains(char::is_alphabetic) {
        let lower = word.to_lowercase();
        return match lower.as_str() {
            "true" | "false" => format!("this is not TOML: {word} is no boolean; write {lower}"),
            _ => format!("this is not TOML: {word} has no quotes; write {word:?}"),
        };
    }
    format!("this is not TOML: {message}")
}
