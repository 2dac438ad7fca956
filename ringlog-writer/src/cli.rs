//! The command line, shared by `ringlog-writer` and `ringlog writer`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use crate::config::ConfigErrors;
use crate::config::options::{Existing, FormatKind, Fsync, Newlines, Options};
use crate::error::Error;
use crate::pipeline::{self, ConfigFile, Events, Signals, StandardError};
use crate::rotation::{At, Compression, Every, Keep, Naming, OnFull, Rotation, Zone, parse_size};
use crate::spawn::Handshake;

/// What a configuration says, and the command line does not say beside it.
const OUTPUT_OPTIONS: [&str; 18] = [
    "out",
    "append",
    "truncate",
    "format",
    "newlines",
    "ids",
    "fsync",
    "rotate_size",
    "rotate_every",
    "rotate_at",
    "zone",
    "rotate_on_start",
    "naming",
    "keep",
    "compress",
    "on_full",
    "no_checkpoint",
    "grace",
];

/// Take the records out of a ring and persist them
///
/// A record's space is given back only when its line has been written, so a writer that is killed leaves
/// the rest in the ring for the next one, and a checkpoint beside the file says where that has to go on:
/// every record is in the file exactly once. A ring has one writer.
///
/// SIGTERM and SIGINT: write what has been published, then end. SIGHUP: open the output file anew,
/// where it was moved away, or read the configuration anew. SIGUSR1: close the file and begin another one.
/// A full disk ends nothing: the writer says so and tries again.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exit codes: 0 ok, 1 failed, 2 usage, 4 no such ring")]
pub struct WriterArgs {
    /// The ring: a name, a path, or `.` for $RINGLOG. With --config several, in place of those that it names
    #[arg(value_name = "RING", required_unless_present = "config")]
    pub rings: Vec<String>,
    /// Read loggers, handlers and formatters from this file (docs/configuration.md). SIGHUP and `ringlog reload` have
    /// it read anew
    #[arg(short, long, value_name = "FILE", conflicts_with_all = OUTPUT_OPTIONS)]
    pub config: Option<PathBuf>,
    /// Only say what is wrong with the configuration, and end: with 0 if it can be used, otherwise with 2
    #[arg(long, requires = "config")]
    pub check: bool,
    /// File to write to, `-` for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub out: PathBuf,
    /// Keep what the file holds and write after it (default)
    #[arg(long, overrides_with = "truncate")]
    pub append: bool,
    /// Discard what the file holds
    #[arg(long)]
    pub truncate: bool,
    /// How a line looks
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = formats())]
    pub format: FormatKind,
    /// Newlines within a message, in text: `\n`, a new line indented by four spaces, or as they are
    #[arg(long, value_name = "POLICY", default_value = "escape", value_parser = newlines())]
    pub newlines: Newlines,
    /// In text, put the record's id behind the time, so that `ringlog verify` can tell what is missing:
    /// the ring's UUID, lane, incarnation and sequence
    #[arg(long)]
    pub ids: bool,
    /// End once nobody has a lane open and all is written; a ring that nobody ever logged into is waited
    /// for
    #[arg(long)]
    pub until_idle: bool,
    /// When the file is made to survive a power cut: never, interval (each second), a duration like 5s, batch, or a
    /// level: with every batch that has a record of at least this level
    #[arg(long, value_name = "WHEN", default_value = "never")]
    pub fsync: Fsync,
    /// When a file is closed.
    #[command(flatten)]
    pub rotation: RotationArgs,
    /// Keep no checkpoint beside the file: a writer that was killed may then write its last batch twice
    #[arg(long)]
    pub no_checkpoint: bool,
    /// How long a record waits for older ones of interrupted threads, in milliseconds [default: 10]
    #[arg(long, value_name = "MS")]
    pub grace: Option<u64>,
    /// Standard input is a socket to the process that started this one: say there when the ring is held
    #[arg(long, hide = true)]
    pub handshake: bool,
}

/// When a file is closed and another one begun. `ringlog rotate` and SIGUSR1 do so at any time.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Rotation")]
pub struct RotationArgs {
    /// Close a file before it has this many bytes, for example 10MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub rotate_size: Option<u64>,
    /// Close a file after this time: 30s, 15min, 6h, 1d, midnight, or a weekday
    #[arg(long, value_name = "WHEN")]
    pub rotate_every: Option<Every>,
    /// The time of day for midnight and weekdays, for example 02:30
    #[arg(long, value_name = "HH:MM")]
    pub rotate_at: Option<At>,
    /// Whose midnight and time of day: utc, local, or a zone like Europe/Berlin [default: utc]
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<Zone>,
    /// Close what is there when the writer starts
    #[arg(long)]
    pub rotate_on_start: bool,
    /// What closed files are called: time (app-20261121T143000Z.log), number (app.000001.log), or python
    /// (app.log.1, or app.log.2026-11-21)
    #[arg(long, value_name = "HOW", default_value = "time")]
    pub naming: Naming,
    /// Which closed files to keep: a number, an age like 30d, bytes like 2GiB, several of these with commas between, or
    /// all
    #[arg(long, value_name = "LIMITS", default_value = "all")]
    pub keep: Keep,
    /// Compress closed files in the background: gzip or zstd
    #[arg(long, value_name = "HOW")]
    pub compress: Option<Compression>,
    /// On a full disk: wait, or drop-oldest-file
    #[arg(long, value_name = "POLICY", default_value = "wait")]
    pub on_full: OnFull,
}

impl From<RotationArgs> for Rotation {
    fn from(args: RotationArgs) -> Rotation {
        Rotation {
            size: args.rotate_size,
            every: args.rotate_every,
            at: args.rotate_at,
            zone: args.zone.unwrap_or_default(),
            on_start: args.rotate_on_start,
            naming: args.naming,
            keep: args.keep,
            compression: args.compress,
            on_full: args.on_full,
        }
    }
}

fn formats() -> impl TypedValueParser<Value = FormatKind> {
    PossibleValuesParser::new(FormatKind::NAMES.iter().map(|(name, _)| *name)).try_map(|name| name.parse())
}

fn newlines() -> impl TypedValueParser<Value = Newlines> {
    PossibleValuesParser::new(Newlines::NAMES.iter().map(|(name, _)| *name)).try_map(|name| name.parse())
}

impl From<WriterArgs> for Options {
    fn from(args: WriterArgs) -> Options {
        Options {
            ring: args.rings.into_iter().next().unwrap_or_default(),
            out: args.out.into(),
            existing: if args.truncate { Existing::Truncate } else { Existing::Append },
            format: args.format,
            newlines: args.newlines,
            ids: args.ids,
            until_idle: args.until_idle,
            checkpoint: !args.no_checkpoint,
            fsync: args.fsync,
            rotation: args.rotation.into(),
            grace: args.grace.map(Duration::from_millis),
        }
    }
}

/// Runs the writer and says on standard error what goes wrong.
pub fn main(args: WriterArgs) -> ExitCode {
    let mut events = match Daemon::new(args.handshake) {
        Ok(events) => events,
        Err(error) => return fail(&error),
    };
    let done = listen().and_then(|signals| match &args.config {
        Some(path) => {
            let file =
                ConfigFile { path: path.clone(), rings: args.rings.clone(), until_idle: args.until_idle };
            if args.check {
                check(&file)
            } else {
                pipeline::run_config(&file, &signals, &mut events).map(drop)
            }
        }
        None if args.rings.len() > 1 => Err(Error::Options(
            "several rings in one writer need a configuration; name it with --config FILE".to_owned(),
        )),
        None => pipeline::run_with(&Options::from(args), &signals, &mut events).map(drop),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Who started us tells it himself, in his own words.
            let told = events.handshake.as_mut().is_some_and(|handshake| handshake.refuse(&error));
            // What was said before comes before.
            drop(events);
            if told { ExitCode::from(error.exit_code()) } else { fail(&error) }
        }
    }
}

/// Says what is wrong with a configuration.
fn check(file: &ConfigFile) -> Result<(), Error> {
    let checked = file.check()?;
    let targets = checked.check_targets();
    if !targets.is_empty() {
        return Err(Error::Config(ConfigErrors(targets).to_string()));
    }
    for warning in &checked.warnings {
        // Nobody is left to tell if standard error is gone.
        let _ = writeln!(std::io::stderr(), "{warning}");
    }
    Ok(())
}

fn fail(error: &Error) -> ExitCode {
    // Nobody is left to tell if standard error is gone too.
    let _ = match error {
        // A line for each, as editors know them: FILE:LINE:COLUMN.
        Error::Config(problems) => writeln!(std::io::stderr(), "{problems}"),
        error => writeln!(std::io::stderr(), "ringlog-writer: {error}"),
    };
    ExitCode::from(error.exit_code())
}

fn listen() -> Result<Signals, Error> {
    // A ring whose file is truncated ends us with a message, not with SIGBUS.
    ringlog::survive_truncation().map_err(Error::Signals)?;
    let signals = Signals::default();
    let flags: [(i32, &Arc<AtomicBool>); 4] = [
        (SIGTERM, &signals.stop),
        (SIGINT, &signals.stop),
        (SIGHUP, &signals.reopen),
        (SIGUSR1, &signals.rotate),
    ];
    for (signal, flag) in flags {
        signal_hook::flag::register(signal, flag.clone()).map_err(Error::Signals)?;
    }
    Ok(signals)
}

/// The events of a process of its own.
struct Daemon {
    handshake: Option<Handshake>,
    voice: Voice,
}

/// Says things by a thread of its own: standard error may be a pipe that nobody reads for a while, and what is said
/// there is no reason to hold up a record.
#[derive(Default)]
struct Voice {
    thread: Option<(SyncSender<String>, JoinHandle<()>)>,
}

/// What is not said by then is not said.
const SAID_WITHIN: Duration = Duration::from_secs(1);
/// More than this many messages are not kept.
const UNSAID_MAX: usize = 1000;

impl Voice {
    fn say(&mut self, message: &str) {
        if self.thread.is_none() {
            self.thread = Voice::start().ok();
        }
        match &self.thread {
            // Whoever reads nothing misses it.
            Some((say, _)) => drop(say.try_send(message.to_owned())),
            None => StandardError.say(message),
        }
    }

    fn start() -> std::io::Result<(SyncSender<String>, JoinHandle<()>)> {
        let (say, said) = sync_channel::<String>(UNSAID_MAX);
        let speak = move || said.iter().for_each(|said| StandardError.say(&said));
        Ok((say, std::thread::Builder::new().name("ringlog-say".to_owned()).spawn(speak)?))
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        let Some((say, thread)) = self.thread.take() else { return };
        drop(say);
        let until = Instant::now() + SAID_WITHIN;
        while !thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Daemon {
    fn new(handshake: bool) -> Result<Daemon, Error> {
        let handshake = handshake.then(Handshake::of_stdin).transpose()?;
        Ok(Daemon { handshake, voice: Voice::default() })
    }
}

impl Events for Daemon {
    fn ready(&mut self) {
        if let Some(handshake) = &mut self.handshake {
            handshake.accept();
        }
    }

    fn say(&mut self, message: &str) {
        self.voice.say(message);
    }

    fn is_abandoned(&mut self) -> bool {
        self.handshake.as_mut().is_some_and(Handshake::is_abandoned)
    }
}
