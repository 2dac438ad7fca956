//! Which levels are wanted: the process's own filter, and the rules set from outside.

pub(crate) mod default_logger;
pub(crate) mod filter;
pub(crate) mod gate;
pub(crate) mod rules;
