//! The requests to a consumer, as the consumer sees them.

use super::Consumer;
use crate::shm::block::SharedRing;
use crate::shm::mailbox::{self, Answer, Request, RotationOutcome};

/// The requests to a consumer: `ringlog stop`, `rotate` and `reload`. Requests of a kind are numbered in their order.
#[derive(Debug)]
pub struct Requests<'a> {
    consumer: &'a Consumer,
}

impl Consumer {
    /// The requests of other processes to this consumer.
    pub fn requests(&self) -> Requests<'_> {
        Requests { consumer: self }
    }
}

impl Requests<'_> {
    /// The number of the last request of this kind that has not been [answered](Self::answer). A ring that was
    /// removed by [`admin::remove`](crate::admin::remove) counts as a request to stop.
    pub fn pending(&self, request: Request) -> Option<u64> {
        let ring = self.consumer.session.ring()?;
        let last = mailbox::last(&ring, request);
        let is_removed = request == Request::Stop && self.consumer.is_removed();
        (is_removed || last != self.answered_in(&ring, request)).then_some(last)
    }

    /// Answers the requests of this kind up to `number`. Only for [`Request::Reload`] it matters whether the request
    /// was `accepted`. A request to stop is answered when the consumer ends, and by nothing else.
    pub fn answer(&self, request: Request, number: u64, accepted: bool) {
        if let Some(ring) = self.consumer.session.ring() {
            mailbox::answer(&ring, request, Answer { number, accepted });
        }
    }

    /// Stores what came of the requests to rotate, before they are answered.
    pub fn store_outcome(&self, outcome: RotationOutcome) {
        if let Some(ring) = self.consumer.session.ring() {
            mailbox::store_outcome(&ring, outcome);
        }
    }

    fn answered_in(&self, ring: &SharedRing, request: Request) -> u64 {
        let answer = mailbox::last_answer(ring, request);
        answer.map_or_else(|| self.consumer.lock.stops_before(), |answer| answer.number)
    }
}
