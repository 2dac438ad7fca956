//! Sessions: from options or a configuration to a running loop, and from its end to the next one.

mod ending;
mod opened;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringlog::reader::Cursor;

use self::opened::Opened;
use super::context::Context;
use super::delivery::Delivery;
use super::flags::{Flags, Signals};
use super::held::Held;
use super::outputs::{Outcome, Outputs};
use super::router::{HandlerMask, Router};
use super::run::{End, InFlight, Writer};
use super::sources::Sources;
use super::status_file::StatusFile;
use crate::config::options::Options;
use crate::config::{Config, ConfigFile, HandlerConfig};
use crate::error::Error;
use crate::events::{Events, StandardError};
use crate::rotation::TotalSize;
use crate::sink::{self, Guarantee, Opening, Place, Sink, Unopened};
use crate::summary::Summary;

/// The pause before the previous configuration is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Persists records until `stop` is set, a process asks for it (`ringlog stop`), the reader of a pipe has gone, or,
/// with [`until_idle`](Options::until_idle), the ring is idle. Then writes every record published so far and returns.
/// Failures meanwhile are reported on standard error.
///
/// A program that calls this in a thread of its own should call [`ringlog::survive_truncation`] first, as the daemon
/// does. It is not called here because it installs a signal handler.
///
/// # Errors
/// [`Error::Options`] if the options contradict each other; [`Error::Open`] before anything is taken out of the ring;
/// [`Error::Ring`] if the ring cannot be opened, another process drains it, or its file was truncated: records taken
/// before that are written; [`Error::Write`] if the writer was asked to stop while a write failed, or if the reader of
/// the last output has gone while records are left. A full disk is not an error: the writer waits for space.
pub fn run(options: &Options, stop: &AtomicBool) -> Result<Summary, Error> {
    let [now, reopen, rotate] = &[const { AtomicBool::new(false) }; 3];
    let flags = Flags { stop, now, reopen, rotate };
    run_options(options, flags, &mut StandardError)
}

/// As [`run`], with requests to reopen and rotate, and with callbacks.
///
/// # Errors
/// As for [`run`].
pub fn run_with(options: &Options, signals: &Signals, events: &mut dyn Events) -> Result<Summary, Error> {
    run_options(options, signals.into(), events)
}

fn run_options(options: &Options, flags: Flags<'_>, events: &mut dyn Events) -> Result<Summary, Error> {
    options.check()?;
    let how = How { file: None, until_idle: options.until_idle, makes_anew: options.makes_anew };
    run_sessions(Config::from(options), how, flags, events)
}

/// As [`run_with`], with a configuration: any number of rings and handlers. SIGHUP and `ringlog reload` reload it; the
/// new configuration takes effect as a whole, or the previous one stays in force.
///
/// # Errors
/// As for [`run`], and [`Error::Config`].
pub fn run_config(file: &ConfigFile, signals: &Signals, events: &mut dyn Events) -> Result<Summary, Error> {
    let how = How { file: Some(file), until_idle: file.until_idle, makes_anew: file.makes_anew };
    match file.load(&signals.stop) {
        // Asked to end before it has begun.
        Err(_) if signals.stop.load(Ordering::Relaxed) => Ok(Summary::default()),
        config => run_sessions(config?, how, signals.into(), events),
    }
}

/// What all sessions have in common.
#[derive(Clone, Copy)]
struct How<'a> {
    /// The configuration file, if there is one.
    file: Option<&'a ConfigFile>,
    until_idle: bool,
    makes_anew: bool,
}

/// Runs one session after the other, until one ends the writer.
fn run_sessions(
    first: Config,
    how: How<'_>,
    flags: Flags<'_>,
    events: &mut dyn Events,
) -> Result<Summary, Error> {
    let (mut config, mut carried) = (first, Carried::default());
    how.file.iter().for_each(|file| carried.status.load_config(&file.path));
    // The configuration to return to if the next one cannot start. A file is locked by one writer, so the old files are
    // closed before the new ones are opened.
    let (mut previous, mut answer) = (None, true);
    let (mut has_begun, mut is_waiting) = (false, false);
    loop {
        let may_lack_outputs = has_begun && previous.is_none();
        let session = Session { config: &config, how, answer: how.file.map(|_| answer), may_lack_outputs };
        let writer = match session.begin(&mut carried, flags, events) {
            Ok(writer) => writer,
            Err(error) => {
                if let Some(old) = previous.take() {
                    events.report(&format!("{error}; the previous configuration stays in force"));
                    carried.status.refuse_config(error.to_string());
                    (config, answer) = (old, false);
                } else if (has_begun || error.is_for_want_of_room())
                    && !flags.stop.load(Ordering::Relaxed)
                    && !carried.held.stop_requested()
                {
                    // The previous configuration cannot start again either, or there is no room: try until one can.
                    if !std::mem::replace(&mut is_waiting, true) {
                        events.report(&format!("{error}; trying again, records wait in the rings"));
                        carried.status.stall(error.to_string(), events);
                    }
                    std::thread::sleep(RETRY_AFTER);
                } else {
                    return Err(error);
                }
                continue;
            }
        };
        (has_begun, is_waiting, previous) = (true, false, None);
        carried.streams.clear();
        match session.run(writer, &mut carried)? {
            Next::Done => return Ok(carried.summary),
            Next::Again => {
                keep_files_of(&config.clone(), &mut config);
                answer = true;
            }
            Next::Reload(mut next) => {
                keep_files_of(&config, &mut next);
                // If the new configuration cannot start, returning to this one must not truncate or rotate its files
                // either.
                let mut old = std::mem::replace(&mut config, *next);
                keep_files_of(&old.clone(), &mut old);
                (previous, answer) = (Some(old), true);
                how.file.iter().for_each(|file| carried.status.load_config(&file.path));
            }
        }
    }
}

/// Makes the next configuration append to files that were open before: `truncate` and `on-start` apply only when the
/// writer starts.
fn keep_files_of(before: &Config, next: &mut Config) {
    let known: Vec<Place> = before.handlers.iter().filter_map(|handler| handler.sink.place()).collect();
    for handler in &mut next.handlers {
        if handler.sink.place().is_some_and(|place| known.contains(&place)) {
            handler.sink.kind_mut().go_on();
        }
    }
}

/// The positions of the rings in the sinks of the session before, by the name of the sink.
type Positions = HashMap<String, Vec<Cursor>>;

/// What goes from one session to the next.
#[derive(Default)]
struct Carried {
    held: Held,
    positions: Positions,
    /// Pipes and streams of the session before, until the next one has opened its own: the reader of a pipe that no
    /// process has open for writing sees its end. Not those without a reader: one that comes next would see an end too.
    streams: Vec<Box<dyn Sink>>,
    summary: Summary,
    status: StatusFile,
}

/// The time for which one configuration is in force.
#[derive(Clone, Copy)]
struct Session<'a> {
    config: &'a Config,
    how: How<'a>,
    /// The answer to pending requests for a reload: whether this configuration is the one that was asked for.
    answer: Option<bool>,
    /// Whether outputs that cannot be opened are opened later, and the others go on meanwhile. Otherwise the session
    /// does not begin, and the configuration before stays in force, or the writer does not start.
    may_lack_outputs: bool,
}

/// What follows a session.
enum Next {
    Done,
    /// A session with the same configuration, and with the rings that have taken the place of others.
    Again,
    /// A session with this configuration.
    Reload(Box<Config>),
}

impl Session<'_> {
    /// Becomes the consumer of the rings, opens the sinks, and repairs what an earlier writer left unfinished. If that
    /// fails, the rings that were held before are held again.
    fn begin<'a>(
        &'a self,
        carried: &mut Carried,
        flags: Flags<'a>,
        events: &'a mut dyn Events,
    ) -> Result<Writer<'a>, Error> {
        let Carried { held, positions, status, .. } = carried;
        let mut sources = held.take(&self.config.rings, self.config.general.grace, events)?;
        let router = Router::new(self.config);
        let outputs = match self.open_outputs(&router, &mut sources, positions, events) {
            Ok(outputs) => outputs,
            Err(error) => return held.put_back(sources, events).and(Err(error)),
        };
        held.end();
        if let Some(is_taken) = self.answer {
            sources.requests().answer_reload(is_taken);
        }
        let context = Context { sources, flags, events };
        let How { file, until_idle, makes_anew } = self.how;
        let mut status = std::mem::take(status);
        status.begin_session();
        Ok(Writer::new(context, router, outputs, until_idle, makes_anew, file, status))
    }

    fn open_outputs(
        &self,
        router: &Router,
        sources: &mut Sources,
        positions: &Positions,
        events: &mut dyn Events,
    ) -> Result<Outputs, Error> {
        let mut opened = Vec::new();
        if let Err(error) = self.open_sinks(&mut opened, router, sources, positions, events) {
            opened.into_iter().for_each(|opened| opened.sink.withdraw());
            return Err(error);
        }
        let has_better = opened.iter().any(|opened| opened.sink.guarantee() != Guarantee::BestEffort);
        let start = |opened: Opened<'_>| opened.start(sources, has_better);
        let all = opened.into_iter().map(start).collect::<Result<_, _>>()?;
        Ok(Outputs::new(all, sources.all_drop()?, sources.least_bytes(), self.config.general.stop_timeout))
    }

    /// Opens the sinks and repairs their files. After an error those that are open are in `opened`.
    fn open_sinks<'a>(
        &'a self,
        opened: &mut Vec<Opened<'a>>,
        router: &Router,
        sources: &mut Sources,
        positions: &Positions,
        events: &mut dyn Events,
    ) -> Result<(), Error> {
        let total = &self.config.general.max_total_size.map(TotalSize::new);
        for handlers in self.by_place(router) {
            let [(first, _), ..] = handlers[..] else { continue };
            let rings = ring_paths(sources);
            let takes_all = router.takes_all(handlers.iter().fold(0, |bits, (_, bit)| bits | bit));
            let with = Opening { rings: &rings, total: total.as_ref(), takes_all };
            let sink = match sink::open(&first.sink, &with) {
                Ok(sink) => sink.map(|sink| (sink, None)),
                Err(error) => {
                    let failure = error.to_string();
                    Some((self.stand_in(first, &with, positions, error, events)?, Some(failure)))
                }
            };
            opened.extend(sink.map(|(sink, failure)| Opened { handlers, sink, failure }));
        }
        // Nothing comes again that every sink has. Of the rest, each skips what it has.
        sources.resume(|ring| {
            let mut cursors = opened.iter().map(|opened| opened.sink.cursor(ring));
            let mut common = cursors.next().unwrap_or_default();
            cursors.for_each(|cursor| common.meet(&cursor));
            common
        })?;
        // Files are changed only now that the rings are held, and nothing is discarded until all files are recovered.
        let (after_crash, rings) = (sources.follow_crash(), ring_paths(sources));
        for is_recovered in [false, true] {
            for Opened { handlers, sink, failure } in opened.iter_mut() {
                let done = match is_recovered {
                    false => sink.recover(after_crash, events),
                    true => sink.begin(events),
                };
                if let Err(error) = done {
                    *failure = Some(error.to_string());
                    let with = Opening { rings: &rings, total: total.as_ref(), takes_all: false };
                    *sink = self.stand_in(handlers[0].0, &with, positions, error, events)?;
                }
            }
        }
        Ok(())
    }

    /// The handlers with their bits, those that write to one place together.
    fn by_place(&self, router: &Router) -> Vec<Vec<(&HandlerConfig, HandlerMask)>> {
        let mut places: Vec<(Place, Vec<_>)> = Vec::new();
        for (number, handler) in self.config.handlers.iter().enumerate() {
            let (Some(place), Some(bit)) = (handler.sink.place(), router.bit(number)) else { continue };
            match places.iter_mut().find(|(known, _)| *known == place) {
                Some((_, handlers)) => handlers.push((handler, bit)),
                None => places.push((place, vec![(handler, bit)])),
            }
        }
        places.into_iter().map(|(_, handlers)| handlers).collect()
    }

    /// What takes the place of a sink that cannot be opened, until it can.
    fn stand_in(
        &self,
        handler: &HandlerConfig,
        with: &Opening<'_>,
        positions: &Positions,
        error: Error,
        events: &mut dyn Events,
    ) -> Result<Box<dyn Sink>, Error> {
        let before = positions.get(&handler.sink.to_string()).cloned();
        let cursors = match before {
            _ if !self.may_lack_outputs && !error.is_for_want_of_room() => return Err(error),
            Some(cursors) => cursors,
            None if self.may_lack_outputs => Vec::new(),
            None => match handler.sink.kind().known_positions() {
                Some(cursors) => cursors,
                None => return Err(error),
            },
        };
        events.report(&format!("{error}; trying again, its records wait in the rings"));
        Ok(Box::new(Unopened::new(&handler.sink, with, cursors)))
    }

    /// Runs the loop to its end, and closes the sinks.
    fn run(&self, mut writer: Writer<'_>, carried: &mut Carried) -> Result<Next, Error> {
        writer.context.events.ready();
        let end = writer.run();
        let Writer { mut context, mut outputs, summary: done, in_flight, mut status, .. } = writer;
        let is_last = !matches!(end, Ok(End::Replaced | End::Reload(_)));
        if !matches!(end, Ok(End::Done)) {
            // Before another session everything was waited for.
            match is_last {
                true => outputs.stop(),
                false => outputs.give_up(),
            }
        }
        let gone = outputs.last_gone();
        let Outcome { deliveries, mut errors, status: outputs, whole, written_turn, unsynced_turn } =
            outputs.finish(is_last, &mut context);
        let Context { mut sources, events, flags } = context;
        if let (Ok(End::Done), Some(out)) = (&end, &gone) {
            ending::add_readers_gone(out, &sources, &mut errors);
        }
        let error = end.as_ref().err().or(errors.first()).map(ToString::to_string);
        status.end_session(outputs, &sources, is_last.then_some(error), events);
        carried.status = status;
        carried.summary.add(done);
        carried.positions = deliveries.iter().map(|delivery| positions_in(delivery, &sources)).collect();
        let (mut sinks, streams): (Vec<Delivery>, Vec<_>) = deliveries
            .into_iter()
            .partition(|delivery| is_last || delivery.sink().guarantee() == Guarantee::ExactlyOnce);
        let streams = streams.into_iter().map(Delivery::into_sink);
        carried.streams.extend(streams.filter(|sink| sink.has_reader()));
        let mut in_flight = in_flight.into_iter().peekable();
        while end.is_ok()
            && let Some(batch) = in_flight.next_if(|batch| batch.turn <= written_turn)
        {
            sources.ack_to(&batch.marks)?;
            carried.summary.add(batch.counts);
        }
        let left: Vec<InFlight> = in_flight.collect();
        let unsynced = left.iter().take_while(|batch| batch.turn <= unsynced_turn);
        let unsynced = unsynced.map(|batch| batch.counts.records).sum();
        if end.is_ok() && errors.is_empty() {
            if self.how.until_idle {
                let finish = |delivery: &mut Delivery| delivery.finish(events);
                sinks.iter_mut().try_for_each(finish).map_err(Error::Thread)?;
            }
            // The rings first: a removed checkpoint is safe only if they do not give any record out again. Before a
            // further session they may still give out records that a file has already.
            if is_last {
                sources.end();
            }
            let acknowledged = is_last && gone.is_none();
            ending::close(sinks, acknowledged, &mut errors, events);
        } else {
            ending::close(sinks, false, &mut errors, events);
            if is_last {
                sources.look_for_names();
                // Up to the first batch with an entry that is in no file. An error would hide the one that is returned.
                let mut in_files = left.iter().take_while(|batch| batch.common & whole != 0);
                let _ = in_files.try_for_each(|batch| sources.ack_nameless(&batch.marks));
            }
        }
        let next = match end {
            Ok(End::Reload(config)) => Next::Reload(config),
            Ok(End::Replaced) => Next::Again,
            Ok(End::Done) => {
                return ending::result(Ok(()), errors, &sources, unsynced, flags, events)
                    .map(|()| Next::Done);
            }
            Err(error) => {
                return ending::result(Err(error), errors, &sources, unsynced, flags, events)
                    .map(|()| Next::Done);
            }
        };
        ending::report(errors, events);
        carried.held.put_back(sources, events)?;
        Ok(next)
    }
}

/// The name of a sink, and the positions of the rings in it.
fn positions_in(delivery: &Delivery, sources: &Sources) -> (String, Vec<Cursor>) {
    let rings = sources.cursors().into_iter().map(|cursor| cursor.ring);
    let cursors =
        rings.map(|ring| delivery.sink().cursor(&ring)).filter(|cursor| *cursor != Cursor::default());
    (delivery.out().to_owned(), cursors.collect())
}

fn ring_paths(sources: &Sources) -> Vec<&Path> {
    sources.all().iter().map(|source| source.ring().path()).collect()
}
