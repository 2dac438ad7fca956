//! Processes that a tracer leads through a piece of work, one instruction after the other.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::ForkResult;
use ringlog::{Logger, Overflow, Ring};
use ringlog_testkit::{SOON, marker};
use ringlog_tests::{Alarm, Flood, Kind, Sequenced, note_of};

use crate::{Arguments, ready};

/// Takes out and acknowledges `before` entries; then takes out `count` more and acknowledges them
/// between two markers.
pub(crate) fn acknowledge(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let mut consumer = ring.consumer().unwrap();
    ready();
    let take = |consumer: &mut ringlog::reader::Consumer, key| {
        for _ in 0..arguments.number(key, 1) {
            consumer.next(Duration::from_secs(5)).unwrap().expect("an entry");
        }
    };
    take(&mut consumer, "before");
    consumer.ack().unwrap();
    take(&mut consumer, "count");
    marker();
    consumer.ack().unwrap();
    marker();
}

/// Bytes of a note with which a record takes more than half of a block of 1 KiB, so that no two of them
/// fit one block; and with which it takes three blocks.
const HALF_BLOCK: usize = 470;
const THREE_BLOCKS: usize = 1_700;

/// What is pushed between the markers.
#[derive(Clone, Copy, PartialEq)]
enum Scenario {
    /// A record for which the open block has room.
    Within,
    /// One that needs the next block.
    Change,
    /// One that takes several blocks.
    Long,
    /// The thread's and the process's first.
    Open,
    /// The first one of another site.
    Define,
}

impl Scenario {
    fn new(name: &str) -> Scenario {
        match name {
            "within" => Scenario::Within,
            "change" => Scenario::Change,
            "long" => Scenario::Long,
            "open" => Scenario::Open,
            "define" => Scenario::Define,
            other => panic!("no such scenario: {other}"),
        }
    }
}

/// Numbers its records, and counts those refused.
struct Counted {
    producer: AtomicU32,
    sent: AtomicU64,
    refused: AtomicU64,
}

impl Counted {
    const fn new(producer: u32) -> Counted {
        Counted { producer: AtomicU32::new(producer), sent: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    /// Pushes the next record; `around` is called before and after that.
    fn push<'a, K: Kind<'a>>(&self, log: &Logger, note: &'a str, around: impl Fn()) {
        let sequence = self.sent.fetch_add(1, Ordering::Relaxed);
        let record = K::new(self.producer.load(Ordering::Relaxed), sequence, note);
        around();
        let pushed = log.push(&record);
        around();
        self.refused.fetch_add(pushed.is_err().into(), Ordering::Relaxed);
    }

    fn print(&self) {
        println!("{} {}", self.sent.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed));
    }
}

/// `rounds` times one push between two markers, of the kind that `scenario` says; then `after` more.
/// Prints how many records were sent and how many refused; then how often the signal's handler has done what
/// `on_signal` says, and how often that has failed.
pub(crate) fn step(name: &str, arguments: &Arguments) {
    let scenario = Scenario::new(arguments.text("scenario").unwrap());
    let open = || {
        let ring = Ring::open(name).unwrap();
        (ring.logger().with_overflow(Overflow::Block(SOON)), ring)
    };
    let mut handles = open();
    let own = Counted::new(arguments.number("producer", 0) as u32);
    if let Some(action) = arguments.text("on_signal") {
        IN_HANDLER.producer.store(own.producer.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        on_signal(action);
    }
    // Made at first use, which must not be in a handler.
    let short = note_of(10);
    ready();
    for round in 0..arguments.number("rounds", 1) {
        if round > 0 && matches!(scenario, Scenario::Open | Scenario::Define) {
            // The old ones go after that, so that the private memory is not the same again.
            handles = open();
        }
        if scenario != Scenario::Open {
            own.push::<Sequenced>(&handles.0, note_of(HALF_BLOCK), || ());
        }
        HANDLES.store(&raw mut handles, Ordering::Relaxed);
        let log = &handles.0;
        match scenario {
            Scenario::Within | Scenario::Open => own.push::<Sequenced>(log, short, marker),
            Scenario::Change => own.push::<Sequenced>(log, note_of(HALF_BLOCK), marker),
            Scenario::Long => own.push::<Sequenced>(log, note_of(THREE_BLOCKS), marker),
            Scenario::Define => own.push::<Flood>(log, short, marker),
        }
        HANDLES.store(std::ptr::null_mut(), Ordering::Relaxed);
    }
    (0..arguments.number("after", 0)).for_each(|_| own.push::<Sequenced>(&handles.0, short, || ()));
    drop(handles);
    own.print();
    IN_HANDLER.print();
}

/// A process's way into the ring.
type Handles = (Logger, Ring);

/// Those of the interrupted push; null between the rounds.
static HANDLES: AtomicPtr<Handles> = AtomicPtr::new(std::ptr::null_mut());
/// What the handler has done, and what of that has failed.
static IN_HANDLER: Counted = Counted::new(0);

fn on_signal(action: &str) {
    let handler = match action {
        "log" => log_in_handler,
        "fork" => fork_in_handler,
        other => panic!("no such action: {other}"),
    };
    // A traced process would stop at each end of a child.
    SigSet::from(Signal::SIGCHLD).thread_block().unwrap();
    let action = SigAction::new(SigHandler::Handler(handler), SaFlags::empty(), SigSet::empty());
    // SAFETY: that the handler may do what it does in the middle of a push is what the tests are about.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
}

/// The handles of the interrupted push.
fn interrupted() -> &'static Handles {
    // SAFETY: set before the marker that the push begins with and until after the one that it ends with,
    // between which the signals come.
    unsafe { &*HANDLES.load(Ordering::Relaxed) }
}

extern "C" fn log_in_handler(_: libc::c_int) {
    IN_HANDLER.push::<Alarm>(&interrupted().0, note_of(10), || ());
    marker();
}

/// Forks a child that logs at once, and another time one that only drops what it has inherited and ends
/// in the orderly way.
extern "C" fn fork_in_handler(_: libc::c_int) {
    let logs = IN_HANDLER.sent.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
    // SAFETY: the process has one thread, and is not in the C library.
    match unsafe { nix::unistd::fork() } {
        Ok(ForkResult::Parent { child }) => {
            let ended_well = waitpid(child, None) == Ok(WaitStatus::Exited(child, 0));
            IN_HANDLER.refused.fetch_add((!ended_well).into(), Ordering::Relaxed);
        }
        Ok(ForkResult::Child) if logs => {
            let own = Counted::new(std::process::id());
            (0..2).for_each(|_| own.push::<Sequenced>(&interrupted().0, note_of(10), || ()));
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(own.refused.load(Ordering::Relaxed) as i32) }
        }
        Ok(ForkResult::Child) => {
            // SAFETY: the process ends here, so the handles are not dropped again.
            unsafe {
                drop(HANDLES.load(Ordering::Relaxed).read());
                libc::exit(0)
            }
        }
        Err(error) => panic!("{error}"),
    }
    marker();
}

/// Opens the ring between two markers, which empties segments of the definition area if they are needed.
pub(crate) fn empty(name: &str, _: &Arguments) {
    ready();
    marker();
    let ring = Ring::open(name);
    marker();
    drop(ring.unwrap());
}

/// Passes the closed gates of ten statements between two markers; before them nothing, between two markers too.
pub(crate) fn pass_closed_gates(name: &str, _: &Arguments) {
    let ring = Ring::open(name).unwrap();
    ringlog::set_default(ring.logger(), ringlog::Filter::default()).unwrap();
    ten_closed_gates();
    ready();
    marker();
    marker();
    ten_closed_gates();
    marker();
}

#[inline(never)]
fn ten_closed_gates() {
    fn evaluated() -> u64 {
        panic!("no signal is expected")
    }
    macro_rules! each {
        ($($message:literal)*) => { $(ringlog::debug!($message, n = evaluated());)* };
    }
    each! { "1" "2" "3" "4" "5" "6" "7" "8" "9" "10" }
}
