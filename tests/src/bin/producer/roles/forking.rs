//! Processes that fork while they log.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};
use ringlog::{Logger, Ring};
use ringlog_tests::fork_child;

use super::push;
use crate::{Arguments, ready};

pub(super) fn ended_well(child: Pid) {
    let status = waitpid(child, None).unwrap();
    assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
}

fn push_all(log: &Logger, producer: u32, sequences: std::ops::Range<u64>) {
    sequences.for_each(|sequence| push(log, producer, sequence, 0).unwrap());
}

/// The parent is producer 0. Producer 1 is a child that logs at once, producer 2 a grandchild. A third
/// child only drops its handles, and a fourth ends in the orderly way, destructors and exit handlers
/// included. Prints the pids of parent, child, grandchild.
pub(crate) fn fork(name: &str, arguments: &Arguments) {
    let count = arguments.number("count", 1000);
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    push_all(&log, 0, 0..count);
    ready();
    let logs = fork_child(|| {
        push_all(&log, 1, 0..count);
        let grandchild = fork_child(|| push_all(&log, 2, 0..count));
        push_all(&log, 1, count..2 * count);
        ended_well(grandchild);
        println!("{} {grandchild}", std::process::id());
    });
    push_all(&log, 0, count..2 * count);
    ended_well(logs);
    let (handle, other_log) = (ring.clone(), log.clone());
    let drops = fork_child(move || {
        // The parent's values are still there after this; what counts is that the copies do no harm.
        drop(other_log);
        drop(handle);
    });
    ended_well(drops);
    // SAFETY: as in `fork_child`; this child leaves by the exit handlers.
    match unsafe { nix::unistd::fork() }.unwrap() {
        ForkResult::Parent { child } => ended_well(child),
        ForkResult::Child => {
            drop((log, ring));
            std::process::exit(0);
        }
    }
    push_all(&log, 0, 2 * count..3 * count);
    println!("{}", std::process::id());
}

/// Threads 0..threads log all the time while the main thread, itself producer 100, forks `forks`
/// children. Child `n` is producer 101 + n. Prints how many each thread has published.
pub(crate) fn fork_while_logging(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    let (threads, forks) = (arguments.number("threads", 2) as u32, arguments.number("forks", 20) as u32);
    let count = arguments.number("count", 100);
    ready();
    let done = AtomicBool::new(false);
    let published: Vec<u64> = std::thread::scope(|scope| {
        let loggers: Vec<_> = (0..threads)
            .map(|producer| {
                let (log, done) = (&log, &done);
                scope.spawn(move || {
                    let mut sequence = 0;
                    while !done.load(Ordering::Relaxed) {
                        push(log, producer, sequence, 0).unwrap();
                        sequence += 1;
                    }
                    sequence
                })
            })
            .collect();
        for n in 0..forks {
            push(&log, 100, n.into(), 0).unwrap();
            ended_well(fork_child(|| push_all(&log, 101 + n, 0..count)));
        }
        done.store(true, Ordering::Relaxed);
        loggers.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    published.iter().for_each(|count| println!("{count}"));
}
