//! From options or a configuration to a running loop, and from its end back.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringlog::Ring;
use ringlog::reader::Cursor;

use super::delivery::Outlet;
use super::formatting::Formatting;
use super::handlers::{Handler, Handlers, Kind};
use super::router::Router;
use super::sources::Intake;
use super::worker::Worker;
use super::{End, Events, Front, Signals, StandardError, Summary, Told, Writer};
use crate::config::options::{Existing, Options};
use crate::config::{self, Checked, Config, ConfigErrors, Output, whereabouts};
use crate::error::Error;
use crate::format::Source;
use crate::sink::{self, Sink};

/// Between two attempts to begin again as before.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Persists records until `stop` is set, somebody asks for it with `ringlog stop`, the reader of a pipe
/// has gone, or, if the options say so, the ring is idle. Then writes everything published up to that
/// moment and returns. What goes wrong meanwhile it says on standard error.
///
/// A program that runs this in a thread of its own should call [`ringlog::survive_truncation`], as the
/// daemon does: it is not done here, because it installs a signal handler.
///
/// # Errors
/// [`Error::Options`] if those do not go together; [`Error::Ring`] if the ring cannot be opened, somebody else
/// drains it, or its file was truncated: what had been taken out of it until then is written; [`Error::Open`], before
/// anything is taken out of the ring; [`Error::Write`] if it was told to end while the output took
/// nothing. A full disk alone is none: it is waited for.
pub fn run(options: &Options, stop: &AtomicBool) -> Result<Summary, Error> {
    let told = Told { stop, reopen: &AtomicBool::new(false), rotate: &AtomicBool::new(false) };
    run_options(options, told, &mut StandardError)
}

/// The same, with a way to reopen the file, and to hear what happens.
///
/// # Errors
/// As for [`run`].
pub fn run_with(options: &Options, signals: &Signals, events: &mut dyn Events) -> Result<Summary, Error> {
    let Signals { stop, reopen, rotate } = signals;
    run_options(options, Told { stop, reopen, rotate }, events)
}

fn run_options(options: &Options, told: Told<'_>, events: &mut dyn Events) -> Result<Summary, Error> {
    options.check()?;
    let config = Config::from(options);
    let config = &config;
    let session = Session { config, file: None, until_idle: options.until_idle, answers: None, stops: &[] };
    let mut summary = Summary::default();
    session.begin(told, events).and_then(|writer| session.run(writer, &mut summary))?;
    Ok(summary)
}

/// A configuration that may change while the writer runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// The rings, if they are not those that it names.
    pub rings: Vec<String>,
    /// End once every lane is closed and all is drained, as [`Options::until_idle`].
    pub until_idle: bool,
}

impl ConfigFile {
    /// Reads it.
    ///
    /// # Errors
    /// [`Error::Config`] with everything that is wrong in it.
    pub fn check(&self) -> Result<Checked, Error> {
        let mut checked = Config::read(&self.path).map_err(|errors| Error::Config(errors.to_string()))?;
        if !self.rings.is_empty() {
            checked.config.rings.clone_from(&self.rings);
        }
        if checked.config.rings.is_empty() {
            let path = self.path.display();
            return Err(Error::Config(format!(
                "{path} names no ring; write `rings = [\"app\"]` into it, or name them on the command line"
            )));
        }
        Ok(checked)
    }

    /// Reads it, and looks whether its outputs can be opened.
    pub(super) fn read(&self) -> Result<Config, Error> {
        let checked = self.check()?;
        let targets = checked.check_targets();
        if targets.is_empty() {
            Ok(checked.config)
        } else {
            Err(Error::Config(ConfigErrors(targets).to_string()))
        }
    }
}

/// As [`run_with`], by a configuration: from several rings, to several outputs. SIGHUP and `ringlog reload` have it
/// read anew; all of the new one comes into force, or the old one stays.
///
/// # Errors
/// As for [`run`], and [`Error::Config`].
pub fn run_config(file: &ConfigFile, signals: &Signals, events: &mut dyn Events) -> Result<Summary, Error> {
    let Signals { stop, reopen, rotate } = signals;
    let told = Told { stop, reopen, rotate };
    let mut summary = Summary::default();
    let mut config = file.read()?;
    // What is gone back to where the next one cannot begin: outputs are held by one writer, so the old ones are
    // closed before the new ones are opened.
    let (mut before, mut answers, mut stops) = (None, true, Vec::new());
    let (mut has_begun, mut is_waiting) = (false, false);
    loop {
        let session = Session {
            config: &config,
            file: Some(file),
            until_idle: file.until_idle,
            answers: Some(answers),
            stops: &stops,
        };
        let writer = match session.begin(told, events) {
            Ok(writer) => writer,
            Err(error) => {
                if let Some(old) = before.take() {
                    events.say(&format!("{error}; the configuration that was read before stays in force"));
                    (config, answers, has_begun) = (old, false, true);
                } else if has_begun && !told.stop.load(Ordering::Relaxed) {
                    // That one cannot begin again either, for now.
                    if !std::mem::replace(&mut is_waiting, true) {
                        events.say(&format!("{error}; trying again, records wait in the rings"));
                    }
                    std::thread::sleep(TRY_AGAIN);
                } else {
                    return Err(error);
                }
                continue;
            }
        };
        is_waiting = false;
        match session.run(writer, &mut summary)? {
            End::Done => return Ok(summary),
            End::Anew(mut next, heeded) => {
                stops = heeded;
                go_on_with_files_of(&config, &mut next);
                // If that cannot begin, this one does not begin its files anew either.
                let mut old = std::mem::replace(&mut config, *next);
                go_on_with_files_of(&old.clone(), &mut old);
                (before, answers) = (Some(old), true);
            }
        }
    }
}

/// What is done to a file when the writer starts is not done again when the configuration is read anew.
fn go_on_with_files_of(before: &Config, next: &mut Config) {
    let files = |config: &Config| -> Vec<PathBuf> {
        let path = |handler: &config::Handler| match &handler.output {
            Output::File(file) => Some(whereabouts(&file.path)),
            Output::Console { .. } | Output::Null => None,
        };
        config.handlers.iter().filter_map(path).collect()
    };
    let known = files(before);
    for handler in &mut next.handlers {
        if let Output::File(file) = &mut handler.output
            && known.contains(&whereabouts(&file.path))
        {
            (file.existing, file.rotation.on_start) = (Existing::Append, false);
        }
    }
}

/// The time from the reading of a configuration to that of the next.
#[derive(Clone, Copy)]
struct Session<'a> {
    config: &'a Config,
    file: Option<&'a ConfigFile>,
    until_idle: bool,
    /// What those are told who have asked for this configuration: whether it is the one that they meant.
    answers: Option<bool>,
    /// Which requests to end were heeded before.
    stops: &'a [([u8; 16], u64)],
}

impl Session<'_> {
    /// Holds the rings, opens the outputs and puts right what a writer that was killed has left.
    fn begin<'a>(&'a self, told: Told<'a>, events: &'a mut dyn Events) -> Result<Writer<'a>, Error> {
        let rings = self.config.rings.iter().map(|ring| Ring::open(ring)).collect::<Result<Vec<_>, _>>()?;
        let mut intake = Intake::open(&rings, self.config.grace)?;
        let mut sinks = Vec::new();
        for handler in &self.config.handlers {
            if let Some(sink) = sink::open(&handler.output, &rings, self.file.is_none())? {
                sinks.push((handler, sink));
            }
        }
        intake.heed(self.stops);
        // One output alone says where its ring has to begin; several skip what they have, each for itself.
        let is_alone = self.file.is_none();
        if let (true, Some((_, sink))) = (is_alone, sinks.first()) {
            intake.resume(|ring| sink.cursor(ring))?;
        }
        // The rings are held: only now may anything be done to what is in the files.
        for (_, sink) in &mut sinks {
            sink.settle(intake.previous_consumer_crashed(), events)?;
        }
        let has_files = sinks.iter().any(|(handler, _)| matches!(handler.output, Output::File(_)));
        let begin = |(handler, sink)| begin_handler(handler, sink, &intake, is_alone, has_files);
        let all = sinks.into_iter().map(begin).collect::<Result<_, _>>()?;
        let handlers = Handlers::new(all, intake.drops()?, intake.least_bytes());
        if let Some(is_taken) = self.answers {
            intake.answer_reload(is_taken);
        }
        Ok(Writer {
            front: Front { intake, told, events },
            router: Router::new(self.config),
            handlers,
            until_idle: self.until_idle,
            config: self.file,
            counts: Summary::default(),
            turn: 0,
            underway: VecDeque::new(),
            rotating: None,
            summary: Summary::default(),
            ending: None,
            last_unix_ns: 0,
        })
    }

    /// Runs it to its end.
    fn run(&self, mut writer: Writer<'_>, summary: &mut Summary) -> Result<End, Error> {
        writer.front.events.ready();
        let end = writer.carry();
        let Writer { mut front, mut handlers, summary: done, underway, .. } = writer;
        if !matches!(end, Ok(End::Done)) {
            handlers.hurry();
        }
        // What nobody has taken waits for another writer.
        let has_gone = handlers.have_ended();
        let (outlets, written) = handlers.finish(&mut front);
        let Front { mut intake, events, .. } = front;
        summary.add(done);
        let mut sinks: Vec<Box<dyn Sink>> = outlets.into_iter().map(|outlet| outlet.sink).collect();
        if end.is_ok() && written.is_ok() {
            for underway in underway.into_iter().filter(|_| !has_gone) {
                intake.ack_to(&underway.marks)?;
                summary.add(underway.counts);
            }
            if self.until_idle {
                sinks.iter_mut().for_each(|sink| sink.rest(events));
            }
            // In this order: where the checkpoint is gone, the ring has to know that nothing is missing. Where the
            // rings are read anew, what is in the files already may not have come again yet.
            intake.end();
            let is_known = matches!(end, Ok(End::Done)) && !has_gone;
            sinks.into_iter().for_each(|sink| sink.finish(is_known, events));
        }
        match end? {
            // What an output has refused is in the rings for the next one; what it was left out of is not.
            End::Anew(config, _) => {
                if let Err(error @ Error::LeftOut { .. }) = written {
                    events.say(&error.to_string());
                }
                Ok(End::Anew(config, intake.stops()))
            }
            End::Done => written.map(|()| End::Done),
        }
    }
}

fn begin_handler(
    handler: &config::Handler,
    sink: Box<dyn Sink>,
    intake: &Intake,
    is_alone: bool,
    has_files: bool,
) -> Result<Handler, Error> {
    let sources: Vec<Source> = intake.sources().cloned().collect();
    let mut cursors = intake.cursors();
    let had: Vec<Cursor> = match is_alone || !sink.has_cursors() {
        true => Vec::new(),
        false => cursors.iter().map(|cursor| sink.cursor(&cursor.ring)).collect(),
    };
    cursors.iter_mut().zip(&had).for_each(|(cursor, had)| cursor.join(had));
    let formatting = Formatting::new(handler, &sources, &*sink, had)?;
    let kind = match handler.output {
        Output::Console { .. } if has_files => Kind::Aside,
        _ if sink.has_cursors() => Kind::Certain,
        _ => Kind::Uncertain,
    };
    let outlet = Outlet::new(handler.output.to_string(), sink, cursors);
    if is_alone {
        return Ok(Handler::here(formatting, outlet));
    }
    Ok(Handler::elsewhere(formatting, Worker::start(outlet).map_err(Error::Thread)?, kind))
}
