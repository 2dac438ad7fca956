//! Writers are killed and replaced while processes log: every record is in the file exactly once.

use std::process::{Command, ExitStatus};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ringlog::{Options, Overflow, Ring};
use ringlog_testkit::{Child, Random, SOON, soon};
use ringlog_tests::{Writing, program};

use crate::PRODUCER;

const COUNT: u64 = 150_000;

pub(crate) fn small_ring() -> Options {
    Ring::options().size("256KiB").block_bytes(2048).lanes(12).overflow(Overflow::Block(SOON))
}

/// Has one writer after the other started and ended by `end_one`, which gets the time after which it is to be ended,
/// while three threads of two processes log `count` records each, until these are done or it has been done so often.
/// Then `write_rest` lets a last one write the rest. Returns how many were ended.
pub(crate) fn while_logging<S>(
    ring: &str,
    count: u64,
    most: usize,
    state: &mut S,
    end_one: impl Fn(&mut S, Duration),
    write_rest: impl FnOnce(&mut S),
) -> usize {
    let count = format!("count={count}");
    let mut producers =
        [("producer=0", "threads=2"), ("producer=10", "threads=1")].map(|(first, threads)| {
            Child::spawn(PRODUCER, &["sequence", ring, first, threads, &count, "long_every=500"])
        });
    producers.iter_mut().for_each(|child| {
        child.wait_ready();
        child.go();
    });
    let mut random = Random::new(17);
    let mut ended = 0;
    while ended < most && !producers.iter_mut().all(Child::has_ended) {
        // Any moment will do: before it has begun, in a batch, between two.
        end_one(state, Duration::from_micros(random.below(12_000)));
        ended += 1;
    }
    // It is idle only when the producers have ended.
    write_rest(state);
    producers.iter_mut().for_each(|child| assert_eq!(child.finish()[1], 0, "none was refused"));
    ended
}

/// Ends one writer after the other with this signal under load. Returns how many were ended.
fn end_writers(writing: &Writing, signal: Signal, most: usize) -> usize {
    let end_one = |writing: &mut &Writing, after: Duration| {
        let mut writer = writing.daemon().spawn().unwrap();
        std::thread::sleep(after);
        kill(Pid::from_raw(writer.id() as i32), signal).unwrap();
        writer.wait().unwrap();
    };
    while_logging(writing.ring(), COUNT, most, &mut &*writing, end_one, |writing| writing.finish())
}

/// Nothing is missing, doubled or out of order, and nothing had to be said.
#[track_caller]
fn check(writing: &Writing) {
    assert_eq!(writing.said(), "");
    assert_eq!(writing.files(), ["app.log"]);
    let verified =
        Command::new(program("ringlog")).args(["verify", "--strict"]).arg(writing.out()).output().unwrap();
    let words = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success(), "{words}");
    assert_eq!(writing.lines().records.len() as u64, 3 * COUNT);
    println!("{}", words.trim());
}

#[test]
fn writers_killed_under_load_write_each_record_once() {
    let writing = Writing::empty(&[], small_ring());
    let kills = end_writers(&writing, Signal::SIGKILL, 300);
    println!("{kills} kills");
    check(&writing);
    assert!(kills >= 50, "{kills} kills");
}

#[test]
fn writers_replaced_under_load_write_each_record_once() {
    let writing = Writing::empty(&[], small_ring());
    // A writer that is signalled before it handles signals is killed by it, which is as good.
    let stops = end_writers(&writing, Signal::SIGTERM, 150);
    println!("{stops} writers replaced");
    check(&writing);
    assert!(stops >= 5, "{stops} stops");
}

/// What a writer says that ends at once.
fn refused(command: &mut Command) -> (Option<i32>, String) {
    let output = command.stderr(std::process::Stdio::piped()).output().unwrap();
    let status: ExitStatus = output.status;
    (status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_second_writer_on_a_ring_or_an_output_is_refused() {
    let (one, two) = (Writing::empty(&[], small_ring()), Writing::empty(&[], small_ring()));
    let mut first = one.daemon().spawn().unwrap();
    soon(|| (one.checkpoint().metadata().is_ok_and(|meta| meta.len() > 0)).then_some(())).expect("it begins");
    let ours = Command::new(program("ringlog-writer"));
    let writer = |ring: &Writing, out: &Writing| {
        let mut command = Command::new(ours.get_program());
        command.arg(ring.ring()).arg("--out").arg(out.out());
        refused(&mut command)
    };
    let (code, message) = writer(&one, &two);
    assert!(code == Some(1) && message.contains("is drained by ringlog-writer"), "{message}");
    let how = format!("already; a ring has one consumer; `ringlog stop {}` asks it to end\n", one.ring());
    assert!(message.ends_with(&how), "{message}");
    let (code, message) = writer(&two, &one);
    assert!(code == Some(1) && message.contains("another writer is writing to it"), "{message}");
    first.kill().unwrap();
    first.wait().unwrap();
}
