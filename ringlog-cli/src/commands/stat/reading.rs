//! One reading of a ring's counters and of its writer's status.

use std::time::{Duration, Instant};

use ringlog::reader::{Observer, RingStat};
use ringlog_writer::status::WriterStatus;

use crate::humanize;

/// One reading of a ring's counters and of its writer's status.
pub(crate) struct Reading {
    pub(super) time: Instant,
    pub(super) observer: Observer,
    pub(super) stat: RingStat,
    /// The time of the oldest record that is not persisted.
    pub(super) oldest_unix_ns: Option<u64>,
    /// What the last writer has said of itself; `None` if there was none.
    pub(super) status: Option<WriterStatus>,
    /// Why that cannot be read.
    pub(super) status_error: Option<String>,
}

impl Reading {
    pub(crate) fn new(observer: Observer) -> Result<Reading, ringlog::Error> {
        let (time, stat) = (Instant::now(), observer.stat()?);
        let oldest_unix_ns = if stat.lag() > 0 { observer.oldest_waiting() } else { None };
        let (status, status_error) = match WriterStatus::read(&observer.status_path()) {
            Ok(status) => (status, None),
            Err(error) => (None, Some(error.to_string())),
        };
        Ok(Reading { time, observer, stat, oldest_unix_ns, status, status_error })
    }

    /// The age of the oldest record that is not persisted.
    pub(super) fn behind(&self) -> Duration {
        self.oldest_unix_ns.map_or(Duration::ZERO, humanize::age)
    }

    /// Why nothing is known of the present writer's outputs, if nothing is.
    pub(super) fn unknown(&self) -> Option<String> {
        let writer = self.stat.consumer.as_ref()?;
        match (&self.status_error, &self.status) {
            (Some(error), _) => Some(error.clone()),
            (None, Some(status)) if status.pid == writer.pid => None,
            (None, _) => Some(format!("{} has not said how its outputs are doing", writer.holder)),
        }
    }

    /// The outputs of the writer, or of the last one.
    pub(super) fn outputs(&self) -> &[ringlog_writer::status::OutputStatus] {
        self.status.as_ref().map_or(&[], |status| &status.outputs)
    }
}
