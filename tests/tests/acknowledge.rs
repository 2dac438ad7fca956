//! A consumer may die at any instruction of an acknowledgement.

#![cfg(target_arch = "x86_64")]
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use ringlog::Ring;
use ringlog_tests::{Child, Kind, Proof, Scratch, Sequenced, note};

const PRODUCER: &str = env!("CARGO_BIN_EXE_ringlog-test-producer");

/// Whether the child's next instruction is a system call with this number.
fn is_about_to_call(child: Pid, number: i64) -> bool {
    let registers = ptrace::getregs(child).unwrap();
    let code = ptrace::read(child, registers.rip as ptrace::AddressType).unwrap();
    code & 0xffff == 0x050f && registers.rax == number as u64
}

/// Runs the child to its next call of `getppid`, and over it.
fn run_over_marker(child: Pid) {
    loop {
        ptrace::syscall(child, None).unwrap();
        assert!(matches!(waitpid(child, None).unwrap(), WaitStatus::PtraceSyscall(_)));
        let number = ptrace::getregs(child).unwrap().orig_rax;
        ptrace::syscall(child, None).unwrap();
        match waitpid(child, None).unwrap() {
            WaitStatus::PtraceSyscall(_) if number == libc::SYS_getppid as u64 => return,
            WaitStatus::PtraceSyscall(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The ring's bytes after each instruction of an acknowledgement of `count` entries, after one of
/// `before`, where they differ from those after the last one; and the number of instructions.
fn states_of_acknowledging(at: &Scratch, before: u64, count: u64) -> (Vec<Vec<u8>>, u64) {
    let mut command = Command::new(PRODUCER);
    command.args(["acknowledge", at.name(), &format!("before={before}"), &format!("count={count}")]);
    // SAFETY: PTRACE_TRACEME is all that happens between fork and exec.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
    let mut child = Child::start(&mut command);
    child.go();
    let pid = Pid::from_raw(child.id() as i32);
    assert!(matches!(waitpid(pid, None).unwrap(), WaitStatus::Stopped(_, Signal::SIGTRAP)), "its exec");
    ptrace::setoptions(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD | ptrace::Options::PTRACE_O_EXITKILL)
        .unwrap();
    run_over_marker(pid);
    let mut states = vec![std::fs::read(at.name()).unwrap()];
    let mut instructions = 0;
    while !is_about_to_call(pid, libc::SYS_getppid) {
        ptrace::step(pid, None).unwrap();
        assert!(matches!(waitpid(pid, None).unwrap(), WaitStatus::Stopped(_, Signal::SIGTRAP)));
        instructions += 1;
        let now = std::fs::read(at.name()).unwrap();
        if states.last() != Some(&now) {
            states.push(now);
        }
    }
    (states, instructions)
}

/// What a new consumer gets out of this ring: each producer's sequences.
fn received(ring: &Ring, state: usize) -> BTreeMap<u32, Vec<u64>> {
    let mut consumer = ring.consumer().unwrap();
    consumer.set_grace(Duration::ZERO);
    let mut received = BTreeMap::<u32, Vec<u64>>::new();
    while let Some(entry) = consumer.next(Duration::from_millis(10)).unwrap() {
        let proof = Proof::of(&entry).unwrap_or_else(|| panic!("state {state}: {entry}"));
        received.entry(proof.producer).or_default().push(proof.sequence);
    }
    received
}

#[test]
fn a_consumer_killed_at_any_instruction_of_an_acknowledgement_loses_and_invents_nothing() {
    const EACH: u64 = 60;
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("128KiB").block_bytes(1024).lanes(4));
    let log = ring.logger();
    log.open_lane().unwrap();
    // Two lanes, several blocks each, long records among them.
    let push = |producer: u32| {
        (0..EACH).for_each(|n| log.push(&Sequenced::new(producer, n, note(n, 30))).unwrap());
    };
    push(0);
    std::thread::scope(|scope| {
        scope.spawn(|| push(1));
    });
    for (before, count) in [(5, 1), (5, EACH - 6), (5, EACH), (EACH + 5, EACH - 5)] {
        let from = Scratch::new();
        std::fs::copy(at.name(), from.name()).unwrap();
        let (states, instructions) = states_of_acknowledging(&from, before, count);
        println!("{before} and {count} entries: {instructions} instructions, {} states", states.len());
        assert!(states.len() > 3);
        for (number, state) in states.iter().enumerate() {
            let copy = Scratch::new();
            std::fs::write(copy.name(), state).unwrap();
            let copied = Ring::open(copy.name()).unwrap();
            // Twice: what the first leaves unacknowledged the second has to get again.
            for _ in 0..2 {
                let received = received(&copied, number);
                for producer in 0..2 {
                    let got = received.get(&producer).cloned().unwrap_or_default();
                    // Given out, in the order of time, are the first ones.
                    let given = (before + count).saturating_sub(u64::from(producer) * EACH).min(EACH);
                    let first = got.first().copied().unwrap_or(EACH);
                    let certain = before.saturating_sub(u64::from(producer) * EACH).min(EACH);
                    assert!(
                        (certain..=given).contains(&first),
                        "state {number}: producer {producer} begins with {first}"
                    );
                    assert_eq!(got, (first..EACH).collect::<Vec<_>>(), "state {number}: producer {producer}");
                }
            }
        }
        let last = Scratch::new();
        std::fs::write(last.name(), states.last().unwrap()).unwrap();
        let left: usize =
            received(&Ring::open(last.name()).unwrap(), states.len()).values().map(Vec::len).sum();
        assert_eq!(left as u64, 2 * EACH - before - count, "all of it is acknowledged in the end");
    }
}
