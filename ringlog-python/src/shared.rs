//! What all handlers of one ring in a process share. A program may make handlers again and again, as each
//! configuration by `dictConfig` does, and a thread has lanes in few rings.

use std::sync::{Arc, Mutex, Weak};

use ringlog::{Logger, Ring};

use crate::sites::Sites;

/// A ring, and what was logged into it.
pub(crate) struct Shared {
    ring: Ring,
    logger: Logger,
    sites: Sites,
}

static KNOWN: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

impl Shared {
    /// That of a ring. The first handle of a ring is used for all.
    pub fn of(ring: Ring) -> Arc<Shared> {
        let fresh = |ring: Ring| Arc::new(Shared { logger: ring.logger(), ring, sites: Sites::default() });
        // In a forked child another thread of the parent may hold it for ever.
        let Ok(mut known) = KNOWN.try_lock() else { return fresh(ring) };
        known.retain(|shared| shared.strong_count() > 0);
        let is_same = |shared: &Arc<Shared>| {
            shared.ring.path() == ring.path() && shared.ring.info().uuid == ring.info().uuid
        };
        if let Some(shared) = known.iter().filter_map(Weak::upgrade).find(is_same) {
            return shared;
        }
        let shared = fresh(ring);
        known.push(Arc::downgrade(&shared));
        shared
    }

    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    pub fn logger(&self) -> &Logger {
        &self.logger
    }

    pub fn sites(&self) -> &Sites {
        &self.sites
    }
}
