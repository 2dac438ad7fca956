//! Callbacks of a running writer.

use std::io::Write;

/// Receives what a running writer reports.
pub trait Events {
    /// The rings are held and every handler is open: records logged from here on will be persisted.
    fn ready(&mut self) {}

    /// A message for the user: one line without a newline.
    fn report(&mut self, message: &str);

    /// Whether the process that started the writer has exited. The writer then ends
    /// [when idle](crate::Options::until_idle).
    fn is_abandoned(&mut self) -> bool {
        false
    }
}

/// Prints every message on standard error.
#[derive(Clone, Copy, Debug)]
pub struct StandardError;

impl Events for StandardError {
    fn report(&mut self, message: &str) {
        print(&format!("ringlog-writer: {message}"));
    }
}

/// Prints lines on standard error, by one call, so that no other process or thread writes to it in between.
pub(crate) fn print(lines: &str) {
    // A closed standard error leaves no other place to report to.
    let _ = std::io::stderr().write_all(format!("{lines}\n").as_bytes());
}
