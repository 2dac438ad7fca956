//! Sessions: from options or a configuration to a running loop, and from its end to the next one.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringlog::Ring;
use ringlog::reader::Cursor;

use super::context::Context;
use super::delivery::Delivery;
use super::flags::{Flags, Signals};
use super::formatting::Formatting;
use super::handlers::{ActiveHandler, Guarantee, Handlers};
use super::old_ring;
use super::router::Router;
use super::run::{End, Writer};
use super::sources::Sources;
use super::summary::Summary;
use super::worker::Worker;
use crate::config::options::{Existing, Options};
use crate::config::{Config, ConfigFile, HandlerConfig, SinkConfig, canonical};
use crate::error::Error;
use crate::events::{Events, StandardError};
use crate::format::RingIdentity;
use crate::sink::{self, Sink};

/// The pause before the previous configuration is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// For each ring its UUID, and the number of the stop request from which on requests count.
type StopRequests = Vec<([u8; 16], u64)>;

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
/// before that are written; [`Error::Write`] if the writer was asked to stop while a write failed. A full disk is not
/// an error: the writer waits for space.
pub fn run(options: &Options, stop: &AtomicBool) -> Result<Summary, Error> {
    let flags = Flags { stop, reopen: &AtomicBool::new(false), rotate: &AtomicBool::new(false) };
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
    let mut config = Config::from(options);
    let mut stops = Vec::new();
    let mut summary = Summary::default();
    loop {
        let session = Session {
            config: &config,
            file: None,
            until_idle: options.until_idle,
            answer: None,
            stops: &stops,
        };
        let next = session.begin(flags, events).and_then(|writer| session.run(writer, &mut summary))?;
        match next {
            Next::Done => return Ok(summary),
            // Options are not loaded anew: a ring was replaced.
            Next::Again(honored) | Next::Reload(_, honored) => stops = honored,
        }
        keep_files_of(&config.clone(), &mut config);
    }
}

/// As [`run_with`], with a configuration: any number of rings and handlers. SIGHUP and `ringlog reload` reload it; the
/// new configuration takes effect as a whole, or the previous one stays in force.
///
/// # Errors
/// As for [`run`], and [`Error::Config`].
pub fn run_config(file: &ConfigFile, signals: &Signals, events: &mut dyn Events) -> Result<Summary, Error> {
    let flags = Flags::from(signals);
    let mut summary = Summary::default();
    let mut config = file.load()?;
    // The configuration to return to if the next one cannot start. A file is locked by one writer, so the old files are
    // closed before the new ones are opened.
    let (mut previous, mut answer, mut stops) = (None, true, Vec::new());
    let (mut has_begun, mut is_waiting) = (false, false);
    loop {
        let session = Session {
            config: &config,
            file: Some(file),
            until_idle: file.until_idle,
            answer: Some(answer),
            stops: &stops,
        };
        let writer = match session.begin(flags, events) {
            Ok(writer) => writer,
            Err(error) => {
                if let Some(old) = previous.take() {
                    events.report(&format!("{error}; the previous configuration stays in force"));
                    (config, answer, has_begun) = (old, false, true);
                } else if has_begun && !flags.stop.load(Ordering::Relaxed) {
                    // The previous configuration cannot start again either: try until one can.
                    if !std::mem::replace(&mut is_waiting, true) {
                        events.report(&format!("{error}; trying again, records wait in the rings"));
                    }
                    std::thread::sleep(RETRY_AFTER);
                } else {
                    return Err(error);
                }
                continue;
            }
        };
        is_waiting = false;
        match session.run(writer, &mut summary)? {
            Next::Done => return Ok(summary),
            Next::Again(honored) => {
                stops = honored;
                keep_files_of(&config.clone(), &mut config);
                (answer, has_begun) = (true, true);
            }
            Next::Reload(mut next, honored) => {
                stops = honored;
                keep_files_of(&config, &mut next);
                // If the new configuration cannot start, returning to this one must not truncate or rotate its files
                // either.
                let mut old = std::mem::replace(&mut config, *next);
                keep_files_of(&old.clone(), &mut old);
                (previous, answer) = (Some(old), true);
            }
        }
    }
}

/// Makes the next configuration append to files that were open before: `truncate` and `on-start` apply only when the
/// writer starts.
fn keep_files_of(before: &Config, next: &mut Config) {
    let files = |config: &Config| -> Vec<PathBuf> {
        let path = |handler: &HandlerConfig| match &handler.sink {
            SinkConfig::File(file) => Some(canonical(&file.path)),
            SinkConfig::Console { .. } | SinkConfig::Null => None,
        };
        config.handlers.iter().filter_map(path).collect()
    };
    let known = files(before);
    for handler in &mut next.handlers {
        if let SinkConfig::File(file) = &mut handler.sink
            && known.contains(&canonical(&file.path))
        {
            (file.existing, file.rotation.on_start) = (Existing::Append, false);
        }
    }
}

/// The time for which one configuration is in force.
#[derive(Clone, Copy)]
struct Session<'a> {
    config: &'a Config,
    file: Option<&'a ConfigFile>,
    until_idle: bool,
    /// The answer to pending requests for a reload: whether this configuration is the one that was asked for.
    answer: Option<bool>,
    /// The stop requests that the previous session has not honored yet.
    stops: &'a [([u8; 16], u64)],
}

/// What follows a session.
enum Next {
    Done,
    /// A session with the same configuration, and with the rings that are at their names now.
    Again(StopRequests),
    /// A session with this configuration.
    Reload(Box<Config>, StopRequests),
}

impl Session<'_> {
    /// Becomes the consumer of the rings, opens the sinks, and repairs what an earlier writer left unfinished.
    fn begin<'a>(&'a self, flags: Flags<'a>, events: &'a mut dyn Events) -> Result<Writer<'a>, Error> {
        let mut rings =
            self.config.rings.iter().map(|ring| Ring::open(ring)).collect::<Result<Vec<_>, _>>()?;
        rings.extend(old_ring::open_all(&rings, events));
        let mut sources = Sources::open(&rings, self.config.grace)?;
        let mut sinks = Vec::new();
        for handler in &self.config.handlers {
            if let Some(sink) = sink::open(&handler.sink, &rings, self.file.is_none())? {
                sinks.push((handler, sink));
            }
        }
        sources.honor_stops_since(self.stops);
        // The rings start at the position of a single sink. Of several sinks, each skips the records that it has.
        let is_single = self.file.is_none();
        if let (true, Some((_, sink))) = (is_single, sinks.first()) {
            sources.resume(|ring| sink.cursor(ring))?;
        }
        // Files are changed only now that the rings are held.
        for (_, sink) in &mut sinks {
            sink.recover(sources.previous_consumer_crashed(), events)?;
        }
        let has_files = sinks.iter().any(|(handler, _)| matches!(handler.sink, SinkConfig::File(_)));
        let begin = |(handler, sink)| begin_handler(handler, sink, &sources, is_single, has_files);
        let all = sinks.into_iter().map(begin).collect::<Result<_, _>>()?;
        let handlers = Handlers::new(all, sources.all_drop()?, sources.least_bytes());
        if let Some(is_taken) = self.answer {
            sources.answer_reload(is_taken);
        }
        let context = Context { sources, flags, events };
        Ok(Writer::new(context, Router::new(self.config), handlers, self.until_idle, self.file))
    }

    /// Runs the loop to its end, and closes the sinks.
    fn run(&self, mut writer: Writer<'_>, summary: &mut Summary) -> Result<Next, Error> {
        writer.context.events.ready();
        let end = writer.run();
        let Writer { mut context, mut handlers, summary: done, in_flight, .. } = writer;
        if !matches!(end, Ok(End::Done)) {
            handlers.expire_deadlines();
        }
        // Batches that no reader has taken are left for another writer.
        let all_gone = handlers.all_gone();
        let (deliveries, written) = handlers.finish(&mut context);
        let Context { mut sources, events, .. } = context;
        summary.add(done);
        let mut sinks: Vec<Box<dyn Sink>> = deliveries.into_iter().map(|delivery| delivery.sink).collect();
        if end.is_ok() && written.is_ok() {
            for batch in in_flight.into_iter().filter(|_| !all_gone) {
                sources.ack_to(&batch.marks)?;
                summary.add(batch.counts);
            }
            if self.until_idle {
                sinks.iter_mut().for_each(|sink| sink.finish_background(events));
            }
            // The rings first: a removed checkpoint is safe only if they do not give any record out again. Before a
            // reload they may still give out records that a file has already.
            sources.end();
            let acknowledged = matches!(end, Ok(End::Done)) && !all_gone;
            sinks.into_iter().for_each(|sink| sink.close(acknowledged, events));
        }
        match end? {
            // Records that a sink has refused are given out again by the rings; records left out of it are not.
            End::Reload(config) => {
                if let Err(error @ Error::LeftOut { .. }) = written {
                    events.report(&error.to_string());
                }
                Ok(Next::Reload(config, sources.stops()))
            }
            End::Replaced => written.map(|()| Next::Again(sources.stops())),
            End::Done => written.map(|()| Next::Done),
        }
    }
}

fn begin_handler(
    handler: &HandlerConfig,
    sink: Box<dyn Sink>,
    sources: &Sources,
    is_single: bool,
    has_files: bool,
) -> Result<ActiveHandler, Error> {
    let rings: Vec<RingIdentity> = sources.identities().cloned().collect();
    let mut cursors = sources.cursors();
    let had: Vec<Cursor> = match is_single || !sink.has_cursors() {
        true => Vec::new(),
        false => cursors.iter().map(|cursor| sink.cursor(&cursor.ring)).collect(),
    };
    cursors.iter_mut().zip(&had).for_each(|(cursor, had)| cursor.join(had));
    let formatting = Formatting::new(handler, &rings, &*sink, had)?;
    let guarantee = match handler.sink {
        SinkConfig::Console { .. } if has_files => Guarantee::BestEffort,
        _ if sink.has_cursors() => Guarantee::ExactlyOnce,
        _ => Guarantee::AtLeastOnce,
    };
    let delivery = Delivery::new(handler.sink.to_string(), sink, cursors);
    if is_single {
        return Ok(ActiveHandler::inline(formatting, delivery));
    }
    Ok(ActiveHandler::threaded(formatting, Worker::start(delivery).map_err(Error::Thread)?, guarantee))
}
