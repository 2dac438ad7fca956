//! Lines of a terminal, coloured by their level.

use ringlog::Level;
use ringlog::reader::{Body, Entry};

use super::traits::Format;

/// A format whose lines have a colour: dim below INFO, yellow from WARN on, red from ERROR, bold red from CRITICAL.
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
        let color = color(match &entry.body {
            Body::Record(record) => record.level,
            _ => Level::WARN,
        });
        out.extend_from_slice(color);
        self.format.entry(entry, out);
        // Before the newline: what comes next on the terminal is not ours.
        if !color.is_empty() && out.last() == Some(&b'\n') {
            out.pop();
            out.extend_from_slice(RESET);
            out.push(b'\n');
        }
    }
}
