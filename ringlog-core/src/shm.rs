//! What lies in shared memory, and the protocol by which it changes.

pub(crate) mod layout;
pub(crate) mod memory;
pub(crate) mod sync;

pub(crate) mod block;
pub(crate) mod definitions;
pub(crate) mod lane_entry;
pub(crate) mod record_header;
pub(crate) mod role;
pub(crate) mod rules_area;
pub(crate) mod users;

// The models have no use for the rest.
#[cfg(not(loom))]
pub(crate) mod clock;
#[cfg(not(loom))]
pub(crate) mod definition_limits;
#[cfg(not(loom))]
pub(crate) mod drops;
#[cfg(not(loom))]
pub(crate) mod mailbox;
#[cfg(not(loom))]
pub(crate) mod overflow;
#[cfg(not(loom))]
pub(crate) mod wakeup;
#[cfg(not(loom))]
pub(crate) mod words;
