//! Level rules from outside that enable what `setLevel` refuses: whether there are any, in a few loads.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ringlog::Logger;

/// Of each ring whose rules are followed its logger. Those beyond enable nothing.
static FOLLOWED: [OnceLock<Logger>; 8] = [const { OnceLock::new() }; 8];
/// The sum of their epochs when their rules were last read, and whether there were any.
static SEEN: AtomicU64 = AtomicU64::new(0);
static ARE_THERE: AtomicBool = AtomicBool::new(false);

/// Follows the rules of a ring from now on, as long as the process lives.
pub(crate) fn follow(logger: &Logger) {
    let _ = FOLLOWED.iter().find(|place| place.set(logger.clone()).is_ok());
    SEEN.store(u64::MAX, Ordering::Relaxed);
}

/// Whether a ring that is followed has rules.
pub(crate) fn are_there() -> bool {
    let followed = || FOLLOWED.iter().map_while(OnceLock::get);
    let epoch = followed().fold(0_u64, |sum, logger| sum.wrapping_add(logger.levels_epoch()));
    if SEEN.load(Ordering::Relaxed) != epoch {
        ARE_THERE.store(followed().any(Logger::has_rules), Ordering::Relaxed);
        SEEN.store(epoch, Ordering::Relaxed);
    }
    ARE_THERE.load(Ordering::Relaxed)
}
