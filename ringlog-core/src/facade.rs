//! The adapter for the [`log`] facade: what libraries log goes into the ring.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use crate::filter::Filter;
use crate::handle::Ring;
use crate::level::Level;
use crate::logger::{Logger, Text};

/// How long the facade's `flush` waits for the writer.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// What becomes of log calls when there is no ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// They go to standard error, a line each.
    Stderr,
    /// They go nowhere.
    Nothing,
}

/// What [`init`] has done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Initialized {
    /// Records go into this ring.
    Ring(PathBuf),
    /// There is no ring, for this reason; the fallback serves.
    Fallback(String),
    /// Another logger had been installed before; nothing was changed.
    AlreadySet,
}

/// Sends what is logged through the `log` facade into the ring that `$RINGLOG` names (`ringlog run` sets
/// it), as far as `$RINGLOG_LEVEL` wants it: `info,db=debug`. Without a ring records go to standard error.
///
/// Never fails and never panics: a program must not end because it cannot log.
///
/// ```
/// ringlog::init();
/// log::info!("ready");
/// ```
pub fn init() -> Initialized {
    init_or(Fallback::Stderr)
}

/// As [`init`], with a choice of what serves when there is no ring.
pub fn init_or(fallback: Fallback) -> Initialized {
    let filter = match std::env::var("RINGLOG_LEVEL").unwrap_or_default().parse::<Filter>() {
        Ok(filter) => filter,
        Err(error) => {
            complain(fallback, &format!("RINGLOG_LEVEL: {error}; using info"));
            Filter::default()
        }
    };
    match std::env::var_os("RINGLOG") {
        None => install_fallback(fallback, filter, "RINGLOG is not set".to_owned()),
        Some(_) => match Ring::open(".") {
            Ok(ring) => init_ring(&ring, filter),
            Err(error) => {
                complain(fallback, &format!("{error}; logging to standard error instead"));
                install_fallback(fallback, filter, error.to_string())
            }
        },
    }
}

/// Sends what is logged through the `log` facade into this ring.
pub fn init_ring(ring: &Ring, filter: Filter) -> Initialized {
    let least = filter.least();
    if log::set_boxed_logger(Box::new(Facade { logger: ring.logger(), filter })).is_err() {
        return Initialized::AlreadySet;
    }
    log::set_max_level(facade_level(least));
    Initialized::Ring(ring.path().to_owned())
}

fn install_fallback(fallback: Fallback, filter: Filter, why: String) -> Initialized {
    let least = filter.least();
    match fallback {
        Fallback::Nothing => Initialized::Fallback(why),
        Fallback::Stderr if log::set_boxed_logger(Box::new(Stderr { filter })).is_err() => {
            Initialized::AlreadySet
        }
        Fallback::Stderr => {
            log::set_max_level(facade_level(least));
            Initialized::Fallback(why)
        }
    }
}

fn complain(fallback: Fallback, what: &str) {
    if fallback == Fallback::Stderr {
        // Nobody is left to tell if standard error is gone too.
        let _ = writeln!(std::io::stderr(), "ringlog: {what}");
    }
}

/// The facade's level that lets everything from `least` up through.
fn facade_level(least: Level) -> log::LevelFilter {
    match least {
        level if level > Level::WARN => log::LevelFilter::Error,
        level if level > Level::INFO => log::LevelFilter::Warn,
        level if level > Level::DEBUG => log::LevelFilter::Info,
        level if level > Level::TRACE => log::LevelFilter::Debug,
        _ => log::LevelFilter::Trace,
    }
}

fn level(of: log::Level) -> Level {
    match of {
        log::Level::Error => Level::ERROR,
        log::Level::Warn => Level::WARN,
        log::Level::Info => Level::INFO,
        log::Level::Debug => Level::DEBUG,
        log::Level::Trace => Level::TRACE,
    }
}

/// The facade's logger over a ring.
#[derive(Debug)]
struct Facade {
    logger: Logger,
    filter: Filter,
}

impl log::Log for Facade {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.filter.allows(level(metadata.level()), metadata.target())
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = Text {
            level: level(record.level()),
            logger: record.target(),
            file: record.file().unwrap_or_default(),
            line: record.line().unwrap_or_default(),
            module: record.module_path().unwrap_or_default(),
            ..Text::EMPTY
        };
        // The facade has no way to return a refusal; the ring has counted it.
        let _ = match record.args().as_str() {
            Some(message) => self.logger.write_text(&Text { message: message.as_bytes(), ..text }),
            None => self.logger.write_formatted(&text, *record.args()),
        };
    }

    fn flush(&self) {
        // No way to return that either.
        let _ = self.logger.flush(FLUSH_TIMEOUT);
    }
}

/// What serves where there is no ring.
#[derive(Debug)]
struct Stderr {
    filter: Filter,
}

impl log::Log for Stderr {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.filter.allows(level(metadata.level()), metadata.target())
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = OneLine { record };
            // Nobody is left to tell if standard error is gone.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    fn flush(&self) {}
}

struct OneLine<'a> {
    record: &'a log::Record<'a>,
}

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<5} {}: {}", level(self.record.level()), self.record.target(), self.record.args())
    }
}
