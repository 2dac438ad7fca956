//! Waiting until the records of this process are persisted.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::ring::by_name::Named;
use crate::ring::follow;
use crate::ring::left::Goal;
use crate::ring::session::Session;
use crate::ring::slot::Use;
use crate::shm::layout::lock as lock_byte;
use crate::shm::wakeup;

/// The records that the process has published in one ring.
struct Goals {
    session: Use<'static>,
    lanes: Vec<Goal>,
}

impl Goals {
    fn of(session: Use<'static>) -> Option<Goals> {
        let ring = session.ring()?;
        let lanes = 0..ring.geometry().lane_count;
        let lanes = lanes.filter_map(|lane| Goal::of_lane(&session, &ring, lane)).collect();
        Some(Goals { session, lanes })
    }
}

/// Waits for the present ring, and for those of the same name before it that are still drained.
pub(crate) fn flush(named: &Named, start: Instant, timeout: Duration) -> Result<(), Error> {
    named.look_if_due();
    let mut all: Vec<Goals> = named.sessions().filter_map(Goals::of).collect();
    let mut nap = Duration::from_micros(20);
    loop {
        for goals in &mut all {
            let Goals { session, lanes } = goals;
            let Some(ring) = session.ring() else { continue };
            lanes.retain(|goal| !goal.is_reached(&ring));
            if !named.is_current(session) {
                // What is left in a ring that was removed and is not drained is counted as lost.
                if !lanes.is_empty() && !follow::is_drained_now(session, &ring) {
                    lanes.clear();
                }
            } else if !session.is_whole() || (lanes.is_empty() && session.file_is_cut()) {
                return Err(session.truncated());
            }
            if !lanes.is_empty() {
                wakeup::wake_consumer(&ring);
            }
        }
        all.retain(|goals| !goals.lanes.is_empty());
        let Some(first) = all.first() else { return Ok(()) };
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            let why = if has_consumer(&first.session) {
                "the consumer is behind"
            } else {
                "no consumer drains the ring"
            };
            return Err(Error::FlushTimeout { waited_ms: start.elapsed().as_millis() as u64, why });
        }
        std::thread::sleep(nap.min(left));
        nap = (nap * 2).min(Duration::from_millis(1));
    }
}

pub(crate) fn has_consumer(session: &Session) -> bool {
    session.lock_file.is_held(lock_byte::CONSUMER).unwrap_or(false)
}
