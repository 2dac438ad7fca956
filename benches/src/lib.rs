//! Parts that the benchmarks share: a ring that another process drains, and medians over bursts.
//!
//! The machines are shared and noisy, so everything that is compared is measured in turns within one
//! run, and the medians count. Nothing here is ever a test.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hdrhistogram::Histogram;
use ringlog::Ring;

/// Operations in one burst: as many as a thread logs in one go, and enough that reading the clock around them does
/// not count.
pub const BURST: u64 = 20;

/// A consumer in a process of its own, which drains a ring and discards everything.
#[derive(Debug)]
pub struct Drain(Child);

/// The argument by which a benchmark's own binary becomes the draining process.
const DRAIN: &str = "drain-ring";

impl Drain {
    /// Starts it and waits until it holds the ring.
    pub fn start(ring: &str) -> Drain {
        let program = std::env::current_exe().expect("a benchmark knows its own path");
        let child = Command::new(program)
            .args([DRAIN, ring])
            .stdin(Stdio::null())
            .spawn()
            .expect("the benchmark starts itself as the draining process");
        let observer = ringlog::reader::Observer::open(ring).expect("the ring has been made");
        while observer.stat().expect("locks can be probed").consumer.is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Drain(child)
    }

    /// Called first in `main`: never returns in the draining process.
    pub fn main_if_asked() {
        let args: Vec<String> = std::env::args().collect();
        let [_, role, ring] = &args[..] else { return };
        if role != DRAIN {
            return;
        }
        let mut consumer = Ring::open(ring).and_then(|ring| ring.consumer()).expect("no other consumer");
        let mut unacknowledged = 0;
        loop {
            let more = consumer.next(Duration::from_millis(1)).expect("not forked").is_some();
            unacknowledged += u32::from(more);
            if !more || unacknowledged >= 256 {
                consumer.ack().expect("not forked");
                unacknowledged = 0;
            }
        }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        // This process's own child; if it has ended already there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A candidate: a name, and the operations of a burst.
pub struct Candidate<'a> {
    name: &'static str,
    burst: Box<dyn FnMut() + 'a>,
    picoseconds: Histogram<u64>,
}

impl<'a> Candidate<'a> {
    /// `burst` does [`BURST`] operations.
    pub fn new(name: &'static str, burst: impl FnMut() + 'a) -> Self {
        let picoseconds = Histogram::new_with_bounds(1, 1 << 40, 3).expect("three digits are allowed");
        Candidate { name, burst: Box::new(burst), picoseconds }
    }

    /// The candidate's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Time of one operation at this quantile, in nanoseconds.
    pub fn nanoseconds(&self, quantile: f64) -> f64 {
        self.picoseconds.value_at_quantile(quantile) as f64 / 1000.0
    }
}

/// Measures all candidates in turns, so that disturbances of the machine affect them alike, and prints a table. The
/// others are compared with the first.
pub fn measure(rounds: u32, candidates: &mut [Candidate<'_>]) {
    for round in 0..rounds + rounds / 10 {
        for candidate in &mut *candidates {
            let start = std::time::Instant::now();
            (candidate.burst)();
            let elapsed = start.elapsed().as_nanos() as u64 * 1000 / BURST;
            // The first tenth warms the caches.
            if round >= rounds / 10 {
                candidate.picoseconds.saturating_record(elapsed.max(1));
            }
            pause();
        }
    }
    println!("{:<34} {:>9} {:>9} {:>9} {:>8}", "per operation", "median", "p99", "p99.9", "ratio");
    let base = candidates.first().map_or(1.0, |first| first.nanoseconds(0.5));
    for candidate in &*candidates {
        let [median, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| candidate.nanoseconds(quantile));
        println!(
            "{:<34} {median:>6.1} ns {p99:>6.1} ns {p999:>6.1} ns {:>8.2}",
            candidate.name,
            median / base
        );
    }
}

/// A text on the stack: the least cost of formatting a message. Text that does not fit is left out.
#[derive(Debug)]
pub struct StackText {
    bytes: [u8; 256],
    len: usize,
}

impl Default for StackText {
    fn default() -> Self {
        StackText { bytes: [0; 256], len: 0 }
    }
}

impl StackText {
    /// Begins anew.
    pub fn clear(&mut self) {
        self.len = 0;
    }
}

impl std::fmt::Write for StackText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = &mut self.bytes[self.len..];
        let count = text.len().min(room.len());
        room[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.len += count;
        Ok(())
    }
}

/// The work of a program between its log calls, about a microsecond.
fn pause() {
    for _ in 0..200 {
        std::hint::spin_loop();
    }
}
