//! Recognises an older copy of a ring by a cursor that was kept outside of it, and an older copy of such a cursor by
//! the ring.

use std::sync::atomic::Ordering;

use super::Observer;
use crate::error::Error;
use crate::reader::consumer::Cursor;
use crate::reader::stat::LaneStat;
use crate::shm::layout::lane as lane_entry;

impl Observer {
    /// Whether the ring is older than this cursor of it, as where a copy of it has taken its place: the cursor has
    /// records behind it that the ring has not got yet. False for a cursor of another ring, and for a ring of an
    /// earlier boot, of which the disk may have any pages.
    ///
    /// A copy into which as many records were logged since is not recognised.
    ///
    /// # Errors
    /// As for [`stat`](Self::stat).
    pub fn is_older_than(&self, cursor: &Cursor) -> Result<bool, Error> {
        if cursor.ring != self.info.uuid || !self.info.is_of_this_boot() {
            return Ok(false);
        }
        let ring = self.ring();
        let is_ahead = |lane: &LaneStat| {
            let Some(known) = cursor.lane(lane.lane) else { return false };
            let at_open = ring.lane_word(lane.lane, lane_entry::PUBLISHED_AT_OPEN).load(Ordering::Acquire);
            // The lane may have been opened since; then it says nothing.
            let is_same = ring.lane_state(lane.lane).incarnation == lane.incarnation;
            is_same && known.place() > (lane.incarnation, lane.published.saturating_sub(at_open))
        };
        Ok(self.stat()?.lanes.iter().any(is_ahead))
    }

    /// Records that the ring counts as persisted although this cursor of it has not got them behind it: at least how
    /// many, and the cursor past them. `None` if there are none, for a cursor of another ring, and for a ring of an
    /// earlier boot.
    ///
    /// So it is where the cursor is an older copy, and where others than its keeper have taken the records.
    ///
    /// # Errors
    /// As for [`stat`](Self::stat).
    pub fn persisted_beyond(&self, cursor: &Cursor) -> Result<Option<(u64, Cursor)>, Error> {
        if cursor.ring != self.info.uuid || !self.info.is_of_this_boot() {
            return Ok(None);
        }
        let lanes = self.stat()?.lanes;
        let mut past = Cursor::persisted(self.info.uuid, &self.ring(), lanes.iter().map(|lane| lane.lane));
        let beyond = |lane: &LaneStat| {
            let (incarnation, sequence) = past.lane(lane.lane).map(|place| place.place()).unwrap_or_default();
            match cursor.lane(lane.lane).map(|known| known.place()) {
                None => lane.persisted,
                Some((known, from)) if known == incarnation => sequence.saturating_sub(from),
                // How many came between is not known.
                Some((known, _)) if known < incarnation => sequence,
                Some(_) => 0,
            }
        };
        // The counters are untrusted.
        let count = lanes.iter().map(beyond).fold(0, u64::saturating_add);
        past.join(cursor);
        Ok((count > 0).then_some((count, past)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;
    use crate::{Level, Ring};

    #[test]
    fn an_older_copy_of_a_ring_is_noticed() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = dir.path().join("app");
        let name = path.to_str().unwrap();
        let ring = Ring::options().size("1MiB").create(name).unwrap();
        let log = ring.logger();
        let mut consumer = ring.consumer().unwrap();
        let is_older = |cursor: &Cursor| Observer::open(name).unwrap().is_older_than(cursor).unwrap();
        let mut drain = |count| {
            (0..count).for_each(|_| log.text(Level::INFO, "test", "text").unwrap());
            for _ in 0..count {
                consumer.next(Duration::from_secs(5)).unwrap().unwrap();
            }
            assert!(!is_older(&consumer.cursor()), "a consumer that was killed before it acknowledged");
            consumer.ack().unwrap();
            (consumer.cursor(), std::fs::read(&path).unwrap())
        };
        let (before, older_ring) = drain(3);
        let (after, _) = drain(4);
        assert!(!is_older(&after) && !is_older(&before) && !is_older(&Cursor::default()));
        // Not cut in between, because it is mapped.
        std::fs::File::options().write(true).open(&path).unwrap().write_all(&older_ring).unwrap();
        assert!(is_older(&after) && !is_older(&before));
    }

    #[test]
    fn an_older_copy_of_a_cursor_is_noticed() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = dir.path().join("app");
        let name = path.to_str().unwrap();
        let ring = Ring::options().size("1MiB").create(name).unwrap();
        let beyond = |cursor: &Cursor| Observer::open(name).unwrap().persisted_beyond(cursor).unwrap();
        let mut consumer = ring.consumer().unwrap();
        let before_all = consumer.cursor();
        let mut drain = |count: u64| {
            // Each time in a thread of its own, which takes the lane of the one before.
            let log = || (0..count).for_each(|_| ring.logger().text(Level::INFO, "test", "text").unwrap());
            std::thread::scope(|scope| scope.spawn(log).join().unwrap());
            let mut records = 0;
            while records < count {
                let entry = consumer.next(Duration::from_secs(5)).unwrap().unwrap();
                records += u64::from(entry.record().is_some());
            }
            let unacknowledged = consumer.cursor();
            assert!(beyond(&unacknowledged).is_none(), "a cursor is never behind before the acknowledgement");
            consumer.ack().unwrap();
            unacknowledged
        };
        let three = drain(3);
        let seven = drain(4);
        let twelve = drain(5);
        assert!(beyond(&twelve).is_none() && beyond(&Cursor::default()).is_none());
        // Of the incarnations between the number is not known.
        assert!(beyond(&seven).is_some_and(|(count, past)| count == 5 && past == twelve));
        assert!(beyond(&three).is_some_and(|(count, past)| (5..=9).contains(&count) && past == twelve));
        assert!(beyond(&before_all).is_some_and(|(count, past)| count == 12 && past == twelve));
    }
}
