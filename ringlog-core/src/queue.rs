//! A ring as a queue: processes put items in, and each item is taken out by one process.
//!
//! ```
//! use std::time::Duration;
//! use ringlog::queue::Queue;
//!
//! let queue = Queue::options().size("1MiB").create_or_open("jobs")?;
//! queue.put(b"resize 4711.png", Duration::from_secs(1))?;
//! assert_eq!(queue.len()?, 1);
//!
//! // In this process or any other, of which the first to ask gets it:
//! let job = queue.get(Duration::from_secs(1))?;
//! assert_eq!(job.as_deref(), Some(&b"resize 4711.png"[..]));
//! assert_eq!(queue.get(Duration::ZERO)?, None);
//! # ringlog::admin::remove("jobs", true)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! * **In order.** An item whose `put` returned before another `put` began comes out first.
//! * **Once.** Each item goes to one getter, whichever processes and threads ask. An item is in the queue when `put`
//!   returns, and stays there when its process is killed.
//! * **Getters may be killed.** An item that a killed process had not taken out comes to the next one. What it had
//!   taken out is gone with it, unless it had [claimed](Queue::claim) the item.
//! * A queue is an ordinary ring. Its getters and a writer exclude each other; records that are logged into the ring
//!   are handed out by their message.

mod claim;
mod count;
mod error;
mod found;
mod getter;
mod item;
mod options;
mod patience;
mod put;
mod state;
mod station;
mod turn;
mod waiting;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use self::claim::Claim;
pub use self::error::{Full, PutError};
pub use self::options::QueueOptions;
use self::patience::Patience;
use self::station::Station;
use crate::error::Error;
use crate::os::fork_local::ForkLocal;
use crate::producer::logger::Logger;
use crate::ring::handle::Ring;
use crate::ring::session::Refusal;
use crate::ring::slot::Use;
use crate::shm::layout::header;
use crate::shm::sync::Ordering;

/// A queue in a ring. Cheap to clone; threads may share it. A forked child may use it too, as another process.
///
/// The first `get` attaches this process as a getter, which keeps a writer out of the ring until the last clone of the
/// queue is dropped.
#[derive(Clone, Debug)]
pub struct Queue {
    ring: Ring,
    logger: Logger,
    /// This process's places at the ring, once they are needed, and at those of the same name before it.
    place: Arc<ForkLocal<Mutex<Vec<Arc<Station>>>>>,
}

impl Queue {
    /// Options to make a queue: size, bound, permissions.
    pub fn options() -> QueueOptions {
        QueueOptions::default()
    }

    /// Opens the ring `name` as a queue.
    ///
    /// # Errors
    /// As for [`Ring::open`].
    pub fn open(name: &str) -> Result<Queue, Error> {
        Queue::of(&Ring::open(name)?)
    }

    /// The ring as a queue.
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no memory for it.
    pub fn of(ring: &Ring) -> Result<Queue, Error> {
        let place = ForkLocal::new().map_err(|e| Error::io("keep private state for", ring.path(), e))?;
        station::prepare().map_err(|e| Error::io("keep private state for", ring.path(), e))?;
        Ok(Queue { ring: ring.clone(), logger: ring.logger(), place: Arc::new(place) })
    }

    /// The ring.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// How many items the queue takes at most; `None` for as many as the ring holds.
    pub fn bound(&self) -> Option<u64> {
        let ring = self.ring.session().ring();
        ring.map(|ring| ring.header_word(header::QUEUE_BOUND).load(Ordering::Relaxed))
            .filter(|bound| *bound > 0)
    }

    /// Puts an item in. If there is no room, waits for it up to `patience`.
    ///
    /// # Errors
    /// [`PutError::Full`] if there was no room in time; [`PutError::TooLong`] if the item is longer than the ring
    /// takes; [`PutError::Push`] and [`PutError::Ring`] if the system or the ring refuses it.
    pub fn put(&self, item: &[u8], patience: Duration) -> Result<(), PutError> {
        self.put_while(item, patience, &|| true)
    }

    /// As [`put`](Self::put), and waits only as long as `goes_on` is true; it is asked at least each 50 ms.
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    pub fn put_while(
        &self,
        item: &[u8],
        patience: Duration,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<(), PutError> {
        put::put(self, item, &Patience::new(patience, goes_on))
    }

    /// Takes out the first item. If there is none, waits for one up to `patience`; `None` if none came.
    ///
    /// # Errors
    /// [`Error::ConsumerExists`] if a writer drains the ring; [`Error::LanesExhausted`] if the ring has no lane for
    /// this process; [`Error::Truncated`] or [`Error::NoSuchRing`] if the ring is gone.
    pub fn get(&self, patience: Duration) -> Result<Option<Vec<u8>>, Error> {
        self.get_while(patience, &|| true)
    }

    /// As [`get`](Self::get), and waits only as long as `goes_on` is true; it is asked at least each 50 ms.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn get_while(
        &self,
        patience: Duration,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<u8>>, Error> {
        getter::get(self, &Patience::new(patience, goes_on))
    }

    /// Takes out the first item and claims it: until it is [acknowledged](Claim::ack), it lies in the ring, and goes to
    /// another getter if this process ends or drops the claim. It may then come twice, and out of order. Waits as
    /// [`get`](Self::get) does.
    ///
    /// # Errors
    /// As for [`get`](Self::get); [`Error::ClaimsExhausted`] if the ring has no room for another claim.
    pub fn claim(&self, patience: Duration) -> Result<Option<Claim>, Error> {
        self.claim_while(patience, &|| true)
    }

    /// As [`claim`](Self::claim), and waits only as long as `goes_on` is true; it is asked at least each 50 ms.
    ///
    /// # Errors
    /// As for [`claim`](Self::claim).
    pub fn claim_while(
        &self,
        patience: Duration,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Option<Claim>, Error> {
        getter::claim(self, &Patience::new(patience, goes_on))
    }

    /// Waits until there is an item, up to `patience` and as long as `goes_on` is true, and does not take it: another
    /// process may.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn wait(&self, patience: Duration, goes_on: &dyn Fn() -> bool) -> Result<bool, Error> {
        getter::wait(self, &Patience::new(patience, goes_on))
    }

    /// Takes out all items that are there, and returns how many they were.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn clear(&self) -> Result<u64, Error> {
        getter::clear(self)
    }

    /// The number of items. Exact while no other thread or process puts items in or takes them out.
    ///
    /// # Errors
    /// As for [`get`](Self::get), but a writer does not matter.
    pub fn len(&self) -> Result<u64, Error> {
        let session = self.session()?;
        let ring = session.ring().ok_or(Error::Forked)?;
        let count = count::items(&ring);
        if session.is_whole() { Ok(count) } else { Err(session.truncated()) }
    }

    /// The number of [claims](Self::claim) that are not acknowledged. They do not count as items.
    ///
    /// # Errors
    /// As for [`len`](Self::len).
    pub fn unacked(&self) -> Result<u64, Error> {
        let session = self.session()?;
        Ok(claim::count(&session.ring().ok_or(Error::Forked)?))
    }

    /// Whether there is no item, as [`len`](Self::len) counts them.
    ///
    /// # Errors
    /// As for [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len()? == 0)
    }

    fn error_of(&self, why: Refusal) -> Error {
        self.ring.named().error_of(why)
    }

    /// The session with the ring that is at the path now.
    fn session(&self) -> Result<Use<'_>, Error> {
        self.ring.named().session_for_record().map_err(|why| self.error_of(why))
    }

    /// Looks whether the ring was removed, if something says so, and moves to the one that has taken its place.
    fn require_ring(&self) -> Result<(), Error> {
        let is_retired =
            |session: &Use<'_>| session.ring().is_some_and(|ring| ring.flags() & header::FLAG_RETIRED != 0);
        if !is_retired(&self.ring.session()) {
            return Ok(());
        }
        // The look may have been a moment ago: then the session is the old one still.
        let session = self.session()?;
        if is_retired(&session) && !session.path.exists() {
            return Err(self.ring.named().why_gone());
        }
        Ok(())
    }

    /// This process's place at the ring that is at the path now.
    fn station(&self) -> Result<Arc<Station>, Error> {
        let session = self.session()?;
        let mut stations = self.place.get().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(station) = stations.iter().find(|station| station.is_of(&session)) {
            return Ok(station.clone());
        }
        drop(session);
        let station = Station::of(self.ring.named()).map_err(|why| self.error_of(why))?;
        stations.push(station.clone());
        Ok(station)
    }

    /// Gives up a place at a ring that was replaced. False if it is at the present one.
    fn leave(&self, station: &Arc<Station>) -> Result<bool, Error> {
        if Arc::ptr_eq(station, &self.station()?) {
            return Ok(false);
        }
        let mut stations = self.place.get().lock().unwrap_or_else(PoisonError::into_inner);
        stations.retain(|known| !Arc::ptr_eq(known, station));
        Ok(true)
    }

    /// The place at the ring to take items from: one that was replaced comes first, until it is empty.
    fn station_of_getter(&self) -> Result<Arc<Station>, Error> {
        let now = self.station()?;
        let mut stations = self.place.get().lock().unwrap_or_else(PoisonError::into_inner);
        if stations.len() > 1 {
            let has_items = |station: &Station| station.ring().is_some_and(|ring| count::items(&ring) > 0);
            stations.retain(|station| Arc::ptr_eq(station, &now) || has_items(station));
        }
        Ok(stations.first().cloned().unwrap_or(now))
    }
}
