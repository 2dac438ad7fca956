//! A ring compared with a cursor that was kept outside of it.

use std::sync::atomic::Ordering;

use super::Observer;
use crate::error::Error;
use crate::reader::consumer::Cursor;
use crate::shm::layout::{halves, lane as lane_entry};

/// What does not fit between a ring and a cursor of it, as where one of the two was replaced by an older copy. A cursor
/// is otherwise never ahead of what is published; and not behind the ring, if a consumer keeps that one cursor, and
/// before it acknowledges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// At least how many records are persisted by the ring and not behind the cursor.
    pub unknown_to_cursor: u64,
    /// Whether the cursor has records behind it that the ring has not got yet.
    pub is_ring_older: bool,
}

impl Observer {
    /// Compares the ring with a cursor. A cursor of another ring, and one of a ring of an earlier boot, of which the
    /// disk may have any pages, fit.
    ///
    /// # Errors
    /// As for [`stat`](Self::stat).
    pub fn standing(&self, cursor: &Cursor) -> Result<Standing, Error> {
        let mut standing = Standing::default();
        if cursor.ring != self.info.uuid || !self.info.is_of_this_boot() {
            return Ok(standing);
        }
        let ring = self.ring();
        for lane in self.stat()?.lanes {
            let word = |offset| ring.lane_word(lane.lane, offset).load(Ordering::Acquire);
            let (expected, sequence) = (halves(word(lane_entry::NEXT)).0, word(lane_entry::NEXT_SEQUENCE));
            let Some(known) = cursor.lane(lane.lane) else {
                standing.unknown_to_cursor = standing.unknown_to_cursor.saturating_add(lane.persisted);
                continue;
            };
            let of_known = if expected == known.incarnation { known.sequence } else { 0 };
            if expected >= known.incarnation {
                let unknown = sequence.saturating_sub(of_known);
                standing.unknown_to_cursor = standing.unknown_to_cursor.saturating_add(unknown);
            }
            let own = lane.published.saturating_sub(word(lane_entry::PUBLISHED_AT_OPEN));
            // The lane may have been opened since; then it says nothing.
            let is_same = ring.lane_state(lane.lane).incarnation == lane.incarnation;
            standing.is_ring_older |= is_same && known.place() > (lane.incarnation, own);
        }
        Ok(standing)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;
    use crate::{Level, Ring};

    #[test]
    fn an_older_ring_and_an_older_cursor_are_noticed() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = dir.path().join("app");
        let name = path.to_str().unwrap();
        let ring = Ring::options().size("1MiB").create(name).unwrap();
        let log = ring.logger();
        let mut consumer = ring.consumer().unwrap();
        let mut drain = |count| {
            (0..count).for_each(|_| log.text(Level::INFO, "test", "text").unwrap());
            for _ in 0..count {
                consumer.next(Duration::from_secs(5)).unwrap().unwrap();
            }
            let unacknowledged = Observer::open(name).unwrap().standing(&consumer.cursor()).unwrap();
            assert_eq!(
                unacknowledged,
                Standing::default(),
                "a consumer that was killed before it acknowledged"
            );
            consumer.ack().unwrap();
            (consumer.cursor(), std::fs::read(&path).unwrap())
        };
        let (before, older_ring) = drain(3);
        let (after, _) = drain(4);
        let standing = |cursor: &Cursor| Observer::open(name).unwrap().standing(cursor).unwrap();
        assert_eq!(standing(&after), Standing::default());
        assert_eq!(standing(&before), Standing { unknown_to_cursor: 4, is_ring_older: false });
        let mut new = Cursor::default();
        new.ring = before.ring;
        assert_eq!(standing(&new).unknown_to_cursor, 7);
        assert_eq!(standing(&Cursor::default()), Standing::default());
        // Not cut in between, because it is mapped.
        std::fs::File::options().write(true).open(&path).unwrap().write_all(&older_ring).unwrap();
        assert_eq!(standing(&after), Standing { unknown_to_cursor: 0, is_ring_older: true });
        assert_eq!(standing(&before), Standing::default());
    }
}
