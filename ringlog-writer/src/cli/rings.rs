//! Rings that are not there when the writer starts: made, or waited for.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ringlog::Ring;
use ringlog::admin::{Shown, Size};
use ringlog::reader::Observer;

use super::WriterArgs;
use crate::error::Error;
use crate::events::Events;
use crate::pipeline::Signals;

/// The size of a ring for which none was given.
const DEFAULT_BYTES: u64 = 16 << 20;

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Makes missing rings, or waits for them, as the arguments say. False if the wait was ended by a signal.
pub(super) fn prepare(args: &WriterArgs, signals: &Signals, events: &mut dyn Events) -> Result<bool, Error> {
    if args.create.is_none() && !args.wait {
        return Ok(true);
    }
    if let Some(None) = args.create
        && let Some(size) = args.rings.iter().find(|ring| ring.parse::<Size>().is_ok())
    {
        return Err(Error::Options(format!(
            "{size:?} is taken for a ring, because --create takes its value behind =; did you mean --create={size}? \
             For a ring of this name write --create=16MiB"
        )));
    }
    let rings = match &args.config {
        Some(path) => args.config_file(path).check()?.config.rings,
        None => args.rings.clone(),
    };
    for ring in &rings {
        if let Some(size) = &args.create {
            let size = size.clone().unwrap_or(Size::from(DEFAULT_BYTES));
            Ring::options().size(size).create_or_open(ring)?;
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
            Ok(_) if is_reported => {
                events.report(&format!("{} is there", ring.shown()));
                return Ok(true);
            }
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
