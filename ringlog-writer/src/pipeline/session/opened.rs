//! A sink that was opened for a session, until its thread is started.

use ringlog::reader::Cursor;

use super::super::delivery::Delivery;
use super::super::formatting::Formatting;
use super::super::output::Output;
use super::super::router::HandlerMask;
use super::super::sources::Sources;
use super::super::status_file::absolute;
use crate::config::HandlerConfig;
use crate::error::Error;
use crate::format::RingIdentity;
use crate::sink::{Place, Sink, SinkConfig};

/// A sink that is open, and the handlers that write into it.
pub(super) struct Opened<'a> {
    /// At least one.
    pub(super) handlers: Vec<(&'a HandlerConfig, HandlerMask)>,
    /// Where it writes.
    pub(super) place: Place,
    pub(super) sink: Box<dyn Sink>,
    /// Why it cannot be opened yet, if it cannot.
    pub(super) failure: Option<String>,
}

impl Opened<'_> {
    /// Starts its thread. `has_better`: another sink guarantees more than `BestEffort`.
    pub(super) fn start(self, sources: &Sources, has_better: bool) -> Result<Output, Error> {
        let Opened { handlers, place, sink, failure } = self;
        let rings: Vec<RingIdentity> = sources.identities().cloned().collect();
        let begun = sources.cursors();
        let had: Vec<Cursor> = begun.iter().map(|cursor| sink.cursor(&cursor.ring)).collect();
        let is_ahead = |(begun, had): (&Cursor, &Cursor)| {
            let mut joined = begun.clone();
            joined.join(had);
            joined != *begun
        };
        let had = if begun.iter().zip(&had).any(is_ahead) { had } else { Vec::new() };
        let guarantee = sink.guarantee().among(has_better);
        let formatting =
            |(handler, bit): &(&HandlerConfig, HandlerMask)| Formatting::new(handler, *bit, &rings);
        let formattings = handlers.iter().map(formatting).collect::<Result<_, _>>()?;
        let sink_config = &handlers[0].0.sink;
        let (out, name) = (sink_config.to_string(), name_of(sink_config));
        Output::start(name, place, formattings, Delivery::new(out, sink, failure), guarantee, had)
    }
}

/// The absolute path of the file, or the name of what is no file.
fn name_of(sink: &SinkConfig) -> String {
    sink.kind().path().map_or_else(|| sink.to_string(), absolute)
}
