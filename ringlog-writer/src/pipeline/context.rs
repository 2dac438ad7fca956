//! What the loop works with besides its outputs.

use std::sync::atomic::Ordering;

use super::flags::Flags;
use super::sources::Sources;
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
        let Flags { stop, now, .. } = self.flags;
        stop.load(Ordering::Relaxed) || now.load(Ordering::Relaxed) || self.sources.stop_requested()
    }
}
