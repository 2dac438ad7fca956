//! Logs through the loggers of `tests/import/logging.conf`, as a test asks for.

use ringlog::{critical, debug, error, info, warn};

fn main() {
    ringlog::init();
    let name = std::env::args().nth(1).unwrap_or_default();
    for n in 0..40 {
        debug!(logger: "root", "{name} {n}: of no interest to the root");
        info!(logger: "root", "{name} {n}: 100% of the root");
        warn!(logger: "elsewhere.db", "{name} {n}: grüße, a logger that nothing is said of");
        debug!(logger: "fileLogger", "{name} {n}: into the file");
        error!(logger: "fileLogger.child", "{name} {n}: through a child,\nin two lines");
        info!(logger: "rtLogger", "{name} {n}: {:>width$}", "rotated", width = n);
        critical!(logger: "rtLogger", "{name} {n}: the end");
    }
}
