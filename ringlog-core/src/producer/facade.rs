//! The adapter for the [`log`] facade: records of libraries go where the process's own statements go.

mod pairs;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::PushError;
use crate::producer::default_logger::{self, Destination};
use crate::producer::levels::effective;
use crate::producer::logger::Logger;
use crate::producer::statement;
use crate::record::level::Level;
use crate::record::level::filter::Filter;
use crate::record::prepared::Nesting;
use crate::record::text::Text;

use pairs::Message;

/// How long the facade's `flush` waits for the writer.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Installs the adapter. False if another logger is installed already.
pub(crate) fn install() -> bool {
    static FACADE: Facade = Facade;
    let installed = log::set_logger(&FACADE).is_ok();
    if installed {
        IS_INSTALLED.store(true, Ordering::Release);
        follow_destination();
    }
    installed
}

static IS_INSTALLED: AtomicBool = AtomicBool::new(false);

/// Sets the facade's level to what the default destination may want, if the adapter is installed.
pub(crate) fn follow_destination() {
    if !IS_INSTALLED.load(Ordering::Acquire) {
        return;
    }
    // Again if the destination has changed meanwhile: the thread that changed it may have been first.
    loop {
        let level = wanted_level();
        log::set_max_level(level);
        if level == wanted_level() {
            return;
        }
    }
}

fn wanted_level() -> log::LevelFilter {
    match default_logger::destination() {
        Destination::Ring(..) => log::LevelFilter::Trace, // rules from outside may ask for any level
        Destination::Stderr(filter, _) => facade_level(filter),
        Destination::Nothing => log::LevelFilter::Off,
    }
}

/// The highest level of the facade that lets through all that the filter wants.
fn facade_level(filter: &Filter) -> log::LevelFilter {
    match filter.least() {
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

/// The process's default logger, as the facade's logger.
#[derive(Debug)]
struct Facade;

impl log::Log for Facade {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        effective::wants(level(metadata.level()), metadata.target())
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match default_logger::destination() {
            Destination::Ring(logger, _) => write(logger, record),
            Destination::Stderr(..) => {
                if let Some(logger) = default_logger::look_for_ring() {
                    // The rules of the ring that was found now may not want it.
                    if self.enabled(record.metadata()) {
                        write(logger, record);
                    }
                    return;
                }
                let shown = match Nesting::enter() {
                    Some(_level) => pairs::shown(record),
                    None => PushError::Nested.to_string(),
                };
                statement::show_line(level(record.level()), record.target(), &shown);
            }
            Destination::Nothing => {}
        }
    }

    fn flush(&self) {
        if let Some(logger) = default_logger::default_logger() {
            // The facade has no way to return an error.
            let _ = logger.flush(FLUSH_TIMEOUT);
        }
    }
}

fn write(logger: &Logger, record: &log::Record<'_>) {
    let text = Text {
        level: level(record.level()),
        logger: record.target(),
        file: record.file().unwrap_or_default(),
        line: record.line().unwrap_or_default(),
        module: record.module_path().unwrap_or_default(),
        ..Text::EMPTY
    };
    // The facade has no way to return a refusal; the ring has counted it.
    match record.args().as_str() {
        Some(message) if record.key_values().count() == 0 => {
            let _ = logger.write_text(&Text { message: message.as_bytes(), ..text });
        }
        _ if logger.log_plain(&Message { text: &text, record }) => {}
        _ => {
            let _ = logger.write_text(&Text { message: record.args().to_string().as_bytes(), ..text });
        }
    }
}
