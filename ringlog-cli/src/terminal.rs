//! Output of the commands: messages on standard error; text, tables and JSON on standard output.
//!
//! Text from shared memory, from files and from arguments is untrusted. [`escape`] and [`to_json`] make it safe for a
//! terminal.

use std::fmt;
use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};
use ringlog::admin::{Shown, is_harmful};
use serde::Serialize;

/// Prints a message for the user on standard error.
pub fn print_message(message: impl fmt::Display) {
    // If standard error is closed there is no place left to report that.
    let _ = writeln!(io::stderr(), "ringlog: {message}");
}

/// Prints text on standard output. On a closed pipe it returns an error, where `println!` would panic.
///
/// # Errors
/// The error of the write.
pub fn print_text(text: impl fmt::Display) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// Prints a value as one line of JSON.
///
/// # Errors
/// The error of the serialisation or of the write.
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    print_text(to_json(value)?)
}

/// Serialises a value as one line of JSON that is safe for a terminal.
///
/// # Errors
/// The error of the value's own serialisation.
pub fn to_json(value: &impl Serialize) -> serde_json::Result<String> {
    // JSON has these characters only inside of strings, where `\u` escapes stand for them.
    let text = serde_json::to_string(value)?;
    let escape = |c: char| -> String {
        c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
    };
    Ok(text.chars().map(|c| if is_harmful(c) { escape(c) } else { c.to_string() }).collect())
}

/// Makes a table without lines. Columns whose heading begins with `>` are aligned to the right.
pub fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(headings.iter().map(|heading| heading.trim_start_matches('>')));
    for (index, heading) in headings.iter().enumerate() {
        // The table has one column for each heading, so this is always `Some`.
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            if heading.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table
}

/// Renders a table without blanks at the ends of its lines.
pub fn table_text(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Escapes the characters of an untrusted text that a terminal would act upon.
pub fn escape(text: &str) -> String {
    text.shown().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_lines_have_no_trailing_blanks() {
        let mut table = table(&["NAME", ">COUNT", "NOTE"]);
        table.add_row(["a", "1", ""]);
        table.add_row(["longer", "1000", "x"]);
        assert_eq!(table_text(&table), "NAME    COUNT  NOTE\na           1\nlonger   1000  x");
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(escape("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(escape("\u{9b}2J \u{202e}txt"), "\\u{9b}2J \\u{202e}txt");
        let text = "\x1b \u{9b}2J \x7f \u{202e}txt \\ ä";
        let shown = to_json(&text).unwrap();
        assert_eq!(shown, "\"\\u001b \\u009b2J \\u007f \\u202etxt \\\\ ä\"");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }
}
