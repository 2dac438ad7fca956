//! The notes of each producing process about its calls, in shared memory: after a SIGKILL the checker still knows
//! what had been published.
//!
//! A *voice* is one thread that logs: it has a lane of its own, and numbers its calls from 0. It notes a
//! call before it makes it, and its outcome with one store afterwards. So of a voice that was killed at
//! most one call is open: its record may have been published or not.

use std::path::{Path, PathBuf};

use ringlog_ledger::Calls;
use ringlog_testkit::Counters;

/// The most voices of one life: of a process and all that it has forked.
pub(crate) const VOICES: u32 = 120;

const END: u32 = 0;
const FORKS_ASKED: u32 = 1;
const CHILD_KILLS_ASKED: u32 = 2;
const FORKS_DONE: u32 = 3;
const CHILD_KILLS_DONE: u32 = 4;
const NEXT_VOICE: u32 = 5;
const FIRST_VOICE: u32 = 16;
const VOICE_COUNTERS: u32 = 4;

/// The numbers of one life, mapped by its processes and by the checker.
#[derive(Debug)]
pub(crate) struct Ledger {
    counters: Counters,
    life: u32,
}

/// The lane of a voice, and its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    pub(crate) tid: u32,
    pub(crate) lane: u32,
    pub(crate) incarnation: u32,
}

impl Ledger {
    /// The path of the ledger of this life.
    pub(crate) fn path(dir: &Path, life: u32) -> PathBuf {
        dir.join(format!("ledger-{life}"))
    }

    pub(crate) fn open(path: &Path, life: u32) -> Ledger {
        Ledger { counters: Counters::open(path), life }
    }

    /// The number in its records of voice `voice` of this life.
    pub(crate) fn id(&self, voice: u32) -> u32 {
        self.life * VOICES + voice
    }

    /// A number for a new voice of this life; `None` if they are used up.
    pub(crate) fn new_voice(&self) -> Option<u32> {
        Some(self.counters.add(NEXT_VOICE, 1) as u32).filter(|voice| *voice < VOICES)
    }

    /// How many voices there are.
    pub(crate) fn voices(&self) -> u32 {
        self.counters.get(NEXT_VOICE).min(VOICES.into()) as u32
    }

    /// Notes the identity of a voice, before its first call.
    pub(crate) fn introduce(&self, voice: u32, identity: Identity) {
        let Identity { pid, tid, lane, incarnation } = identity;
        self.counters.set(at(voice, 1), pair(lane + 1, incarnation));
        self.counters.set(at(voice, 0), pair(pid, tid));
    }

    /// The identity of a voice, once it has a lane.
    pub(crate) fn identity(&self, voice: u32) -> Option<Identity> {
        let (pid, tid) = halves(self.counters.get(at(voice, 0)));
        let (lane, incarnation) = halves(self.counters.get(at(voice, 1)));
        (tid != 0).then(|| Identity { pid, tid, lane: lane.wrapping_sub(1), incarnation })
    }

    /// Notes that a call is being made: its number is one less than `begun`.
    pub(crate) fn begin(&self, voice: u32, begun: u64) {
        self.counters.set(at(voice, 2), begun);
    }

    /// Notes the outcome of the call that was begun last. One store, so that the numbers always agree.
    pub(crate) fn finish(&self, voice: u32, done: u64, refused: u64) {
        self.counters.set(at(voice, 3), done << 32 | refused);
    }

    /// The calls of a voice. Exact once its thread has ended; until then `begun` may lag behind.
    pub(crate) fn calls(&self, voice: u32) -> Calls {
        let (done, refused) = halves(self.counters.get(at(voice, 3)));
        let begun = self.counters.get(at(voice, 2));
        Calls { begun, done: done.into(), refused: refused.into() }
    }

    /// Asks all processes of the life to end in the orderly way.
    pub(crate) fn ask_to_end(&self) {
        self.counters.set(END, 1);
    }

    pub(crate) fn is_asked_to_end(&self) -> bool {
        self.counters.get(END) != 0
    }

    /// Asks the first process of the life to fork.
    pub(crate) fn ask_to_fork(&self) {
        self.counters.add(FORKS_ASKED, 1);
    }

    /// Asks it to kill the child that it has forked last.
    pub(crate) fn ask_to_kill_child(&self) {
        self.counters.add(CHILD_KILLS_ASKED, 1);
    }

    /// The forks and kills that were asked for.
    pub(crate) fn asked(&self) -> (u64, u64) {
        (self.counters.get(FORKS_ASKED), self.counters.get(CHILD_KILLS_ASKED))
    }

    pub(crate) fn count_fork(&self) {
        self.counters.add(FORKS_DONE, 1);
    }

    pub(crate) fn count_child_kill(&self) {
        self.counters.add(CHILD_KILLS_DONE, 1);
    }

    /// The forks and kills of children that took place.
    pub(crate) fn done(&self) -> (u64, u64) {
        (self.counters.get(FORKS_DONE), self.counters.get(CHILD_KILLS_DONE))
    }
}

fn at(voice: u32, counter: u32) -> u32 {
    FIRST_VOICE + voice * VOICE_COUNTERS + counter
}

fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn halves(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}
