//! The producing side: from a log statement to a published record.

pub(crate) mod default_logger;
pub(crate) mod levels;

pub(crate) mod callsite;
pub(crate) mod definitions;
#[cfg(feature = "log")]
pub(crate) mod facade;
pub(crate) mod flush;
pub(crate) mod init;
pub(crate) mod logger;
pub(crate) mod panics;
pub(crate) mod push;
pub(crate) mod search;
pub(crate) mod statement;
