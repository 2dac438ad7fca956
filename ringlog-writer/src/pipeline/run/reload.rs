//! The end of a session that another one follows: the configuration is replaced as a whole, or stays in force; a disk
//! answers again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringlog::admin::Shown;

use super::{BUSY, Writer};
use crate::config::Config;
use crate::error::Error;
use crate::pipeline::blocked::Blocked;
use crate::pipeline::outputs::QUIESCE_WITHIN;
use crate::pipeline::patience::{Called, Patience};

impl Writer<'_> {
    /// Whether the configuration has to be reloaded. Without one, reopens the file instead. A writer that is
    /// ending does neither: requests that follow each other could keep it from ending.
    pub(super) fn wants_reload(&mut self) -> bool {
        if self.ending.is_some() || (self.how.file.is_some() && self.context.is_stopping()) {
            return false;
        }
        let is_signalled = self.context.flags.reopen.swap(false, Ordering::Relaxed);
        let is_requested = self.context.sources.requests().reload();
        if self.how.file.is_none() && (is_signalled || is_requested) {
            self.outputs.reopen();
            self.is_reopening = true;
        }
        self.how.file.is_some() && (is_signalled || is_requested)
    }

    /// Whether a disk answers again, so that a file which something else stands in for can be opened.
    pub(super) fn is_answered(&mut self) -> bool {
        if self.ending.is_some() || self.context.is_stopping() {
            return false;
        }
        let (over, still): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.blocked).into_iter().partition(Blocked::is_over);
        self.blocked = still;
        over.iter().any(|blocked| self.outputs.have(&blocked.place))
    }

    /// Loads the configuration. Reports its errors if it has any; the present one stays in force then.
    pub(super) fn load_config(&mut self) -> Result<Option<Config>, Error> {
        let Some(file) = self.how.file.cloned() else { return Ok(None) };
        let (stop, path) = (Arc::new(AtomicBool::new(false)), file.path.clone());
        let until = Some(Instant::now() + QUIESCE_WITHIN);
        let patience =
            Patience { flags: self.context.flags, until, after_stop: Duration::ZERO, least: Duration::ZERO };
        let load = {
            let stop = stop.clone();
            move || file.load(&stop)
        };
        let loaded = match patience.call(self.context.sources.requests(), load, drop)? {
            Called::Done(loaded) => loaded,
            Called::Blocked(_) => {
                stop.store(true, Ordering::Relaxed);
                let path = path.shown();
                Err(Error::Config(format!("{path}: the disk of it or of an output does not answer")))
            }
        };
        match loaded {
            Ok(config) => {
                self.quiesce()?;
                Ok(Some(config))
            }
            Err(error) => {
                self.context.events.report(&format!("{error}\nthe previous configuration stays in force"));
                self.status.refuse_config(error.to_string());
                self.context.sources.requests().answer_reload(false);
                Ok(None)
            }
        }
    }

    /// Waits until every batch in flight is written, so that sinks without a checkpoint do not get it twice, and until
    /// a rotation that is under way is answered.
    pub(super) fn quiesce(&mut self) -> Result<(), Error> {
        let until = Instant::now() + QUIESCE_WITHIN;
        let is_busy = |writer: &Self| !writer.in_flight.is_empty() || writer.rotating.is_some();
        while is_busy(self) && Instant::now() < until && !self.context.is_stopping() {
            self.outputs.poll(BUSY, self.context.events);
            self.acknowledge()?;
            self.answer_requests();
            if self.in_flight.is_empty() {
                std::thread::sleep(BUSY);
            }
        }
        Ok(())
    }
}
