//! The wall clock, and whether files may be deleted by it.

use jiff::Timestamp;

/// What is known of the wall clock when files are named and deleted.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    /// The present time.
    pub now: Timestamp,
    /// Since when files with stamps from the future are known: they are older than the files closed since then.
    pub set_back: Option<Timestamp>,
    /// Whether files are deleted for their age.
    pub is_trusted: bool,
}

impl WallClock {
    /// A clock that is right.
    pub fn at(now: Timestamp) -> WallClock {
        WallClock { now, set_back: None, is_trusted: true }
    }
}

/// Both clocks, read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    /// A number for the machine's boot; 0 where it is unknown.
    pub(crate) boot: u64,
    /// `CLOCK_BOOTTIME`: the time since the boot, which nobody sets.
    pub(crate) boottime_ns: u64,
    /// The wall clock.
    pub(crate) unix_ns: u64,
}

const DAY_NS: u64 = 86_400_000_000_000;
/// How far the wall clock may run ahead without being held for wrong.
const AHEAD_MAX_NS: i128 = DAY_NS as i128;
/// After this time a clock that has run ahead counts as right.
const HOLD_NS: u64 = DAY_NS;

/// Finds out whether the wall clock has run ahead: a clock that is wrong once must not delete files for their age.
///
/// Within a boot the wall clock is compared with `CLOCK_BOOTTIME`, over a boot with the newest record. The state is
/// kept in the checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClockWatch {
    /// The last reading; its wall clock is 0 before the first one.
    last: Moment,
    /// The greatest time that the wall clock could show then, if it had not run ahead.
    expected_ns: u64,
    /// For how long the clock has been ahead and did not jump again, plus one; 0 if it is not ahead.
    held_ns: u64,
}

impl ClockWatch {
    /// The number of words of [`to_words`](Self::to_words).
    pub(crate) const WORDS: usize = 5;

    pub(crate) fn to_words(self) -> [u64; Self::WORDS] {
        let ClockWatch { last, expected_ns, held_ns } = self;
        [last.boot, last.boottime_ns, last.unix_ns, expected_ns, held_ns]
    }

    pub(crate) fn from_words(words: [u64; Self::WORDS]) -> ClockWatch {
        let [boot, boottime_ns, unix_ns, expected_ns, held_ns] = words;
        ClockWatch { last: Moment { boot, boottime_ns, unix_ns }, expected_ns, held_ns }
    }

    /// Whether the clock was never read.
    pub(crate) fn is_new(&self) -> bool {
        self.last.unix_ns == 0
    }

    /// Whether the last reading was in an earlier boot than this one. False where that is not known.
    pub(crate) fn is_of_earlier_boot(&self, boot: u64) -> bool {
        ![boot, self.last.boot].contains(&0) && boot != self.last.boot
    }

    /// The wall clock at the last reading.
    pub(crate) fn last_unix_ns(&self) -> u64 {
        self.last.unix_ns
    }

    /// Compares the clocks with those of the last reading. `newest_ns`: the newest file's time, for the first reading.
    pub(crate) fn read(&mut self, now: Moment, newest_ns: impl FnOnce() -> Option<u64>) {
        if self.is_new() {
            // A file from the future shows nothing.
            let newest_ns = newest_ns().filter(|newest| *newest <= now.unix_ns);
            (self.last, self.expected_ns) = (now, newest_ns.unwrap_or(now.unix_ns));
        }
        let moved = i128::from(now.unix_ns) - i128::from(self.last.unix_ns);
        let elapsed = now.boottime_ns.checked_sub(self.last.boottime_ns);
        let elapsed = elapsed.filter(|_| now.boot != 0 && now.boot == self.last.boot);
        // How far the wall clock was moved, and for how long it has run.
        let (jump, ran_ns) = match elapsed {
            Some(elapsed) => (moved - i128::from(elapsed), elapsed),
            // The machine was off for an unknown time.
            None => (moved, u64::try_from(moved).map_or(0, |moved| moved.min(DAY_NS))),
        };
        self.expected_ns = self.expected_ns.saturating_add(elapsed.unwrap_or(0));
        if elapsed.is_some() && jump < -AHEAD_MAX_NS {
            // The clock was put right. A machine without a battery starts with an old time, so over a boot the expected
            // time stays.
            self.expected_ns = self.expected_ns.min(now.unix_ns);
        }
        self.last = now;
        if i128::from(now.unix_ns) - i128::from(self.expected_ns) <= AHEAD_MAX_NS {
            self.expected_ns = self.expected_ns.max(now.unix_ns);
            self.held_ns = 0;
        } else if self.held_ns == 0 || jump > AHEAD_MAX_NS {
            self.held_ns = 1;
        } else {
            self.held_ns = self.held_ns.saturating_add(ran_ns);
        }
        if self.held_ns > HOLD_NS {
            self.trust();
        }
    }

    /// Counts the clock as right from now on.
    pub(crate) fn trust(&mut self) {
        (self.expected_ns, self.held_ns) = (self.last.unix_ns, 0);
    }

    /// Whether the wall clock is held for right.
    pub(crate) fn is_trusted(&self) -> bool {
        self.held_ns == 0
    }

    /// By how many whole days the clock has run ahead.
    pub(crate) fn days_ahead(&self) -> u64 {
        self.last.unix_ns.saturating_sub(self.expected_ns) / DAY_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;
    const START: u64 = 20_000 * DAY_NS;

    /// A machine's clocks.
    #[derive(Clone, Copy)]
    struct Machine(Moment);

    impl Machine {
        fn new() -> Machine {
            Machine(Moment { boot: 1, boottime_ns: HOUR, unix_ns: START })
        }

        fn runs(&mut self, ns: u64) -> Moment {
            self.0.boottime_ns += ns;
            self.0.unix_ns += ns;
            self.0
        }

        fn is_set(&mut self, by_ns: i64) -> Moment {
            self.0.unix_ns = self.0.unix_ns.checked_add_signed(by_ns).unwrap();
            self.0
        }

        fn boots(&mut self, after_ns: i64) -> Moment {
            (self.0.boot, self.0.boottime_ns) = (self.0.boot + 1, HOUR / 60);
            self.is_set(after_ns)
        }
    }

    fn started(machine: &Machine) -> ClockWatch {
        let mut watch = ClockWatch::default();
        watch.read(machine.0, || None);
        watch
    }

    #[track_caller]
    fn read(watch: &mut ClockWatch, now: Moment) -> bool {
        let words = watch.to_words();
        assert_eq!(ClockWatch::from_words(words), *watch);
        watch.read(now, || panic!("it has been read before"));
        watch.is_trusted()
    }

    const YEARS: i64 = 3 * 365 * DAY_NS as i64;

    #[test]
    fn a_clock_that_runs_is_trusted_however_seldom_it_is_read() {
        let mut machine = Machine::new();
        let mut watch = started(&machine);
        for ns in [1, HOUR, 30 * DAY_NS, 400 * DAY_NS] {
            assert!(read(&mut watch, machine.runs(ns)));
        }
        // A jump of a day, and one back.
        assert!(read(&mut watch, machine.is_set(DAY_NS as i64)));
        assert!(read(&mut watch, machine.is_set(-(DAY_NS as i64))));
    }

    #[test]
    fn a_jump_ahead_holds_for_24_hours() {
        let mut machine = Machine::new();
        let mut watch = started(&machine);
        assert!(!read(&mut watch, machine.is_set(DAY_NS as i64 + 1)));
        assert!(!read(&mut watch, machine.runs(23 * HOUR)));
        assert!(read(&mut watch, machine.runs(HOUR)));
        assert!(read(&mut watch, machine.runs(HOUR)));
        // Another one begins anew, and so does one while it is held.
        assert!(!read(&mut watch, machine.is_set(YEARS)));
        assert_eq!(watch.days_ahead(), 3 * 365);
        assert!(!read(&mut watch, machine.runs(20 * HOUR)));
        assert!(!read(&mut watch, machine.is_set(YEARS)));
        assert!(!read(&mut watch, machine.runs(20 * HOUR)));
        assert!(read(&mut watch, machine.runs(5 * HOUR)));
    }

    #[test]
    fn a_clock_put_right_is_trusted_and_the_next_jump_is_found() {
        let mut machine = Machine::new();
        let mut watch = started(&machine);
        for _ in 0..3 {
            assert!(!read(&mut watch, machine.is_set(YEARS)));
            assert!(!read(&mut watch, machine.is_set(-YEARS / 2)), "half right");
            assert!(read(&mut watch, machine.is_set(-YEARS / 2)));
        }
        // The first reading was ahead already, so that nothing could be known.
        let mut machine = Machine::new();
        machine.is_set(YEARS);
        let mut watch = started(&machine);
        assert!(read(&mut watch, machine.is_set(-YEARS)));
        assert!(!read(&mut watch, machine.is_set(YEARS)));
    }

    #[test]
    fn over_a_boot_the_clock_is_compared_with_the_last_record() {
        let mut machine = Machine::new();
        let mut watch = started(&machine);
        assert!(read(&mut watch, machine.boots(HOUR as i64)));
        assert!(!read(&mut watch, machine.boots(YEARS)));
        // The hold goes on over further boots.
        assert!(!read(&mut watch, machine.runs(12 * HOUR)));
        assert!(!read(&mut watch, machine.boots(HOUR as i64)));
        assert!(read(&mut watch, machine.runs(12 * HOUR)));
        // A machine that starts with an old time and then gets the right one.
        assert!(read(&mut watch, machine.boots(-YEARS)));
        assert!(read(&mut watch, machine.runs(HOUR)));
        assert!(read(&mut watch, machine.is_set(YEARS)));
        assert!(!read(&mut watch, machine.is_set(YEARS)));
    }

    #[test]
    fn before_the_first_record_the_newest_file_counts() {
        let machine = Machine::new();
        let read = |newest_ns| {
            let mut watch = ClockWatch::default();
            watch.read(machine.0, || newest_ns);
            watch.is_trusted()
        };
        assert!(read(None) && read(Some(START)) && read(Some(START - DAY_NS)));
        assert!(!read(Some(START - DAY_NS - 1)) && !read(Some(0)));
        assert!(read(Some(START + DAY_NS)), "a file from the future");
    }

    #[test]
    fn the_user_may_trust_the_clock() {
        let mut machine = Machine::new();
        let mut watch = started(&machine);
        assert!(!read(&mut watch, machine.is_set(YEARS)));
        watch.trust();
        assert!(watch.is_trusted() && read(&mut watch, machine.runs(HOUR)));
        assert!(!read(&mut watch, machine.is_set(YEARS)));
    }

    #[test]
    fn any_state_is_read_without_overflow() {
        for word in [0, 1, u64::MAX / 2, u64::MAX] {
            for other in [0, 1, u64::MAX] {
                let mut watch = ClockWatch::from_words([word, other, word, other, word]);
                for boot in [word, other] {
                    watch.read(Moment { boot, boottime_ns: other, unix_ns: word }, || Some(other));
                    watch.days_ahead();
                }
            }
        }
    }
}
