//! One lane whose producer's calls are known from elsewhere.
//!
//! A lane's records come in the order of its incarnations and sequences, none left out. A *voice* is one thread that
//! logs: it numbers its calls and the lane numbers what was published, so the difference of the two says how many
//! calls were refused before a record. That many must have been reported in gaps between it and the record before.
//!
//! When a writer was killed, the next one may write again what was not acknowledged: in each lane a run of
//! entries that ends with the last one written, from somewhere near its end on.
//!
//! A death is reported with all lanes of its process, so it stands behind the owner's last record, and perhaps behind
//! records of later owners.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;

/// Longer than the lines of any batch: what may come again.
const HISTORY: usize = 1024;

/// More owners than a lane has within the time until a death is reported.
const INCARNATIONS: u32 = 10_000;

/// A record that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The lane's owner.
    pub incarnation: u32,
    /// Its number in the incarnation.
    pub sequence: u64,
    /// The voice.
    pub id: u32,
    /// The number of the voice's call.
    pub call: u64,
}

impl Record {
    /// The voice's refused calls before it; `None` if it claims to be of a call that was not made yet.
    fn refused(&self) -> Option<u64> {
        self.call.checked_sub(self.sequence)
    }
}

/// How a record came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// For the first time.
    New,
    /// Again, after the writer was killed.
    Again,
}

/// One lane.
#[derive(Debug, Default)]
pub struct LaneBook {
    /// The latest records, each with the most that can have been reported between it and the one before.
    history: VecDeque<(Record, u64)>,
    /// Reported since the last record, by this writer.
    reported: u64,
    /// Reported since the last record by writers that were killed: may come again.
    reported_before: u64,
    /// The writer before was killed, and this one has written no record of the lane yet.
    may_repeat: bool,
    /// Where in the history the run is that comes again.
    repeating: Option<usize>,
    /// The incarnations of records that this writer has written: those whose names it has seen.
    named: BTreeSet<u32>,
    /// The last sequence of each incarnation.
    ends: BTreeMap<u32, u64>,
    /// The incarnations of which a death was reported, and those of them that may be reported again, because the writer
    /// was killed.
    died: BTreeSet<u32>,
    died_before: BTreeSet<u32>,
    /// Refused calls reported in all, each once.
    reported_in_all: u64,
}

impl LaneBook {
    /// The last record of the lane.
    pub fn last(&self) -> Option<Record> {
        self.history.back().map(|(record, _)| *record)
    }

    /// How many refused calls were reported, each once.
    pub fn reported_in_all(&self) -> u64 {
        self.reported_in_all
    }

    /// The writer has ended, in whatever way: the next one knows only what is in the ring.
    pub fn writer_has_ended(&mut self) {
        self.named.clear();
    }

    /// Whether the writer may report a death without a name: the block that had it was freed under another writer, and
    /// the lane's entry keeps only the last two owners.
    pub fn may_be_nameless(&self, incarnation: u32) -> bool {
        !self.named.contains(&incarnation)
    }

    /// The writer was killed.
    pub fn writer_was_killed(&mut self) {
        self.may_repeat = true;
        self.repeating = None;
        self.reported_before += std::mem::take(&mut self.reported);
        self.died_before = self.died.clone();
    }

    /// Takes a death, which stands behind all that the incarnation published.
    ///
    /// # Errors
    /// What contradicts what came before.
    pub fn death(&mut self, incarnation: u32, last_sequence: Option<u64>) -> Result<Arrived, String> {
        if self.died.contains(&incarnation) {
            if !self.died_before.remove(&incarnation) {
                return Err(format!("the death of incarnation {incarnation} is reported twice"));
            }
            return Ok(Arrived::Again);
        }
        self.died.insert(incarnation);
        let mut still_to_repeat = self.repeating.into_iter().flat_map(|next| self.history.range(next..));
        if still_to_repeat.any(|(record, _)| record.incarnation == incarnation) {
            return Err(format!(
                "the death of incarnation {incarnation} comes before records that come again"
            ));
        }
        let real = self.ends.get(&incarnation).copied();
        if real != last_sequence {
            return Err(format!("incarnation {incarnation} died after {real:?}, not {last_sequence:?}"));
        }
        Ok(Arrived::New)
    }

    /// Takes a gap.
    pub fn gap(&mut self, count: u64) {
        self.reported = self.reported.saturating_add(count);
    }

    /// Takes the next record of the lane. `left_behind` says how many calls of earlier incarnations,
    /// after the last record, were refused: it is asked when the record is the first of a new one.
    ///
    /// # Errors
    /// What contradicts what came before: a missing, doubled or misplaced record, or gaps that do not add up.
    pub fn record(
        &mut self,
        record: Record,
        left_behind: impl FnOnce() -> Result<RangeInclusive<u64>, String>,
    ) -> Result<Arrived, String> {
        self.named.insert(record.incarnation);
        if std::mem::take(&mut self.may_repeat) {
            let of = (record.incarnation, record.sequence);
            self.repeating = self.history.iter().position(|(r, _)| (r.incarnation, r.sequence) == of);
        }
        if let Some(at) = self.repeating {
            return self.repeat(at, record);
        }
        if self.died.last().is_some_and(|died| record.incarnation <= *died) {
            return Err(format!("{record:?} has come, but its thread was reported dead"));
        }
        let refused = record.refused().ok_or_else(|| format!("{record:?} has too high a sequence"))?;
        let between = match self.last() {
            Some(last) if last.incarnation == record.incarnation => {
                if record.sequence != last.sequence + 1 || record.id != last.id {
                    return Err(format!("{record:?} follows {last:?}"));
                }
                let before = last.refused().unwrap_or(0);
                let between =
                    refused.checked_sub(before).ok_or_else(|| format!("{record:?} follows {last:?}"))?;
                between..=between
            }
            last => {
                if record.sequence != 0 || last.is_some_and(|last| last.incarnation > record.incarnation) {
                    return Err(format!("{record:?} begins an incarnation after {last:?}"));
                }
                let left = left_behind()?;
                left.start() + refused..=left.end() + refused
            }
        };
        let reported = self.settle(between).map_err(|what| format!("{what} before {record:?}"))?;
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((record, reported));
        self.ends.insert(record.incarnation, record.sequence);
        self.forget_before(record.incarnation.saturating_sub(INCARNATIONS));
        Ok(Arrived::New)
    }

    /// The lane is drained; `left_behind` calls were refused since the last record.
    ///
    /// # Errors
    /// What is missing.
    pub fn end(&mut self, left_behind: RangeInclusive<u64>) -> Result<(), String> {
        if self.repeating.is_some() {
            return Err(format!("the run that came again ended before {:?}", self.last()));
        }
        let after = self.last();
        self.settle(left_behind).map(|_| ()).map_err(|what| format!("{what} after {after:?}"))
    }

    fn forget_before(&mut self, incarnation: u32) {
        if self.ends.first_key_value().is_some_and(|(first, _)| *first < incarnation) {
            self.ends = self.ends.split_off(&incarnation);
        }
        for known in [&mut self.named, &mut self.died, &mut self.died_before] {
            if known.first().is_some_and(|first| *first < incarnation) {
                *known = known.split_off(&incarnation);
            }
        }
    }

    fn repeat(&mut self, at: usize, record: Record) -> Result<Arrived, String> {
        let (expected, reported) = self.history[at];
        if record != expected {
            return Err(format!("{record:?} came again where {expected:?} should"));
        }
        // The writer may have died after it noted that the gap is reported.
        if std::mem::take(&mut self.reported) > reported {
            return Err(format!("more than {reported} refused calls were reported again before {record:?}"));
        }
        self.repeating = Some(at + 1).filter(|next| *next < self.history.len());
        Ok(Arrived::Again)
    }

    /// Compares what was refused since the last record with what was reported.
    fn settle(&mut self, refused: RangeInclusive<u64>) -> Result<u64, String> {
        let least = std::mem::take(&mut self.reported);
        let most = least + std::mem::take(&mut self.reported_before);
        let reported = most.min(*refused.end());
        if reported < least.max(*refused.start()) {
            return Err(format!("{refused:?} calls were refused, but {least}..={most} reported"));
        }
        self.reported_in_all += reported;
        Ok(reported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(incarnation: u32, sequence: u64, call: u64) -> Record {
        Record { incarnation, sequence, id: incarnation, call }
    }

    fn take(book: &mut LaneBook, record: Record) -> Result<Arrived, String> {
        book.record(record, || Ok(0..=0))
    }

    /// Three records, and two refused calls before the last.
    fn filled() -> LaneBook {
        let mut book = LaneBook::default();
        assert_eq!(take(&mut book, record(1, 0, 0)), Ok(Arrived::New));
        assert_eq!(take(&mut book, record(1, 1, 1)), Ok(Arrived::New));
        book.gap(2);
        assert_eq!(take(&mut book, record(1, 2, 4)), Ok(Arrived::New));
        book
    }

    #[test]
    fn a_missing_record_is_found() {
        assert!(take(&mut filled(), record(1, 4, 6)).unwrap_err().contains("follows"));
    }

    #[test]
    fn a_record_that_comes_twice_is_found() {
        assert!(take(&mut filled(), record(1, 2, 4)).unwrap_err().contains("follows"));
        let mut book = filled();
        book.writer_was_killed();
        assert_eq!(take(&mut book, record(1, 2, 4)), Ok(Arrived::Again));
        assert!(take(&mut book, record(1, 2, 4)).unwrap_err().contains("follows"), "only once a kill");
    }

    #[test]
    fn gaps_are_reported_at_their_place() {
        let mut book = filled();
        assert!(
            take(&mut book, record(1, 3, 6))
                .unwrap_err()
                .contains("1..=1 calls were refused, but 0..=0 reported")
        );
        let mut book = filled();
        book.gap(1);
        assert!(
            take(&mut book, record(1, 3, 5))
                .unwrap_err()
                .contains("0..=0 calls were refused, but 1..=1 reported")
        );
    }

    #[test]
    fn what_comes_again_is_a_run_up_to_the_last() {
        let mut book = filled();
        book.writer_was_killed();
        assert_eq!(take(&mut book, record(1, 1, 1)), Ok(Arrived::Again));
        book.gap(2);
        assert_eq!(take(&mut book, record(1, 2, 4)), Ok(Arrived::Again));
        assert_eq!(take(&mut book, record(1, 3, 5)), Ok(Arrived::New));
        book.end(0..=0).unwrap();
        assert_eq!(book.reported_in_all(), 2);
        let mut book = filled();
        book.writer_was_killed();
        assert_eq!(take(&mut book, record(1, 0, 0)), Ok(Arrived::Again));
        assert!(take(&mut book, record(1, 2, 4)).unwrap_err().contains("should"));
    }

    #[test]
    fn after_a_kill_a_gap_may_come_again_but_not_vanish() {
        for (again, refused, fits) in [(3, 3, true), (0, 3, true), (4, 4, true), (0, 4, false), (4, 3, false)]
        {
            let mut book = filled();
            book.gap(3);
            book.writer_was_killed();
            book.gap(again);
            assert_eq!(take(&mut book, record(1, 3, 5 + refused)).is_ok(), fits, "{again} {refused}");
        }
    }

    #[test]
    fn a_death_stands_behind_the_last_record_and_is_reported_once() {
        let mut book = filled();
        assert!(book.death(1, Some(1)).unwrap_err().contains("died after"));
        let mut book = filled();
        assert_eq!(book.death(1, Some(2)), Ok(Arrived::New));
        assert!(book.death(1, Some(2)).unwrap_err().contains("twice"));
        book.writer_was_killed();
        assert_eq!(book.death(1, Some(2)), Ok(Arrived::Again));
        assert!(book.death(1, Some(2)).unwrap_err().contains("twice"));
        assert!(take(&mut book, record(1, 3, 5)).unwrap_err().contains("reported dead"));
        assert_eq!(book.death(2, None), Ok(Arrived::New), "one that published nothing");
        assert_eq!(take(&mut book, record(3, 0, 0)), Ok(Arrived::New));
    }

    #[test]
    fn a_death_may_stand_behind_records_of_later_owners() {
        let mut book = filled();
        assert_eq!(take(&mut book, record(2, 0, 0)), Ok(Arrived::New));
        assert_eq!(take(&mut book, record(3, 0, 0)), Ok(Arrived::New));
        assert_eq!(book.death(2, Some(0)), Ok(Arrived::New));
        assert!(book.death(1, Some(1)).unwrap_err().contains("died after"));
        let mut book = filled();
        book.writer_was_killed();
        assert_eq!(take(&mut book, record(1, 1, 1)), Ok(Arrived::Again));
        assert!(book.death(1, Some(2)).unwrap_err().contains("come again"), "before the last of them");
    }

    #[test]
    fn a_death_has_a_name_if_its_writer_has_seen_one() {
        let mut book = filled();
        assert!(!book.may_be_nameless(1) && book.may_be_nameless(2));
        book.writer_has_ended();
        assert!(book.may_be_nameless(1));
        assert_eq!(take(&mut book, record(1, 3, 5)), Ok(Arrived::New));
        assert!(!book.may_be_nameless(1));
    }

    #[test]
    fn a_new_incarnation_settles_what_the_last_one_left() {
        let mut book = filled();
        book.gap(3);
        assert_eq!(book.record(record(2, 0, 1), || Ok(1..=2)), Ok(Arrived::New));
        assert!(book.record(record(1, 3, 5), || Ok(0..=0)).unwrap_err().contains("begins an incarnation"));
        assert!(book.record(record(3, 1, 1), || Ok(0..=0)).unwrap_err().contains("begins an incarnation"));
        book.gap(1);
        assert!(book.end(0..=0).is_err());
    }
}
