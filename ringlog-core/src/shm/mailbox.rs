//! The mailbox of the consumer: for each kind of request a counter in the header that grows with each request, and a
//! word for the number of the last one that was answered.

use crate::shm::block::SharedRing;
use crate::shm::layout::header;
use crate::shm::sync::Ordering;
use crate::shm::wakeup::wake_consumer;

/// A request to the process that drains a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Drain the ring and end (`ringlog stop`). The end of the consumer is the answer.
    Stop,
    /// Begin a new output file (`ringlog rotate`).
    Rotate,
    /// Read the configuration again (`ringlog reload`).
    Reload,
    /// Count the wall clock as right although it has run ahead (`ringlog rotate --trust-clock`).
    TrustClock,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The number of the last request that was answered.
    pub(crate) number: u64,
    /// Whether the request was carried out. Only an answer to [`Request::Reload`] stores it.
    pub(crate) accepted: bool,
}

/// What came of a request to begin new output files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RotationOutcome {
    /// At least one output has closed files. All of these have begun their next one, unless theirs was empty.
    pub has_rotated: bool,
    /// An output has none, because it is standard output or standard error.
    pub console: bool,
    /// An output has none, because it is a pipe or a device.
    pub irregular: bool,
    /// An output has none, because its file has no checkpoint.
    pub without_checkpoint: bool,
}

impl RotationOutcome {
    /// In the word: the outcome is known.
    const KNOWN: u64 = 1;

    fn word(self) -> u64 {
        let RotationOutcome { has_rotated, console, irregular, without_checkpoint } = self;
        let flags = [has_rotated, console, irregular, without_checkpoint].into_iter().map(u64::from);
        flags.zip(1..).fold(Self::KNOWN, |word, (flag, bit)| word | flag << bit)
    }

    /// `None` where no consumer has stored one.
    fn of_word(word: u64) -> Option<RotationOutcome> {
        let flag = |bit: u32| word >> bit & 1 == 1;
        (word & Self::KNOWN != 0).then(|| RotationOutcome {
            has_rotated: flag(1),
            console: flag(2),
            irregular: flag(3),
            without_checkpoint: flag(4),
        })
    }
}

/// Stores what came of the requests to rotate that are answered next.
pub(crate) fn store_outcome(ring: &SharedRing, outcome: RotationOutcome) {
    ring.header_word(header::ROTATE_OUTCOME).store(outcome.word(), Ordering::Relaxed);
}

/// What came of the last answered request to rotate. Read after its number, which was stored after it.
pub(crate) fn outcome(ring: &SharedRing) -> Option<RotationOutcome> {
    RotationOutcome::of_word(ring.header_word(header::ROTATE_OUTCOME).load(Ordering::Relaxed))
}

/// Adds a request and wakes the consumer. Returns the request's number.
pub(crate) fn post(ring: &SharedRing, request: Request) -> u64 {
    let before = ring.header_word(counter(request)).fetch_add(1, Ordering::Relaxed);
    wake_consumer(ring);
    number(request, before.wrapping_add(1))
}

/// The number of the last request.
pub(crate) fn last(ring: &SharedRing, request: Request) -> u64 {
    number(request, ring.header_word(counter(request)).load(Ordering::Relaxed))
}

/// The last answer; `None` for requests whose answer the ring does not store.
pub(crate) fn last_answer(ring: &SharedRing, request: Request) -> Option<Answer> {
    // SYNC ANSWER: what was stored before the answer is read after it.
    let word = |offset| ring.header_word(offset).load(Ordering::Acquire);
    match request {
        Request::Stop => None,
        Request::Rotate => Some(Answer { number: word(header::ROTATE_REQUESTS_DONE), accepted: true }),
        Request::TrustClock => {
            Some(Answer { number: word(header::TRUST_CLOCK_REQUESTS_DONE), accepted: true })
        }
        Request::Reload => {
            let word = word(header::RELOAD_ANSWER);
            Some(Answer { number: word >> 1, accepted: word & 1 == 1 })
        }
    }
}

/// Stores the answer to all requests up to this number.
pub(crate) fn answer(ring: &SharedRing, request: Request, answer: Answer) {
    let (offset, word) = match request {
        Request::Stop => return,
        Request::Rotate => (header::ROTATE_REQUESTS_DONE, answer.number),
        Request::TrustClock => (header::TRUST_CLOCK_REQUESTS_DONE, answer.number),
        Request::Reload => (header::RELOAD_ANSWER, answer.number << 1 | u64::from(answer.accepted)),
    };
    // SYNC ANSWER.
    ring.header_word(offset).store(word, Ordering::Release);
}

fn counter(request: Request) -> usize {
    match request {
        Request::Stop => header::STOP_REQUESTS,
        Request::Rotate => header::ROTATE_REQUESTS,
        Request::Reload => header::RELOAD_REQUESTS,
        Request::TrustClock => header::TRUST_CLOCK_REQUESTS,
    }
}

/// The number of a request, in 63 bits where the answer shares its word with a flag.
fn number(request: Request, count: u64) -> u64 {
    if request == Request::Reload { count & (u64::MAX >> 1) } else { count }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_read_as_it_was_stored() {
        assert_eq!(RotationOutcome::of_word(0), None, "of a consumer that stores none");
        for bits in 0..16 {
            let flag = |bit: u32| bits >> bit & 1 == 1;
            let outcome = RotationOutcome {
                has_rotated: flag(0),
                console: flag(1),
                irregular: flag(2),
                without_checkpoint: flag(3),
            };
            assert_eq!(RotationOutcome::of_word(outcome.word()), Some(outcome));
        }
    }
}
