//! Rings that are not there when the writer starts: made, or waited for.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ringlog::Ring;
use ringlog::admin::Shown;
use ringlog::reader::Observer;

use super::WriterArgs;
use crate::error::Error;
use crate::events::Events;
use crate::pipeline::Signals;

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Makes missing rings, or waits for them, as the arguments say. False if the wait was ended by a signal.
pub(super) fn prepare(args: &WriterArgs, signals: &Signals, events: &mut dyn Events) -> Result<bool, Error> {
    if args.create.is_none() && !args.wait {
        return Ok(true);
    }
    let rings = match &args.config {
        Some(path) => args.config_file(path).check()?.config.rings,
        None => args.rings.clone(),
    };
    for ring in &rings {
        if let Some(size) = &args.create {
            Ring::options().size(size.clone()).create_or_open(ring)?;
        } else if !await_ring(ring, signals, events)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Waits until the ring can be opened. Only its absence is waited for; any other error is returned.
fn await_ring(ring: &str, signals: &Signals, events: &mut dyn Events) -> Result<bool, Error> {
    let mut is_reported = false;
    loop {
        match Observer::open(ring) {
            Err(ringlog::Error::NoSuchRing { .. }) => {}
            opened => return opened.map(|_| true).map_err(Error::from),
        }
        if signals.stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if !is_reported {
            events.report(&format!("waiting for the ring {}", ring.shown()));
            is_reported = true;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
