//! An output that could not be opened when a further session began. It is opened before its next batch, and the other
//! outputs go on meanwhile.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringlog::reader::Cursor;

use super::traits::{Maintained, Sink, Unrotatable};
use crate::config::SinkConfig;
use crate::error::Error;
use crate::events::Events;

/// How often to try to open it while there are no records.
const OPEN_EVERY: Duration = Duration::from_millis(500);

pub(crate) struct Unopened {
    config: SinkConfig,
    rings: Vec<PathBuf>,
    /// The positions of the rings in the sink when it was closed.
    cursors: Vec<Cursor>,
    opened: Option<Box<dyn Sink>>,
    tried_at: Instant,
}

impl Unopened {
    /// `cursors`: the positions of the rings in the sink when the session before closed it.
    pub(crate) fn new(config: &SinkConfig, rings: &[&Path], cursors: Vec<Cursor>) -> Unopened {
        Unopened {
            config: config.clone(),
            rings: rings.iter().map(|ring| ring.to_path_buf()).collect(),
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
                self.open(events).map_err(io::Error::other)?
            }
        };
        Ok(&mut **self.opened.insert(sink))
    }

    fn open(&self, events: &mut dyn Events) -> Result<Box<dyn Sink>, Error> {
        let rings: Vec<&Path> = self.rings.iter().map(PathBuf::as_path).collect();
        let failed = |why: &str| Error::Open { path: self.config.to_string().into(), why: why.to_owned() };
        let mut sink =
            super::open(&self.config, &rings)?.ok_or_else(|| failed("it discards every record"))?;
        // The batches continue at these positions. A new file has none.
        let is_known = |cursor: &Cursor| [cursor, &Cursor::default()].contains(&&sink.cursor(&cursor.ring));
        if !self.cursors.iter().all(is_known) {
            return Err(failed("its checkpoint was changed meanwhile; start the writer anew"));
        }
        sink.recover(false, events)?;
        Ok(sink)
    }
}

impl Sink for Unopened {
    fn cursor(&self, ring: &[u8; 16]) -> Cursor {
        let known = || self.cursors.iter().find(|cursor| cursor.ring == *ring).cloned().unwrap_or_default();
        self.opened.as_ref().map_or_else(known, |sink| sink.cursor(ring))
    }

    fn has_cursors(&self) -> bool {
        matches!(&self.config, SinkConfig::File(file) if file.checkpoint)
    }

    fn prepare(&mut self, batch: &[u8], cursors: &[Cursor], events: &mut dyn Events) -> io::Result<()> {
        self.sink(events)?.prepare(batch, cursors, events)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A batch is prepared first, and that has opened the sink.
        self.opened.as_mut().map_or_else(|| Err(ErrorKind::NotFound.into()), |sink| sink.write(bytes))
    }

    fn commit(&mut self, urgent: bool) -> io::Result<()> {
        self.opened.as_mut().map_or(Ok(()), |sink| sink.commit(urgent))
    }

    fn has_committed(&self) -> bool {
        self.opened.as_ref().is_some_and(|sink| sink.has_committed())
    }

    fn take_back(&mut self, bytes: u64) -> bool {
        self.opened.as_mut().map_or(bytes == 0, |sink| sink.take_back(bytes))
    }

    fn reopen(&mut self) -> Result<(), Error> {
        self.opened.as_mut().map_or(Ok(()), |sink| sink.reopen())
    }

    fn maintain(&mut self, events: &mut dyn Events) -> Result<Maintained, Error> {
        if let Some(sink) = &mut self.opened {
            return sink.maintain(events);
        }
        if self.tried_at.elapsed() < OPEN_EVERY {
            return Ok(Maintained::NotDue);
        }
        // The next batch reports an error.
        if self.sink(events).is_ok() {
            events.report(&format!("{} is open again", self.config));
        }
        Ok(Maintained::Done)
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        match &self.config {
            SinkConfig::File(file) if file.checkpoint => None,
            SinkConfig::File(_) => Some(Unrotatable::WithoutCheckpoint),
            SinkConfig::Console { .. } | SinkConfig::Null => Some(Unrotatable::Console),
        }
    }

    fn rotates(&self) -> bool {
        matches!(&self.config, SinkConfig::File(file) if file.rotation.size.is_some() || file.rotation.every.is_some())
    }

    fn rotates_before(&mut self, pending: usize, len: usize, unix_ns: u64) -> bool {
        self.opened.as_mut().is_some_and(|sink| sink.rotates_before(pending, len, unix_ns))
    }

    fn rotate(&mut self, unix_ns: u64, events: &mut dyn Events) -> io::Result<()> {
        self.sink(events)?.rotate(unix_ns, events)
    }

    fn trust_clock(&mut self, events: &mut dyn Events) -> io::Result<()> {
        self.opened.as_mut().map_or(Ok(()), |sink| sink.trust_clock(events))
    }

    fn free_space(&mut self, events: &mut dyn Events) -> bool {
        self.opened.as_mut().is_some_and(|sink| sink.free_space(events))
    }

    fn finish_background(&mut self, events: &mut dyn Events) {
        self.opened.iter_mut().for_each(|sink| sink.finish_background(events));
    }

    fn close(self: Box<Self>, acknowledged: bool, events: &mut dyn Events) {
        self.opened.into_iter().for_each(|sink| sink.close(acknowledged, events));
    }
}
