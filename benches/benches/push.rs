//! The cost of a log call for its thread, while another process drains the ring.

use std::fmt::Write;
use std::hint::black_box;

use ringlog::{Filter, Initialized, Level, Record, Ring, debug, info};
use ringlog_benches::{BURST, Candidate, Drain, StackText, measure};

/// 48 bytes of payload: with its header exactly one slot.
#[derive(Record)]
#[record(level = "info", logger = "orders")]
struct Fill {
    order: u64,
    price: f64,
    quantity: u64,
    account: u64,
    venue: [u8; 8],
    flags: u64,
}

/// Two candidates that are compared with each other.
const FORMATTED: &str = "write!, the same text, on the stack";
const FACADE: &str = "log::info!, the same text";

fn main() {
    Drain::main_if_asked();
    let dir = tempfile::tempdir_in("/dev/shm").expect("/dev/shm is there");
    let path = dir.path().join("bench");
    let name = path.to_str().expect("a path made of letters");
    let ring = Ring::options().size("16MiB").create_or_open(name).expect("room for a ring");
    let log = ring.logger();
    let _drain = Drain::start(name);
    let initialized = ringlog::init_ring(&ring, Filter::default());
    assert!(
        matches!(initialized, Initialized::Ring(_)),
        "nothing else takes the `log` facade: {initialized:?}"
    );
    let mut order = 0;
    let mut refused = 0_u64;
    let mut text = StackText::default();
    let mut candidates = [
        Candidate::new("clock read alone", || {
            for _ in 0..BURST {
                black_box(clock());
            }
        }),
        Candidate::new("push, 48 bytes, time stamp", || {
            for _ in 0..BURST {
                order += 1;
                let fill =
                    Fill { order, price: 9.5, quantity: 100, account: 7, venue: *b"XETR    ", flags: 0 };
                refused += u64::from(log.push(black_box(&fill)).is_err());
            }
        }),
        Candidate::new("info!, u64, f64, 16 bytes of text", || {
            for n in 0..BURST {
                let (id, price, venue) = (black_box(n), black_box(9.5), black_box("filled at 9.5000"));
                info!("order {id} filled at {price:.2} on {venue}");
            }
        }),
        Candidate::new("info!, plain", || {
            for _ in 0..BURST {
                info!("nothing but a message");
            }
        }),
        Candidate::new("debug!, disabled", || {
            for n in 0..BURST {
                let (id, price, venue) = (black_box(n), black_box(9.5), black_box("filled at 9.5000"));
                debug!("order {id} filled at {price:.2} on {venue}");
            }
        }),
        Candidate::new("text, 16 bytes", || {
            for _ in 0..BURST {
                let _ = log.text(Level::INFO, "orders", black_box("filled at 9.5000"));
            }
        }),
        Candidate::new(FORMATTED, || {
            for n in 0..BURST {
                let (id, price, venue) = (black_box(n), black_box(9.5), black_box("filled at 9.5000"));
                text.clear();
                let _ = write!(text, "order {id} filled at {price:.2} on {venue}");
                black_box(&text);
            }
        }),
        Candidate::new(FACADE, || {
            for n in 0..BURST {
                let (id, price, venue) = (black_box(n), black_box(9.5), black_box("filled at 9.5000"));
                log::info!("order {id} filled at {price:.2} on {venue}");
            }
        }),
        Candidate::new("log::info!, plain", || {
            for _ in 0..BURST {
                log::info!("nothing but a message");
            }
        }),
        Candidate::new("log::debug!, disabled", || {
            for n in 0..BURST {
                log::debug!("order {}", black_box(n));
            }
        }),
    ];
    measure(200_000, &mut candidates);
    let median =
        |name| candidates.iter().find(|candidate| candidate.name() == name).map(|it| it.nanoseconds(0.5));
    if let (Some(formatted), Some(facade)) = (median(FORMATTED), median(FACADE)) {
        println!("the facade takes {:.2} times as long as write! of the same text", facade / formatted);
    }
    drop(candidates);
    println!("{refused} pushes were refused");
}

/// The clock that the ring reads for a time stamp: the time-stamp counter, where it is invariant.
#[cfg(target_arch = "x86_64")]
fn clock() -> u64 {
    #![allow(unsafe_code)]
    // SAFETY: every x86-64 processor has the instruction.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn clock() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}
