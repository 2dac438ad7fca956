//! The second look of a writer that ends because no process logs any more.
//!
//! A process that opens a lane and then looks for a writer must find either none, or one that sees the lane. So a
//! writer that has found its rings deserted lets go of them, and only then looks whether one was used meanwhile. If so,
//! it becomes the consumer again, unless another writer has. Of two processes that each change something and then look
//! at what the other one has changed, at least one sees the other's change: the locks of lanes and consumers are the
//! kernel's, which orders them.

use ringlog::reader::Observer;
use std::time::{Duration, Instant};

use ringlog::{Ring, admin};

use crate::error::Error;

/// How long a process is waited for that has closed its lanes and still holds the ring, and the time between two looks.
const ENDS_WITHIN: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);

/// A ring that was found deserted.
pub(super) struct Deserted {
    pub(super) ring: Ring,
    /// The number of records published until then.
    pub(super) published: u64,
}

impl Deserted {
    /// Whether a process uses the ring, or has used it since, and no other writer drains it. The consumer has to be
    /// released before.
    ///
    /// # Errors
    /// As for [`Ring::observe`].
    pub(super) fn needs_writer(&self) -> Result<bool, Error> {
        let (is_used, has_consumer) = self.look()?;
        Ok(is_used && !has_consumer)
    }

    /// Whether a process uses the ring, or has used it since, and whether it has a consumer.
    fn look(&self) -> Result<(bool, bool), Error> {
        let stat = self.ring.observe()?.stat()?;
        let is_used =
            stat.published != self.published || stat.lanes.iter().any(|lane| lane.open && lane.alive);
        Ok((is_used, stat.consumer.is_some()))
    }

    /// Removes the ring, unless somebody holds it, or has used it since.
    ///
    /// # Errors
    /// As for [`admin::unheld`], and for [`Ring::observe`].
    pub(super) fn remove(&self) -> Result<(), Error> {
        // A process closes its lanes shortly before it is gone.
        let until = Instant::now() + ENDS_WITHIN;
        let unheld = loop {
            match admin::unheld(&self.ring.path().to_string_lossy())? {
                Some(unheld) => break unheld,
                None if Instant::now() >= until => return Ok(()),
                None => std::thread::sleep(PAUSE),
            }
        };
        // Nobody holds it from here on. Who held it before has logged what it had to log.
        if self.look()? == (false, false) {
            unheld.remove()?;
        }
        Ok(())
    }
}

/// Whether a writer drains the ring of this name.
pub(super) fn is_drained(name: &str) -> bool {
    let stat = Observer::open(name).and_then(|observer| observer.stat());
    stat.is_ok_and(|stat| stat.consumer.is_some())
}
