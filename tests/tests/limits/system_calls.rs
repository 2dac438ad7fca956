//! The push path stays out of the kernel.

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use ringlog::{Overflow, Ring};
use ringlog_testkit::{Child, SOON, Scratch};
use ringlog_tests::{BINARY, CreateRing, FORMATTED, stat};

use crate::PRODUCER;

#[test]
fn the_push_path_makes_no_system_call_within_a_block() {
    let at = Scratch::new();
    let _ring = at.create(Ring::options().size("256KiB").block_bytes(8192));
    // At most two slots each, so they fit the 121 that a fresh block has for them.
    let mut child = Child::spawn(PRODUCER, &["push-without-system-call", at.name(), "count=50"]);
    child.wait_ready();
    child.go();
    assert_eq!(child.finish(), [1], "all were pushed");
    assert_eq!(stat(&_ring).published, 51);

    let mut cheat = Child::spawn(PRODUCER, &["push-without-system-call", at.name(), "cheat=1"]);
    cheat.wait_ready();
    cheat.go();
    assert_eq!(cheat.wait().signal(), Some(libc::SIGSYS), "the filter kills at one system call");
}

#[test]
fn log_statements_make_no_system_call() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB").block_bytes(8192));
    let rounds = 50;
    let mut child = Child::spawn(PRODUCER, &["log-without-system-call", at.name(), "rounds=50"]);
    child.wait_ready();
    let before = stat(&ring);
    let statements = before.published;
    assert_eq!(statements, (BINARY.len() + FORMATTED.len()) as u64, "each once, so that it is registered");
    child.go();
    assert_eq!(child.finish(), [1]);
    let after = stat(&ring);
    assert_eq!((after.published, after.dropped), (statements * (1 + rounds), 0));
    // No consumer sleeps, so changing blocks makes no wakeup call.
    assert!(
        before.free_blocks - after.free_blocks >= 10,
        "{} block changes",
        before.free_blocks - after.free_blocks
    );
}

/// Runs a traced child to its end and counts the system calls between its two calls of `getppid`.
fn calls_between_markers(child: Pid) -> BTreeMap<i64, u64> {
    let mut calls = BTreeMap::new();
    let (mut markers, mut entering) = (0, true);
    assert!(matches!(waitpid(child, None).unwrap(), WaitStatus::Stopped(_, Signal::SIGTRAP)), "its exec");
    ptrace::setoptions(child, ptrace::Options::PTRACE_O_TRACESYSGOOD | ptrace::Options::PTRACE_O_EXITKILL)
        .unwrap();
    let mut deliver = None;
    loop {
        ptrace::syscall(child, deliver.take()).unwrap();
        match waitpid(child, None).unwrap() {
            WaitStatus::PtraceSyscall(_) if entering => {
                entering = false;
                let number = number_of_call(child);
                if number == libc::SYS_getppid {
                    markers += 1;
                } else if markers == 1 {
                    *calls.entry(number).or_default() += 1;
                }
            }
            WaitStatus::PtraceSyscall(_) => entering = true,
            WaitStatus::Stopped(_, signal) => deliver = Some(signal),
            WaitStatus::Exited(_, status) => {
                assert_eq!((status, markers), (0, 2));
                return calls;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The number of the system call that the child is about to make.
fn number_of_call(child: Pid) -> i64 {
    // SAFETY: all zero is a valid value of this plain C struct.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::ptrace_syscall_info>();
    // SAFETY: our own stopped child, and a buffer of the given size.
    let got = unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, child.as_raw(), size, &raw mut info) };
    assert!(got > 0);
    assert_eq!(info.op, libc::PTRACE_SYSCALL_INFO_ENTRY);
    // SAFETY: `op` says that this is the member.
    unsafe { info.u.entry.nr as i64 }
}

/// Traces a child that pushes; returns its system calls and how many records it has published.
fn traced_pushes(at: &Scratch, ring: &Ring, arguments: &[&str]) -> (BTreeMap<i64, u64>, u64) {
    let before = stat(ring).published;
    let mut command = Command::new(PRODUCER);
    command.args(["push-between-markers", at.name()]).args(arguments);
    // SAFETY: PTRACE_TRACEME is all that happens between fork and exec.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
    let mut child = Child::start(&mut command);
    // Its word comes before it is ready, because the tracer has no time to wait for that.
    child.go();
    let calls = calls_between_markers(Pid::from_raw(child.id() as i32));
    (calls, stat(ring).published - before)
}

/// How often the last thread to log has changed its block: each has its number in the chain of its lane's
/// incarnation, by FORMAT.md.
fn block_changes(at: &Scratch, ring: &Ring) -> u64 {
    let (bytes, geometry) = (std::fs::read(at.name()).unwrap(), ring.info().geometry());
    let (size, count) = (geometry.block_bytes() as usize, geometry.block_count() as usize);
    let end = bytes.len() - geometry.definition_bytes() as usize;
    let blocks = bytes[end - size * count..end].chunks(size);
    let word = |block: &[u8], at: usize| u64::from_le_bytes(block[at * 8..][..8].try_into().unwrap());
    let owner_and_number = blocks.map(|block| (word(block, 5), word(block, 2)));
    let last = stat(ring).lanes.into_iter().rfind(|lane| !lane.is_process).unwrap();
    let pid_and_tid = u64::from(last.pid) << 32 | u64::from(last.tid);
    owner_and_number.filter(|(owner, _)| *owner == pid_and_tid).map(|(_, number)| number).max().unwrap()
}

#[test]
fn at_most_one_futex_call_per_block_change() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("4MiB").block_bytes(8192).overflow(Overflow::Block(SOON)));
    let (calls, pushed) = traced_pushes(&at, &ring, &["bursts=1", "count=6000"]);
    assert_eq!(pushed, 6001);
    assert_eq!(calls, BTreeMap::new(), "no consumer sleeps, so there is none to wake");

    // Now with a consumer that has gone to sleep before each burst.
    let drained = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut consumer = ring.consumer().unwrap();
            while !drained.load(Ordering::Relaxed) {
                while consumer.next(Duration::from_millis(20)).unwrap().is_some() {}
                consumer.ack().unwrap();
            }
        });
        // On a loaded machine the consumer wakes by itself before a burst's block change. So rounds are added up
        // until enough of its sleeps have been ended by a producer; each round has to keep the bound.
        let mut rounds = Vec::new();
        let mut ended = 0;
        while ended < 12 && rounds.len() < 20 {
            let (calls, pushed) = traced_pushes(&at, &ring, &["bursts=60", "count=200", "asleep=1"]);
            ended += calls.get(&libc::SYS_futex).copied().unwrap_or(0);
            rounds.push((calls, pushed, block_changes(&at, &ring)));
        }
        // Before the first assertion: the scope waits for the consumer.
        drained.store(true, Ordering::Relaxed);
        for (calls, pushed, changes) in rounds {
            assert_eq!(pushed, 12_001);
            assert!(calls.keys().all(|call| *call == libc::SYS_futex), "{calls:?}");
            // A block of 8 KiB has 121 slots for records, of which each takes one or two.
            assert!((12_000 / 121..=12_000 / 60).contains(&changes), "{changes} block changes");
            let woken = calls.get(&libc::SYS_futex).copied().unwrap_or(0);
            assert!(woken <= changes, "{woken} calls for {changes} block changes");
            println!("{woken} futex calls for {changes} block changes");
        }
        assert!(ended >= 12, "{ended} calls: the consumer was hardly ever asleep, this proves little");
    });
}
