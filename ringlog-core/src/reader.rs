//! Reading a ring: draining it, or looking at it without disturbing anyone.

pub(crate) mod consumer;
pub(crate) mod dictionary;
pub(crate) mod entry;
pub(crate) mod levels;
pub(crate) mod observer;
pub(crate) mod stat;
