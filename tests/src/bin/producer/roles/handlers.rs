//! Processes whose signal handlers log.

#![allow(unsafe_code)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use ringlog::{Level, Logger, Ring};

use crate::{Arguments, ready};

static LOG: OnceLock<Logger> = OnceLock::new();
static SENT: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

extern "C" fn log_in_handler(_: libc::c_int) {
    if let Some(log) = LOG.get() {
        SENT.fetch_add(1, Ordering::Relaxed);
        let refused = log.text(Level::INFO, "handler", "ticked").is_err();
        REFUSED.fetch_add(refused.into(), Ordering::Relaxed);
    }
}

/// Sends SIGALRM to the process every so many microseconds; 0 ends that.
fn tick_every(microseconds: libc::suseconds_t) {
    let each = libc::timeval { tv_sec: 0, tv_usec: microseconds };
    let timer = libc::itimerval { it_interval: each, it_value: each };
    // SAFETY: a timer that is there; the handler is installed before the first one is set.
    assert_eq!(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) }, 0);
}

/// Starts `count` threads one after the other under a timer whose handler logs in whichever thread it comes. Prints
/// how many records the handlers sent, and how many of them were refused.
pub(crate) fn interrupt_new_threads(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    LOG.get_or_init(|| arguments.logger(&ring));
    let action = SigAction::new(SigHandler::Handler(log_in_handler), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: that the handler may log wherever it comes is what the test is about.
    unsafe { sigaction(Signal::SIGALRM, &action) }.unwrap();
    ready();
    tick_every(40);
    for _ in 0..arguments.number("count", 100) {
        std::thread::spawn(|| ()).join().unwrap();
    }
    tick_every(0);
    println!("{} {}", SENT.load(Ordering::Relaxed), REFUSED.load(Ordering::Relaxed));
}
