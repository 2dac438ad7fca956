//! The options of a new queue.

use super::Queue;
use crate::error::Error;
use crate::ring::options::{Options, Size};

/// How the ring of a queue is made; see [`Queue::options`].
#[derive(Clone, Debug, Default)]
pub struct QueueOptions {
    ring: Options,
}

impl QueueOptions {
    /// Size of the ring, as for [`Options::size`]: 16 MiB by default. An item takes its length and some 30 bytes more,
    /// rounded up to 64; the longest one may have a quarter of the ring.
    #[must_use]
    pub fn size(mut self, size: impl Into<Size>) -> Self {
        self.ring = self.ring.size(size);
        self
    }

    /// How many items the queue takes at most; 0, the default, for as many as the ring holds. All processes that put
    /// items into a bounded queue take turns, so it is slower.
    #[must_use]
    pub fn bound(mut self, items: u64) -> Self {
        self.ring.bound = items;
        self
    }

    /// Permissions of the file, 0600 by default.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.ring = self.ring.mode(mode);
        self
    }

    /// The other options of the ring. They replace those that were set before, but for the bound.
    #[must_use]
    pub fn ring(mut self, options: Options) -> Self {
        let bound = self.ring.bound;
        self.ring = options;
        self.ring.bound = bound;
        self
    }

    /// Makes the ring and opens it.
    ///
    /// # Errors
    /// As for [`Options::create`].
    pub fn create(self, name: &str) -> Result<Queue, Error> {
        Queue::of(&self.ring.create(name)?)
    }

    /// Opens the ring, or makes it if it is not there. The options count only if it is made.
    ///
    /// # Errors
    /// As for [`Options::create_or_open`].
    pub fn create_or_open(self, name: &str) -> Result<Queue, Error> {
        Queue::of(&self.ring.create_or_open(name)?)
    }
}
