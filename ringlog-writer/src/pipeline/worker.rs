//! A delivery in a thread of its own, so that it does not hold up the others.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::delivery::{Delivery, DeliveryContext, Persisted};
use crate::error::Error;
use crate::events::Events;

/// How often an idle thread does its sink's periodic work.
const MAINTAIN_EVERY: Duration = Duration::from_millis(250);

enum WorkerCommand {
    Write(Batch),
    /// Begin the next file, at this time.
    Rotate(u64),
    /// Count the wall clock as right.
    TrustClock,
}

enum WorkerEvent {
    /// The batch is written. It is returned so that its memory is used again.
    Written(Batch),
    Rotated,
    Message(String),
    /// The thread ends: nothing more can be written.
    Ended(Result<Persisted, Error>),
}

/// A batch that was sent to the thread.
struct Queued {
    /// The turn in which it was sent.
    turn: u64,
    /// The memory that it takes.
    len: usize,
    records: u64,
    since: Instant,
}

/// The loop's handle to the thread.
pub(super) struct Worker {
    /// The name of the file or stream in messages.
    out: String,
    commands: Option<Sender<WorkerCommand>>,
    worker_events: Receiver<WorkerEvent>,
    thread: JoinHandle<Delivery>,
    is_stopping: Arc<AtomicBool>,
    /// The batches that are not written yet, oldest first.
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    /// An empty batch with memory for the next one.
    spare: Option<Batch>,
    /// The number of rotations that are not done yet.
    rotations: usize,
    /// The result of a thread that has ended before it was asked to.
    ended: Option<Result<Persisted, Error>>,
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start(delivery: Delivery) -> std::io::Result<Worker> {
        let ((commands, received), (sender, worker_events)) = (channel(), channel());
        let is_stopping = Arc::new(AtomicBool::new(false));
        let out = delivery.out.clone();
        let context = WorkerContext { events: EventSender(sender), is_stopping: is_stopping.clone() };
        let thread = std::thread::Builder::new()
            .name("ringlog-out".to_owned())
            .spawn(move || work(delivery, &received, context))?;
        Ok(Worker {
            out,
            commands: Some(commands),
            worker_events,
            thread,
            is_stopping,
            queue: VecDeque::new(),
            queued_bytes: 0,
            spare: None,
            rotations: 0,
            ended: None,
        })
    }

    /// Sends a batch to the thread, and returns an empty one.
    pub(super) fn write(&mut self, turn: u64, batch: Batch) -> Batch {
        let (len, records) = (batch.weight(), batch.counts.records);
        self.queued_bytes += len;
        self.queue.push_back(Queued { turn, len, records, since: Instant::now() });
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

    fn send(&self, command: WorkerCommand) {
        // Sending fails only if the thread has ended, which it reports itself.
        let _ = self.commands.as_ref().map(|commands| commands.send(command));
    }

    /// Processes the thread's events; waits for the first up to `wait`. A batch keeps a buffer of at most `keep` bytes.
    pub(super) fn poll(&mut self, wait: Duration, keep: usize, events: &mut dyn Events) {
        let mut next = self.worker_events.recv_timeout(wait).ok();
        while let Some(event) = next {
            match event {
                WorkerEvent::Written(mut batch) => {
                    let len = self.queue.pop_front().map_or(0, |queued| queued.len);
                    self.queued_bytes -= len;
                    batch.clear(keep);
                    self.spare = Some(batch);
                }
                WorkerEvent::Rotated => self.rotations -= 1,
                WorkerEvent::Message(message) => events.report(&message),
                WorkerEvent::Ended(ended) => (self.ended, self.rotations) = (Some(ended), 0),
            }
            next = self.worker_events.try_recv().ok();
        }
    }

    /// The name of the file or stream in messages.
    pub(super) fn out(&self) -> &str {
        &self.out
    }

    /// The turn up to which every batch is written; `None` if the queue is empty.
    pub(super) fn written_turn(&self) -> Option<u64> {
        self.queue.front().map(|queued| queued.turn - 1)
    }

    fn queued_records(&self) -> u64 {
        self.queue.iter().map(|queued| queued.records).sum()
    }

    /// The age of the oldest batch in the queue.
    pub(super) fn lag(&self) -> Duration {
        self.queue.front().map_or(Duration::ZERO, |queued| queued.since.elapsed())
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    pub(super) fn is_rotating(&self) -> bool {
        self.rotations > 0
    }

    /// The result of a thread that has ended before it was asked to.
    pub(super) fn ended(&self) -> Option<&Result<Persisted, Error>> {
        self.ended.as_ref()
    }

    /// Makes the delivery give up at the next failure.
    pub(super) fn expire_deadlines(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Ends the thread once its queue is written; waits for that up to the deadline, if there is one.
    pub(super) fn finish(mut self, deadline: Option<Instant>, events: &mut dyn Events) -> Finished {
        self.commands = None;
        while !self.thread.is_finished() {
            self.poll(Duration::from_millis(5), 0, events);
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Finished { delivery: None, result: Ok(()), queued: self.queued_records() };
            }
        }
        self.poll(Duration::ZERO, 0, events);
        let result = match self.ended.take() {
            Some(Err(error)) => Err(error),
            Some(Ok(_)) | None => Ok(()),
        };
        let queued = self.queued_records();
        match self.thread.join() {
            Ok(delivery) => Finished { delivery: Some(delivery), result, queued },
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// A thread that was asked to end.
pub(super) struct Finished {
    /// The delivery; `None` if the thread has not ended within the deadline.
    pub(super) delivery: Option<Delivery>,
    pub(super) result: Result<(), Error>,
    /// The number of records that were queued and are not written.
    pub(super) queued: u64,
}

fn work(mut delivery: Delivery, commands: &Receiver<WorkerCommand>, mut context: WorkerContext) -> Delivery {
    let sender = context.events.0.clone();
    // Sending fails only if the writer has ended without this thread.
    let send = |event: WorkerEvent| drop(sender.send(event));
    loop {
        match commands.recv_timeout(MAINTAIN_EVERY) {
            Ok(WorkerCommand::Write(batch)) => match delivery.write(&batch, &mut context) {
                Ok(Persisted::Done) => send(WorkerEvent::Written(batch)),
                ended => {
                    send(WorkerEvent::Ended(ended));
                    return delivery;
                }
            },
            Ok(WorkerCommand::Rotate(unix_ns)) => match delivery.rotate(unix_ns, &mut context) {
                Ok(Persisted::Done) => send(WorkerEvent::Rotated),
                ended => {
                    send(WorkerEvent::Ended(ended));
                    return delivery;
                }
            },
            Ok(WorkerCommand::TrustClock) => delivery.trust_clock(&mut context),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return delivery,
        }
        delivery.maintain(&mut context);
    }
}

/// The context of a delivery in a thread.
struct WorkerContext {
    events: EventSender,
    is_stopping: Arc<AtomicBool>,
}

/// Sends messages to the loop, which reports them.
struct EventSender(Sender<WorkerEvent>);

impl Events for EventSender {
    fn report(&mut self, message: &str) {
        // Sending fails only if the writer has ended without this thread.
        let _ = self.0.send(WorkerEvent::Message(message.to_owned()));
    }
}

impl DeliveryContext for WorkerContext {
    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Never: with a configuration, files are reopened by a reload.
    fn wants_reopening(&self) -> bool {
        false
    }

    fn reopening(&self) {}

    fn waiting(&mut self) {}

    /// Whether other handlers have gone on meanwhile is reported by the loop.
    fn resumed(&mut self, out: &str) {
        self.events.report(&format!("writing to {out} again"));
    }

    fn events(&mut self) -> &mut dyn Events {
        &mut self.events
    }
}
