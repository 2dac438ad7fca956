//! The clocks: the wall clock, as records carry it, and the time since the boot.

use std::sync::OnceLock;
use std::time::SystemTime;

use nix::time::{ClockId, clock_gettime};

use crate::rotation::Moment;

/// The present time in nanoseconds since 1970.
pub(crate) fn now_unix_ns() -> u64 {
    unix_ns(SystemTime::now())
}

/// A time in nanoseconds since 1970; 0 for times before.
pub(crate) fn unix_ns(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Reads both clocks.
pub(crate) fn moment() -> Moment {
    static BOOT: OnceLock<u64> = OnceLock::new();
    let boottime = clock_gettime(ClockId::CLOCK_BOOTTIME).ok();
    let boottime_ns = boottime.map(|time| time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64);
    // Without the clock no boot is known, so that nothing is compared within it.
    let boot = boottime_ns.map_or(0, |_| *BOOT.get_or_init(boot));
    Moment { boot, boottime_ns: boottime_ns.unwrap_or(0), unix_ns: now_unix_ns() }
}

/// The first 16 digits of the kernel's boot id; 0 where it cannot be read.
fn boot() -> u64 {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).unwrap_or(0)
}
