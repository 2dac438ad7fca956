//! SIGINT and SIGTERM, for a command that goes on until one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};

/// A pause looks for a signal after this time again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Whether a signal has come.
pub(super) struct StopSignals {
    has_come: Arc<AtomicBool>,
}

impl StopSignals {
    /// Installs the signal handlers, also for SIGINT ignored so far, with which a shell starts background commands.
    pub(super) fn install() -> anyhow::Result<StopSignals> {
        let has_come = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, has_come.clone())
                .context("cannot install signal handlers")?;
        }
        Ok(StopSignals { has_come })
    }

    pub(super) fn have_come(&self) -> bool {
        self.has_come.load(Ordering::Relaxed)
    }

    /// Pauses, and ends the pause early if a signal comes.
    pub(super) fn pause(&self, pause: Duration) {
        let began = Instant::now();
        while !self.have_come() {
            let left = pause.saturating_sub(began.elapsed());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
    }
}
