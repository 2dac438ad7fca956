//! An output that is written by a thread of its own, so that it holds up no other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Events;
use super::batch::Batch;
use super::delivery::{Outlet, Outside, Persisted};
use crate::error::Error;

/// How long an idle thread waits until it looks at its output.
const LOOK: Duration = Duration::from_millis(250);

enum Order {
    Write(Batch),
    /// Begin another file; the time.
    Rotate(u64),
}

enum Report {
    /// The batch is written, and comes back for its memory.
    Written(Batch),
    Rotated,
    Said(String),
    /// Nothing more can be written.
    Ended(Result<Persisted, Error>),
}

/// A batch on its way.
struct Queued {
    /// In which it was handed over.
    turn: u64,
    /// How much memory it takes.
    len: usize,
    records: u64,
    since: Instant,
}

/// The thread, seen from the loop.
pub(super) struct Worker {
    pub(super) out: String,
    orders: Option<Sender<Order>>,
    reports: Receiver<Report>,
    thread: JoinHandle<Outlet>,
    is_told_to_end: Arc<AtomicBool>,
    /// Batches on their way, oldest first.
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    /// For the next batch.
    spare: Option<Batch>,
    rotations: usize,
    /// How it came to an end by itself.
    ended: Option<Result<Persisted, Error>>,
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start(outlet: Outlet) -> std::io::Result<Worker> {
        let ((orders, taken), (report, reports)) = (channel(), channel());
        let is_told_to_end = Arc::new(AtomicBool::new(false));
        let out = outlet.out.clone();
        let outside = Elsewhere { say: Say(report), is_told_to_end: is_told_to_end.clone() };
        let thread = std::thread::Builder::new()
            .name("ringlog-out".to_owned())
            .spawn(move || work(outlet, &taken, outside))?;
        Ok(Worker {
            out,
            orders: Some(orders),
            reports,
            thread,
            is_told_to_end,
            queue: VecDeque::new(),
            queued_bytes: 0,
            spare: None,
            rotations: 0,
            ended: None,
        })
    }

    /// Hands a batch over, and gives an empty one for it.
    pub(super) fn write(&mut self, turn: u64, batch: Batch) -> Batch {
        let (len, records) = (batch.weight(), batch.counts.records);
        self.queued_bytes += len;
        self.queue.push_back(Queued { turn, len, records, since: Instant::now() });
        self.order(Order::Write(batch));
        self.spare.take().unwrap_or_default()
    }

    pub(super) fn rotate(&mut self, unix_ns: u64) {
        self.rotations += 1;
        self.order(Order::Rotate(unix_ns));
    }

    fn order(&self, order: Order) {
        // A thread that has ended reports that.
        let _ = self.orders.as_ref().map(|orders| orders.send(order));
    }

    /// Takes note of what has been done, waiting for it up to `wait`.
    pub(super) fn note(&mut self, wait: Duration, keep: usize, events: &mut dyn Events) {
        let mut report = self.reports.recv_timeout(wait).ok();
        while let Some(noted) = report {
            match noted {
                Report::Written(mut batch) => {
                    let len = self.queue.pop_front().map_or(0, |queued| queued.len);
                    self.queued_bytes -= len;
                    batch.clear(keep);
                    self.spare = Some(batch);
                }
                Report::Rotated => self.rotations -= 1,
                Report::Said(said) => events.say(&said),
                Report::Ended(ended) => (self.ended, self.rotations) = (Some(ended), 0),
            }
            report = self.reports.try_recv().ok();
        }
    }

    /// The turn up to which all is written; `None` if it has nothing more to write.
    pub(super) fn written(&self) -> Option<u64> {
        self.queue.front().map(|queued| queued.turn - 1)
    }

    fn queued_records(&self) -> u64 {
        self.queue.iter().map(|queued| queued.records).sum()
    }

    /// How long the oldest batch has been on its way.
    pub(super) fn lag(&self) -> Duration {
        self.queue.front().map_or(Duration::ZERO, |queued| queued.since.elapsed())
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    pub(super) fn is_rotating(&self) -> bool {
        self.rotations > 0
    }

    /// How it came to an end by itself, if it has.
    pub(super) fn ended(&self) -> Option<&Result<Persisted, Error>> {
        self.ended.as_ref()
    }

    /// An output that refuses is not waited for any longer.
    pub(super) fn hurry(&self) {
        self.is_told_to_end.store(true, Ordering::Relaxed);
    }

    /// Nothing more comes: waits until all is written, up to the deadline if there is one. The output comes back,
    /// unless it does not end; and an error if it could not be written.
    pub(super) fn finish(mut self, deadline: Option<Instant>, events: &mut dyn Events) -> Finished {
        self.orders = None;
        while !self.thread.is_finished() {
            self.note(Duration::from_millis(5), 0, events);
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Finished { outlet: None, failed: Ok(()), queued: self.queued_records() };
            }
        }
        self.note(Duration::ZERO, 0, events);
        let failed = match self.ended.take() {
            Some(Err(error)) => Err(error),
            Some(Ok(_)) | None => Ok(()),
        };
        let queued = self.queued_records();
        match self.thread.join() {
            Ok(outlet) => Finished { outlet: Some(outlet), failed, queued },
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// What came of it.
pub(super) struct Finished {
    /// The output, unless its thread does not end.
    pub(super) outlet: Option<Outlet>,
    pub(super) failed: Result<(), Error>,
    /// Records that were on their way to it and have not come there.
    pub(super) queued: u64,
}

fn work(mut outlet: Outlet, orders: &Receiver<Order>, mut outside: Elsewhere) -> Outlet {
    let report = outside.say.0.clone();
    // Nobody is there any more to take a report: the writer has ended without us.
    let tell = |it: Report| drop(report.send(it));
    loop {
        match orders.recv_timeout(LOOK) {
            Ok(Order::Write(batch)) => match outlet.write(&batch, &mut outside) {
                Ok(Persisted::Done) => tell(Report::Written(batch)),
                ended => {
                    tell(Report::Ended(ended));
                    return outlet;
                }
            },
            Ok(Order::Rotate(unix_ns)) => match outlet.rotate(unix_ns, &mut outside) {
                Ok(Persisted::Done) => tell(Report::Rotated),
                ended => {
                    tell(Report::Ended(ended));
                    return outlet;
                }
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return outlet,
        }
        outlet.look(&mut outside);
    }
}

/// The loop, seen from the thread.
struct Elsewhere {
    say: Say,
    is_told_to_end: Arc<AtomicBool>,
}

struct Say(Sender<Report>);

impl Events for Say {
    fn say(&mut self, message: &str) {
        // As above.
        let _ = self.0.send(Report::Said(message.to_owned()));
    }
}

impl Outside for Elsewhere {
    fn is_told_to_end(&self) -> bool {
        self.is_told_to_end.load(Ordering::Relaxed)
    }

    /// That is the configuration's to say, which is read anew as a whole.
    fn wants_reopening(&self) -> bool {
        false
    }

    fn reopens(&self) {}

    fn waits(&mut self) {}

    /// Whether others went on meanwhile is the loop's to say.
    fn goes_on(&mut self, out: &str) {
        self.say.say(&format!("writing to {out} again"));
    }

    fn events(&mut self) -> &mut dyn Events {
        &mut self.say
    }
}
