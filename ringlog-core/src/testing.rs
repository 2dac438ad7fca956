//! Captures what a program logs, as values, for the tests of applications.
//!
//! ```
//! use ringlog::{Level, info};
//! use ringlog::schema::Value;
//!
//! fn fill(order: u64) {
//!     info!("order {order} filled", price = 9.5);
//! }
//!
//! let log = ringlog::testing::capture();
//! fill(7);
//! let records = log.records();
//! assert_eq!(records[0].message(), "order 7 filled price=9.5");
//! assert_eq!(records[0].level(), Level::INFO);
//! assert_eq!(records[0].field("price"), Some(Value::F64(9.5)));
//! ```

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::error::Error;
use crate::os::thread;
use crate::producer::init::{Initialized, init_ring};
use crate::reader::consumer::Consumer;
use crate::reader::entry::{Body, OwnedEntry};
use crate::reader::observer::Observer;
use crate::record::level::Level;
use crate::record::level::filter::Filter;
use crate::record::value::Value;
use crate::ring::handle::Ring;
use crate::ring::options::Options;

/// The ring that all captures of this process share, and the entries read from it.
struct Shared {
    observer: Observer,
    /// Drains the ring, so that it has room for later records.
    consumer: Consumer,
    entries: Vec<OwnedEntry>,
    captures: usize,
}

static SHARED: OnceLock<Mutex<Shared>> = OnceLock::new();

/// Captures what this thread logs from now on, at every level, until the result is dropped.
///
/// The first call creates a ring for the process and makes it the [default](crate::set_default), permanently. With the
/// feature `log` it receives records of the `log` facade too. Tests that run at the same time in several
/// threads see only their own records; [`everything`](Capture::everything) gives those of all threads.
///
/// # Panics
/// If the process has a default logger already, or cannot make a ring.
#[expect(clippy::panic, reason = "documented: it is called by tests only")]
pub fn capture() -> Capture {
    let shared = SHARED.get_or_init(|| Mutex::new(Shared::new().unwrap_or_else(|why| panic!("{why}"))));
    let mut shared = lock(shared);
    shared.take();
    shared.captures += 1;
    Capture { from: shared.entries.len(), tid: thread::id() }
}

/// Locks the shared ring. A test that panicked while it held the lock has left nothing half-done that other tests need.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn new() -> Result<Shared, String> {
        let ring = private_ring().map_err(|error| format!("cannot capture: {error}"))?;
        let observer = ring.observe().map_err(|error| format!("cannot capture: {error}"))?;
        let consumer = ring.consumer().map_err(|error| format!("cannot capture: {error}"))?;
        match init_ring(&ring, Filter::from(Level::from_number(1))) {
            Initialized::Ring(_) | Initialized::WithoutFacade(_) => {}
            _ => {
                return Err(
                    "cannot capture: there is a default logger already; call capture() first".to_owned()
                );
            }
        }
        Ok(Shared { observer, consumer, entries: Vec::new(), captures: 0 })
    }

    /// Reads what has been logged. After an error there is nothing more to read.
    fn take(&mut self) {
        self.entries.extend(self.observer.poll().unwrap_or_default());
        while let Ok(Some(_)) = self.consumer.next(Duration::ZERO) {}
        let _ = self.consumer.ack();
    }
}

/// Makes a ring without a name in the file system, of which no file remains however the process ends.
fn private_ring() -> Result<Ring, Error> {
    let dir = crate::ring::name::directory();
    crate::ring::name::prepare_directory(&dir.join("capture"))?;
    let file = Options::default().create_unnamed(&dir)?;
    // The descriptor stays open until the process ends: lanes are opened through it.
    let fd = std::os::fd::IntoRawFd::into_raw_fd(file);
    Ring::open(&format!("/proc/self/fd/{fd}"))
}

/// What a thread has logged since [`capture`].
#[derive(Debug)]
pub struct Capture {
    from: usize,
    tid: u32,
}

impl Capture {
    /// The records of the thread that began the capture, in their order.
    pub fn records(&self) -> Vec<Captured> {
        let mut records = self.everything();
        records.retain(|record| record.entry.entry().origin.tid == self.tid);
        records
    }

    /// The records of all threads of the process, in the order of their time.
    pub fn everything(&self) -> Vec<Captured> {
        let Some(shared) = SHARED.get() else { return Vec::new() };
        let mut shared = lock(shared);
        shared.take();
        let entries = shared.entries.get(self.from..).unwrap_or_default().iter();
        entries.map(|entry| Captured { entry: entry.clone() }).collect()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Some(shared) = SHARED.get() {
            let mut shared = lock(shared);
            shared.captures -= 1;
            if shared.captures == 0 {
                shared.take();
                shared.entries.clear();
            }
        }
    }
}

/// A record that was captured.
#[derive(Clone, Debug)]
pub struct Captured {
    entry: OwnedEntry,
}

impl Captured {
    /// Its level.
    pub fn level(&self) -> Level {
        self.entry.entry().record().map_or(Level::WARN, |record| record.level)
    }

    /// Its logger's name.
    pub fn logger(&self) -> String {
        self.entry.entry().record().map_or_else(String::new, |record| record.logger.to_owned())
    }

    /// Its text, and the fields that the text does not show as `key=value`.
    pub fn message(&self) -> String {
        self.entry.entry().message()
    }

    /// The value of one of its fields.
    pub fn field(&self, name: &str) -> Option<Value<'_>> {
        self.fields().into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Names and values of its fields.
    pub fn fields(&self) -> Vec<(&str, Value<'_>)> {
        match self.entry.entry().body {
            Body::Record(record) => record.fields().collect(),
            _ => Vec::new(),
        }
    }
}
