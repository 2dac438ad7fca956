//! Sessions: from options or a configuration to a running loop, and from its end to the next one.

mod closing;
mod ending;
mod opened;
mod opening;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringlog::reader::Cursor;

use self::closing::{Closer, Placed};
use self::opened::Opened;
use self::opening::{Opener, configured_place};
use super::blocked::Blocked;
use super::context::{Context, How};
use super::delivery::Delivery;
use super::deserted::{self, Deserted};
use super::flags::{AskedAt, Flags, Signals};
use super::held::Held;
use super::outputs::{Outcome, Outputs, QUIESCE_WITHIN, Unwritten, stuck_after};
use super::patience::{Called, Patience};
use super::requests::Requests;
use super::router::Router;
use super::run::{End, InFlight, Writer};
use super::sources::Sources;
use super::status_file::StatusFile;
use crate::config::options::Options;
use crate::config::{Config, ConfigFile};
use crate::error::Error;
use crate::events::{Events, StandardError};
use crate::rotation::TotalSize;
use crate::sink::{Guarantee, Place, Sink};
use crate::summary::Summary;

/// The pause before the previous configuration is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long each call on a file is waited for in any case.
const EACH: Duration = Duration::from_millis(200);

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
    let flags = Flags { stop, now, reopen, rotate, asked_at: &AskedAt::default() };
    run_options(options, flags, &mut StandardError)
}

/// As [`run`], with requests to reopen and rotate, and with callbacks.
///
/// # Errors
/// As for [`run`].
pub fn run_with(options: &Options, signals: &Signals, events: &mut dyn Events) -> Result<Summary, Error> {
    run_options(options, Flags::of(signals, &AskedAt::default()), events)
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
    let asked_at = AskedAt::default();
    let flags = Flags::of(signals, &asked_at);
    let patience =
        Patience { flags, until: None, after_stop: stuck_after(Duration::ZERO), least: Duration::ZERO };
    let (to_load, stop) = (file.clone(), signals.stop.clone());
    match patience.call(Requests::to(&[]), move || to_load.load(&stop), drop)? {
        Called::Done(Err(error)) if !signals.stop.load(Ordering::Relaxed) => Err(error),
        Called::Done(Ok(config)) => run_sessions(config, how, flags, events),
        // Asked to end before it has begun.
        Called::Done(Err(_)) | Called::Blocked(_) => Ok(Summary::default()),
    }
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
    let (mut has_begun, mut is_waiting, mut is_resuming) = (false, false, false);
    loop {
        let may_lack_outputs = has_begun && previous.is_none();
        let answered = how.file.map(|_| answer);
        let session =
            Session { config: &config, how, answer: answered, may_lack_outputs, is_first: !has_begun };
        let writer = match session.begin(&mut carried, flags, events) {
            Ok(writer) => writer,
            // Another writer has come meanwhile, or a getter. The other rings may still be left.
            Err(Error::Ring(ringlog::Error::ConsumerExists { .. } | ringlog::Error::QueueInUse { .. }))
                if is_resuming =>
            {
                config.rings.retain(|ring| !deserted::is_drained(ring));
                if config.rings.is_empty() {
                    return ending::only_left_out(carried.left_out, events).map(|()| carried.summary);
                }
                continue;
            }
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
                    let unwritten = std::mem::take(&mut carried.unwritten);
                    unwritten.iter().for_each(|output| events.report(&output.error.to_string()));
                    return Err(error);
                }
                continue;
            }
        };
        (has_begun, is_waiting, is_resuming, previous) = (true, false, false, None);
        match session.run(writer, &mut carried)? {
            Next::Done => return Ok(carried.summary),
            Next::Idle(deserted) => {
                let is_used = deserted.iter().map(Deserted::needs_writer).collect::<Result<Vec<bool>, _>>();
                // A ring that is gone needs none.
                if !is_used.is_ok_and(|used| used.contains(&true)) {
                    if config.general.remove_rings {
                        // What is not removed is found by the next one.
                        let results = deserted.iter().map(Deserted::remove);
                        results.filter_map(Result::err).for_each(|why| events.report(&why.to_string()));
                    }
                    return ending::only_left_out(carried.left_out, events).map(|()| carried.summary);
                }
                is_resuming = true;
            }
            Next::Again => answer = true,
            Next::Reload(next) => {
                (previous, answer) = (Some(std::mem::replace(&mut config, *next)), true);
                how.file.iter().for_each(|file| carried.status.load_config(&file.path));
            }
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
    /// The places that were open in the session before.
    open: Vec<Place>,
    /// Files whose disks do not answer.
    blocked: Vec<Blocked>,
    /// What the outputs of the session before have not written, until the next one has begun.
    unwritten: Vec<Unwritten>,
    /// What outputs lack since earlier sessions, and the rings have forgotten.
    left_out: Vec<Error>,
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
    /// Whether the writer starts.
    is_first: bool,
}

/// What follows a session.
enum Next {
    Done,
    /// These rings were found deserted, and are let go of. If one is used again, a session with the same configuration.
    Idle(Vec<Deserted>),
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
        let Carried { held, positions, status, blocked, open, streams, unwritten, left_out, .. } = carried;
        let mut sources = held.take(&self.config.rings, self.config.general.grace, events)?;
        let router = Router::new(self.config);
        let after_stop = stuck_after(self.config.general.stop_timeout);
        // A writer that starts has nothing else to do.
        let until = (!self.is_first).then(|| Instant::now() + QUIESCE_WITHIN);
        let patience = Patience { flags, until, after_stop, least: EACH };
        blocked.retain(|blocked| !blocked.is_over());
        let opener = Opener {
            patience,
            events,
            blocked,
            known: open,
            positions,
            may_lack_outputs: self.may_lack_outputs,
            is_first: self.is_first,
            total: self.config.general.max_total_size.map(TotalSize::new),
        };
        let (outputs, places) = match self.open_outputs(opener, &router, &mut sources) {
            Ok(opened) => opened,
            Err(error) => return held.put_back(sources, events).and(Err(error)),
        };
        *open = places;
        for Unwritten { name, error, .. } in ending::report(std::mem::take(unwritten), open, events) {
            status.leave_out(&name, &error);
            left_out.push(error);
        }
        let closed = std::mem::take(streams);
        patience.call(sources.requests(), move || drop(closed), drop)?;
        held.end();
        if let Some(is_taken) = self.answer {
            sources.requests().answer_reload(is_taken);
        }
        let context = Context { sources, flags, events };
        let mut status = std::mem::take(status);
        status.begin_session();
        let blocked = std::mem::take(blocked);
        Ok(Writer::new(context, router, outputs, self.how, status, blocked))
    }

    /// Opens the outputs. Returns their places too.
    fn open_outputs(
        &self,
        mut opener: Opener<'_>,
        router: &Router,
        sources: &mut Sources,
    ) -> Result<(Outputs, Vec<Place>), Error> {
        let opened = opener.open(self.config, router, sources)?;
        let has_better = opened.iter().any(|opened| opened.sink.guarantee() != Guarantee::BestEffort);
        let configured = opened.iter().flat_map(|opened| &opened.handlers);
        let places = configured.map(|(handler, _)| configured_place(&handler.sink));
        let places = places.chain(opened.iter().map(|opened| opened.place.clone())).collect();
        let start = |opened: Opened<'_>| opened.start(sources, has_better);
        let all = opened.into_iter().map(start).collect::<Result<_, _>>()?;
        let stop_timeout = self.config.general.stop_timeout;
        Ok((Outputs::new(all, sources.all_drop()?, sources.least_bytes(), stop_timeout), places))
    }

    /// Runs the loop to its end, and closes the sinks.
    fn run(&self, mut writer: Writer<'_>, carried: &mut Carried) -> Result<Next, Error> {
        writer.context.events.ready();
        let end = writer.run();
        let Writer { mut context, mut outputs, summary: done, in_flight, mut status, mut blocked, .. } =
            writer;
        let is_last = !matches!(end, Ok(End::Replaced | End::Reload(_)));
        let is_idle = matches!(end, Ok(End::Idle));
        if !is_idle && !matches!(end, Ok(End::Done)) {
            // Before another session everything was waited for.
            match is_last {
                true => outputs.stop(context.asked_since().unwrap_or_else(Instant::now)),
                false => outputs.give_up(),
            }
        }
        let gone = outputs.last_gone();
        let Outcome {
            deliveries,
            blocked: further,
            errors: unwritten,
            status: outputs,
            whole,
            written_turn,
            unsynced_turn,
        } = outputs.finish(is_last, &mut context);
        blocked.extend(further);
        let Context { mut sources, events, flags } = context;
        let (mut errors, unwritten) = match is_last {
            true => (unwritten.into_iter().map(|output| output.error).collect(), Vec::new()),
            false => (Vec::new(), unwritten),
        };
        if let (Ok(End::Done), Some(out)) = (&end, &gone) {
            ending::add_readers_gone(out, &sources, &mut errors);
        }
        let is_whole = errors.is_empty() && unwritten.is_empty();
        if is_last {
            ending::add_left_out(std::mem::take(&mut carried.left_out), &mut errors);
        }
        let deserted = if is_idle { sources.deserted() } else { Vec::new() };
        let error = end.as_ref().err().or(errors.first()).map(ToString::to_string);
        status.end_session(outputs, &sources, is_last.then_some(error), events);
        carried.status = status;
        carried.summary.add(done);
        carried.positions = deliveries.iter().map(|(_, delivery)| positions_in(delivery, &sources)).collect();
        let sinks = deliveries.into_iter().map(|(place, delivery)| Placed::new(place, delivery));
        let (sinks, streams): (Vec<Placed>, Vec<_>) =
            sinks.partition(|placed| is_last || placed.sink.guarantee() == Guarantee::ExactlyOnce);
        let streams = streams.into_iter().map(|placed| placed.sink);
        carried.streams.extend(streams.filter(|sink| sink.has_reader()));
        let stuck_after = stuck_after(self.config.general.stop_timeout);
        let mut closer = Closer { flags, stuck_after, is_last, blocked, sinks };
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
        if end.is_ok() && is_whole {
            if self.how.until_idle {
                closer.finish(sources.requests(), events)?;
            }
            // The rings first: a removed checkpoint is safe only if they do not give any record out again. Before a
            // further session they may still give out records that a file has already.
            if is_last {
                sources.end();
            }
            let acknowledged = is_last && gone.is_none();
            closer.close(acknowledged, &mut errors, events);
        } else {
            closer.close(false, &mut errors, events);
            if is_last {
                sources.look_for_names();
                // Up to the first batch with an entry that is in no file. An error would hide the one that is returned.
                let mut in_files = left.iter().take_while(|batch| batch.common & whole != 0);
                let _ = in_files.try_for_each(|batch| sources.ack_nameless(&batch.marks));
            }
        }
        carried.blocked = closer.end();
        let next = match end {
            Ok(End::Reload(config)) => Next::Reload(config),
            Ok(End::Replaced) => Next::Again,
            Ok(End::Idle) if errors.iter().all(|error| matches!(error, Error::LeftOut { .. })) => {
                carried.left_out = errors;
                return Ok(Next::Idle(deserted));
            }
            Ok(End::Done | End::Idle) => {
                return ending::result(Ok(()), errors, &sources, unsynced, flags, events)
                    .map(|()| Next::Done);
            }
            Err(error) => {
                return ending::result(Err(error), errors, &sources, unsynced, flags, events)
                    .map(|()| Next::Done);
            }
        };
        // Of sinks that could not be synced when they were closed.
        errors.iter().for_each(|error| events.report(&error.to_string()));
        for output in unwritten {
            match output.error {
                // The rings have forgotten it, whatever configuration comes next.
                error @ Error::LeftOut { .. } => {
                    events.report(&error.to_string());
                    carried.left_out.push(error);
                }
                error => carried.unwritten.push(Unwritten { error, ..output }),
            }
        }
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
