//! The thread and process that wrote an entry.

use std::sync::{Arc, OnceLock};

use crate::ring::exit_history::{self, Owner};
use crate::shm::block::SharedRing;
use crate::shm::layout::{block, halves};
use crate::shm::words::text_from_words;

/// The origin of an entry: the lane, and the thread and process that owned it then.
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
    /// The process's lane, which pins the definitions of the records, and its incarnation.
    pub(crate) process_lane: (u32, u32),
    /// Stands for the boot of the records, whose definitions are of the same one.
    pub(crate) boot_tag: u32,
}

impl Origin {
    /// Decodes a block header's words, which are untrusted.
    pub(crate) fn from_block(words: &[u64; block::WORDS]) -> Origin {
        let (lane, incarnation) = halves(words[block::LANE]);
        let (pid, tid) = halves(words[block::PID_TID]);
        Origin {
            lane,
            incarnation,
            pid,
            tid,
            thread: text_from_words(&words[block::THREAD_NAME..block::PROCESS_NAME]),
            process: text_from_words(&words[block::PROCESS_NAME..block::WORDS]),
            process_lane: halves(words[block::PROCESS]),
            boot_tag: words[block::BOOT] as u32,
        }
    }

    /// The owner that a lane's entry names for one of its incarnations, as far as it still does.
    pub(crate) fn of_incarnation(ring: &SharedRing, lane: u32, incarnation: u32) -> Option<Arc<Origin>> {
        let owner = exit_history::owner(ring, lane, incarnation)?;
        let Owner { pid, tid, thread, process, process_lane } = owner;
        Some(Arc::new(Origin { lane, incarnation, pid, tid, thread, process, process_lane, boot_tag: 0 }))
    }

    /// The origin of what has no lane: drops of threads without one, and messages of a reader itself.
    pub fn no_lane() -> &'static Origin {
        static NO_LANE: OnceLock<Origin> = OnceLock::new();
        NO_LANE.get_or_init(Origin::without_lane)
    }

    pub(crate) fn without_lane() -> Origin {
        Origin {
            lane: u32::MAX,
            incarnation: 0,
            pid: 0,
            tid: 0,
            thread: String::new(),
            process: String::new(),
            process_lane: (0, 0),
            boot_tag: 0,
        }
    }

    /// An owner of a lane whose thread and process are not known any more.
    pub(crate) fn unknown(lane: u32, incarnation: u32) -> Origin {
        Origin { lane, incarnation, ..Origin::without_lane() }
    }

    /// The owner of the process's own lane, as far as one of its threads names it. Its main thread has the process id.
    pub(crate) fn of_process(&self) -> Origin {
        let (lane, incarnation) = self.process_lane;
        Origin { lane, incarnation, tid: self.pid, thread: String::new(), ..self.clone() }
    }

    /// Whether the lane is a process lane.
    pub(crate) fn is_process(&self) -> bool {
        self.process_lane == (self.lane, self.incarnation)
    }

    /// Whether there is a lane; false for drops of threads without one.
    pub fn is_known(&self) -> bool {
        self.lane != u32::MAX
    }
}
