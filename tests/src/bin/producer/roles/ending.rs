//! Processes that end, in every way there is.

#![allow(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Barrier;

use nix::unistd::ForkResult;
use ringlog::{Logger, Ring};
use ringlog_testkit::wait_for_end;

use super::push;
use crate::{Arguments, next_word, ready};

/// `threads` threads open their lanes and publish `count` records each, thread n named `worker-n` as producer
/// n. With `how=return` and `how=idle` they end then. Prints the thread ids, says that it is ready, and
/// ends as `how` says.
pub(crate) fn end(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    let threads = arguments.number("threads", 1) as u32;
    let count = arguments.number("count", 10);
    let how = arguments.text("how").unwrap_or("wait");
    let joins = matches!(how, "return" | "idle");
    let done = Barrier::new(threads as usize + 1);
    std::thread::scope(|scope| {
        for producer in 0..threads {
            let (log, done) = (&log, &done);
            let work = move || {
                // SAFETY: has no preconditions.
                println!("{}", unsafe { libc::gettid() });
                log.open_lane().unwrap();
                (0..count).for_each(|sequence| push(log, producer, sequence, 0).unwrap());
                done.wait();
                if !joins {
                    wait_for_end();
                }
            };
            std::thread::Builder::new().name(format!("worker-{producer}")).spawn_scoped(scope, work).unwrap();
        }
        done.wait();
        if !joins {
            leave(how, &log, count);
        }
    });
    ready();
    if how == "idle" {
        wait_for_end();
    }
}

/// Ends the process without its threads.
fn leave(how: &str, log: &Logger, count: u64) {
    if how == "fork" {
        // SAFETY: the child logs, which it may, and ends at once.
        match unsafe { nix::unistd::fork() }.unwrap() {
            ForkResult::Parent { child } => {
                nix::sys::wait::waitpid(child, None).unwrap();
                println!("{child}");
            }
            ForkResult::Child => {
                (0..count).for_each(|sequence| push(log, 100, sequence, 0).unwrap());
                // SAFETY: ends the process at once, which is always allowed.
                unsafe { libc::_exit(0) }
            }
        }
    }
    ready();
    match how {
        "exit" => std::process::exit(0),
        // SAFETY: as above.
        "_exit" => unsafe { libc::_exit(0) },
        // SAFETY: as above.
        "_exit3" => unsafe { libc::_exit(3) },
        // SAFETY: not a pointer to anything: the read ends the process by SIGSEGV.
        "segv" => _ = unsafe { std::ptr::without_provenance::<u8>(8).read_volatile() },
        "exec-cat" => panic!("{}", Command::new("cat").exec()),
        "abort" => std::process::abort(),
        "exec" => panic!("{}", Command::new("true").exec()),
        _ => wait_for_end(),
    }
}

/// Forks a child for each line: for `fork` one that logs a record, prints its id, and ends by `_exit` at the next line;
/// for `silent` one that ends at once. Prints `ended` when it has.
pub(crate) fn children(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    let mut word = String::new();
    while {
        word.clear();
        std::io::stdin().read_line(&mut word).unwrap() > 0
    } {
        // SAFETY: this process has one thread, and the child ends without running destructors.
        match unsafe { nix::unistd::fork() }.unwrap() {
            ForkResult::Parent { child } => {
                nix::sys::wait::waitpid(child, None).unwrap();
                println!("ended");
            }
            ForkResult::Child => {
                if word == "fork\n" {
                    push(&log, std::process::id(), 0, 0).unwrap();
                    println!("{}", std::process::id());
                    next_word();
                }
                // SAFETY: ends the process at once, which is always allowed.
                unsafe { libc::_exit(0) }
            }
        }
    }
}
