//! Processes and threads that end in other ways than by returning.

#![allow(unsafe_code)]

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::ForkResult;
use ringlog::{Logger, Ring};
use ringlog_testkit::{Counters, Random, wait_for_end};

use super::push;
use crate::{Arguments, next_word, ready, say_ready};

fn counters(arguments: &Arguments) -> Counters {
    Counters::open(Path::new(arguments.text("counters").unwrap()))
}

/// Pushes for ever, and counts each published record.
fn push_endlessly(log: &Logger, producer: u32, counters: &Counters) {
    for sequence in 0.. {
        push(log, producer, sequence, 0).unwrap();
        counters.set(producer, sequence + 1);
    }
}

/// A handle that lives as long as the process, as that of a global logger does.
static GLOBAL: OnceLock<(Logger, Counters)> = OnceLock::new();

/// How many records each of the last handlers pushes.
const AT_THE_END: u64 = 5;

/// What the next handler that runs is as a producer.
static HANDLER: AtomicU32 = AtomicU32::new(100);

extern "C" fn log_after_main() {
    if let Some((log, counters)) = GLOBAL.get() {
        let producer = HANDLER.fetch_add(1, Ordering::Relaxed);
        for sequence in 0..AT_THE_END {
            push(log, producer, sequence, 0).unwrap();
            counters.set(producer, sequence + 1);
        }
    }
}

/// Runs after every exit handler.
#[used]
#[unsafe(link_section = ".fini_array")]
static DESTRUCTOR: extern "C" fn() = log_after_main;

/// Threads 0..threads log until the process ends, `how` says by which means, after `us` microseconds.
/// With `exit` two handlers log after the library's own has run.
pub(crate) fn ending(name: &str, arguments: &Arguments) {
    let how = arguments.text("how").unwrap();
    if how == "exit" {
        // SAFETY: a handler of this program. Registered before the library's, so run after it.
        assert_eq!(unsafe { libc::atexit(log_after_main) }, 0);
    }
    let ring = Ring::open(name).unwrap();
    let (log, counters) = GLOBAL.get_or_init(|| (arguments.logger(&ring), counters(arguments)));
    drop(ring);
    push(log, 0, 0, 0).unwrap();
    counters.set(0, 1);
    ready();
    for producer in 1..=arguments.number("threads", 2) as u32 {
        std::thread::spawn(move || push_endlessly(log, producer, counters));
    }
    std::thread::sleep(Duration::from_micros(arguments.number("us", 1000)));
    let program = c"cat".as_ptr();
    // SAFETY: strings that end with NUL, and a list of them that ends with null.
    unsafe {
        match how {
            "exec" => libc::execlp(program, program, std::ptr::null::<libc::c_char>()),
            "_exit" => libc::_exit(0),
            "exit" => libc::exit(0),
            "abort" => libc::abort(),
            other => panic!("no such end: {other}"),
        };
    }
}

/// Threads 0..threads push `count` records each and end without any destructor. Then the main thread does
/// the same as another producer, but lives on.
pub(crate) fn without_destructors(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let (threads, count) = (arguments.number("threads", 3) as u32, arguments.number("count", 10));
    let push_all = move |log: &Logger, producer| {
        (0..count).for_each(|sequence| push(log, producer, sequence, 0).unwrap());
    };
    for producer in 0..threads {
        let log = arguments.logger(&ring);
        std::thread::spawn(move || {
            push_all(&log, producer);
            drop(log);
            // SAFETY: ends this thread behind the back of all libraries. What it owned is leaked.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        });
    }
    while std::fs::read_dir("/proc/self/task").unwrap().count() > 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let log = arguments.logger(&ring);
    push_all(&log, threads);
    say_ready();
    next_word();
}

/// Children are born one after the other, each in the very moment in which the one before it is killed:
/// they share two lanes. Child `n` is producer `n`; the last one lives until the end of the input.
pub(crate) fn reborn(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    let counters = counters(arguments);
    let rounds = arguments.number("rounds", 100) as u32;
    let mut random = Random::new(arguments.number("seed", 1));
    ready();
    let mut dying = None;
    for producer in 0..rounds {
        // SAFETY: this process has one thread.
        let child = match unsafe { nix::unistd::fork() }.unwrap() {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                // The one before may not be dead yet.
                while log.open_lane().is_err() {
                    std::thread::yield_now();
                }
                if producer + 1 < rounds {
                    push_endlessly(&log, producer, &counters);
                }
                push(&log, producer, 0, 0).unwrap();
                counters.set(producer, 1);
                say_ready();
                next_word();
                // SAFETY: ends the process at once, which is always allowed.
                unsafe { libc::_exit(0) }
            }
        };
        if let Some(dead) = dying {
            waitpid(dead, None).unwrap();
        }
        if producer + 1 < rounds {
            // Every second one lives until it has logged; others may not even have a lane.
            while producer % 2 == 1 && counters.get(producer) == 0 {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_micros(random.below(3_000)));
            kill(child, Signal::SIGKILL).unwrap();
        }
        dying = Some(child);
    }
    if let Some(last) = dying {
        waitpid(last, None).unwrap();
    }
}

/// As `GLOBAL`.
static LATE: OnceLock<Logger> = OnceLock::new();

/// The main thread and another one, which goes on, publish `count` records each. After a word the main thread pushes
/// `more`. After another one the process ends as `how` says: with `fork`, a forked child pushes them instead, and it
/// alone runs exit handlers. Prints how many of the `more` were refused.
pub(crate) fn late(name: &str, arguments: &Arguments) {
    let log = LATE.get_or_init(|| arguments.logger(&Ring::open(name).unwrap()));
    let (count, more) = (arguments.number("count", 10), arguments.number("more", 0));
    let (done, waits) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        (0..count).for_each(|sequence| push(log, 1, sequence, 0).unwrap());
        done.send(()).unwrap();
        wait_for_end();
    });
    waits.recv().unwrap();
    (0..count).for_each(|sequence| push(log, 0, sequence, 0).unwrap());
    ready();
    let how = arguments.text("how").unwrap();
    if how == "fork" {
        // SAFETY: the child logs, which it may after a fork, and ends.
        if let ForkResult::Parent { child } = unsafe { nix::unistd::fork() }.unwrap() {
            let is_well = waitpid(child, None).unwrap() == WaitStatus::Exited(child, 0);
            // SAFETY: ends the process at once, which is always allowed.
            unsafe { libc::_exit(i32::from(!is_well)) }
        }
    }
    let refused = (0..more).filter(|sequence| push(log, 0, count + sequence, 0).is_err()).count();
    ready();
    println!("{refused}");
    if how != "return" {
        std::process::exit(0);
    }
}
