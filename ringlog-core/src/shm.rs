//! What lies in shared memory, and the protocol by which it changes.

pub(crate) mod layout;
pub(crate) mod memory;
pub(crate) mod sync;

pub(crate) mod block;
#[cfg(not(loom))]
pub(crate) mod clock;
#[cfg(not(loom))]
pub(crate) mod record_header;
pub(crate) mod rules_area;
