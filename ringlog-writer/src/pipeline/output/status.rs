//! How an output is doing, for the status of the writer.

use super::{EndedEarly, Output};
use crate::error::Error;
use crate::pipeline::worker::Standing;
use crate::status::{OutputState, OutputStatus};

impl Output {
    /// How the output is doing.
    pub(in crate::pipeline) fn status(&self) -> OutputStatus {
        let standing = self.worker.standing();
        let state = match self.ended {
            Some(EndedEarly::ReaderGone | EndedEarly::ReaderGoneAtEnd) => OutputState::ReaderGone,
            Some(EndedEarly::Failed) => OutputState::GivenUp,
            None if standing.failure.is_some() => OutputState::Failing,
            None if self.is_detached => OutputState::LeftOut,
            None if standing.is_blocked => OutputState::Blocked,
            None => OutputState::Ok,
        };
        let status = OutputStatus {
            out: self.name.clone(),
            handlers: self.handlers.iter().map(|handler| handler.name().to_owned()).collect(),
            guarantee: self.guarantee.name().to_owned(),
            state,
            is_left_out: self.is_detached,
            failure: None,
            queued: 0,
            oldest_unix_ns: None,
            records: 0,
            bytes: 0,
            // What it does not get after a failure stays in the rings.
            left_out: self.left_out_before + if self.is_detached { self.left_out.records } else { 0 },
            late: 0,
            retries: 0,
        };
        let mut status = status.with(standing);
        // What is in the batch was taken from the rings too.
        status.queued += self.batch.counts().records;
        let oldest =
            self.batch.entries().iter().filter(|entry| entry.is_record).map(|entry| entry.unix_ns).min();
        status.oldest_unix_ns = status.oldest_unix_ns.into_iter().chain(oldest).min();
        status
    }
}

impl OutputStatus {
    fn with(self, standing: Standing) -> OutputStatus {
        let Standing { written, queued, oldest_unix_ns, failure, retries, .. } = standing;
        let (records, bytes, late) = (written.records, written.bytes, written.late);
        OutputStatus { queued, oldest_unix_ns, failure, records, bytes, late, retries, ..self }
    }

    /// The status once the output's thread has ended, with this result. `left_out_before`: the records that it did not
    /// get while it was detached before.
    pub(super) fn at_the_end(
        self,
        standing: Standing,
        left_out_before: u64,
        result: &Result<(), Error>,
    ) -> OutputStatus {
        let state = match self.state {
            OutputState::ReaderGone => OutputState::ReaderGone,
            _ if result.is_err() => OutputState::GivenUp,
            _ => OutputState::Ok,
        };
        let mut status = OutputStatus { state, is_left_out: false, ..self.with(standing) };
        // The rings have forgotten what was queued, too.
        if let Err(Error::LeftOut { records, .. }) = result {
            status.is_left_out = true;
            status.left_out = left_out_before + records;
            (status.queued, status.oldest_unix_ns) = (0, None);
        }
        status
    }
}
