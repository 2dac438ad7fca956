//! Lines coloured by level, for a terminal.

use ringlog::Level;
use ringlog::reader::Entry;

use super::traits::Format;

/// Colours the lines of another format: dim below INFO, yellow from WARN, red from ERROR, bold red from CRITICAL.
pub(crate) struct Colored {
    format: Box<dyn Format>,
}

const RESET: &[u8] = b"\x1b[0m";

impl Colored {
    pub(crate) fn new(format: Box<dyn Format>) -> Colored {
        Colored { format }
    }
}

fn color(level: Level) -> &'static [u8] {
    match level {
        level if level >= Level::CRITICAL => b"\x1b[1;31m",
        level if level >= Level::ERROR => b"\x1b[31m",
        level if level >= Level::WARN => b"\x1b[33m",
        level if level >= Level::INFO => b"",
        _ => b"\x1b[2m",
    }
}

impl Format for Colored {
    fn entry(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let color = color(entry.level());
        out.extend_from_slice(color);
        self.format.entry(entry, out);
        // Before the newline, so that other output on the terminal is not coloured.
        if !color.is_empty() && out.last() == Some(&b'\n') {
            out.pop();
            out.extend_from_slice(RESET);
            out.push(b'\n');
        }
    }
}
