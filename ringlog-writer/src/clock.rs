//! The wall clock, as records carry it.

use std::time::SystemTime;

/// The present time in nanoseconds since 1970.
pub(crate) fn now_unix_ns() -> u64 {
    unix_ns(SystemTime::now())
}

/// A time in nanoseconds since 1970; 0 for times before.
pub(crate) fn unix_ns(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
