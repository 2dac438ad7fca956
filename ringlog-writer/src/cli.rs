//! The command line, shared by `ringlog-writer` and `ringlog writer`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser};
use ringlog::admin::{self, Shown, Size};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

mod rings;

use crate::config::options::{Existing, Fsync, Options};
use crate::config::{ConfigErrors, ConfigFile};
use crate::error::Error;
use crate::events::{Events, StandardError};
use crate::format::{FormatKind, Newlines};
use crate::pipeline::{self, Signals};
use crate::rotation::{At, Compression, Every, Keep, Naming, OnFull, Rotation, Zone, parse_size};
use crate::spawn::Handshake;

/// The options that a configuration replaces.
const REPLACED_BY_CONFIG: [&str; 18] = [
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

/// Take the records out of a ring and write them to files
///
/// A record's space is given back only once its line is written. When a writer is killed, the rest stays in the ring
/// for the next one, and a checkpoint beside the file records how far it had come: every record that is in the ring
/// is written to the file exactly once. A ring has one writer.
///
/// SIGTERM and SIGINT: write every record logged so far, then end. SIGHUP: with --config, reload the configuration;
/// without, reopen the file if it was moved away. SIGUSR1: close the file and begin the next one. On a full disk the
/// writer reports the error and tries again.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exit codes: 0 ok, 1 failed, 2 usage, 4 no such ring")]
pub struct WriterArgs {
    /// The ring: a name, a path, or `.` for $RINGLOG. Without --config, give one. With --config, give none to use
    /// the rings that the configuration names, or give some to use instead of them
    #[arg(value_name = "RING", required_unless_present = "config")]
    pub rings: Vec<String>,
    /// Make each ring that is not there, of this size (16MiB if none is given), for this user only. One whose file is
    /// removed while the writer runs is made anew as it was, except by `ringlog rm`, which ends the writer. Of another
    /// user's ring that can do only root, or a member of its group in a directory like /run/ringlog
    #[arg(long, value_name = "SIZE", num_args = 0..=1, require_equals = true,
        value_parser = |text: &str| text.parse::<Size>())]
    pub create: Option<Option<Size>>,
    /// Wait for each ring that is not there until a process makes it. Of several rings none is drained before all are
    /// there. SIGTERM and SIGINT end the wait
    #[arg(long, conflicts_with = "create")]
    pub wait: bool,
    /// Read loggers, handlers and formatters from this file (docs/configuration.md). SIGHUP and `ringlog reload` reload
    /// it
    #[arg(short, long, value_name = "FILE", conflicts_with_all = REPLACED_BY_CONFIG)]
    pub config: Option<PathBuf>,
    /// Only check the configuration: print its errors and warnings, and exit with 0 if it can be used, otherwise with 2
    #[arg(long, requires = "config")]
    pub check: bool,
    /// The file to write to, `-` for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub out: PathBuf,
    /// Keep the file's content and append to it (default)
    #[arg(long, overrides_with = "truncate")]
    pub append: bool,
    /// Discard the file's content
    #[arg(long)]
    pub truncate: bool,
    /// Format of the output: text for people, json with one object a line, or raw: only messages and the fields of
    /// typed records, without time, level and notices of lost records
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = formats())]
    pub format: FormatKind,
    /// How newlines within a message are written in text: as `\n`, as a new line indented by four spaces, or as they
    /// are
    #[arg(long, value_name = "POLICY", default_value = "escape", value_parser = newlines())]
    pub newlines: Newlines,
    /// In text, write the record's id after the time, so that `ringlog verify` can find missing records: the ring's
    /// UUID, lane, incarnation and sequence
    #[arg(long)]
    pub ids: bool,
    /// End once every lane is closed and every record is written. A lane whose thread or process has ended counts as
    /// closed, also after `kill -9`. If no process has ever logged into the ring, first wait for one that does
    #[arg(long)]
    pub until_idle: bool,
    /// When the file is synced, to survive a power cut. never; interval: each second; a duration like 5s; batch: after
    /// each batch; a level like error: after each batch that has a record of this level or above. A batch is what the
    /// writer writes at once, some 64 KiB or less
    #[arg(long, value_name = "WHEN", default_value = "never")]
    pub fsync: Fsync,
    /// The rotation.
    #[command(flatten)]
    pub rotation: RotationArgs,
    /// Keep no checkpoint beside the file. After a writer is killed, its last batch may be written twice
    #[arg(long)]
    pub no_checkpoint: bool,
    /// How long the writer holds back a record, such as 25ms (a bare number: milliseconds), because a thread that is
    /// suspended in the middle of a log call may still publish an older one. An older record that comes later than that
    /// is written out of order and counted as late. The wait shrinks to nothing as the ring fills [default: 10]
    #[arg(long, value_name = "TIME", value_parser = grace)]
    pub grace: Option<Duration>,
    /// Standard input is a socket to the process that started this one: report there when the ring is held
    #[arg(long, hide = true)]
    pub handshake: bool,
}

/// When a file is closed and the next one begun. `ringlog rotate` and SIGUSR1 do so at any time.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Rotation")]
pub struct RotationArgs {
    /// Close a file before it reaches this size, for example 10MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub rotate_size: Option<u64>,
    /// Close a file after this time (30s, 15min, 6h, 1h30m, 1d), at midnight (midnight), or at the start of a weekday
    /// (monday)
    #[arg(long, value_name = "WHEN")]
    pub rotate_every: Option<Every>,
    /// With --rotate-every midnight or a weekday: the time of day to close the file, instead of 00:00; for example
    /// 02:30
    #[arg(long, value_name = "HH:MM")]
    pub rotate_at: Option<At>,
    /// The time zone of midnight and the time of day: utc, local, or a name like Europe/Berlin [default: utc]
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<Zone>,
    /// Close the present file when the writer starts
    #[arg(long)]
    pub rotate_on_start: bool,
    /// The names of closed files: time (app-20261121T143000Z.log), number (app.000001.log), or python
    /// (app.log.1, or app.log.2026-11-21)
    #[arg(long, value_name = "HOW", default_value = "time")]
    pub naming: Naming,
    /// Which closed files to keep. all: every file. Or limits, separated by commas: a count, an age like 30d, a total
    /// size like 2GiB; a file beyond at least one of them is deleted
    #[arg(long, value_name = "LIMITS", default_value = "all")]
    pub keep: Keep,
    /// Compress closed files in the background: gzip or zstd
    #[arg(long, value_name = "HOW")]
    pub compress: Option<Compression>,
    /// On a full disk: wait for space, or drop-oldest-file, which deletes the oldest closed file and tries again
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

/// A duration; a bare number means milliseconds.
fn grace(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_millis).or_else(|_| admin::parse_duration(text))
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
            grace: args.grace,
            makes_anew: args.create.is_some(),
        }
    }
}

impl WriterArgs {
    fn config_file(&self, path: &Path) -> ConfigFile {
        ConfigFile {
            path: path.to_owned(),
            rings: self.rings.clone(),
            until_idle: self.until_idle,
            makes_anew: self.create.is_some(),
        }
    }
}

/// Parses the program's arguments. Wrong ones end the program with an error, which shows arguments without characters
/// that are harmful to a terminal.
pub fn parse<A: Parser>() -> A {
    A::try_parse().unwrap_or_else(|error| {
        // clap shows arguments as they are.
        let shown = std::env::args_os().map(|argument| Path::new(&argument).shown().to_string());
        match A::try_parse_from(shown) {
            Err(error) => error.exit(),
            // Escaped, the arguments are right by chance.
            Ok(_) => {
                let _ = writeln!(std::io::stderr(), "{}", error.kind());
                std::process::exit(2)
            }
        }
    })
}

/// Runs the writer. Reports errors on standard error.
pub fn main(args: WriterArgs) -> ExitCode {
    let mut events = match Daemon::new(args.handshake) {
        Ok(events) => events,
        Err(error) => return fail(&error),
    };
    let done = install_signal_handlers().and_then(|signals| match &args.config {
        _ if !args.check && !rings::prepare(&args, &signals, &mut events)? => Ok(()),
        Some(path) => {
            let file = args.config_file(path);
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
            // A parent that has received the error reports it itself.
            let is_reported = events.handshake.as_mut().is_some_and(|handshake| handshake.refuse(&error));
            // Earlier messages are printed first.
            drop(events);
            if is_reported { ExitCode::from(error.exit_code()) } else { fail(&error) }
        }
    }
}

/// Checks a configuration, and prints its warnings.
fn check(file: &ConfigFile) -> Result<(), Error> {
    let checked = file.check()?;
    let targets = checked.check_targets();
    if !targets.is_empty() {
        return Err(Error::Config(ConfigErrors(targets).to_string()));
    }
    for warning in &checked.warnings {
        // A closed standard error leaves no other place to report to.
        let _ = writeln!(std::io::stderr(), "{warning}");
    }
    Ok(())
}

fn fail(error: &Error) -> ExitCode {
    // A closed standard error leaves no other place to report to.
    let _ = match error {
        // One line each in the form that editors recognise: FILE:LINE:COLUMN.
        Error::Config(problems) => writeln!(std::io::stderr(), "{problems}"),
        error => writeln!(std::io::stderr(), "ringlog-writer: {error}"),
    };
    ExitCode::from(error.exit_code())
}

fn install_signal_handlers() -> Result<Signals, Error> {
    // With this, a ring whose file is truncated yields an error instead of SIGBUS.
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

/// The callbacks of the daemon.
struct Daemon {
    handshake: Option<Handshake>,
    printer: Printer,
}

/// Prints messages on standard error in a thread of its own: it may be a pipe that is not read for a while, and
/// messages must not hold up records.
#[derive(Default)]
struct Printer {
    thread: Option<(SyncSender<String>, JoinHandle<()>)>,
}

/// At the end, how long to wait until queued messages are printed.
const PRINTED_WITHIN: Duration = Duration::from_secs(1);
/// The largest number of queued messages; more are discarded.
const QUEUED_MAX: usize = 1000;

impl Printer {
    fn print(&mut self, message: &str) {
        if self.thread.is_none() {
            self.thread = Printer::start().ok();
        }
        match &self.thread {
            // A full queue discards the message.
            Some((queue, _)) => drop(queue.try_send(message.to_owned())),
            None => StandardError.report(message),
        }
    }

    fn start() -> std::io::Result<(SyncSender<String>, JoinHandle<()>)> {
        let (queue, messages) = sync_channel::<String>(QUEUED_MAX);
        let print = move || messages.iter().for_each(|message| StandardError.report(&message));
        Ok((queue, std::thread::Builder::new().name("ringlog-say".to_owned()).spawn(print)?))
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        let Some((queue, thread)) = self.thread.take() else { return };
        drop(queue);
        let until = Instant::now() + PRINTED_WITHIN;
        while !thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Daemon {
    fn new(handshake: bool) -> Result<Daemon, Error> {
        let handshake = handshake.then(Handshake::of_stdin).transpose()?;
        Ok(Daemon { handshake, printer: Printer::default() })
    }
}

impl Events for Daemon {
    fn ready(&mut self) {
        if let Some(handshake) = &mut self.handshake {
            handshake.accept();
        }
    }

    fn report(&mut self, message: &str) {
        self.printer.print(message);
    }

    fn is_abandoned(&mut self) -> bool {
        self.handshake.as_mut().is_some_and(Handshake::is_abandoned)
    }
}
