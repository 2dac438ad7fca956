//! A writer that ends because no process logs any more, while another process begins to log.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use ringlog::reader::{Observer, RingStat};
use ringlog_testkit::{Call, Child, Fate, eventually, run_cases, run_deciding_below};
use ringlog_tests::Writing;

use crate::PRODUCER;

#[test]
fn a_process_finds_no_writer_or_one_that_writes_its_records() {
    let writing = Writing::new(PRODUCER, &[]);
    let (_, calls) = come_at(&writing.copy(), usize::MAX);
    let numbers: Vec<usize> = (0..calls).collect();
    let [found, missed] = [const { AtomicUsize::new(0) }; 2];
    run_cases(&numbers, |number| {
        let counter = if come_at(&writing.copy(), *number).0 { &found } else { &missed };
        counter.fetch_add(1, Ordering::Relaxed);
    });
    println!("{calls} calls; a writer was found at {found:?}, none at {missed:?}");
    assert!(found.into_inner() > numbers.len() / 2);
}

fn stat(writing: &Writing) -> RingStat {
    Observer::open(writing.ring()).unwrap().stat().unwrap()
}

/// Runs a writer that ends when its ring is idle. At its call with this number a process opens a lane, logs, and looks
/// for a writer. Returns whether it found one, and the number of calls.
fn come_at(writing: &Writing, number: usize) -> (bool, usize) {
    let ((ask, asked), (answer, answered)) = (channel(), channel());
    let dir = Path::new(writing.ring()).parent().unwrap().to_owned();
    let decide = move |call: &Call| {
        if call.number == number {
            ask.send(()).unwrap();
            // The thread that makes the call waits meanwhile.
            answered.recv().unwrap();
        }
        Fate::Done
    };
    std::thread::scope(|scope| {
        // The thread that traces must have no other children.
        let process = scope.spawn(move || {
            if asked.recv().is_err() {
                return false;
            }
            // It stays, or has ended before the writer goes on.
            let how = ["how=idle", "how=return"][number % 2];
            let mut child = Child::spawn(PRODUCER, &["end", writing.ring(), "threads=1", "count=5", how]);
            while child.line() != "ready" {}
            if how == "how=return" {
                child.finish();
            }
            let has_found = stat(writing).consumer.is_some();
            answer.send(()).unwrap();
            if has_found {
                eventually("the records of the process are written", || stat(writing).lag() == 0);
            }
            child.kill();
            has_found
        });
        let ended = run_deciding_below(writing.writer().env_remove("RINGLOG"), &[dir], decide);
        assert!(ended.status.unwrap().success(), "{}", writing.said());
        (process.join().unwrap(), ended.calls.len())
    })
}
