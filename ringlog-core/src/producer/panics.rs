//! Logging of panics.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::time::Duration;

use crate::producer::default_logger;

/// Logs each later panic, at CRITICAL to the logger `panic`, with its place, its thread and, where
/// `RUST_BACKTRACE` asks for one, its backtrace.
///
/// The hook then waits until the record is persisted, but at most `deadline`, and not at all where no writer drains
/// the ring. After that it calls the hook that was installed before.
///
/// ```
/// # let log = ringlog::testing::capture();
/// ringlog::log_panics(std::time::Duration::from_millis(100));
/// let result = std::panic::catch_unwind(|| panic!("no price for order {}", 7));
/// assert!(result.is_err());
/// # let records = log.records();
/// # assert!(records[0].message().starts_with("no price for order 7"), "{}", records[0].message());
/// # assert_eq!((records[0].logger(), records[0].level()), ("panic".to_owned(), ringlog::Level::CRITICAL));
/// # assert!(records[0].field("at").is_some() && records[0].field("thread").is_some());
/// ```
pub fn log_panics(deadline: Duration) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        if let Some(logger) = default_logger::default_logger().filter(|logger| logger.has_consumer()) {
            // A panic goes on, whether or not its record is persisted.
            let _ = logger.flush(deadline);
        }
        before(panic);
    }));
}

fn report(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let text =
        payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(|s| &**s));
    let message = text.unwrap_or("a panic whose payload is not text");
    let current = std::thread::current();
    let thread = current.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    match (panic.location(), backtrace.status()) {
        (Some(at), BacktraceStatus::Captured) => {
            crate::critical!(logger: "panic", "{message}", at = %at, thread, backtrace = %backtrace);
        }
        (Some(at), _) => crate::critical!(logger: "panic", "{message}", at = %at, thread),
        (None, _) => crate::critical!(logger: "panic", "{message}", thread),
    }
}
