//! The requests of other processes: `ringlog stop`, `rotate` and `reload`.

use ringlog::admin::{Request, RotationOutcome};
use ringlog::reader::Consumer;

use super::source::Source;

/// The requests to the writer of some rings. Those that get no new producers get no requests either.
#[derive(Clone, Copy)]
pub(super) struct Requests<'a>(&'a [Source]);

impl<'a> Requests<'a> {
    pub(super) fn to(sources: &'a [Source]) -> Requests<'a> {
        Requests(sources)
    }

    fn present(&self) -> impl Iterator<Item = &'a Source> + use<'a> {
        self.0.iter().filter(|source| source.is_present())
    }

    fn consumers(&self) -> impl Iterator<Item = &'a Consumer> + use<'a> {
        self.present().map(Source::consumer)
    }

    /// Whether a process has asked the writer to stop, or has removed a ring.
    pub(super) fn stops(&self) -> bool {
        self.stopped().is_some()
    }

    fn stopped(&self) -> Option<&'a Source> {
        self.present().find(|source| source.consumer().requests().pending(Request::Stop).is_some())
    }

    /// Why the writer ends, unless that is obvious: it has one ring and was asked to stop.
    pub(super) fn why_stopped(&self) -> Option<String> {
        let source = self.stopped()?;
        let (ring, has_others) = (source.label(), self.present().count() > 1);
        let others = if has_others { "; the writer of the other rings ends too" } else { "" };
        if source.consumer().is_removed() {
            let what = "the records in it are written, and the writer ends";
            return Some(format!("the ring {ring} was removed by `ringlog rm`: {what}{others}"));
        }
        has_others.then(|| format!("the writer of {ring} was asked to stop{others}"))
    }

    /// Whether a process has asked for a reload.
    pub(super) fn reload(&self) -> bool {
        self.consumers().any(|consumer| consumer.requests().pending(Request::Reload).is_some())
    }

    /// Answers every request for a reload.
    pub(super) fn answer_reload(&self, is_taken: bool) {
        self.answer_all(Request::Reload, is_taken);
    }

    /// Answers every request to trust the clock. Returns whether there was one.
    pub(super) fn take_trust(&self) -> bool {
        self.answer_all(Request::TrustClock, true)
    }

    /// Answers the requests of a kind. Returns whether there was one.
    fn answer_all(&self, request: Request, accepted: bool) -> bool {
        let mut is_requested = false;
        for consumer in self.consumers() {
            if let Some(number) = consumer.requests().pending(request) {
                consumer.requests().answer(request, number, accepted);
                is_requested = true;
            }
        }
        is_requested
    }

    /// The unanswered request to rotate of each ring.
    pub(super) fn rotations(&self) -> Vec<Option<u64>> {
        self.consumers().map(|consumer| consumer.requests().pending(Request::Rotate)).collect()
    }

    pub(super) fn answer_rotations(&self, requests: &[Option<u64>], outcome: RotationOutcome) {
        for (consumer, request) in self.consumers().zip(requests) {
            if let Some(request) = request {
                consumer.requests().store_outcome(outcome);
                consumer.requests().answer(Request::Rotate, *request, true);
            }
        }
    }
}
