//! An output that could not be opened when a further session began, or for want of room when the writer started. It is
//! opened before its next batch, and the other outputs go on meanwhile.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringlog::reader::Cursor;

use super::batch::Batch;
use super::config::SinkConfig;
use super::guarantee::Guarantee;
use super::kind::Opening;
use super::traits::{Abandoned, NotSynced, Sink, SinkRequest, Unrotatable};
use crate::error::Error;
use crate::events::Events;
use crate::rotation::TotalSize;

/// How often to try to open it while there are no records.
const OPEN_EVERY: Duration = Duration::from_millis(500);

pub(crate) struct Unopened {
    config: SinkConfig,
    guarantee: Guarantee,
    rings: Vec<PathBuf>,
    total: Option<Arc<TotalSize>>,
    /// The positions of the rings in the sink when it was closed.
    cursors: Vec<Cursor>,
    opened: Option<Box<dyn Sink>>,
    tried_at: Instant,
}

impl Unopened {
    /// `cursors`: the positions of the rings in the sink when the session before closed it.
    pub(crate) fn new(config: &SinkConfig, with: &Opening<'_>, cursors: Vec<Cursor>) -> Unopened {
        Unopened {
            total: with.total.cloned(),
            config: config.clone(),
            guarantee: config.kind().output().map_or(Guarantee::AtLeastOnce, |output| output.guarantee),
            rings: with.rings.iter().map(|ring| ring.to_path_buf()).collect(),
            cursors,
            opened: None,
            tried_at: Instant::now(),
        }
    }

    /// The sink; opens it if it is not open yet.
    fn sink(&mut self, events: &mut dyn Events) -> io::Result<&mut dyn Sink> {
        let sink = match self.opened.take() {
            Some(sink) => sink,
            None => {
                self.tried_at = Instant::now();
                self.open(events).map_err(io::Error::from)?
            }
        };
        Ok(&mut **self.opened.insert(sink))
    }

    fn open(&self, events: &mut dyn Events) -> Result<Box<dyn Sink>, Error> {
        let rings: Vec<&Path> = self.rings.iter().map(PathBuf::as_path).collect();
        let failed = |why: &str| Error::Open { path: self.config.to_string().into(), why: why.to_owned() };
        let with = Opening { rings: &rings, total: self.total.as_ref(), takes_all: false };
        let mut sink = super::open(&self.config, &with)?.ok_or_else(|| failed("it discards every record"))?;
        // The batches continue at these positions. A new file has none.
        let is_known = |cursor: &Cursor| [cursor, &Cursor::default()].contains(&&sink.cursor(&cursor.ring));
        if !self.cursors.iter().all(is_known) {
            return Err(failed("its checkpoint was changed meanwhile; start the writer anew"));
        }
        sink.recover(false, events)?;
        sink.begin(events)?;
        Ok(sink)
    }
}

impl Sink for Unopened {
    fn guarantee(&self) -> Guarantee {
        self.guarantee
    }

    fn deliver(&mut self, batch: &Batch, events: &mut dyn Events) -> io::Result<()> {
        self.sink(events)?.deliver(batch, events)
    }

    fn abandon(&mut self, batch: &Batch, events: &mut dyn Events) -> Abandoned {
        let unopened = Abandoned::Unwritten { records: batch.records_from(0) };
        self.opened.as_mut().map_or(unopened, |sink| sink.abandon(batch, events))
    }

    fn cursor(&self, ring: &[u8; 16]) -> Cursor {
        let known = || self.cursors.iter().find(|cursor| cursor.ring == *ring).cloned().unwrap_or_default();
        self.opened.as_ref().map_or_else(known, |sink| sink.cursor(ring))
    }

    fn handle(&mut self, request: SinkRequest, events: &mut dyn Events) -> io::Result<()> {
        match (request, &mut self.opened) {
            // Its file is closed as soon as it can be opened.
            (SinkRequest::Rotate(_), None) => self.sink(events)?.handle(request, events),
            (_, Some(sink)) => sink.handle(request, events),
            (_, None) => Ok(()),
        }
    }

    fn maintain(&mut self, events: &mut dyn Events) -> Result<bool, Error> {
        if let Some(sink) = &mut self.opened {
            return sink.maintain(events);
        }
        if self.tried_at.elapsed() < OPEN_EVERY {
            return Ok(false);
        }
        self.opened = Some(self.open(events)?);
        self.tried_at = Instant::now();
        events.report(&format!("{} is open again", self.config));
        Ok(true)
    }

    fn late(&self) -> u64 {
        self.opened.as_ref().map_or(0, |sink| sink.late())
    }

    fn has_reader(&self) -> bool {
        self.opened.as_ref().is_some_and(|sink| sink.has_reader())
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        self.config.kind().unrotatable()
    }

    fn take_loss(&mut self) -> bool {
        self.opened.as_mut().is_some_and(|sink| sink.take_loss())
    }

    fn close(self: Box<Self>, acknowledged: bool, events: &mut dyn Events) -> Result<(), NotSynced> {
        self.opened.map_or(Ok(()), |sink| sink.close(acknowledged, events))
    }
}
