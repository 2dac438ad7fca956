//! What the loop works with besides its outputs.

use std::time::Instant;

use super::flags::Flags;
use super::sources::Sources;
use crate::config::ConfigFile;
use crate::events::Events;

/// The sources, requests and callbacks of a running writer.
pub(super) struct Context<'a> {
    pub(super) sources: Sources,
    pub(super) flags: Flags<'a>,
    pub(super) events: &'a mut dyn Events,
}

impl Context<'_> {
    /// Whether the writer has been asked to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.asked_since().is_some()
    }

    /// Since when the writer is asked to stop; `None` if it is not.
    pub(super) fn asked_since(&self) -> Option<Instant> {
        self.flags.asked_since(self.sources.stop_requested())
    }
}

/// What all sessions have in common.
#[derive(Clone, Copy)]
pub(super) struct How<'a> {
    /// The configuration file, if there is one.
    pub(super) file: Option<&'a ConfigFile>,
    /// Whether the writer ends once no process logs any more.
    pub(super) until_idle: bool,
    /// Whether a ring that was removed is made anew.
    pub(super) makes_anew: bool,
}
