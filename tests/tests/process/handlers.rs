//! A signal handler may log in any thread, also in one that is just being started.

use ringlog::Ring;
use ringlog_testkit::{Child, Scratch};
use ringlog_tests::{CreateRing, stat};

use crate::PRODUCER;

#[test]
fn a_handler_may_log_while_its_thread_starts() {
    const THREADS: usize = 1500;
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("16MiB").lanes(8));
    let count = format!("count={THREADS}");
    let mut child = Child::spawn(PRODUCER, &["interrupt-new-threads", at.name(), &count]);
    child.wait_ready();
    child.go();
    let numbers = child.finish();
    let &[sent, refused] = &numbers[..] else { panic!("{numbers:?}") };
    assert!(sent > 0);
    let stat = stat(&ring);
    assert_eq!((stat.published, stat.dropped), (sent - refused, refused));
    println!("{THREADS} threads started, {sent} records of handlers, {refused} of them refused");
}
