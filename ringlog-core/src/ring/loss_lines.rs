//! Lines on standard error about records that are lost because their ring is gone, for a process whose log statements
//! have no other way to report it. The record may be logged in a signal handler: what can be made before is.

use std::path::Path;

use crate::error::shown::Shown;
use crate::os::stderr;
use crate::ring::replacement::Found;

/// The lines for one name.
#[derive(Debug)]
pub(super) struct LossLines {
    removed: String,
    replaced: String,
    truncated: String,
    /// The start of the line at the process's end.
    at_end: String,
}

impl LossLines {
    pub(super) fn new(path: &Path) -> LossLines {
        let shown = path.shown();
        let meanwhile = "until then records are refused, and counted for the next ring of this name";
        LossLines {
            removed: format!(
                "ringlog: {shown} was removed, and no writer drains it; make the ring again with `ringlog create \
                 {shown}`; {meanwhile}"
            ),
            replaced: format!(
                "ringlog: {shown} was replaced by a file that does not take its place (it is no ring, a copy \
                 of one, or another user's), and no writer drains the ring before; remove the \
                 file and make the ring again; {meanwhile}"
            ),
            truncated: format!(
                "ringlog: {shown} was truncated; remove the file and make the ring again; {meanwhile}"
            ),
            at_end: format!(
                "ringlog: lost, and counted in no ring because none has taken the place of {shown}: "
            ),
        }
    }

    /// Reports that records are refused because of what is at the path. The ring itself is there if it was cut.
    pub(super) fn report_refusal(&self, found: Found) {
        let line = match found {
            Found::Same | Found::Cut => &self.truncated,
            Found::Nothing => &self.removed,
            Found::Other => &self.replaced,
        };
        stderr::write_line(&[line.as_bytes()]);
    }

    /// Reports how many records of this process were refused, and how many are left in the removed ring.
    pub(super) fn report_lost(&self, refused: u64, left: u64) {
        let (mut of_refused, mut of_left) = (itoa::Buffer::new(), itoa::Buffer::new());
        let records = |count: u64| if count == 1 { " record" } else { " records" };
        let [a, b, c] = match refused {
            0 => [""; 3],
            _ => [of_refused.format(refused), records(refused), " refused"],
        };
        let [d, e, f] = match left {
            0 => [""; 3],
            _ => [of_left.format(left), records(left), " left in the ring before, of all processes"],
        };
        let comma = if refused != 0 && left != 0 { ", " } else { "" };
        stderr::write_line(&[&self.at_end, a, b, c, comma, d, e, f].map(str::as_bytes));
    }
}
