//! The thread and process that wrote an entry.

use std::sync::OnceLock;

use crate::os::thread::name_from_words;
use crate::shm::layout::{block, halves};

/// Who wrote: the lane, and the thread and process that owned it then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The lane. With incarnation and sequence it names a record uniquely in its ring.
    pub lane: u32,
    /// Grows with each owner of the lane.
    pub incarnation: u32,
    /// Process id, in its own PID namespace.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// The thread's name, up to 32 bytes.
    pub thread: String,
    /// The process's name, up to 32 bytes.
    pub process: String,
    /// The process lane and its incarnation: whose definitions the records name.
    pub(crate) process_lane: (u32, u32),
}

impl Origin {
    /// Out of a block header's untrusted words.
    pub(crate) fn from_block(words: &[u64; block::WORDS]) -> Origin {
        let (lane, incarnation) = halves(words[block::LANE]);
        let (pid, tid) = halves(words[block::PID_TID]);
        Origin {
            lane,
            incarnation,
            pid,
            tid,
            thread: name_from_words(&words[block::THREAD_NAME..block::PROCESS_NAME]),
            process: name_from_words(&words[block::PROCESS_NAME..block::WORDS]),
            process_lane: halves(words[block::PROCESS]),
        }
    }

    /// Nobody: for what has no lane, and what a reader has to say of its own.
    pub fn nobody() -> &'static Origin {
        static NOBODY: OnceLock<Origin> = OnceLock::new();
        NOBODY.get_or_init(Origin::none)
    }

    pub(crate) fn none() -> Origin {
        Origin {
            lane: u32::MAX,
            incarnation: 0,
            pid: 0,
            tid: 0,
            thread: String::new(),
            process: String::new(),
            process_lane: (0, 0),
        }
    }

    /// Whoever it was, his name is not known any more.
    pub(crate) fn forgotten(lane: u32, incarnation: u32) -> Origin {
        Origin { lane, incarnation, ..Origin::none() }
    }

    /// Whether this is a process lane.
    pub(crate) fn is_process(&self) -> bool {
        self.process_lane == (self.lane, self.incarnation)
    }

    /// Whether this stands for a thread or process; false where records were refused for want of a lane.
    pub fn is_known(&self) -> bool {
        self.lane != u32::MAX
    }
}
