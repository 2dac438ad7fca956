//! What others ask the consumer's process for.

use std::sync::atomic::Ordering;

use super::Consumer;
use crate::shm::layout::header;

impl Consumer {
    /// Whether somebody has asked the consumer to drain and end (`ringlog stop`) since it began, or the ring
    /// has been removed.
    pub fn stop_requested(&self) -> bool {
        self.session.ring().is_some_and(|ring| {
            // A removed ring has no name any more by which somebody could ask.
            let retired = ring.header_word(header::FLAGS).load(Ordering::Relaxed) & header::FLAG_RETIRED != 0;
            retired
                || ring.header_word(header::STOP_REQUESTS).load(Ordering::Relaxed)
                    != self.stop_requests_at_start
        })
    }

    /// How many requests to end there had been when the consumer began, for
    /// [`heed_stops_since`](Self::heed_stops_since).
    pub fn stops_before(&self) -> u64 {
        self.stop_requests_at_start
    }

    /// Requests to end count from here on: for a consumer that goes on in the place of another one.
    pub fn heed_stops_since(&mut self, stops: u64) {
        self.stop_requests_at_start = stops;
    }

    /// The number of the last request to begin a new output file (`ringlog rotate`) that has not been
    /// [answered](Self::answer_rotation).
    pub fn rotation_requested(&self) -> Option<u64> {
        let ring = self.session.ring()?;
        let word = |offset| ring.header_word(offset).load(Ordering::Relaxed);
        let request = word(header::ROTATE_REQUESTS);
        (request != word(header::ROTATE_REQUESTS_DONE)).then_some(request)
    }

    /// The request is answered: there is a new file, or there is nothing that could be rotated.
    pub fn answer_rotation(&self, request: u64) {
        if let Some(ring) = self.session.ring() {
            ring.header_word(header::ROTATE_REQUESTS_DONE).store(request, Ordering::Relaxed);
        }
    }

    /// The number of the last request to read the configuration anew (`ringlog reload`) that has not been
    /// [answered](Self::answer_reload).
    pub fn reload_requested(&self) -> Option<u64> {
        let ring = self.session.ring()?;
        let word = |offset| ring.header_word(offset).load(Ordering::Relaxed);
        // The answer has a bit less than a word.
        let request = word(header::RELOAD_REQUESTS) & (u64::MAX >> 1);
        (request != word(header::RELOAD_ANSWER) >> 1).then_some(request)
    }

    /// The request is answered: what was read is in force, or it was no good and what was before still is.
    pub fn answer_reload(&self, request: u64, is_taken: bool) {
        if let Some(ring) = self.session.ring() {
            ring.header_word(header::RELOAD_ANSWER)
                .store(request << 1 | u64::from(is_taken), Ordering::Relaxed);
        }
    }
}
