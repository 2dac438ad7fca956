//! Time stamps: raw ticks in the record, and their conversion to wall-clock time.
//!
//! Reading the time-stamp counter costs a fraction of asking the kernel's vDSO for the wall clock, so a
//! record carries raw ticks. Each block carries an [`Anchor`]: both clocks, read together. A lane adds a new one when
//! its last is older than [`ANCHOR_LIFE_NS`]. So every record can be converted by itself at any later time, exact to a
//! fraction of a microsecond even while the wall clock is slewed.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::shm::layout::block;

/// The time after which a lane writes a new anchor.
pub(crate) const ANCHOR_LIFE_NS: u64 = 100_000_000;

/// The source of ticks. Chosen at creation; every process of the ring uses the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// `CLOCK_MONOTONIC`, in nanoseconds.
    Monotonic,
    /// The time-stamp counter of x86-64, where it is invariant.
    Tsc,
}

impl Clock {
    /// The clock that the record path reads without a call, where there is one.
    pub(crate) const INLINED: Clock =
        if cfg!(target_arch = "x86_64") { Clock::Tsc } else { Clock::Monotonic };

    pub(crate) const fn code(self) -> u32 {
        match self {
            Clock::Monotonic => 1,
            Clock::Tsc => 2,
        }
    }

    pub(crate) const fn from_code(code: u32) -> Option<Clock> {
        match code {
            1 => Some(Clock::Monotonic),
            2 => Some(Clock::Tsc),
            _ => None,
        }
    }

    /// The cheapest clock that is reliable on this machine.
    pub(crate) fn best() -> Clock {
        if Clock::Tsc.unreliable().is_none() { Clock::Tsc } else { Clock::Monotonic }
    }

    /// Why the clock cannot be relied upon, if it cannot. Linux may find that out while the machine runs: it then
    /// withdraws the time-stamp counter.
    pub fn unreliable(self) -> Option<Unreliable> {
        match self {
            Clock::Monotonic => None,
            Clock::Tsc => unreliable_tsc(tsc::is_invariant(), std::fs::read_to_string(CLOCK_SOURCES).ok()),
        }
    }

    #[inline(always)]
    pub(crate) fn ticks(self) -> u64 {
        match self {
            Clock::Tsc => tsc::read(),
            Clock::Monotonic => monotonic_ns(),
        }
    }
}

/// Waits until all loads before are done and the next clock read comes after them. A processor may otherwise read its
/// time-stamp counter before a load that comes earlier in the program.
#[inline]
pub(crate) fn settle() {
    tsc::settle();
}

/// Why the time-stamp counter cannot be relied upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreliable {
    /// The processor does not promise that it runs at one rate.
    NotInvariant,
    /// Linux does not list it among its clock sources, or not any more.
    Withdrawn,
}

impl fmt::Display for Unreliable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreliable::NotInvariant => f.write_str(
                "this processor's time-stamp counter does not run at one rate (it is not invariant)",
            ),
            Unreliable::Withdrawn => {
                write!(
                    f,
                    "Linux does not list the time-stamp counter in {CLOCK_SOURCES}: it found it unreliable"
                )
            }
        }
    }
}

const CLOCK_SOURCES: &str = "/sys/devices/system/clocksource/clocksource0/available_clocksource";

/// The processor's word counts alone where Linux's list cannot be read, as in some containers.
fn unreliable_tsc(is_invariant: bool, clock_sources: Option<String>) -> Option<Unreliable> {
    if !is_invariant {
        return Some(Unreliable::NotInvariant);
    }
    let is_listed = clock_sources.is_none_or(|list| list.split_whitespace().any(|name| name == "tsc"));
    (!is_listed).then_some(Unreliable::Withdrawn)
}

#[cfg(target_arch = "x86_64")]
mod tsc {
    #![allow(unsafe_code)]
    use core::arch::x86_64::{__cpuid, _mm_lfence, _rdtsc};

    #[inline(always)]
    pub(super) fn settle() {
        // SAFETY: every x86-64 processor has the instruction.
        #[allow(unused_unsafe)]
        unsafe {
            _mm_lfence();
        }
    }

    #[inline(always)]
    pub(super) fn read() -> u64 {
        // SAFETY: every x86-64 processor has the instruction.
        unsafe { _rdtsc() }
    }

    /// CPUID 8000_0007h, EDX bit 8: the counter runs at one rate in all power states.
    pub(super) fn is_invariant() -> bool {
        // `__cpuid` was an unsafe function before Rust 1.94.
        #[allow(unused_unsafe)]
        // SAFETY: every x86-64 processor has the instruction; the leaf is asked for only where it exists.
        unsafe {
            __cpuid(0x8000_0000).eax >= 0x8000_0007 && __cpuid(0x8000_0007).edx & (1 << 8) != 0
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod tsc {
    /// The kernel's clock is read in order.
    pub(super) fn settle() {}

    pub(super) fn read() -> u64 {
        super::monotonic_ns()
    }

    pub(super) fn is_invariant() -> bool {
        false
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds.
pub(crate) fn monotonic_ns() -> u64 {
    #![allow(unsafe_code)]
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local; the clock exists on every Linux, and 0 is a harmless answer.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The wall clock in nanoseconds since 1970, 0 before that.
pub(crate) fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

/// Ticks and wall clock read together, and the rate between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) ticks: u64,
    pub(crate) unix_ns: u64,
    /// Nanoseconds per tick, 32.32 fixed point.
    pub(crate) ns_per_tick: u64,
}

impl Anchor {
    /// Reads both clocks: the fastest of three readings.
    pub(crate) fn now(clock: Clock, ns_per_tick: u64) -> Anchor {
        let (ticks, unix_ns) = read_together(clock, unix_ns, 3);
        Anchor { ticks, unix_ns, ns_per_tick }
    }

    /// The anchor in the words of a block's header.
    pub(crate) fn of_block(words: &[u64; block::WORDS]) -> Anchor {
        let (ticks, unix_ns) = (words[block::ANCHOR_TICKS], words[block::ANCHOR_UNIX_NS]);
        Anchor { ticks, unix_ns, ns_per_tick: words[block::NS_PER_TICK] }
    }

    /// The wall-clock time of `ticks`, before or after the anchor. Saturates on impossible values.
    #[inline]
    pub(crate) fn unix_ns_at(&self, ticks: u64) -> u64 {
        let scale = |ticks: u64| (u128::from(ticks) * u128::from(self.ns_per_tick)) >> 32;
        let distance = ticks.wrapping_sub(self.ticks) as i64;
        if distance >= 0 {
            let ahead = u64::try_from(scale(distance as u64)).unwrap_or(u64::MAX);
            self.unix_ns.saturating_add(ahead)
        } else {
            let behind = u64::try_from(scale(distance.unsigned_abs())).unwrap_or(u64::MAX);
            self.unix_ns.saturating_sub(behind)
        }
    }
}

/// Reads `clock` and another clock so close together that the pair can be taken as one moment.
fn read_together(clock: Clock, other: fn() -> u64, tries: u32) -> (u64, u64) {
    let mut best = (u64::MAX, 0, 0);
    for _ in 0..tries {
        let before = clock.ticks();
        let time = other();
        let took = clock.ticks().wrapping_sub(before);
        if took < best.0 {
            best = (took, before.wrapping_add(took / 2), time);
        }
    }
    (best.1, best.2)
}

/// The length of a tick, from two moments: the creation of the ring and now. It becomes more exact with time, so
/// processes measure again when they open a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    clock: Clock,
    origin_ticks: u64,
    origin_monotonic_ns: u64,
    ns_per_tick: u64,
}

impl Rate {
    /// Below this time since creation the calibration at creation is more exact.
    const BASELINE_MIN_NS: u64 = 50_000_000;

    /// The rate of a ring from the pair of clocks read at creation; `ns_per_tick` is the calibration at creation.
    pub(crate) fn since(clock: Clock, ticks: u64, monotonic_ns: u64, ns_per_tick: u64) -> Rate {
        Rate { clock, origin_ticks: ticks, origin_monotonic_ns: monotonic_ns, ns_per_tick }
    }

    /// Measures for a few milliseconds: used once, at creation.
    pub(crate) fn calibrate(clock: Clock) -> Rate {
        let (origin_ticks, origin_monotonic_ns) = read_together(clock, monotonic_ns, 16);
        let mut rate = Rate { clock, origin_ticks, origin_monotonic_ns, ns_per_tick: 1 << 32 };
        if clock == Clock::Tsc {
            std::thread::sleep(std::time::Duration::from_millis(5));
            let (ticks, ns) = read_together(clock, monotonic_ns, 16);
            rate.ns_per_tick = Self::ratio(ns - origin_monotonic_ns, ticks.wrapping_sub(origin_ticks));
        }
        rate
    }

    /// The result of the calibration at creation.
    pub(crate) fn measured(&self) -> u64 {
        self.ns_per_tick
    }

    pub(crate) fn origin(&self) -> (u64, u64) {
        (self.origin_ticks, self.origin_monotonic_ns)
    }

    /// The best estimate now.
    pub(crate) fn ns_per_tick(&self) -> u64 {
        if self.clock == Clock::Monotonic {
            return 1 << 32;
        }
        let (ticks, ns) = read_together(self.clock, monotonic_ns, 2);
        let elapsed = ns.saturating_sub(self.origin_monotonic_ns);
        if elapsed < Self::BASELINE_MIN_NS {
            return self.ns_per_tick;
        }
        Self::ratio(elapsed, ticks.wrapping_sub(self.origin_ticks))
    }

    fn ratio(ns: u64, ticks: u64) -> u64 {
        let fixed = (u128::from(ns) << 32) / u128::from(ticks.max(1));
        u64::try_from(fixed).unwrap_or(u64::MAX)
    }
}

/// The life of an anchor in ticks, by the rate of its block.
pub(crate) fn anchor_life_ticks(ns_per_tick: u64) -> u64 {
    let ticks = (u128::from(ANCHOR_LIFE_NS) << 32) / u128::from(ns_per_tick.max(1));
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_convert_both_ways_round_the_anchor() {
        let anchor = Anchor { ticks: 1_000, unix_ns: 5_000, ns_per_tick: 1 << 31 };
        assert_eq!(anchor.unix_ns_at(1_100), 5_050);
        assert_eq!(anchor.unix_ns_at(900), 4_950);
        assert_eq!(anchor.unix_ns_at(1_000), 5_000);
    }

    #[test]
    fn impossible_ticks_saturate() {
        let anchor = Anchor { ticks: 0, unix_ns: 7, ns_per_tick: u64::MAX };
        assert_eq!(anchor.unix_ns_at(i64::MAX as u64), u64::MAX);
        assert_eq!(anchor.unix_ns_at(1 << 63), 0);
    }

    #[test]
    fn the_counter_needs_the_processors_word_and_linuxs() {
        let of = |is_invariant, list: Option<&str>| unreliable_tsc(is_invariant, list.map(str::to_owned));
        assert_eq!(of(true, Some("tsc kvm-clock \n")), None);
        assert_eq!(of(true, Some("kvm-clock tsc")), None);
        assert_eq!(of(true, Some("hpet acpi_pm \n")), Some(Unreliable::Withdrawn));
        assert_eq!(of(true, Some("")), Some(Unreliable::Withdrawn));
        assert_eq!(of(true, Some("tsc-early hpet")), Some(Unreliable::Withdrawn));
        // In some containers the list cannot be read.
        assert_eq!(of(true, None), None);
        for list in [Some("tsc"), Some("hpet"), None] {
            assert_eq!(of(false, list), Some(Unreliable::NotInvariant));
        }
        assert_eq!(Clock::Monotonic.unreliable(), None);
    }

    #[test]
    fn calibrated_ticks_follow_the_wall_clock() {
        let clock = Clock::best();
        let rate = Rate::calibrate(clock);
        let anchor = Anchor::now(clock, rate.ns_per_tick());
        std::thread::sleep(std::time::Duration::from_millis(20));
        let converted = anchor.unix_ns_at(clock.ticks());
        // Half a millisecond in twenty: wide enough for a stalled thread, far below a wrong rate.
        assert!(converted.abs_diff(unix_ns()) < 500_000, "{converted}");
    }
}
