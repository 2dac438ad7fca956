//! Sinks: the code that writes a handler's lines.
//!
//! [`open`] is the registry. A sink takes batches in order and reports failures; the pipeline decides when to retry.

mod batch;
mod console;
pub(crate) mod file;
mod file_size_limit;
mod stream;
mod time_order;
mod traits;
mod unopened;

use std::path::Path;
use std::sync::Arc;

use ringlog::reader::Cursor;

use crate::config::SinkConfig;
use crate::error::Error;
use crate::rotation::TotalSize;

pub(crate) use batch::Batch;
pub(crate) use traits::{Abandoned, Sink, SinkRequest, Unrotatable};
pub(crate) use unopened::Unopened;

/// Opens the sink of a handler, `None` for one that discards every record. A pipe may have no reader yet. The file of
/// one of the rings is refused. `total`: the closed files of all handlers, if these are limited. `takes_all`: every
/// record of the rings is for the output.
pub(crate) fn open(
    config: &SinkConfig,
    rings: &[&Path],
    total: Option<&Arc<TotalSize>>,
    takes_all: bool,
) -> Result<Option<Box<dyn Sink>>, Error> {
    file_size_limit::survive().map_err(Error::Signals)?;
    match config {
        SinkConfig::Console { stream, .. } => Ok(Some(Box::new(console::Console::open(*stream)?))),
        SinkConfig::Null => Ok(None),
        SinkConfig::File(config) => file::open(config, rings, total, takes_all).map(Some),
    }
}

/// The positions of rings in the output of a handler that cannot be opened now; `None` if only opening it can tell.
pub(crate) fn known_positions(config: &SinkConfig) -> Option<Vec<Cursor>> {
    match config {
        SinkConfig::File(config) => file::known_positions(config),
        SinkConfig::Console { .. } | SinkConfig::Null => Some(Vec::new()),
    }
}

#[cfg(test)]
mod tests;
