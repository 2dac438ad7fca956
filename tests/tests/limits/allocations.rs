//! The push path allocates nothing.

#![allow(unsafe_code)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitStatus, waitpid};
use ringlog::{Level, Logger, Ring};
use ringlog_testkit::{CountingAllocator, Scratch, fork_child};
use ringlog_tests::{BINARY, CreateRing, FORMATTED, Given, Kind, Sequenced, note, stat};

#[test]
fn the_push_path_allocates_nothing() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("256KiB").block_bytes(8192));
    let log = ring.logger();
    let push = |sequences: std::ops::Range<u64>| {
        for sequence in sequences {
            log.push(&Sequenced::new(1, sequence, note(sequence, 0))).unwrap();
        }
    };
    assert!(
        CountingAllocator::count(|| drop(std::hint::black_box(vec![1_u8; 100]))) > 0,
        "the counting works"
    );
    push(0..1);
    let blocks = || stat(&ring).free_blocks;
    let before = blocks();
    assert_eq!(CountingAllocator::count(|| push(1..51)), 0, "within a block");
    assert_eq!(blocks(), before);
    assert_eq!(CountingAllocator::count(|| push(51..1000)), 0, "over block changes");
    assert!(before - blocks() >= 4, "{} block changes", before - blocks());
    log.text(Level::INFO, "plain", "warm").unwrap();
    assert_eq!(
        CountingAllocator::count(|| (0..50).for_each(|_| log.text(Level::WARN, "plain", "text").unwrap())),
        0
    );
    // Refusing, counting and telling the gap afterwards do not either.
    let full = || (1000..4000).filter(|n| log.push(&Sequenced::new(1, *n, note(*n, 0))).is_err()).count();
    let mut refused = 0;
    assert_eq!(CountingAllocator::count(|| refused = full()), 0, "in a full ring");
    assert!(refused > 100, "{refused}");
}

#[test]
fn log_statements_allocate_nothing() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("1MiB").block_bytes(8192));
    ringlog::set_default(ring.logger(), Level::TRACE.into()).unwrap();
    let given = Given::new(ring.logger());
    let run = |(source, statement): (&str, fn(&Given)), times: u64| {
        let (blocks, published) = (stat(&ring).free_blocks, stat(&ring).published);
        assert_eq!(CountingAllocator::count(|| (0..times).for_each(|_| statement(&given))), 0, "{source}");
        assert_eq!(stat(&ring).published - published, times, "{source}");
        blocks - stat(&ring).free_blocks
    };
    let all = || BINARY.iter().chain(FORMATTED).copied();
    // Opens the lane and registers each of them.
    all().for_each(|(_, statement)| statement(&given));
    all().for_each(|statement| {
        run(statement, 2);
    });
    // Over block changes too, to which records without a known length come in a way of their own.
    for kind in [BINARY, FORMATTED] {
        let blocks: u32 = kind.iter().map(|statement| run(*statement, 200)).sum();
        assert!(blocks >= 10, "{blocks} block changes");
    }
    assert_eq!(stat(&ring).dropped, 0);
}

static LOG: OnceLock<Logger> = OnceLock::new();
/// What the handler's records have allocated, how many were published, and in how many threads.
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
static PUBLISHED: AtomicU64 = AtomicU64::new(0);
static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn log_in_handler(_: libc::c_int) {
    let Some(log) = LOG.get() else { return };
    let allocated = CountingAllocator::count(|| {
        let results = [
            log.text(Level::INFO, "handler", "the thread's first record"),
            log.push(&Sequenced::new(1, 0, "the site's first one")),
        ];
        let published = results.iter().filter(|result| result.is_ok()).count();
        PUBLISHED.fetch_add(published as u64, Ordering::Relaxed);
    });
    ALLOCATED.fetch_add(allocated, Ordering::Relaxed);
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

extern "C" fn interrupt_itself(_: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: sends a signal, whose handler is installed, to the calling thread.
    unsafe { libc::raise(libc::SIGUSR2) };
    std::ptr::null_mut()
}

/// In threads that Rust did not start: it would have to make their handles, which is an allocation. The process's
/// first record is one of these; and in a forked child.
#[test]
fn a_first_record_in_a_handler_allocates_nothing() {
    const THREADS: u64 = 4;
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("256KiB").lanes(6));
    LOG.get_or_init(|| Ring::open(at.name()).unwrap().logger());
    let action = SigAction::new(SigHandler::Handler(log_in_handler), SaFlags::empty(), SigSet::empty());
    // SAFETY: that the handler may log is what the test is about.
    unsafe { sigaction(Signal::SIGUSR2, &action) }.unwrap();
    for _ in 0..THREADS {
        let mut thread = 0;
        // SAFETY: a thread of the C library with a function of this program, joined at once.
        unsafe {
            assert_eq!(
                libc::pthread_create(
                    &raw mut thread,
                    std::ptr::null(),
                    interrupt_itself,
                    std::ptr::null_mut()
                ),
                0
            );
            assert_eq!(libc::pthread_join(thread, std::ptr::null_mut()), 0);
        }
    }
    assert_eq!(HANDLED.load(Ordering::Relaxed), THREADS);
    assert_eq!(ALLOCATED.load(Ordering::Relaxed), 0);
    assert_eq!(PUBLISHED.load(Ordering::Relaxed), 2 * THREADS);
    let names: Vec<_> = stat(&ring).lanes.into_iter().map(|lane| lane.thread).collect();
    assert!(names.iter().any(|name| !name.is_empty()), "{names:?}");
    // A forked child attaches to the ring anew, in the handler.
    let child = fork_child(|| {
        [&HANDLED, &ALLOCATED, &PUBLISHED].iter().for_each(|count| count.store(0, Ordering::Relaxed));
        interrupt_itself(std::ptr::null_mut());
        let counts = [&HANDLED, &ALLOCATED, &PUBLISHED].map(|count| count.load(Ordering::Relaxed));
        // SAFETY: ends the process at once, which is always allowed.
        unsafe { libc::_exit(i32::from(counts != [1, 0, 2])) }
    });
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)), "allocated, or refused a record");
}
