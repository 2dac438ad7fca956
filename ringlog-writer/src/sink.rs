//! Sinks: the code that writes a handler's lines.
//!
//! [`SinkConfig`] lists the kinds of sinks. A sink takes batches in order and reports failures; the pipeline decides
//! when to retry.

mod batch;
mod config;
mod console;
pub(crate) mod file;
mod file_size_limit;
mod guarantee;
mod kind;
mod null;
mod stream;
mod time_order;
mod traits;
mod unopened;

use crate::error::Error;

pub(crate) use batch::Batch;
pub(crate) use config::Place;
pub use config::SinkConfig;
pub use console::{Color, ConsoleConfig, Stream};
pub use file::config::{Existing, FileConfig};
pub(crate) use file::config::{SETTINGS as FILE, without_checkpoint};
pub use file::fsync::Fsync;
pub use file::owners::{Group, Mode, Owner};
pub(crate) use file::paths::{canonical, checkpoint_path};
pub(crate) use file::rotation_config::{ONLY_BY_REQUEST, SETTINGS as ROTATION};
pub(crate) use guarantee::{Guarantee, OutputKind};
pub(crate) use kind::Opening;
pub use null::NullConfig;
pub(crate) use traits::{Abandoned, NotSynced, Sink, SinkRequest, Unrotatable};
pub(crate) use unopened::Unopened;

/// Opens the sink of a handler, `None` for one that discards every record. A pipe may have no reader yet. The file of
/// one of the rings is refused.
///
/// # Errors
/// [`Error::Open`].
pub(crate) fn open(config: &SinkConfig, with: &Opening<'_>) -> Result<Option<Box<dyn Sink>>, Error> {
    file_size_limit::survive().map_err(Error::Signals)?;
    config.kind().open(with)
}

#[cfg(test)]
mod tests;
