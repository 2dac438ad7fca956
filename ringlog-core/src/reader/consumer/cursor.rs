//! How far a ring has been drained, kept outside of the ring.

use std::cmp::Ordering;
use std::sync::atomic;

use crate::shm::block::SharedRing;
use crate::shm::layout::{block, halves, lane as lane_entry, pair};

/// The place up to which a consumer has given out entries. The next consumer passes over what lies before it, so that
/// every record comes exactly once.
///
/// The ring itself knows that place too, but only from the acknowledgement on. A process that writes entries to a
/// file, and keeps the cursor with them in one step, may be killed at any instruction: the next consumer
/// [resumes](crate::reader::Consumer::resume) from the cursor. That holds for records, for drops and for unclean
/// exits; damage of the ring may be reported again.
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
    /// UUID of the ring to which the cursor belongs.
    pub ring: [u8; 16],
    /// Drops of threads without a lane that have been reported.
    laneless_drops: u64,
    /// The lanes of which anything was given out, by number.
    lanes: Vec<LaneCursor>,
}

/// The place in one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LaneCursor {
    pub(super) lane: u32,
    /// Incarnation of the last record that was given out, and the sequence after it.
    pub(crate) incarnation: u32,
    pub(crate) sequence: u64,
    /// The lane's counter of drops, as far as it has been reported.
    pub(super) drops_reported: u64,
    /// The last incarnation whose unclean exit has been reported.
    pub(crate) exits_reported: u32,
}

const HEAD_BYTES: usize = 16 + 8;
const LANE_BYTES: usize = 4 * 8;

/// The kind of entry of a step: which of the numbers says whether the entry came before. The others grow with entries
/// that may come at another place when they come again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum StepKind {
    /// A record, or records that are missing.
    #[default]
    Sequence,
    /// Drops of the lane.
    Drops,
    /// Drops of threads without a lane.
    LanelessDrops,
    /// An unclean exit.
    Exit,
}

impl Cursor {
    /// Appends the cursor as bytes: 24, and 32 for each lane that was ever used.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ring);
        out.extend_from_slice(&self.laneless_drops.to_le_bytes());
        for lane in &self.lanes {
            let words = [
                pair(lane.lane, lane.incarnation),
                lane.sequence,
                lane.drops_reported,
                lane.exits_reported.into(),
            ];
            out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
    }

    /// The number of bytes that [`encode`](Self::encode) appends.
    pub fn encoded_len(&self) -> usize {
        HEAD_BYTES + LANE_BYTES * self.lanes.len()
    }

    /// Reads a cursor from its bytes; `None` if they are not those of a cursor. Changed bytes are not always noticed:
    /// keep a checksum with them.
    pub fn decode(bytes: &[u8]) -> Option<Cursor> {
        let (head, lanes) = bytes.split_at_checked(HEAD_BYTES)?;
        let array = |at: usize| head[at..].first_chunk::<16>().copied();
        let word = |at: usize| head[at..].first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
        let lanes = lanes.chunks(LANE_BYTES).map(LaneCursor::decode).collect::<Option<Vec<_>>>()?;
        if !lanes.is_sorted_by(|a, b| a.lane < b.lane) {
            return None;
        }
        Some(Cursor { ring: array(0)?, laneless_drops: word(16)?, lanes })
    }

    /// Moves the cursor past the entries of these steps, which came next.
    pub fn advance<'a>(&mut self, steps: impl IntoIterator<Item = &'a Step>) {
        for step in steps {
            match self.lanes.binary_search_by_key(&step.lane.lane, |cursor| cursor.lane) {
                Ok(at) => self.lanes[at] = step.lane,
                Err(at) => self.lanes.insert(at, step.lane),
            }
            self.laneless_drops = step.laneless_drops;
        }
    }

    /// Moves the cursor past what either of the two has behind it, if they are of the same ring.
    pub fn join(&mut self, other: &Cursor) {
        if self.ring != other.ring {
            return;
        }
        self.laneless_drops = self.laneless_drops.max(other.laneless_drops);
        for theirs in &other.lanes {
            match self.lanes.binary_search_by_key(&theirs.lane, |cursor| cursor.lane) {
                Ok(at) => {
                    let ours = &mut self.lanes[at];
                    let last = (ours.incarnation, ours.sequence).max((theirs.incarnation, theirs.sequence));
                    (ours.incarnation, ours.sequence) = last;
                    ours.drops_reported = ours.drops_reported.max(theirs.drops_reported);
                    ours.exits_reported = ours.exits_reported.max(theirs.exits_reported);
                }
                Err(at) => self.lanes.insert(at, *theirs),
            }
        }
    }

    /// Moves the cursor back to what both of the two have behind them: the start, if they are of different rings.
    pub fn meet(&mut self, other: &Cursor) {
        if self.ring != other.ring {
            self.laneless_drops = 0;
            self.lanes.clear();
            return;
        }
        self.laneless_drops = self.laneless_drops.min(other.laneless_drops);
        self.lanes.retain_mut(|ours| {
            let Some(theirs) = other.lane(ours.lane) else { return false };
            let first = (ours.incarnation, ours.sequence).min((theirs.incarnation, theirs.sequence));
            (ours.incarnation, ours.sequence) = first;
            ours.drops_reported = ours.drops_reported.min(theirs.drops_reported);
            ours.exits_reported = ours.exits_reported.min(theirs.exits_reported);
            true
        });
    }

    /// The place up to which a ring counts the records of these lanes as persisted.
    pub(crate) fn persisted(uuid: [u8; 16], ring: &SharedRing, lanes: impl Iterator<Item = u32>) -> Cursor {
        let mut cursor = Cursor::default();
        cursor.set(uuid, 0, lanes.map(|lane| LaneCursor::persisted(ring, lane)));
        cursor
    }

    /// Whether the entry of this step, of the same ring, lies before the cursor:
    /// [`Consumer::resume`](crate::reader::Consumer::resume) passes over it. Drops that are reported together with some
    /// that were reported before are reported again.
    pub fn covers(&self, step: &Step) -> bool {
        if step.kind == StepKind::LanelessDrops {
            return self.laneless_drops >= step.laneless_drops;
        }
        let Some(known) = self.lane(step.lane.lane) else { return false };
        let LaneCursor { incarnation, sequence, drops_reported, exits_reported, .. } = step.lane;
        match step.kind {
            StepKind::Sequence => (known.incarnation, known.sequence) >= (incarnation, sequence),
            StepKind::Drops | StepKind::LanelessDrops => known.drops_reported >= drops_reported,
            StepKind::Exit => known.exits_reported >= exits_reported,
        }
    }

    /// Sets the cursor to a place.
    pub(super) fn set(
        &mut self,
        ring: [u8; 16],
        laneless_drops: u64,
        lanes: impl Iterator<Item = LaneCursor>,
    ) {
        (self.ring, self.laneless_drops) = (ring, laneless_drops);
        self.lanes.clear();
        self.lanes.extend(lanes.filter(|lane| !lane.is_empty()));
    }

    pub(super) fn laneless_drops(&self) -> u64 {
        self.laneless_drops
    }

    /// The lanes of the cursor that are among the first `count`.
    pub(super) fn lanes(&self, count: u32) -> impl Iterator<Item = u32> {
        let lanes = self.lanes.iter().map(|cursor| cursor.lane);
        lanes.take_while(move |lane| *lane < count)
    }

    /// The place in a lane. It counts whatever the boot and the clock: a ring of an earlier boot, which may have
    /// forgotten the lanes' last owners, gets no new ones.
    pub(crate) fn lane(&self, lane: u32) -> Option<LaneCursor> {
        let at = self.lanes.binary_search_by_key(&lane, |cursor| cursor.lane).ok()?;
        Some(self.lanes[at])
    }
}

/// What one entry changes in a [`Cursor`]: for a program that writes entries to several places and keeps a cursor for
/// each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    kind: StepKind,
    lane: LaneCursor,
    laneless_drops: u64,
}

impl Step {
    pub(super) fn new(kind: StepKind, lane: LaneCursor, laneless_drops: u64) -> Step {
        Step { kind, lane, laneless_drops }
    }
}

impl LaneCursor {
    fn decode(bytes: &[u8]) -> Option<LaneCursor> {
        let bytes: &[u8; LANE_BYTES] = bytes.try_into().ok()?;
        let word = |at: usize| bytes[at * 8..].first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
        let (lane, incarnation) = halves(word(0)?);
        let exits_reported = word(3)?.try_into().ok()?;
        Some(LaneCursor { lane, incarnation, sequence: word(1)?, drops_reported: word(2)?, exits_reported })
    }

    fn persisted(ring: &SharedRing, lane: u32) -> LaneCursor {
        let word = |offset| ring.lane_word(lane, offset).load(atomic::Ordering::Acquire);
        LaneCursor {
            lane,
            incarnation: halves(word(lane_entry::NEXT)).0,
            sequence: word(lane_entry::NEXT_SEQUENCE),
            drops_reported: word(lane_entry::DROPPED_REPORTED),
            exits_reported: word(lane_entry::EXITS_REPORTED) as u32,
        }
    }

    pub(crate) fn place(&self) -> (u32, u64) {
        (self.incarnation, self.sequence)
    }

    fn is_empty(&self) -> bool {
        LaneCursor { lane: 0, ..*self } == LaneCursor::default()
    }
}

/// The records of one lane that a cursor has behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PassesOver {
    pub(super) given: (u32, u64),
    /// The incarnation and the sequence up to which the ring counts records as persisted.
    pub(super) counted: (u32, u64),
}

impl PassesOver {
    /// Whether the whole block was given out: it is one of an earlier incarnation.
    pub(super) fn block(&self, header: &[u64; block::WORDS]) -> bool {
        halves(header[block::LANE]).1 < self.given.0
    }

    /// How many of `count` records of an incarnation, from the sequence `first` on, the ring does not count as
    /// persisted.
    pub(super) fn uncounted(&self, incarnation: u32, first: u64, count: u64) -> u64 {
        match incarnation.cmp(&self.counted.0) {
            Ordering::Less => 0,
            Ordering::Equal => first.saturating_add(count).saturating_sub(first.max(self.counted.1)),
            Ordering::Greater => count,
        }
    }

    /// The sequence before which all records of a block were given out.
    pub(super) fn sequence(&self, header: &[u64; block::WORDS]) -> u64 {
        if halves(header[block::LANE]).1 == self.given.0 { self.given.1 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_decoded_from_its_own_bytes_only() {
        let lane =
            |lane| LaneCursor { lane, incarnation: 3, sequence: 7, drops_reported: 1, exits_reported: 2 };
        let cursor = Cursor { ring: [1; 16], laneless_drops: 6, lanes: vec![lane(1), lane(4)] };
        let mut bytes = vec![];
        cursor.encode(&mut bytes);
        assert_eq!(bytes.len(), 24 + 2 * 32);
        assert_eq!(Cursor::decode(&bytes), Some(cursor.clone()));
        for len in 0..bytes.len() {
            assert_eq!(Cursor::decode(&bytes[..len]).is_some(), len == 24 || len == 56, "{len}");
        }
        let mut twice = vec![];
        Cursor { lanes: vec![lane(4), lane(4)], ..cursor }.encode(&mut twice);
        assert_eq!(Cursor::decode(&twice), None);
    }

    #[test]
    fn a_joined_cursor_passes_over_what_either_does() {
        let lane = |lane, incarnation, sequence, drops_reported, exits_reported| LaneCursor {
            lane,
            incarnation,
            sequence,
            drops_reported,
            exits_reported,
        };
        let of = |lanes: &[LaneCursor]| Cursor { ring: [1; 16], lanes: lanes.to_vec(), ..Cursor::default() };
        let mut joined = of(&[lane(1, 2, 9, 0, 3), lane(3, 1, 1, 1, 0)]);
        let theirs = of(&[lane(0, 1, 5, 0, 0), lane(1, 3, 2, 4, 1), lane(3, 1, 0, 0, 1)]);
        let before = joined.clone();
        joined.join(&Cursor { ring: [2; 16], ..theirs.clone() });
        assert_eq!(joined, before, "of another ring");
        joined.join(&Cursor { laneless_drops: 7, ..theirs });
        let expected = of(&[lane(0, 1, 5, 0, 0), lane(1, 3, 2, 4, 3), lane(3, 1, 1, 1, 1)]);
        assert_eq!(joined, Cursor { laneless_drops: 7, ..expected });
    }

    #[test]
    fn what_two_cursors_have_in_common_lies_behind_both() {
        let lane = |lane, incarnation, sequence, drops_reported, exits_reported| LaneCursor {
            lane,
            incarnation,
            sequence,
            drops_reported,
            exits_reported,
        };
        let of = |lanes: &[LaneCursor], laneless_drops| Cursor {
            ring: [1; 16],
            laneless_drops,
            lanes: lanes.to_vec(),
        };
        let ours = of(&[lane(1, 2, 9, 0, 3), lane(3, 1, 1, 1, 0), lane(4, 1, 1, 1, 1)], 5);
        let theirs = of(&[lane(0, 1, 5, 0, 0), lane(1, 3, 2, 4, 1), lane(3, 1, 0, 0, 1)], 7);
        let expected = of(&[lane(1, 2, 9, 0, 1), lane(3, 1, 0, 0, 0)], 5);
        for (one, other) in [(&ours, &theirs), (&theirs, &ours)] {
            let mut common = one.clone();
            common.meet(other);
            assert_eq!(common, expected);
        }
        let mut common = ours;
        common.meet(&Cursor { ring: [2; 16], ..theirs });
        assert_eq!(common, of(&[], 0));
    }

    #[test]
    fn a_cursor_passes_over_what_it_has_behind_it() {
        let block = |incarnation| {
            let mut header = [0; block::WORDS];
            header[block::LANE] = pair(0, incarnation);
            // Whatever the clock said.
            header[block::ANCHOR_UNIX_NS] = u64::MAX;
            header
        };
        let passes = PassesOver { given: (3, 7), counted: (2, 5) };
        assert_eq!([2, 3, 4].map(|incarnation| passes.block(&block(incarnation))), [true, false, false]);
        assert_eq!([2, 3, 4].map(|incarnation| passes.sequence(&block(incarnation))), [0, 7, 0]);
        let uncounted = |incarnation, first| passes.uncounted(incarnation, first, 4);
        assert_eq!([uncounted(1, 0), uncounted(3, 0)], [0, 4]);
        assert_eq!([0, 1, 3, 5, 9].map(|first| uncounted(2, first)), [0, 0, 2, 4, 4]);
    }
}
