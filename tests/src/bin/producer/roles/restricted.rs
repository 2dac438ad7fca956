//! Processes that must not, or should hardly, enter the kernel while they log.

#![allow(unsafe_code)]

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use memmap2::{MmapOptions, MmapRaw};
use ringlog::{Level, Ring};
use ringlog_testkit::{Counters, SOON};
use ringlog_tests::{BINARY, FORMATTED, Given};

use super::push;
use crate::{Arguments, ready};

/// Where the process says that it has come through.
const OUT: u32 = 1;

/// The `nr` and the low half of the first argument in what a filter sees of a system call.
const NUMBER: u32 = std::mem::offset_of!(libc::seccomp_data, nr) as u32;
const FIRST_ARGUMENT: u32 = std::mem::offset_of!(libc::seccomp_data, args) as u32;

fn load(offset: u32) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

fn answer(action: u32) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: action }
}

fn jump_if_equal(value: u32, then: u8, otherwise: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: then,
        jf: otherwise,
        k: value,
    }
}

/// From here on every system call but a write to [`OUT`] and the exit kills the process.
pub(super) fn forbid_system_calls() {
    let filter = [
        load(NUMBER),
        jump_if_equal(libc::SYS_exit_group as u32, 3, 0),
        jump_if_equal(libc::SYS_write as u32, 0, 3),
        load(FIRST_ARGUMENT),
        jump_if_equal(OUT, 0, 1),
        answer(libc::SECCOMP_RET_ALLOW),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
    ];
    install(&filter);
}

/// From here on every system call but the exit kills the process.
fn forbid_all_but_the_exit() {
    install(&[
        load(NUMBER),
        jump_if_equal(libc::SYS_exit_group as u32, 0, 1),
        answer(libc::SECCOMP_RET_ALLOW),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
    ]);
}

fn install(filter: &[libc::sock_filter]) {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the program and its filter live until the kernel has copied them, with this call.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

/// Warms lane and definition up, then pushes `count` records, which fit the open block, where any
/// system call would kill. With `cheat` it makes one, to show that it does kill.
pub(crate) fn push_without_system_call(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    push(&log, 0, 0, 0).unwrap();
    let (count, cheats) = (arguments.number("count", 20), arguments.number("cheat", 0) != 0);
    ready();
    forbid_system_calls();
    let pushed = (1..=count).all(|sequence| push(&log, 0, sequence, 0).is_ok());
    if cheats {
        // SAFETY: has no preconditions.
        unsafe { libc::getppid() };
    }
    end_with(pushed);
}

/// Runs every log statement once, so that it is registered, and then `rounds` times where any system call
/// would kill.
pub(crate) fn log_without_system_call(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    ringlog::set_default(ring.logger(), Level::TRACE.into()).unwrap();
    let given = Given::new(ring.logger());
    let run = || BINARY.iter().chain(FORMATTED).for_each(|(_, statement)| statement(&given));
    run();
    let rounds = arguments.number("rounds", 1);
    ready();
    forbid_system_calls();
    (0..rounds).for_each(|_| run());
    end_with(true);
}

/// Says whether all went well, and ends, by the calls that are allowed.
pub(super) fn end_with(good: bool) {
    let text: &[u8] = if good { b"1\n" } else { b"0\n" };
    // SAFETY: a buffer that is there; exit handlers would make system calls, so it ends without them.
    unsafe {
        libc::write(OUT as i32, text.as_ptr().cast(), text.len());
        libc::syscall(libc::SYS_exit_group, 0);
    }
}

/// Pushes `count` records where any system call but the exit kills; the exit code says whether all were
/// pushed. Before each `every`th it waits until the consumer sleeps; it counts each published record in the file
/// `counters`.
pub(crate) fn push_where_only_exit_is_allowed(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    push(&log, 0, 0, 0).unwrap();
    let (count, every) = (arguments.number("count", 20), arguments.number("every", u64::MAX));
    let consumer = SleepWord::of(name);
    let counters = arguments.text("counters").map(|path| Counters::open(path.as_ref()));
    ready();
    forbid_all_but_the_exit();
    let pushed = (1..=count).all(|sequence| {
        if sequence.is_multiple_of(every) {
            consumer.wait_until_asleep();
        }
        let pushed = push(&log, 0, sequence, 0).is_ok();
        counters.iter().for_each(|counters| counters.set(0, sequence + u64::from(pushed)));
        pushed
    });
    // SAFETY: ends the process at once, without exit handlers, which would make system calls.
    unsafe { libc::syscall(libc::SYS_exit_group, i32::from(!pushed)) };
}

/// The word of a ring's header that says whether the consumer sleeps.
struct SleepWord(MmapRaw);

impl SleepWord {
    /// Its place, by FORMAT.md.
    const AT: usize = 640;

    fn of(name: &str) -> SleepWord {
        let file = File::options().read(true).write(true).open(name).unwrap();
        SleepWord(MmapOptions::new().len(4096).map_raw(&file).unwrap())
    }

    /// Waits for it, without a system call.
    fn wait_until_asleep(&self) {
        // SAFETY: in bounds, aligned as a mapping is by pages, and used as an atomic only.
        let word = unsafe { &*self.0.as_ptr().add(SleepWord::AT).cast::<AtomicU64>() };
        let begun = Instant::now();
        while word.load(Ordering::Relaxed) == 0 {
            assert!(begun.elapsed() < SOON, "the consumer never sleeps");
            std::hint::spin_loop();
        }
    }
}

/// Between two calls of `getppid`, which nothing else makes, pushes `bursts` bursts of `count` records
/// of one slot or two; with `asleep=1` each begins when the consumer sleeps.
pub(crate) fn push_between_markers(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    push(&log, 0, 0, 0).unwrap();
    let (bursts, count) = (arguments.number("bursts", 10), arguments.number("count", 100));
    let consumer = (arguments.number("asleep", 0) != 0).then(|| SleepWord::of(name));
    ready();
    // SAFETY: has no preconditions.
    unsafe { libc::getppid() };
    let mut sequence = 1;
    for _ in 0..bursts {
        consumer.iter().for_each(SleepWord::wait_until_asleep);
        for _ in 0..count {
            push(&log, 0, sequence, 0).unwrap();
            sequence += 1;
        }
    }
    // SAFETY: has no preconditions.
    unsafe { libc::getppid() };
}
