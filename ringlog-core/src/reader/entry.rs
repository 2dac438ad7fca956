//! What readers get: entries, which are records, gaps or deaths, with who wrote them and when.

use std::fmt;
use std::sync::Arc;

use crate::reader::origin::Origin;
use crate::record::decoded::ParsedDefinition;
use crate::record::level::Level;
use crate::shm::block::{BlockId, SharedRing};
use crate::shm::layout::block;

use crate::record::decoded::Received;

/// The words of a block's header, for a block of this generation; `None` if none is published.
pub(crate) fn block_header(ring: &SharedRing, block: BlockId) -> Option<[u64; block::WORDS]> {
    ring.committed(block.index, block.generation)?;
    let mut copy = Vec::with_capacity(block::WORDS);
    ring.memory().copy_words(ring.block_start(block.index), block::WORDS, &mut copy);
    copy.try_into().ok()
}

/// Why records are missing at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// They were refused because no block, lane or spare block was free.
    Dropped,
    /// They were published, but their block is gone: overwritten or removed.
    Missing,
    /// They were in the ring, but the output did not take them while it had to: other outputs went on without it.
    Unwritten,
    /// Bytes that make no sense; how many records they were nobody can tell.
    Damaged,
}

impl GapReason {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            GapReason::Dropped => "dropped",
            GapReason::Missing => "missing",
            GapReason::Unwritten => "unwritten",
            GapReason::Damaged => "damaged",
        }
    }
}

/// Records that are missing at this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// How many. For [`GapReason::Damaged`] the number of damaged places.
    pub count: u64,
    /// Why.
    pub reason: GapReason,
}

/// The lane's owner died without closing it: killed, aborted, or ended by `_exit` or exec. Proved by the
/// kernel, never guessed. It stands behind the last record that the owner published, and its time is when
/// the death was noticed.
///
/// Of a killed process each thread that had a lane open is told; its process lane only if no thread was, or
/// if it carries records of its own: those of signal handlers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Died {
    /// Sequence of the last record that it published; `None` if there is none.
    pub last_sequence: Option<u64>,
}

/// A record, a gap or a death, as a reader gets it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Nanoseconds since 1970.
    pub unix_ns: u64,
    /// Who wrote it, or to whom it happened.
    pub origin: &'a Origin,
    /// What it is.
    pub body: Body<'a>,
}

/// What an entry is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Body<'a> {
    /// A record.
    Record(Received<'a>),
    /// A gap.
    Gap(Gap),
    /// A death.
    Died(Died),
}

impl Entry<'_> {
    /// The record, if it is one.
    pub fn record(&self) -> Option<&Received<'_>> {
        match &self.body {
            Body::Record(record) => Some(record),
            Body::Gap(_) | Body::Died(_) => None,
        }
    }

    /// The record's text and, as `key=value`, the fields that it does not show; or the gap or death in words.
    pub fn message(&self) -> String {
        match &self.body {
            Body::Record(record) => record.to_string(),
            Body::Gap(gap) => gap.to_string(),
            Body::Died(died) => Obituary(*died, self.origin).to_string(),
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        match self.reason {
            GapReason::Dropped => write!(f, "{} record{plural} dropped here: the ring was full", self.count),
            GapReason::Missing => write!(f, "{} record{plural} missing here: overwritten", self.count),
            GapReason::Unwritten => {
                write!(f, "{} record{plural} left out here: the output could not be written", self.count)
            }
            GapReason::Damaged => write!(f, "damaged here: bytes that are no record were skipped"),
        }
    }
}

/// A death in words, which say whose lane it was.
struct Obituary<'a>(Died, &'a Origin);

impl fmt::Display for Obituary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { lane, incarnation, pid, tid, thread, process, .. } = self.1;
        if *pid == 0 {
            f.write_str("lane died: its process is not known any more")?;
        } else {
            write!(f, "lane died: process {process} (pid {pid})")?;
            if !self.1.is_process() {
                write!(f, ", thread {thread} (tid {tid})")?;
            }
        }
        write!(f, ", lane {lane}, incarnation {incarnation}, ")?;
        match self.0.last_sequence {
            Some(last) => write!(f, "last sequence {last}"),
            None => f.write_str("no records"),
        }
    }
}

/// One line: level, logger, process, thread and message, for a quick look. The writer's formats say
/// more and escape what a terminal might act upon.
impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { pid, thread, .. } = self.origin;
        match &self.body {
            Body::Record(record) => {
                write!(f, "{:<5} {}[{pid}/{thread}] {record}", record.level, record.logger)
            }
            Body::Gap(_) | Body::Died(_) => {
                write!(f, "{:<5} ringlog[{pid}/{thread}] {}", Level::WARN, self.message())
            }
        }
    }
}

/// An entry that owns its bytes, as observers give it out.
#[derive(Clone, Debug)]
pub struct OwnedEntry {
    pub(crate) ticks: u64,
    pub(crate) unix_ns: u64,
    pub(crate) origin: Arc<Origin>,
    pub(crate) body: OwnedBody,
}

#[derive(Clone, Debug)]
pub(crate) enum OwnedBody {
    Plain { sequence: u64, payload: Vec<u8>, flags: u8 },
    Defined { sequence: u64, definition: Option<Arc<ParsedDefinition>>, payload: Vec<u8>, flags: u8 },
}

impl OwnedEntry {
    /// The entry, borrowed.
    pub fn entry(&self) -> Entry<'_> {
        let body = match &self.body {
            OwnedBody::Plain { sequence, payload, flags } => {
                Body::Record(Received::plain(*sequence, payload, *flags))
            }
            OwnedBody::Defined { sequence, definition, payload, flags } => {
                Body::Record(Received::defined(*sequence, definition.as_deref(), payload, *flags))
            }
        };
        Entry { unix_ns: self.unix_ns, origin: &self.origin, body }
    }

    pub(crate) fn sequence(&self) -> u64 {
        match self.body {
            OwnedBody::Plain { sequence, .. } | OwnedBody::Defined { sequence, .. } => sequence,
        }
    }
}

impl fmt::Display for OwnedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry().fmt(f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn gaps_say_how_many() {
        let gap = |count| Gap { count, reason: GapReason::Dropped }.to_string();
        assert_eq!(gap(1), "1 record dropped here: the ring was full");
        assert_eq!(gap(7), "7 records dropped here: the ring was full");
    }

    #[test]
    fn a_death_says_whose_it_is() {
        let (thread, process) = ("worker-2".to_owned(), "shop".to_owned());
        let origin =
            Origin { pid: 4711, tid: 4712, thread, process, process_lane: (1, 2), ..Origin::forgotten(3, 2) };
        let words = |origin: &Origin, last_sequence| Obituary(Died { last_sequence }, origin).to_string();
        assert_eq!(
            words(&origin, Some(8)),
            "lane died: process shop (pid 4711), thread worker-2 (tid 4712), lane 3, incarnation 2, last sequence 8"
        );
        let process = Origin { process_lane: (3, 2), ..origin };
        assert_eq!(
            words(&process, None),
            "lane died: process shop (pid 4711), lane 3, incarnation 2, no records"
        );
        assert_eq!(
            words(&Origin::forgotten(3, 2), Some(0)),
            "lane died: its process is not known any more, lane 3, incarnation 2, last sequence 0"
        );
    }
}
