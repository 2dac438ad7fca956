//! The entries that readers get: records, gaps and unclean exits, each with its origin and time.

use std::fmt;
use std::sync::Arc;

use nix::sys::signal::Signal;

use crate::reader::origin::Origin;
use crate::record::decoded::ParsedDefinition;
use crate::record::level::Level;

use crate::record::decoded::Received;
use crate::shm::drops::{DropReason, LanelessReason};

/// Why records are missing at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// The records were refused because no block was free.
    Dropped,
    /// The records were refused because every lane had a living owner.
    NoLane,
    /// The records were refused because they were logged inside another log call, by a signal handler or a `Display`,
    /// where no lane could take them.
    Nested,
    /// The records were refused because they were larger than the ring takes, or not as their definition says.
    Unfit,
    /// The records were refused because the system gave no lane, or no memory. The last error number of those.
    System(i32),
    /// The records were refused because there was no ring of this name: the one before had been removed or
    /// replaced, and this one was not there yet.
    NoRing,
    /// The records were left in a ring of this name that was removed or replaced and that nothing drained, or were
    /// refused there.
    /// Those of a process that was killed are not counted.
    Left,
    /// The records were published, but their block is gone: overwritten or removed.
    Missing,
    /// The records were in the ring, but this output did not take them in time, and other outputs went on without it.
    Unwritten,
    /// The bytes are no records. How many records they were is not known.
    Damaged,
}

impl GapReason {
    /// The reason in one word.
    pub fn name(self) -> &'static str {
        match self {
            GapReason::Dropped => "dropped",
            GapReason::NoLane => "no_lane",
            GapReason::Nested => "nested",
            GapReason::Unfit => "unfit",
            GapReason::System(_) => "system",
            GapReason::NoRing => "no_ring",
            GapReason::Left => "left",
            GapReason::Missing => "missing",
            GapReason::Unwritten => "unwritten",
            GapReason::Damaged => "damaged",
        }
    }

    /// Whether the records were refused, and never were in the ring.
    pub fn is_refusal(self) -> bool {
        match self {
            GapReason::Dropped
            | GapReason::NoLane
            | GapReason::Nested
            | GapReason::Unfit
            | GapReason::System(_)
            | GapReason::NoRing => true,
            GapReason::Left | GapReason::Missing | GapReason::Unwritten | GapReason::Damaged => false,
        }
    }
}

impl From<DropReason> for GapReason {
    fn from(reason: DropReason) -> GapReason {
        match reason {
            DropReason::Full => GapReason::Dropped,
            DropReason::Nested => GapReason::Nested,
            DropReason::Unfit => GapReason::Unfit,
        }
    }
}

impl From<LanelessReason> for GapReason {
    fn from(reason: LanelessReason) -> GapReason {
        match reason {
            LanelessReason::LanesTaken => GapReason::NoLane,
            LanelessReason::System(errno) => GapReason::System(errno),
            LanelessReason::Opening => GapReason::Nested,
            LanelessReason::NoRing => GapReason::NoRing,
            LanelessReason::Left => GapReason::Left,
        }
    }
}

/// Records that are missing at this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The number of records. For [`GapReason::Damaged`] the number of damaged places.
    pub count: u64,
    /// Why they are missing.
    pub reason: GapReason,
}

/// An unclean exit: a process ended without closing its lanes. It was killed, it aborted, or it called `_exit` or exec.
/// The kernel's locks on the lanes prove it; no time-out is involved.
///
/// There is one entry for each process, behind the last record that any of its threads published. Its origin is the
/// process's own lane, and its time is when the exit was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UncleanExit<'a> {
    /// How the process ended.
    pub cause: ExitCause,
    /// The lanes that the process left open: its own, and those of its threads. A lane whose last record is not known
    /// any more is left out.
    pub lanes: &'a [LaneEnd],
}

/// How a process ended that did not close its lanes. A cause other than `Unknown` comes from the kernel, and is proved
/// to be that of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitCause {
    /// A signal killed it.
    Signal {
        /// The signal's number.
        number: i32,
        /// Whether a core dump was written.
        has_core: bool,
    },
    /// It ended with this status, but the exit handlers that close lanes have not run: by `_exit`, or after exec.
    Status(i32),
    /// It called exec: it goes on with another program.
    Exec,
    /// The kernel did not tell.
    Unknown,
}

impl ExitCause {
    /// The cause that a status means, as `wait` returns it.
    pub(crate) fn of_status(status: i32) -> ExitCause {
        if libc::WIFSIGNALED(status) {
            return ExitCause::Signal { number: libc::WTERMSIG(status), has_core: libc::WCOREDUMP(status) };
        }
        if libc::WIFEXITED(status) {
            ExitCause::Status(libc::WEXITSTATUS(status))
        } else {
            ExitCause::Unknown
        }
    }

    /// The level of the notice: INFO where the process chose to end like this, else WARN.
    pub fn level(self) -> Level {
        match self {
            ExitCause::Status(_) | ExitCause::Exec => Level::INFO,
            ExitCause::Signal { .. } | ExitCause::Unknown => Level::WARN,
        }
    }
}

/// A lane that a process left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneEnd {
    /// The lane.
    pub lane: u32,
    /// Which of its owners.
    pub incarnation: u32,
    /// Thread id of the owner; of the process's own lane that of the thread that opened it.
    pub tid: u32,
    /// The thread's name; empty for the process's own lane.
    pub thread: String,
    /// Sequence of the last record that the owner published; `None` if it published none.
    pub last_sequence: Option<u64>,
}

/// A record, a gap or an unclean exit, with its time and origin.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Nanoseconds since 1970.
    pub unix_ns: u64,
    /// The thread and process that wrote the record, lost records, or exited.
    pub origin: &'a Origin,
    /// The record, gap or exit.
    pub body: Body<'a>,
}

/// The kinds of entry.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Body<'a> {
    /// A record.
    Record(Received<'a>),
    /// A gap.
    Gap(Gap),
    /// An unclean exit.
    UncleanExit(UncleanExit<'a>),
}

impl Entry<'_> {
    /// The record, if the entry is one.
    pub fn record(&self) -> Option<&Received<'_>> {
        match &self.body {
            Body::Record(record) => Some(record),
            Body::Gap(_) | Body::UncleanExit(_) => None,
        }
    }

    /// The record's text, followed by the fields that it does not show as `key=value`; or a sentence for a gap or exit.
    pub fn message(&self) -> String {
        match &self.body {
            Body::Record(record) => record.to_string(),
            Body::Gap(gap) => gap.to_string(),
            Body::UncleanExit(exit) => ExitMessage(exit.cause, self.origin).to_string(),
        }
    }

    /// The record's level, or that of the notice.
    pub fn level(&self) -> Level {
        match &self.body {
            Body::Record(record) => record.level,
            Body::Gap(_) => Level::WARN,
            Body::UncleanExit(exit) => exit.cause.level(),
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        if self.reason.is_refusal() {
            write!(f, "{} record{plural} dropped here: ", self.count)?;
        }
        match self.reason {
            GapReason::Dropped => f.write_str(
                "the ring was full; a larger --size, or --overflow block with a longer time, loses less",
            ),
            GapReason::NoLane => f.write_str("every lane was in use; make the ring with more --lanes"),
            GapReason::Nested => f.write_str(
                "logged inside an unfinished log call, in a signal handler or a Display, where no lane could take it",
            ),
            GapReason::Unfit => f.write_str("larger than the ring takes, or not as the definition says"),
            GapReason::System(errno) => {
                write!(f, "the system gave no lane or memory: {}", std::io::Error::from_raw_os_error(errno))
            }
            GapReason::NoRing => f.write_str("there was no ring of this name"),
            GapReason::Left => {
                write!(f, "{} record{plural} missing here: left in a ring that was removed or replaced", self.count)
            }
            GapReason::Missing => write!(f, "{} record{plural} missing here: overwritten", self.count),
            GapReason::Unwritten => {
                write!(f, "{} record{plural} left out here: the output could not be written", self.count)
            }
            GapReason::Damaged => write!(f, "damaged here: bytes that are no record were skipped"),
        }
    }
}

/// The sentence for an unclean exit, which names the process.
struct ExitMessage<'a>(ExitCause, &'a Origin);

impl fmt::Display for ExitMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Origin { pid: 0, .. } => f.write_str("a process whose name is not known any more")?,
            Origin { pid, process, .. } => write!(f, "process {process} (pid {pid})")?,
        }
        match self.0 {
            ExitCause::Signal { number, has_core } => {
                write!(f, " was killed by signal {number}")?;
                let core = if has_core { "core dumped" } else { "" };
                match (Signal::try_from(number), core) {
                    (Ok(signal), "") => write!(f, " ({signal})"),
                    (Ok(signal), core) => write!(f, " ({signal}, {core})"),
                    (Err(_), "") => Ok(()),
                    (Err(_), core) => write!(f, " ({core})"),
                }
            }
            ExitCause::Status(status) => {
                write!(f, " ended with status {status} without closing its lanes, by _exit or after exec")
            }
            ExitCause::Exec => f.write_str(" called exec and goes on with another program"),
            ExitCause::Unknown => f.write_str(" ended without closing its lanes, cause unknown"),
        }
    }
}

/// One line with level, logger, process id, thread and message, for a quick look. The writer's formats show more, and
/// escape what a terminal might act upon.
impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { pid, thread, .. } = self.origin;
        match &self.body {
            Body::Record(record) => {
                write!(f, "{:<5} {}[{pid}/{thread}] {record}", record.level, record.logger)
            }
            Body::Gap(_) | Body::UncleanExit(_) => {
                write!(f, "{:<5} ringlog[{pid}/{thread}] {}", self.level(), self.message())
            }
        }
    }
}

/// An entry that owns its bytes, as observers return it.
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
    /// Borrows the entry.
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
        let remedy = "the ring was full; a larger --size, or --overflow block with a longer time, loses less";
        assert_eq!(gap(1), format!("1 record dropped here: {remedy}"));
        assert_eq!(gap(7), format!("7 records dropped here: {remedy}"));
        let gap = |reason| Gap { count: 2, reason }.to_string();
        assert_eq!(
            gap(GapReason::System(24)),
            "2 records dropped here: the system gave no lane or memory: Too many open files (os error 24)"
        );
        assert_eq!(
            gap(GapReason::NoLane),
            "2 records dropped here: every lane was in use; make the ring with more --lanes"
        );
    }

    #[test]
    fn an_unclean_exit_names_its_process_and_cause() {
        let process = "shop".to_owned();
        let origin = Origin { pid: 4711, tid: 4711, process, process_lane: (3, 2), ..Origin::unknown(3, 2) };
        let words = |cause, origin: &Origin| {
            let body = Body::UncleanExit(UncleanExit { cause, lanes: &[] });
            let entry = Entry { unix_ns: 0, origin, body };
            format!("{} {}", entry.level(), entry.message())
        };
        for (cause, expected) in [
            (ExitCause::of_status(9), "WARN process shop (pid 4711) was killed by signal 9 (SIGKILL)"),
            (
                ExitCause::of_status(11 | 0x80),
                "WARN process shop (pid 4711) was killed by signal 11 (SIGSEGV, core dumped)",
            ),
            (ExitCause::of_status(40), "WARN process shop (pid 4711) was killed by signal 40"),
            (
                ExitCause::of_status(3 << 8),
                "INFO process shop (pid 4711) ended with status 3 without closing its lanes, by _exit or after exec",
            ),
            (ExitCause::Exec, "INFO process shop (pid 4711) called exec and goes on with another program"),
            (
                ExitCause::of_status(0x137f),
                "WARN process shop (pid 4711) ended without closing its lanes, cause unknown",
            ),
        ] {
            assert_eq!(words(cause, &origin), expected);
        }
        assert_eq!(
            words(ExitCause::Unknown, &Origin::unknown(3, 2)),
            "WARN a process whose name is not known any more ended without closing its lanes, cause unknown"
        );
    }
}
