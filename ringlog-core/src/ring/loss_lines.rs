//! Lines on standard error about records that are lost because their ring is gone, for a process whose log statements
//! have no other way to report it. The record may be logged in a signal handler: what can be made before is.

use std::path::Path;
use std::sync::atomic::Ordering;

use crate::error::shown::Shown;
use crate::os::stderr;
use crate::ring::by_name::Named;
use crate::ring::replacement::{self, Found};

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
    fn new(path: &Path) -> LossLines {
        let shown = path.shown();
        let meanwhile = "until then records are refused, and counted for the next ring of this name";
        LossLines {
            removed: format!(
                "ringlog: {shown} was removed, and no writer drains it; make the ring again with `ringlog create \
                 {shown}`; {meanwhile}"
            ),
            replaced: format!(
                "ringlog: {shown} was replaced by a file that does not take its place (it is no ring, or another \
                 user's), and no writer drains the ring before; remove the file and make the ring again; {meanwhile}"
            ),
            truncated: format!(
                "ringlog: {shown} was truncated; remove the file and make the ring again; {meanwhile}"
            ),
            at_end: format!("ringlog: lost, and counted in no ring because none is at {shown}: "),
        }
    }
}

impl Named {
    /// Has losses reported on standard error from now on.
    pub(crate) fn report_losses(&self) {
        let _ = self.loss_lines.set(LossLines::new(self.path()));
    }

    /// Reports the first record that is refused because the ring is gone, once for each ring.
    pub(super) fn report_refusal(&self) {
        let Some(lines) = self.loss_lines.get() else { return };
        let session = self.session();
        // A forked child that has found no ring has no session: 0.
        let ring = session.session_id().wrapping_add(1);
        let reported = &self.name_state().reported;
        if reported.load(Ordering::Relaxed) == ring {
            return;
        }
        let line = match replacement::look(self.place(), &session) {
            _ if !session.is_whole() => &lines.truncated,
            Found::Cut => &lines.truncated,
            Found::Nothing => &lines.removed,
            Found::Other => &lines.replaced,
            // It is there again, and takes the next record.
            Found::Same => return,
        };
        if reported.swap(ring, Ordering::Relaxed) != ring {
            stderr::write_line(&[line.as_bytes()]);
        }
    }

    /// Reports at the process's end how many records of this process were refused, and how many are left in the
    /// removed ring.
    pub(super) fn report_lost(&self, refused: u64, left: u64) {
        let Some(lines) = self.loss_lines.get().filter(|_| refused != 0 || left != 0) else { return };
        let (mut of_refused, mut of_left) = (itoa::Buffer::new(), itoa::Buffer::new());
        let records = |count: u64| if count == 1 { " record" } else { " records" };
        let (refused_text, comma) = match (refused, left) {
            (0, _) => (["", "", ""], ""),
            (_, 0) => ([of_refused.format(refused), records(refused), " refused"], ""),
            _ => ([of_refused.format(refused), records(refused), " refused"], ", "),
        };
        let left_text = match left {
            0 => ["", "", ""],
            _ => [of_left.format(left), records(left), " left in the ring before, of all processes"],
        };
        let [a, b, c] = refused_text;
        let [d, e, f] = left_text;
        stderr::write_line(&[&lines.at_end, a, b, c, comma, d, e, f].map(str::as_bytes));
    }
}
