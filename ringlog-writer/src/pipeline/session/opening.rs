//! Opens the sinks of a session. A disk that does not answer holds up no other output for long.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::blocked::{Blocked, StandIn};
use super::super::patience::{Called, Kept, NO_ANSWER, Patience};
use super::super::requests::Requests;
use super::super::router::{HandlerMask, Router};
use super::super::sources::Sources;
use super::super::status_file::absolute;
use super::Positions;
use super::opened::Opened;
use crate::config::{Config, HandlerConfig};
use crate::error::Error;
use crate::events::Events;
use crate::rotation::TotalSize;
use crate::sink::{self, Opening, Place, Sink, SinkConfig, Unopened};

/// Opens the sinks of a session.
pub(super) struct Opener<'o> {
    pub(super) patience: Patience<'o>,
    pub(super) events: &'o mut dyn Events,
    /// The files whose disks do not answer.
    pub(super) blocked: &'o mut Vec<Blocked>,
    /// The places that were open in the session before, which are not begun anew.
    pub(super) known: &'o [Place],
    /// The positions of the rings in the sinks of the session before.
    pub(super) positions: &'o Positions,
    /// Whether outputs that cannot be opened are opened later.
    pub(super) may_lack_outputs: bool,
    /// Whether the writer starts.
    pub(super) is_first: bool,
    /// The closed files of all handlers, if these are limited.
    pub(super) total: Option<Arc<TotalSize>>,
}

/// As [`Opening`], for another thread.
#[derive(Clone)]
struct OwnedOpening {
    rings: Vec<PathBuf>,
    total: Option<Arc<TotalSize>>,
    takes_all: bool,
}

impl OwnedOpening {
    fn lend<T>(&self, to: impl FnOnce(&Opening<'_>) -> T) -> T {
        let rings: Vec<_> = self.rings.iter().map(PathBuf::as_path).collect();
        to(&Opening { rings: &rings, total: self.total.as_ref(), takes_all: self.takes_all })
    }
}

/// The handlers that write to one place, with their bits.
type Group<'a> = Vec<(&'a HandlerConfig, HandlerMask)>;

type OpenedSink = Result<Option<Box<dyn Sink>>, Error>;

impl Opener<'_> {
    /// Opens the sinks, and repairs their files.
    ///
    /// # Errors
    /// That of the first output without which the session cannot begin. What was opened is given up.
    pub(super) fn open<'a>(
        &mut self,
        config: &'a Config,
        router: &Router,
        sources: &mut Sources,
    ) -> Result<Vec<Opened<'a>>, Error> {
        let mut opened = Vec::new();
        let done = self.open_into(&mut opened, config, router, sources);
        let done = done.and_then(|()| resume(sources, &opened)).and_then(|()| {
            // Files are changed only now that the rings are held, and nothing is discarded until all files are
            // recovered.
            let after_crash = sources.follow_crash();
            [false, true].into_iter().try_for_each(|is_recovered| {
                opened.iter_mut().try_for_each(|sink| self.prepare(sink, is_recovered, after_crash, sources))
            })
        });
        match done {
            Ok(()) => Ok(opened),
            Err(error) => {
                opened.into_iter().for_each(|Opened { place, sink, .. }| {
                    self.end(place, sources.requests(), move || sink.withdraw());
                });
                Err(error)
            }
        }
    }

    fn open_into<'a>(
        &mut self,
        opened: &mut Vec<Opened<'a>>,
        config: &'a Config,
        router: &Router,
        sources: &Sources,
    ) -> Result<(), Error> {
        for (place, handlers) in self.by_place(config, router, sources)? {
            let [(first, _), ..] = handlers[..] else { continue };
            if self.is_blocked(&place) {
                self.may_stand_in(&place, first, sources)?;
                let (sink, failure) = (self.stand_in_for_blocked(first), Some(NO_ANSWER.to_owned()));
                opened.push(Opened { handlers, place, sink, failure });
                continue;
            }
            let mut sink_config = first.sink.clone();
            if self.known.contains(&place) || self.known.contains(&configured_place(&first.sink)) {
                sink_config.kind_mut().go_on();
            }
            let takes_all = router.takes_all(handlers.iter().fold(0, |bits, (_, bit)| bits | bit));
            let with = OwnedOpening { takes_all, ..self.opening(sources) };
            let open = move || with.lend(|with| sink::open(&sink_config, with));
            let sink = match self.patience.call(sources.requests(), open, give_up_opened)? {
                Called::Done(Ok(sink)) => sink.map(|sink| (sink, None)),
                Called::Done(Err(error)) => {
                    let failure = error.to_string();
                    Some((self.stand_in(first, &place, error, sources)?, Some(failure)))
                }
                Called::Blocked(thread) => {
                    self.blocked.push(Blocked::new(place.clone(), thread));
                    self.may_stand_in(&place, first, sources)?;
                    Some((self.stand_in_for_blocked(first), Some(NO_ANSWER.to_owned())))
                }
            };
            opened.extend(sink.map(|(sink, failure)| Opened { handlers, place, sink, failure }));
        }
        Ok(())
    }

    /// The handlers by the places to which they write.
    fn by_place<'a>(
        &mut self,
        config: &'a Config,
        router: &Router,
        sources: &Sources,
    ) -> Result<Vec<(Place, Group<'a>)>, Error> {
        let mut places: Vec<(Place, Group<'a>)> = Vec::new();
        for (number, handler) in config.handlers.iter().enumerate() {
            let Some(bit) = router.bit(number) else { continue };
            let sink = handler.sink.clone();
            let place = match handler.sink.kind().path() {
                None => handler.sink.place(),
                Some(_) => match self.patience.call(sources.requests(), move || sink.place(), drop)? {
                    Called::Done(place) => place,
                    Called::Blocked(thread) => {
                        let place = configured_place(&handler.sink);
                        self.blocked.push(Blocked::new(place.clone(), thread));
                        Some(place)
                    }
                },
            };
            let Some(place) = place else { continue };
            match places.iter_mut().find(|(known, _)| *known == place) {
                Some((_, handlers)) => handlers.push((handler, bit)),
                None => places.push((place, vec![(handler, bit)])),
            }
        }
        Ok(places)
    }

    /// Recovers a sink, or begins a recovered one.
    fn prepare(
        &mut self,
        opened: &mut Opened<'_>,
        is_recovered: bool,
        after_crash: bool,
        sources: &Sources,
    ) -> Result<(), Error> {
        let handler = opened.handlers[0].0;
        let mut sink = std::mem::replace(&mut opened.sink, Box::new(StandIn::new(&handler.sink)));
        let prepare = move || {
            let mut kept = Kept::default();
            let done = match is_recovered {
                false => sink.recover(after_crash, &mut kept),
                true => sink.begin(&mut kept),
            };
            (sink, done, kept)
        };
        match self.patience.call(sources.requests(), prepare, drop)? {
            Called::Done((sink, done, kept)) => {
                opened.sink = sink;
                kept.report_to(self.events);
                if let Err(error) = done {
                    opened.failure = Some(error.to_string());
                    let stand_in = self.stand_in(handler, &opened.place, error, sources)?;
                    let sink = std::mem::replace(&mut opened.sink, stand_in);
                    self.end(opened.place.clone(), sources.requests(), move || drop(sink));
                }
            }
            Called::Blocked(thread) => {
                self.blocked.push(Blocked::new(opened.place.clone(), thread));
                self.may_stand_in(&opened.place, handler, sources)?;
                opened.sink = self.stand_in_for_blocked(handler);
                opened.failure = Some(NO_ANSWER.to_owned());
            }
        }
        Ok(())
    }

    fn opening(&self, sources: &Sources) -> OwnedOpening {
        let rings = sources.all().iter().map(|source| source.ring().path().to_owned()).collect();
        OwnedOpening { rings, total: self.total.clone(), takes_all: false }
    }

    fn is_blocked(&self, place: &Place) -> bool {
        self.blocked.iter().any(|blocked| blocked.place == *place)
    }

    /// Whether a session can begin although the disk of this file does not answer.
    fn may_stand_in(&self, place: &Place, handler: &HandlerConfig, sources: &Sources) -> Result<(), Error> {
        let out = handler.sink.to_string();
        if self.is_first {
            // It was waited for as long as the writer was not asked to stop.
            let source = std::io::Error::new(std::io::ErrorKind::TimedOut, NO_ANSWER);
            return Err(Error::Write { out, source, records: sources.unwritten()? });
        }
        let is_known = self.known.contains(place) || self.known.contains(&configured_place(&handler.sink));
        match self.may_lack_outputs || is_known {
            true => Ok(()),
            false => Err(Error::Open { path: out.into(), why: NO_ANSWER.to_owned() }),
        }
    }

    /// What stands in for the sink of a file whose disk does not answer.
    fn stand_in_for_blocked(&mut self, handler: &HandlerConfig) -> Box<dyn Sink> {
        let out = &handler.sink;
        self.events.report(&format!("{out}: {NO_ANSWER}; its records wait in the rings until it does"));
        Box::new(StandIn::new(out))
    }

    /// What takes the place of a sink that cannot be opened, until it can.
    fn stand_in(
        &mut self,
        handler: &HandlerConfig,
        place: &Place,
        error: Error,
        sources: &Sources,
    ) -> Result<Box<dyn Sink>, Error> {
        if !self.may_lack_outputs && !error.is_for_want_of_room() {
            return Err(error);
        }
        let before = self.positions.get(&handler.sink.to_string()).cloned();
        let before = before.or_else(|| self.may_lack_outputs.then(Vec::new));
        let (config, with) = (handler.sink.clone(), self.opening(sources));
        let make = move || {
            let cursors = before.or_else(|| config.kind().known_positions())?;
            Some(with.lend(|with| Unopened::new(&config, with, cursors)))
        };
        match self.patience.call(sources.requests(), make, drop)? {
            Called::Done(None) => Err(error),
            Called::Done(Some(unopened)) => {
                self.events.report(&format!("{error}; trying again, its records wait in the rings"));
                Ok(Box::new(unopened))
            }
            Called::Blocked(thread) => {
                self.blocked.push(Blocked::new(place.clone(), thread));
                self.may_stand_in(place, handler, sources)?;
                Ok(self.stand_in_for_blocked(handler))
            }
        }
    }

    /// Ends a sink in a thread of its own.
    fn end(&mut self, place: Place, requests: Requests<'_>, end: impl FnOnce() + Send + 'static) {
        // Without a thread the sink is dropped, as if the writer were killed.
        if let Ok(Called::Blocked(thread)) = self.patience.call(requests, end, drop) {
            self.blocked.push(Blocked::new(place, thread));
        }
    }
}

/// Where a sink writes by its configuration alone: links are not followed.
pub(super) fn configured_place(sink: &SinkConfig) -> Place {
    match sink.kind().path() {
        Some(path) => Place::File(absolute(path).into()),
        None => Place::Named(sink.to_string()),
    }
}

/// Gives up a sink that was opened too late.
fn give_up_opened(opened: OpenedSink) {
    if let Ok(Some(sink)) = opened {
        sink.withdraw();
    }
}

/// Starts the rings where every sink has what came before. Of the rest, each skips what it has.
fn resume(sources: &mut Sources, opened: &[Opened<'_>]) -> Result<(), Error> {
    sources.resume(|ring| {
        let mut cursors = opened.iter().map(|opened| opened.sink.cursor(ring));
        let mut common = cursors.next().unwrap_or_default();
        cursors.for_each(|cursor| common.meet(&cursor));
        common
    })
}
