//! Putting items in: without a bound as a log record, with one in turns.

use std::time::Duration;

use super::error::Full;
use super::item::{FRAME_BYTES, Item};
use super::patience::Patience;
use super::{PutError, Queue, count, waiting};
use crate::error::{Error, PushError};
use crate::os::futex;
use crate::producer::push;
use crate::ring::options::Options;
use crate::ring::private::FastPath;
use crate::shm::block::SharedRing;
use crate::shm::clock;
use crate::shm::layout::{Geometry, RECORD_MAX_BYTES, header};
use crate::shm::sync::Ordering;
use crate::shm::wakeup;

/// How long a call that is not to wait does wait for another putter, if there is room.
const OTHERS: Duration = Duration::from_millis(100);

pub(super) fn put(queue: &Queue, item: &[u8], patience: &Patience<'_>) -> Result<(), PutError> {
    queue.require_ring().map_err(PutError::Ring)?;
    let (limit, is_bounded) = {
        let session = queue.ring.session();
        let bound = |ring: &SharedRing| ring.header_word(header::QUEUE_BOUND).load(Ordering::Relaxed);
        (session.info.geometry.record_limit(), session.ring().is_some_and(|ring| bound(&ring) > 0))
    };
    if item.len() > limit.saturating_sub(FRAME_BYTES) {
        return Err(too_long(item.len(), limit));
    }
    if is_bounded {
        put_bounded(queue, item, patience)?
    } else {
        push_item(queue, item, patience)?
    }
    queue.logger.wake();
    Ok(())
}

fn push_item(queue: &Queue, item: &[u8], patience: &Patience<'_>) -> Result<(), PutError> {
    let record = Item(item);
    // An item that this thread knows to be in the ring has an earlier time stamp.
    clock::settle();
    let pushed = match queue.logger.push_fast(&record) {
        FastPath::Done => Ok(()),
        _ => push::push_while(&queue.logger.named, &record, patience.left(), patience.goes_on()),
    };
    pushed.map_err(|why| match why {
        PushError::Full => PutError::Full(Full::Ring),
        PushError::TooLarge { limit, .. } => too_long(item.len(), limit),
        PushError::Gone => PutError::Ring(queue.ring.named().why_gone()),
        other => PutError::Push(other),
    })
}

fn too_long(bytes: usize, limit: usize) -> PutError {
    PutError::TooLong { bytes, limit: limit.saturating_sub(FRAME_BYTES), ring_bytes: ring_for(bytes) }
}

/// A size, in whole MiB, of a ring that takes an item of so many bytes.
fn ring_for(bytes: usize) -> Option<u64> {
    let takes = |geometry: &Geometry| geometry.record_limit() >= bytes.saturating_add(FRAME_BYTES);
    let sizes = (1..=(RECORD_MAX_BYTES as u64 >> 20) * 8).map(|mib| mib << 20);
    sizes
        .skip_while(|size| size / 4 < bytes as u64)
        .find(|size| Options::default().size(*size).geometry().is_ok_and(|geometry| takes(&geometry)))
}

/// Puts an item into a bounded queue. The role of the putter makes counting and putting one step.
fn put_bounded(queue: &Queue, item: &[u8], patience: &Patience<'_>) -> Result<(), PutError> {
    loop {
        let station = queue.station().map_err(PutError::Ring)?;
        let ring = station.ring().ok_or(PutError::Ring(Error::Forked))?;
        let room = Room::of(&ring);
        let longer = || (room.left() > 0).then(|| patience.longer_by(OTHERS));
        let turn = station.putting.take(patience);
        let Some(turn) = turn.or_else(|| station.putting.take(&longer()?)) else {
            return Err(PutError::Full(room.why_full()));
        };
        let role = waiting::take(&station, &ring, ring.putting(), patience);
        let Some(role) = role.or_else(|| waiting::take(&station, &ring, ring.putting(), &longer()?)) else {
            return Err(PutError::Full(room.why_full()));
        };
        let Err(turns) = room.take_permit() else {
            return push_item(queue, item, patience).inspect_err(|_| room.give_back_permit());
        };
        drop((role, turn));
        let Some(slice) = patience.slice(Duration::MAX) else {
            return Err(PutError::Full(Full::Bound(room.bound)));
        };
        futex::wait(ring.header_word(header::ROOM_TURNS), turns as u32, slice);
    }
}

/// What a bounded queue has room for. The permits are how many items may be put in before they have to be counted
/// again: never too many, because getters only make more room. A putter that is killed with a permit takes it along
/// until the next count.
struct Room<'a> {
    ring: &'a SharedRing,
    bound: u64,
}

impl Room<'_> {
    fn of(ring: &SharedRing) -> Room<'_> {
        Room { ring, bound: ring.header_word(header::QUEUE_BOUND).load(Ordering::Relaxed) }
    }

    fn left(&self) -> u64 {
        self.bound.saturating_sub(count::items(self.ring))
    }

    fn why_full(&self) -> Full {
        if self.left() == 0 { Full::Bound(self.bound) } else { Full::Busy }
    }

    /// Takes a permit. If there is none, announces that the caller waits and returns the wake-ups to sleep on. The
    /// caller has the role.
    fn take_permit(&self) -> Result<(), u64> {
        let word = self.ring.header_word(header::QUEUE_PERMITS);
        let mut permits = word.load(Ordering::Relaxed);
        let mut turns = None;
        // More than the bound was scribbled there.
        while permits == 0 || permits > self.bound {
            permits = self.left();
            if permits == 0 {
                match turns {
                    Some(turns) => return Err(turns),
                    None => turns = Some(wakeup::await_room(self.ring)),
                }
            }
        }
        // Before the item is in the ring: a putter that is killed in between leaves room for one item less.
        word.store(permits - 1, Ordering::Relaxed);
        Ok(())
    }

    fn give_back_permit(&self) {
        let word = self.ring.header_word(header::QUEUE_PERMITS);
        word.store(word.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_that_a_killed_putter_took_comes_back() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let options = Queue::options().size("1MiB").bound(3);
        let queue = options.create(dir.path().join("queue").to_str().unwrap()).unwrap();
        queue.put(b"first", Duration::ZERO).unwrap();
        queue.ring().with_ring(|ring| {
            let room = Room::of(ring);
            assert_eq!([room.take_permit(), room.take_permit()], [Ok(()); 2]);
        });
        for _ in 0..2 {
            queue.put(b"again", Duration::ZERO).unwrap();
        }
        assert!(matches!(queue.put(b"more", Duration::ZERO), Err(PutError::Full(Full::Bound(3)))));
        // Scribbled over, it is no permit.
        queue
            .ring()
            .with_ring(|ring| ring.header_word(header::QUEUE_PERMITS).store(u64::MAX, Ordering::Relaxed));
        assert!(matches!(queue.put(b"more", Duration::ZERO), Err(PutError::Full(Full::Bound(3)))));
    }
}
