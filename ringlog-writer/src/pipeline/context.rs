//! What the loop shares with a delivery that runs in it.

use std::sync::atomic::Ordering;

use super::delivery::DeliveryContext;
use super::flags::Flags;
use super::sources::Sources;
use crate::events::Events;

/// The sources, requests and callbacks of a running writer.
pub(super) struct Context<'a> {
    pub(super) sources: Sources,
    pub(super) flags: Flags<'a>,
    pub(super) events: &'a mut dyn Events,
}

impl DeliveryContext for Context<'_> {
    fn is_stopping(&self) -> bool {
        self.flags.stop.load(Ordering::Relaxed) || self.sources.stop_requested()
    }

    fn wants_reopening(&self) -> bool {
        self.flags.reopen.load(Ordering::Relaxed)
    }

    fn reopening(&self) {
        self.flags.reopen.store(false, Ordering::Relaxed);
    }

    fn waiting(&mut self) {
        self.sources.maintain(self.events);
    }

    fn resumed(&mut self, out: &str) {
        self.events.report(&format!("writing to {out} again; no record was lost"));
    }

    fn events(&mut self) -> &mut dyn Events {
        self.events
    }
}
