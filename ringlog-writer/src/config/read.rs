//! Reading a configuration file. Every error in it is reported at once.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::formatters::FormatterTables;
use super::general::GENERAL;
use super::handlers::HandlerTables;
use super::loggers;
use super::model::{Config, RINGS_MAX};
use super::settings;
use crate::setting::diagnostics::{ConfigErrors, Findings, LineCounter, Problem};
use crate::setting::section::Section;
use crate::setting::syntax;
use crate::sink::ONLY_BY_REQUEST;

/// A longer file is refused before it is parsed.
const BYTES_MAX: u64 = 1 << 20;
/// How long the bytes of a pipe are waited for.
const PIPE_WITHIN: Duration = Duration::from_secs(5);
/// How often to look for a request to stop during that time.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A configuration without errors, and the warnings about its file.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The configuration.
    pub config: Config,
    /// Warnings about what is allowed but probably not meant, sorted by place.
    pub warnings: Vec<Problem>,
    /// The file that it was read from.
    pub(super) file: PathBuf,
    /// For each handler, line and column of its path.
    pub(super) paths: Vec<Option<(usize, usize)>>,
}

impl Config {
    /// Reads a file. A relative path in it is relative to the working directory.
    ///
    /// # Errors
    /// Every error in it, at least one [`Problem`].
    pub fn read(path: &Path) -> Result<Checked, ConfigErrors> {
        Config::read_unless(path, &AtomicBool::new(false))
    }

    /// As [`read`](Self::read), as long as `stop` is not set.
    pub(super) fn read_unless(path: &Path, stop: &AtomicBool) -> Result<Checked, ConfigErrors> {
        let wrong = |place, what| ConfigErrors(vec![Problem { file: path.to_owned(), place, what }]);
        let bytes = read(path, stop).map_err(|why| wrong(None, why))?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Config::parse(text, path),
            Err(error) => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let place = LineCounter::new(&String::from_utf8_lossy(valid)).place(valid.len());
                Err(wrong(Some(place), "this is not UTF-8; save the file as UTF-8".to_owned()))
            }
        }
    }

    /// Reads a text as the file `path`, which need not exist.
    ///
    /// # Errors
    /// Every error in it, at least one [`Problem`].
    pub fn parse(text: &str, path: &Path) -> Result<Checked, ConfigErrors> {
        let (table, errors) = syntax::parse(text);
        let mut findings = Findings::default();
        let file = Section::file(text, &table);
        let mut config = Config::empty();
        file.allow(&settings::top_keys(), &mut findings);
        file.read(GENERAL, "", &mut config.general, &mut findings);
        config.rings = rings(&file, &mut findings);
        let mut formatters = FormatterTables::read(&file, &mut findings);
        let mut handlers = HandlerTables::read(&file, &mut formatters, &mut findings);
        handlers.refuse_the_configuration(path, &mut findings);
        config.loggers = loggers::read(&file, &mut handlers, &mut findings);
        formatters.warn_of_unused(&mut findings);
        handlers.warn_of_unused(&mut findings);
        if let (Some(at), false) = (file.key_at("max-total-size"), handlers.closes_files()) {
            findings.warn(&at, format!("max-total-size without {ONLY_BY_REQUEST}"));
        }
        findings.not_toml(errors);

        let warnings = findings.finish(text, path)?;
        let paths = handlers.paths_at().map(|at| at.map(|at| LineCounter::new(text).place(at))).collect();
        config.handlers = handlers.handlers;
        Ok(Checked { config, warnings, file: path.to_owned(), paths })
    }

    /// Every key that a file may have, with the header of its table; empty for the file's own keys.
    pub fn keys() -> impl Iterator<Item = (&'static str, &'static str)> {
        let tables = settings::tables().into_iter();
        tables.flat_map(|table| table.keys.into_iter().map(move |key| (table.header, key.name)))
    }
}

/// Reads up to one byte more than allowed. Of a pipe, as a shell makes for `<(command)`, it waits for a limited time: a
/// pipe into which nobody writes must not hold up a writer that reloads.
fn read_bounded(path: &Path, stop: &AtomicBool) -> io::Result<Vec<u8>> {
    let file = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let begun = Instant::now();
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    while bytes.len() as u64 <= BYTES_MAX {
        let left = PIPE_WITHIN.saturating_sub(begun.elapsed());
        let timeout = PollTimeout::try_from(left.min(LOOK_EVERY)).unwrap_or(PollTimeout::ZERO);
        match poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) if stop.load(Ordering::Relaxed) => return Err(io::ErrorKind::Interrupted.into()),
            Ok(0) if left > LOOK_EVERY => continue,
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "it is a pipe, and nothing came out of it",
                ));
            }
            Err(Errno::EINTR) => continue,
            polled => polled?,
        };
        match (&file).read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

fn read(path: &Path, stop: &AtomicBool) -> Result<Vec<u8>, String> {
    match read_bounded(path, stop) {
        Ok(bytes) if bytes.len() as u64 > BYTES_MAX => {
            Err(format!("this file has more than {} KiB; is it a configuration?", BYTES_MAX >> 10))
        }
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err("there is no such file; give the path of a configuration".to_owned())
        }
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

fn rings(file: &Section<'_>, findings: &mut Findings) -> Vec<String> {
    let Some(rings) = file.texts("rings", findings) else { return Vec::new() };
    if !(1..=RINGS_MAX).contains(&rings.len()) {
        let what = format!("{} rings; expected 1 to {RINGS_MAX}", rings.len());
        findings.wrong(&file.value_at("rings"), what);
    }
    for (_, at) in rings.iter().filter(|(name, _)| name.is_empty()) {
        findings.wrong(at, "the ring's name is empty; expected a name, a path, or \".\" for $RINGLOG");
    }
    rings.into_iter().map(|(name, _)| name.to_owned()).collect()
}
