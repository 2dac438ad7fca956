//! The number of processes that ended without closing their lanes, by cause.

use crate::reader::entry::ExitCause;
use crate::shm::block::SharedRing;
use crate::shm::layout::header;
use crate::shm::sync::Ordering;

/// The processes that ended without closing their lanes, as far as consumers have reported them, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndStat {
    /// A signal killed them.
    pub signal: u64,
    /// They ended with a status, as by `_exit`.
    pub status: u64,
    /// They called exec.
    pub exec: u64,
    /// The cause is not known.
    pub unknown: u64,
}

impl EndStat {
    pub(crate) fn read(ring: &SharedRing) -> EndStat {
        let word = |offset| ring.header_word(offset).load(Ordering::Relaxed);
        EndStat {
            signal: word(header::ENDED_BY_SIGNAL),
            status: word(header::ENDED_BY_STATUS),
            exec: word(header::ENDED_BY_EXEC),
            unknown: word(header::ENDED_UNKNOWN),
        }
    }

    pub(crate) fn write(&self, ring: &SharedRing) {
        let set = |offset, value| ring.header_word(offset).store(value, Ordering::Relaxed);
        set(header::ENDED_BY_SIGNAL, self.signal);
        set(header::ENDED_BY_STATUS, self.status);
        set(header::ENDED_BY_EXEC, self.exec);
        set(header::ENDED_UNKNOWN, self.unknown);
    }

    /// Counts a process. The counters begin with what is in shared memory, so they may be anything, and wrap.
    pub(crate) fn count(&mut self, cause: ExitCause) {
        let counter = match cause {
            ExitCause::Signal { .. } => &mut self.signal,
            ExitCause::Status(_) => &mut self.status,
            ExitCause::Exec => &mut self.exec,
            ExitCause::Unknown => &mut self.unknown,
        };
        *counter = counter.wrapping_add(1);
    }

    /// All of them.
    pub fn all(&self) -> u64 {
        [self.signal, self.status, self.exec, self.unknown].into_iter().fold(0, u64::wrapping_add)
    }
}
