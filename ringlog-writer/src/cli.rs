//! The command line, shared by `ringlog-writer` and `ringlog writer`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::{Args, Parser};
use ringlog::admin::{Shown, Size};

mod rings;
mod settings;
mod signals;

use self::settings::SettingArgs;
pub use self::signals::{HandledSignals, handle_signals};
use crate::config::options::Options;
use crate::config::{Config, ConfigErrors, ConfigFile};
use crate::error::Error;
use crate::events::{Events, print};
use crate::pipeline::{self, Signals};
use crate::spawn::Handshake;

/// Take the records out of a ring and write them to files
///
/// A record's space is given back only once its line is written. When a writer is killed, the rest stays in the ring
/// for the next one, and a checkpoint beside the file records how far it had come: every record that is in the ring
/// is written to the file exactly once. A ring has one writer.
///
/// SIGTERM and SIGINT: write every record logged so far, then end; an output whose reader takes nothing is given up
/// after --stop-timeout. A second one: end at once, and leave the rest to the next writer. SIGHUP: with --config,
/// reload the configuration; without, reopen the file if it was moved away. SIGUSR1: close the file and begin the next
/// one. On a full disk the writer reports the error and tries again.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Exit codes: 0 ok, 1 failed, 2 usage, 3 records are not written or not synced, 4 no such ring"
)]
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
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only check the configuration: print its errors and warnings, or what each handler guarantees, and exit with 0 if
    /// it can be used, otherwise with 2
    #[arg(long, requires = "config")]
    pub check: bool,
    /// Only print a JSON schema of configurations, by which editors complete and check them (docs/configuration.md)
    #[arg(long, exclusive = true)]
    pub print_schema: bool,
    /// End once every lane is closed and every record is written. A lane whose thread or process has ended counts as
    /// closed, also after `kill -9`. If no process has ever logged into the ring, first wait for one that does. An
    /// output that only fails for twelve times --stop-timeout ends it with 3
    #[arg(long)]
    pub until_idle: bool,
    /// The file to write to, `-` for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", conflicts_with = "config")]
    pub out: PathBuf,
    /// The settings of the output.
    #[command(flatten)]
    settings: SettingArgs,
    /// Standard input is a socket to the process that started this one: report there when the ring is held
    #[arg(long, hide = true)]
    pub handshake: bool,
}

impl WriterArgs {
    /// The options of a writer without a configuration.
    ///
    /// # Errors
    /// [`Error::Options`] for what does not go together.
    fn options(&self) -> Result<Options, Error> {
        let mut options = Options::new(self.rings.first().cloned().unwrap_or_default());
        options.out = self.out.clone().into();
        options.until_idle = self.until_idle;
        options.makes_anew = self.create.is_some();
        self.settings.apply(&mut options)?;
        options.check()?;
        Ok(options)
    }

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
/// that are harmful to a terminal. `signals`: those of a writer, if it is one.
pub fn parse<A: Parser>(signals: Option<&HandledSignals>) -> A {
    A::try_parse().unwrap_or_else(|error| {
        // While it prints, signals end it.
        signals.into_iter().for_each(HandledSignals::end_by_default);
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

/// Runs the writer. Reports errors on standard error. A program calls [`handle_signals`] first in its `main`.
pub fn main(args: WriterArgs, signals: HandledSignals) -> ExitCode {
    if args.print_schema {
        signals.end_by_default();
        return print_schema();
    }
    if args.check {
        signals.end_by_default();
        let file = args.config.as_deref().map(|path| args.config_file(path));
        let without =
            || Error::Options("--check needs the configuration; name it with --config FILE".to_owned());
        return file
            .ok_or_else(without)
            .and_then(|file| check(&file))
            .map_or_else(fail, |()| ExitCode::SUCCESS);
    }
    let mut events = match Daemon::new(args.handshake) {
        Ok(events) => events,
        Err(error) => {
            signals.end_by_default();
            return fail(error);
        }
    };
    // With this, a ring whose file is truncated yields an error instead of SIGBUS.
    let survives = ringlog::survive_truncation().map_err(Error::Signals);
    let signals = survives.and_then(|()| signals.requests());
    let done = signals.and_then(|signals| run(&args, &signals, &mut events));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A parent that has received the error reports it itself.
            let is_reported = events.handshake.as_mut().is_some_and(|handshake| handshake.refuse(&error));
            if !is_reported {
                events.printer.print(line_of(&error));
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(args: &WriterArgs, signals: &Signals, events: &mut Daemon) -> Result<(), Error> {
    // Wrong options are reported before a ring is made.
    let options = args.options()?;
    if !rings::prepare(args, signals, events)? {
        return Ok(());
    }
    let done = match (&args.config, options) {
        (Some(path), _) => pipeline::run_config(&args.config_file(path), signals, events),
        (None, _) if args.rings.len() > 1 => {
            return Err(Error::Options(
                "several rings in one writer need a configuration; name it with --config FILE".to_owned(),
            ));
        }
        (None, options) => pipeline::run_with(&options, signals, events),
    };
    done.map(drop)
}

fn print_schema() -> ExitCode {
    match writeln!(std::io::stdout(), "{}", Config::schema()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print(&format!("ringlog-writer: the schema cannot be printed: {error}"));
            ExitCode::FAILURE
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
    for warning in checked.warnings.iter().chain(&checked.leftovers()) {
        print(&warning.to_string());
    }
    for guarantee in checked.guarantees() {
        // The exit code is the answer, so a failed write is no failure of the check.
        let _ = writeln!(std::io::stdout(), "{guarantee}");
    }
    Ok(())
}

/// Prints an error, as long as signals end the process.
fn fail(error: Error) -> ExitCode {
    print(&line_of(&error));
    ExitCode::from(error.exit_code())
}

/// The error as it is printed.
fn line_of(error: &Error) -> String {
    match error {
        // One line each in the form that editors recognise: FILE:LINE:COLUMN.
        Error::Config(problems) => problems.to_string(),
        error => format!("ringlog-writer: {error}"),
    }
}

/// The callbacks of the daemon.
struct Daemon {
    handshake: Option<Handshake>,
    printer: Printer,
}

/// Prints lines on standard error in a thread of its own: it may be a pipe that is not read, and messages must hold up
/// neither records nor the writer's end.
#[derive(Default)]
struct Printer {
    thread: Option<(SyncSender<String>, JoinHandle<()>)>,
}

/// At the end, how long to wait until queued messages are printed.
const PRINTED_WITHIN: Duration = Duration::from_secs(1);
/// The largest number of queued messages; more are discarded.
const QUEUED_MAX: usize = 1000;

impl Printer {
    fn print(&mut self, line: String) {
        if self.thread.is_none() {
            self.thread = Printer::start().ok();
        }
        match &self.thread {
            // A full queue discards the line.
            Some((queue, _)) => drop(queue.try_send(line)),
            None => print(&line),
        }
    }

    fn start() -> std::io::Result<(SyncSender<String>, JoinHandle<()>)> {
        let (queue, lines) = sync_channel::<String>(QUEUED_MAX);
        let print = move || lines.iter().for_each(|line| print(&line));
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
        self.printer.print(format!("ringlog-writer: {message}"));
    }

    fn is_abandoned(&mut self) -> bool {
        self.handshake.as_mut().is_some_and(Handshake::is_abandoned)
    }
}
