//! A delivery in a thread of its own, so that it does not hold up the others.

mod finish;

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub(super) use self::finish::{Finished, Limit};

use super::delivery::{Delivery, Orders, Persisted};
use super::health::Health;
use crate::error::Error;
use crate::events::Events;
use crate::sink::Batch;
use crate::status::Failure;

/// How often an idle thread does its sink's periodic work.
const MAINTAIN_EVERY: Duration = Duration::from_millis(250);

/// How long an output may write no batch, although it has one, before it counts as blocked.
const BLOCKED_AFTER: Duration = Duration::from_secs(1);

/// How long a thread that was ordered to give up may write nothing. A longer time is spent in a call of the kernel.
pub(super) const GIVES_UP_WITHIN: Duration = Duration::from_millis(500);

enum WorkerCommand {
    Write(Batch),
    /// Begin the next file, at this time.
    Rotate(u64),
    /// Count the wall clock as right.
    TrustClock,
    /// Look at the orders.
    Look,
}

enum WorkerEvent {
    /// The batch is written. It is returned so that its memory is used again.
    Written(Batch, Late),
    Rotated,
    /// Attempts had failed, and one has succeeded.
    Resumed,
    Message(String),
    /// The thread ends: nothing more can be written.
    Ended(Ended),
}

/// The number of entries that the sink has written behind a younger one.
type Late = u64;

/// What a thread has written, what it has not, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) written: Written,
    /// Records in the queue.
    pub(super) queued: u64,
    /// The earliest time of these.
    pub(super) oldest_unix_ns: Option<u64>,
    /// The last error, if nothing has succeeded since.
    pub(super) failure: Option<Failure>,
    /// Attempts after a failed one.
    pub(super) retries: u64,
    /// Whether it writes nothing for long, although there is something.
    pub(super) is_blocked: bool,
}

/// The end of a thread before it was asked to.
struct Ended {
    /// Without an error the reader has gone.
    result: Result<(), Error>,
    /// Whether that came while a batch was being written.
    is_in_batch: bool,
}

/// A batch that was sent to the thread.
struct Queued {
    /// The turn in which it was sent.
    turn: u64,
    /// The memory that it takes.
    len: usize,
    records: u64,
    /// The earliest time of its entries.
    oldest_unix_ns: u64,
    since: Instant,
}

/// What a thread has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// Entries behind a younger one.
    pub(super) late: u64,
}

/// What a thread reports besides messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Polled {
    /// Writing succeeds again.
    pub(super) has_resumed: bool,
}

/// The loop's handle to the thread.
pub(super) struct Worker {
    /// The name of the file or stream in messages.
    out: String,
    commands: Option<Sender<WorkerCommand>>,
    worker_events: Receiver<WorkerEvent>,
    thread: JoinHandle<Delivery>,
    orders: Arc<Orders>,
    /// The batches that are not written yet, oldest first.
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    /// When a batch was last written.
    written_at: Instant,
    /// When the thread was ordered to give up, if it was.
    given_up_at: Cell<Option<Instant>>,
    /// Since when the thread is to end, if it is.
    ending_since: Option<Instant>,
    health: Arc<Health>,
    written: Written,
    /// An empty batch with memory for the next one.
    spare: Option<Batch>,
    /// The number of rotations that are not done yet.
    rotations: usize,
    /// If the thread has ended before it was asked to.
    ended: Option<Ended>,
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start(delivery: Delivery) -> std::io::Result<Worker> {
        let ((commands, received), (sender, worker_events)) = (channel(), channel());
        let (orders, out) = (Arc::new(Orders::default()), delivery.out().to_owned());
        let (health, written) =
            (delivery.health(), Written { late: delivery.sink().late(), ..Written::default() });
        let work = Work { delivery, orders: orders.clone(), events: EventSender(sender) };
        let thread = std::thread::Builder::new()
            .name("ringlog-out".to_owned())
            .spawn(move || work.until_ended(&received))?;
        Ok(Worker {
            out,
            commands: Some(commands),
            worker_events,
            thread,
            orders,
            queue: VecDeque::new(),
            queued_bytes: 0,
            written_at: Instant::now(),
            given_up_at: Cell::new(None),
            ending_since: None,
            health,
            written,
            spare: None,
            rotations: 0,
            ended: None,
        })
    }

    /// Sends a batch to the thread, and returns an empty one.
    pub(super) fn write(&mut self, turn: u64, batch: Batch) -> Batch {
        let (len, records) = (batch.weight(), batch.counts().records);
        self.queued_bytes += len;
        let oldest_unix_ns = batch.entries().iter().map(|entry| entry.unix_ns).min().unwrap_or(u64::MAX);
        self.queue.push_back(Queued { turn, len, records, oldest_unix_ns, since: Instant::now() });
        self.send(WorkerCommand::Write(batch));
        self.spare.take().unwrap_or_default()
    }

    pub(super) fn rotate(&mut self, unix_ns: u64) {
        self.rotations += 1;
        self.send(WorkerCommand::Rotate(unix_ns));
    }

    pub(super) fn trust_clock(&self) {
        self.send(WorkerCommand::TrustClock);
    }

    /// Orders the thread to reopen the sink's file.
    pub(super) fn reopen(&self) {
        self.orders.reopen();
        self.send(WorkerCommand::Look);
    }

    fn send(&self, command: WorkerCommand) {
        if let Some(commands) = &self.commands {
            // Sending fails only if the thread has ended, which it reports itself.
            let _ = commands.send(command);
        }
    }

    /// Processes the thread's events; waits for the first up to `wait`. A batch keeps a buffer of at most `keep` bytes.
    pub(super) fn poll(&mut self, wait: Duration, keep: usize, events: &mut dyn Events) -> Polled {
        let mut polled = Polled::default();
        let mut next = match wait.is_zero() {
            true => self.worker_events.try_recv().ok(),
            false => self.worker_events.recv_timeout(wait).ok(),
        };
        while let Some(event) = next {
            match event {
                WorkerEvent::Written(mut batch, late) => {
                    self.written.records += batch.counts().records;
                    self.written.bytes += batch.bytes().len() as u64;
                    self.written.late = late;
                    let len = self.queue.pop_front().map_or(0, |queued| queued.len);
                    self.queued_bytes -= len;
                    self.written_at = Instant::now();
                    batch.clear(keep);
                    self.spare = Some(batch);
                }
                WorkerEvent::Rotated => self.rotations -= 1,
                WorkerEvent::Resumed => polled.has_resumed = true,
                WorkerEvent::Message(message) => events.report(&message),
                WorkerEvent::Ended(ended) => (self.ended, self.rotations) = (Some(ended), 0),
            }
            next = self.worker_events.try_recv().ok();
        }
        polled
    }

    /// The name of the file or stream in messages.
    pub(super) fn out(&self) -> &str {
        &self.out
    }

    /// The turn up to which every batch is written; `None` if the queue is empty.
    pub(super) fn written_turn(&self) -> Option<u64> {
        self.queue.front().map(|queued| queued.turn - 1)
    }

    /// The age of the oldest batch in the queue.
    pub(super) fn lag(&self) -> Duration {
        self.queue.front().map_or(Duration::ZERO, |queued| queued.since.elapsed())
    }

    /// For how long nothing was written although there was something.
    pub(super) fn stalled(&self) -> Duration {
        self.stalled_since().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Since when the first batch in the queue is being written.
    fn stalled_since(&self) -> Option<Instant> {
        self.queue.front().map(|queued| queued.since.max(self.written_at))
    }

    /// What the thread has written, what it has not, and why.
    pub(super) fn standing(&self) -> Standing {
        let with_records = self.queue.iter().filter(|queued| queued.records > 0);
        Standing {
            written: self.written,
            queued: self.queued_records(),
            oldest_unix_ns: with_records.map(|queued| queued.oldest_unix_ns).min(),
            failure: self.health.failure(),
            retries: self.health.retries(),
            is_blocked: self.stalled() >= BLOCKED_AFTER,
        }
    }

    /// Whether its attempts have failed for so long, and nothing was written.
    pub(super) fn is_failing_for(&self, bound: Duration) -> bool {
        self.stalled_since().is_some_and(|since| since.elapsed() >= bound) && self.health.failure().is_some()
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Whether a request is still to be carried out.
    pub(super) fn is_handling(&self) -> bool {
        self.rotations > 0 || (self.ended.is_none() && self.orders.is_reopening())
    }

    /// The result of a thread that has ended before it was asked to.
    pub(super) fn ended(&self) -> Option<&Result<(), Error>> {
        self.ended.as_ref().map(|ended| &ended.result)
    }

    /// Makes the delivery give up at the next failure.
    pub(super) fn stop_retrying(&self) {
        self.orders.stop();
    }

    /// Makes the delivery give up also where its reader takes nothing.
    pub(super) fn give_up(&self) {
        self.given_up_at.set(self.given_up_at.get().or_else(|| Some(Instant::now())));
        self.orders.give_up();
    }

    /// Ends the delivery after the batch that it is writing.
    pub(super) fn end_now(&self) {
        self.give_up();
        self.orders.end_now();
    }

    /// The number of records that are queued and not written.
    fn queued_records(&self) -> u64 {
        self.queue.iter().map(|queued| queued.records).sum()
    }

    /// The error of an output that has not written what is queued.
    fn unwritten(&self, why: &'static str) -> Error {
        let records = self.queued_records();
        let source = std::io::Error::new(std::io::ErrorKind::TimedOut, why);
        Error::Write { out: self.out.clone(), source, records }
    }
}

/// The work of the thread.
struct Work {
    delivery: Delivery,
    orders: Arc<Orders>,
    events: EventSender,
}

impl Work {
    /// Obeys commands until there are none any more, or nothing more can be written.
    fn until_ended(mut self, commands: &Receiver<WorkerCommand>) -> Delivery {
        loop {
            match commands.recv_timeout(MAINTAIN_EVERY) {
                Ok(_) if self.orders.is_ending_now() => return self.delivery,
                Ok(command) => {
                    let is_in_batch = matches!(command, WorkerCommand::Write(_));
                    if let Err(result) = self.obey(command) {
                        self.events.send(WorkerEvent::Ended(Ended { result, is_in_batch }));
                        return self.delivery;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.delivery,
            }
            // A thread that was left behind changes nothing more.
            if self.orders.is_ending_now() {
                return self.delivery;
            }
            self.delivery.reopen_if_ordered(&self.orders, &mut self.events);
            self.delivery.maintain(&mut self.events);
        }
    }

    /// Carries a command out. The error is the result of the thread that ends.
    fn obey(&mut self, command: WorkerCommand) -> Result<(), Result<(), Error>> {
        let Work { delivery, orders, events } = self;
        let (persisted, done) = match command {
            WorkerCommand::Write(batch) => {
                let result = delivery.write(&batch, orders, events);
                (result, WorkerEvent::Written(batch, delivery.sink().late()))
            }
            WorkerCommand::Rotate(unix_ns) => {
                (delivery.rotate(unix_ns, orders, events), WorkerEvent::Rotated)
            }
            WorkerCommand::TrustClock => {
                delivery.trust_clock(events);
                return Ok(());
            }
            WorkerCommand::Look => return Ok(()),
        };
        match persisted {
            Ok(Persisted::Done { resumed }) => {
                if resumed {
                    events.send(WorkerEvent::Resumed);
                }
                events.send(done);
                Ok(())
            }
            Ok(Persisted::ReaderGone) => Err(Ok(())),
            Err(error) => Err(Err(error)),
        }
    }
}

/// Sends messages to the loop, which reports them.
struct EventSender(Sender<WorkerEvent>);

impl EventSender {
    fn send(&self, event: WorkerEvent) {
        // Sending fails only if the writer has ended without this thread.
        let _ = self.0.send(event);
    }
}

impl Events for EventSender {
    fn report(&mut self, message: &str) {
        self.send(WorkerEvent::Message(message.to_owned()));
    }
}
