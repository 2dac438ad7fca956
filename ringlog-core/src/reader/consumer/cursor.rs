//! How far a ring is drained, to be kept outside of it.

use std::cmp::Reverse;

use super::Consumer;
use super::lane_reader::notices::{Aside, What};
use super::lane_reader::{Head, LaneQueue};
use crate::error::Error;
use crate::reader::entry::GapReason;
use crate::ring::header::boot_id;
use crate::shm::block::SharedRing;
use crate::shm::clock::unix_ns;
use crate::shm::layout::{block, halves, header, pair};
use crate::shm::sync::Ordering;

/// Up to where a consumer has given out entries: what it has to be told when it begins again, so that every
/// record comes exactly once.
///
/// The ring itself knows that too, but only from the acknowledgement on. Whoever writes entries to a file
/// and keeps the cursor beside it, in one step, may be killed at any instruction in between: the next
/// consumer that [resumes](Consumer::resume) from it passes over what the cursor has behind it. That holds
/// for records, and for refused records and deaths that are told; a place where the ring was damaged may be
/// told again.
///
/// ```
/// use std::time::Duration;
/// use ringlog::{Level, Ring};
/// use ringlog::reader::Cursor;
/// # let dir = tempfile::tempdir_in("/dev/shm")?;
/// # let path = dir.path().join("app");
/// # let name = path.to_str().unwrap();
/// let ring = Ring::options().size("1MiB").create_or_open(name)?;
/// ring.logger().text(Level::INFO, "orders", "one")?;
///
/// let mut consumer = ring.consumer()?;
/// assert_eq!(consumer.next(Duration::from_secs(5))?.expect("one was published").message(), "one");
/// let mut kept = Vec::new();
/// consumer.cursor().encode(&mut kept);
/// drop(consumer); // without an acknowledgement
///
/// let mut consumer = ring.consumer()?;
/// consumer.resume(&Cursor::decode(&kept).expect("it was encoded just now"))?;
/// assert!(consumer.next(Duration::ZERO)?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// UUID of the ring: the cursor says nothing of any other.
    pub ring: [u8; 16],
    /// Of the machine when the cursor was made.
    boot: [u8; 16],
    /// When that was.
    unix_ns: u64,
    /// Records refused to threads without a lane that have been told.
    refused_without_lane: u64,
    /// Those of which anything was given out, in the order of their numbers.
    lanes: Vec<LaneCursor>,
}

/// What a cursor says of a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LaneCursor {
    lane: u32,
    /// Whose records were given out last, up to which sequence.
    pub(super) incarnation: u32,
    pub(super) sequence: u64,
    /// Refused records that have been told.
    pub(super) told: u64,
    /// The last owner whose death has been told.
    pub(super) deaths_told: u32,
}

const HEAD_BYTES: usize = 16 + 16 + 8 + 8;
const LANE_BYTES: usize = 4 * 8;

/// What kind of entry a step is of: which of the numbers says whether it came before. The others grow with entries that
/// come at another place when they come again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Of {
    /// A record, or records that are missing.
    #[default]
    Sequence,
    /// Refused records of the lane.
    Refused,
    /// Refused records of threads without a lane.
    RefusedWithoutLane,
    Death,
}

impl Cursor {
    /// Appends it as bytes: 48, and 32 for each lane that was ever used.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ring);
        out.extend_from_slice(&self.boot);
        out.extend_from_slice(&self.unix_ns.to_le_bytes());
        out.extend_from_slice(&self.refused_without_lane.to_le_bytes());
        for lane in &self.lanes {
            let words =
                [pair(lane.lane, lane.incarnation), lane.sequence, lane.told, lane.deaths_told.into()];
            out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
    }

    /// How many bytes that are.
    pub fn encoded_len(&self) -> usize {
        HEAD_BYTES + LANE_BYTES * self.lanes.len()
    }

    /// From the bytes; `None` if they are none of a cursor. Bytes that were changed are not always noticed:
    /// keep a checksum with them.
    pub fn decode(bytes: &[u8]) -> Option<Cursor> {
        let (head, lanes) = bytes.split_at_checked(HEAD_BYTES)?;
        let array = |at: usize| head[at..].first_chunk::<16>().copied();
        let word = |at: usize| head[at..].first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
        let lanes = lanes.chunks(LANE_BYTES).map(LaneCursor::decode).collect::<Option<Vec<_>>>()?;
        if !lanes.is_sorted_by(|a, b| a.lane < b.lane) {
            return None;
        }
        Some(Cursor {
            ring: array(0)?,
            boot: array(16)?,
            unix_ns: word(32)?,
            refused_without_lane: word(40)?,
            lanes,
        })
    }

    /// Moves it on by the steps of these entries, which came next.
    pub fn advance<'a>(&mut self, steps: impl IntoIterator<Item = &'a Step>) {
        for step in steps {
            match self.lanes.binary_search_by_key(&step.lane.lane, |cursor| cursor.lane) {
                Ok(at) => self.lanes[at] = step.lane,
                Err(at) => self.lanes.insert(at, step.lane),
            }
            self.refused_without_lane = step.refused_without_lane;
        }
        self.unix_ns = unix_ns();
    }

    /// Has behind it what either of the two has, if they are of the same ring and the same start of the machine.
    pub fn join(&mut self, other: &Cursor) {
        if (self.ring, self.boot) != (other.ring, other.boot) {
            return;
        }
        self.refused_without_lane = self.refused_without_lane.max(other.refused_without_lane);
        for theirs in &other.lanes {
            match self.lanes.binary_search_by_key(&theirs.lane, |cursor| cursor.lane) {
                Ok(at) => {
                    let ours = &mut self.lanes[at];
                    let last = (ours.incarnation, ours.sequence).max((theirs.incarnation, theirs.sequence));
                    (ours.incarnation, ours.sequence) = last;
                    ours.told = ours.told.max(theirs.told);
                    ours.deaths_told = ours.deaths_told.max(theirs.deaths_told);
                }
                Err(at) => self.lanes.insert(at, *theirs),
            }
        }
    }

    /// Whether the entry of this step, of the same ring, came before: what [`Consumer::resume`] passes over. Refused
    /// records that are told together with some that were told before are told again.
    pub fn covers(&self, step: &Step) -> bool {
        if step.of == Of::RefusedWithoutLane {
            return self.refused_without_lane >= step.refused_without_lane;
        }
        let Some((known, begun_before)) = self.lane(step.lane.lane) else { return false };
        let LaneCursor { incarnation, sequence, told, deaths_told, .. } = step.lane;
        let came_before = match step.of {
            Of::Sequence => (known.incarnation, known.sequence) >= (incarnation, sequence),
            Of::Refused | Of::RefusedWithoutLane => known.told >= told,
            Of::Death => known.deaths_told >= deaths_told,
        };
        came_before && step.unix_ns <= begun_before
    }

    /// The lanes that it speaks of and the ring has.
    fn lanes(&self, ring: &SharedRing) -> impl Iterator<Item = u32> {
        let lanes = self.lanes.iter().map(|cursor| cursor.lane);
        let count = ring.geometry().lane_count;
        lanes.take_while(move |lane| *lane < count)
    }

    /// What it says of a lane; the sequence counts only for blocks that were begun before the returned time.
    pub(super) fn lane(&self, lane: u32) -> Option<(LaneCursor, u64)> {
        let at = self.lanes.binary_search_by_key(&lane, |cursor| cursor.lane).ok()?;
        // A ring on a disk that has gone through a power cut may have forgotten the lanes' last owners, and
        // count those who come after it as if they had been before.
        let begun_before = if self.boot == boot_id() { u64::MAX } else { self.unix_ns };
        Some((self.lanes[at], begun_before))
    }
}

/// What one entry changes in a [`Cursor`]: for whoever writes entries to several places, and keeps a cursor for
/// each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    of: Of,
    lane: LaneCursor,
    refused_without_lane: u64,
    unix_ns: u64,
}

impl Consumer {
    /// Begins where the cursor was made, if the ring itself is not further. A cursor of another ring counts
    /// for nothing, and so does one that is given only after the first entry was asked for.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub fn resume(&mut self, cursor: &Cursor) -> Result<(), Error> {
        let ring = self.ring()?;
        if cursor.ring != self.session.info.uuid || self.scan_number > 0 {
            return Ok(());
        }
        self.reclaim.pass_over_without_lane(cursor.refused_without_lane);
        for lane in cursor.lanes(&ring) {
            self.lanes[lane as usize] = LaneQueue::new(&ring, lane, Some(cursor));
            // So that the ring knows it too, should the cursor be thrown away.
            self.mark_dirty(lane);
        }
        Ok(())
    }

    /// Whether the consumer before this one did not end in the orderly way: what it had given out and not
    /// acknowledged comes again, unless a [`Cursor`] says how far it was.
    pub fn previous_consumer_crashed(&self) -> bool {
        self.previous_consumer_crashed
    }

    /// All that was given out is acknowledged and nothing more is asked for: the next consumer
    /// [follows](Self::previous_consumer_crashed) one that has ended in the orderly way, wherever this process is killed
    /// from here on. Dropping the consumer says so too.
    pub fn end(&mut self) {
        if let Some(ring) = self.session.ring().filter(|_| self.unacknowledged == 0) {
            ring.header_word(header::CONSUMER_PID).store(0, Ordering::Relaxed);
        }
    }

    /// Up to where entries have been given out.
    pub fn cursor(&self) -> Cursor {
        let mut cursor = Cursor::default();
        self.cursor_into(&mut cursor);
        cursor
    }

    /// The same into a cursor whose memory is used again.
    pub fn cursor_into(&self, cursor: &mut Cursor) {
        cursor.ring = self.session.info.uuid;
        cursor.boot = self.boot;
        cursor.unix_ns = unix_ns();
        cursor.refused_without_lane = self.reclaim.without_lane_given;
        cursor.lanes.clear();
        let lanes = (0..).zip(&self.lanes).map(|(lane, queue)| queue.cursor(lane));
        cursor.lanes.extend(lanes.filter(|cursor| !cursor.is_empty()));
    }

    /// What the entry that was given out last changes in a cursor. Call it before the next is asked for.
    pub fn step(&self) -> Step {
        let lane = self.heads.peek().map_or(0, |Reverse((_, lane))| *lane);
        let Some(queue) = self.lanes.get(lane as usize) else { return Step::default() };
        Step {
            of: queue.step_of(),
            lane: queue.cursor(lane),
            refused_without_lane: self.reclaim.without_lane_given,
            unix_ns: self.last_unix_ns,
        }
    }
}

impl LaneCursor {
    fn decode(bytes: &[u8]) -> Option<LaneCursor> {
        let bytes: &[u8; LANE_BYTES] = bytes.try_into().ok()?;
        let word = |at: usize| bytes[at * 8..].first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
        let (lane, incarnation) = halves(word(0)?);
        let deaths_told = word(3)?.try_into().ok()?;
        Some(LaneCursor { lane, incarnation, sequence: word(1)?, told: word(2)?, deaths_told })
    }

    fn is_empty(&self) -> bool {
        LaneCursor { lane: 0, ..*self } == LaneCursor::default()
    }
}

/// What a cursor has behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PassesOver {
    pub(super) given: (u32, u64),
    /// Blocks that were begun later are none of its.
    pub(super) begun_before: u64,
}

impl PassesOver {
    /// Whether the whole block was given out: it is an earlier owner's.
    pub(super) fn block(&self, header: &[u64; block::WORDS]) -> bool {
        halves(header[block::LANE]).1 < self.given.0 && header[block::ANCHOR_UNIX_NS] <= self.begun_before
    }

    /// The sequence before which all records of a block were given out.
    pub(super) fn sequence(&self, header: &[u64; block::WORDS]) -> u64 {
        let is_its = halves(header[block::LANE]).1 == self.given.0;
        if is_its && header[block::ANCHOR_UNIX_NS] <= self.begun_before { self.given.1 } else { 0 }
    }
}

impl LaneQueue {
    /// What kind of entry is at the head.
    fn step_of(&self) -> Of {
        match &self.head {
            Some(Head::Aside { aside: Aside { what: What::Died(_), .. }, .. }) => Of::Death,
            Some(Head::Aside { aside: Aside { what: What::Gap(gap, _), .. }, .. }) => match gap.reason {
                GapReason::Dropped if self.carried() > 0 => Of::RefusedWithoutLane,
                GapReason::Dropped => Of::Refused,
                _ => Of::Sequence,
            },
            Some(Head::Record { .. }) | None => Of::Sequence,
        }
    }

    fn cursor(&self, lane: u32) -> LaneCursor {
        let (incarnation, sequence) = self.given;
        LaneCursor { lane, incarnation, sequence, told: self.told, deaths_told: self.deaths_told }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_from_its_bytes_and_no_others_make_one() {
        let lane = |lane| LaneCursor { lane, incarnation: 3, sequence: 7, told: 1, deaths_told: 2 };
        let cursor = Cursor {
            ring: [1; 16],
            boot: [2; 16],
            unix_ns: 5,
            refused_without_lane: 6,
            lanes: vec![lane(1), lane(4)],
        };
        let mut bytes = vec![];
        cursor.encode(&mut bytes);
        assert_eq!(bytes.len(), 48 + 2 * 32);
        assert_eq!(Cursor::decode(&bytes), Some(cursor.clone()));
        for len in 0..bytes.len() {
            assert_eq!(Cursor::decode(&bytes[..len]).is_some(), len == 48 || len == 80, "{len}");
        }
        let mut twice = vec![];
        Cursor { lanes: vec![lane(4), lane(4)], ..cursor }.encode(&mut twice);
        assert_eq!(Cursor::decode(&twice), None);
    }

    #[test]
    fn joined_cursors_have_behind_them_what_either_has() {
        let lane = |lane, incarnation, sequence, told, deaths_told| LaneCursor {
            lane,
            incarnation,
            sequence,
            told,
            deaths_told,
        };
        let of = |lanes: &[LaneCursor]| Cursor { ring: [1; 16], lanes: lanes.to_vec(), ..Cursor::default() };
        let mut joined = of(&[lane(1, 2, 9, 0, 3), lane(3, 1, 1, 1, 0)]);
        let theirs = of(&[lane(0, 1, 5, 0, 0), lane(1, 3, 2, 4, 1), lane(3, 1, 0, 0, 1)]);
        let before = joined.clone();
        joined.join(&Cursor { ring: [2; 16], ..theirs.clone() });
        joined.join(&Cursor { boot: [2; 16], ..theirs.clone() });
        assert_eq!(joined, before, "of another ring, or another start of the machine");
        joined.join(&Cursor { refused_without_lane: 7, ..theirs });
        let expected = of(&[lane(0, 1, 5, 0, 0), lane(1, 3, 2, 4, 3), lane(3, 1, 1, 1, 1)]);
        assert_eq!(joined, Cursor { refused_without_lane: 7, ..expected });
    }

    #[test]
    fn after_a_power_cut_only_blocks_that_were_begun_before_the_cursor_are_passed_over() {
        let block = |incarnation, anchor_unix_ns| {
            let mut header = [0; block::WORDS];
            header[block::LANE] = pair(0, incarnation);
            header[block::ANCHOR_UNIX_NS] = anchor_unix_ns;
            header
        };
        let lane = LaneCursor { lane: 0, incarnation: 3, sequence: 7, told: 0, deaths_told: 0 };
        let of = |boot| Cursor { boot, unix_ns: 100, lanes: vec![lane], ..Cursor::default() };
        let passes = |boot| {
            let (cursor, begun_before) = of(boot).lane(0).unwrap();
            PassesOver { given: (cursor.incarnation, cursor.sequence), begun_before }
        };
        // The lane counts its owners from where the disk had them: the second one is another by now.
        let other_boot = passes([9; 16]);
        assert!(other_boot.block(&block(2, 99)) && !other_boot.block(&block(2, 101)));
        assert_eq!([99, 101].map(|begun| other_boot.sequence(&block(3, begun))), [7, 0]);
        let this_boot = passes(boot_id());
        assert!(this_boot.block(&block(2, 101)) && !this_boot.block(&block(3, 99)));
        assert_eq!([99, 101].map(|begun| this_boot.sequence(&block(3, begun))), [7, 7]);
    }
}
