//! A process that logs records with a definition each.

use ringlog::{Level, Ring};
use ringlog_tests::Made;

use crate::{Arguments, ready};

/// Logs `count` records of sites numbered from `first` on. Prints how many were published and refused, and stays until
/// the next word.
pub(crate) fn define(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    let (first, count) = (arguments.number("first", 0), arguments.number("count", 100));
    let run_time = arguments.number("run_time", 0) != 0;
    log.open_lane().unwrap();
    ready();
    let mut refused = 0;
    for number in first..first + count {
        let record = Made::new(number);
        let pushed = if run_time { record.log_values(&log) } else { log.push(&record) };
        refused += u64::from(pushed.is_err());
    }
    log.text(Level::INFO, "after", "plain text").unwrap();
    println!("{} {refused}", count - refused);
    ready();
}
