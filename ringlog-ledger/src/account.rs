//! A whole output by the ids in it: which records of each lane's owner came, and which ought to have come.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use crate::series::{Arrival, Series};

/// How many runs of missing records are kept, in case they come later. Of more than that each is missing at
/// once, and what comes of it later counts as doubled.
const HOLES_MAX: usize = 1 << 16;

/// A line of a file, both by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: usize,
    /// The line.
    pub line: u64,
}

/// What one line of an output says by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The UUID of the ring.
    pub uuid: Cow<'a, str>,
    /// Lane and incarnation; `None` for what happened to threads without a lane.
    pub lane: Option<(u32, u32)>,
    /// The rest of the id.
    pub what: What<'a>,
}

/// A kind of entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// A record, with its sequence.
    Record(u64),
    /// Records that are missing here.
    Gap {
        /// Why.
        reason: Cow<'a, str>,
        /// How many.
        count: u64,
    },
    /// A process ended without closing its lanes: these.
    Died(Vec<LaneEnd>),
    /// A kind of entry that this version does not know.
    Other,
}

/// A lane that a process left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneEnd {
    /// The lane.
    pub lane: u32,
    /// Which of its owners.
    pub incarnation: u32,
    /// The sequence of the owner's last record.
    pub last: Option<u64>,
}

/// The owner of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The UUID of the ring.
    pub uuid: String,
    /// The lane.
    pub lane: u32,
    /// Which of its owners.
    pub incarnation: u32,
}

/// What is worth a line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// Of which owner; `None` for threads without a lane.
    pub owner: Option<Owner>,
    /// What.
    pub fault: Fault,
}

/// What an output lacks, has too much of, or itself reports as lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// These sequences ought to be before this place, and nothing explains why they are not.
    Missing(RangeInclusive<u64>),
    /// Of these sequences so many are missing; a gap explains the rest.
    PartlyMissing(RangeInclusive<u64>, u64),
    /// A sequence comes after a higher one.
    Late {
        /// The sequence.
        sequence: u64,
        /// The higher one.
        after: u64,
    },
    /// A sequence is there already.
    Doubled(u64),
    /// A sequence comes after the death of its owner.
    AfterDeath(u64),
    /// A sequence comes after records of a later owner.
    AfterIncarnation {
        /// The sequence.
        sequence: u64,
        /// The later owner.
        incarnation: u32,
    },
    /// A second death of one owner.
    DeathDoubled,
    /// A death and the records contradict each other.
    DeathAtOdds {
        /// The owner's last sequence by its death.
        last: Option<u64>,
        /// The highest sequence that came.
        highest: u64,
    },
    /// A loss that the output itself reports.
    Gap {
        /// The reason, as the output has it.
        reason: String,
        /// How many records, or damaged places.
        count: u64,
    },
}

/// What has been found, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Records that are there.
    pub records: u64,
    /// Lanes of which records are there.
    pub lanes: u64,
    /// Records that are not there, without an explanation.
    pub missing: u64,
    /// Records and deaths that are there twice.
    pub doubled: u64,
    /// Records that come out of order.
    pub misplaced: u64,
    /// Refused records that the output reports.
    pub dropped: u64,
    /// Records overwritten before they were read, as the output reports.
    pub overwritten: u64,
    /// Records left out of an output that did not keep up, as it reports.
    pub left_out: u64,
    /// Records left in a ring that was removed, as the output reports.
    pub left: u64,
    /// Damaged places that the output reports.
    pub damaged: u64,
    /// Processes that died.
    pub died: u64,
}

/// One owner of a lane: ring, lane, incarnation. Rings are numbered as they are met.
type Key = (u32, u32, u32);

#[derive(Debug, Default)]
struct Known {
    series: Series<Place>,
    seen: bool,
    died: bool,
    has_records: bool,
    /// How many records the gap before the next one explains; any number if it reports damage.
    excused: u64,
    /// How many lines of left-out records came before its last entry.
    left_out_lines: u64,
}

/// How many records that are missing before an entry are explained.
struct Excuse {
    /// By gaps of its owner.
    by_gap: u64,
    /// By lines of records left out of the output; at most as many as the account has left.
    left_out: u64,
}

impl Known {
    /// What explains a hole before the owner's next entry. It explains none after that.
    fn take_excuse(&mut self, left_out_lines: u64, left_out: u64) -> Excuse {
        let before = std::mem::replace(&mut self.left_out_lines, left_out_lines);
        let left_out = if before < left_out_lines { left_out } else { 0 };
        Excuse { by_gap: std::mem::take(&mut self.excused), left_out }
    }
}

/// The account of an output. Its size grows with the owners of lanes, not with their records.
#[derive(Debug, Default)]
pub struct Account {
    partial: bool,
    rings: HashMap<String, u32>,
    /// The youngest owner of each lane.
    youngest: HashMap<(u32, u32), u32>,
    owners: HashMap<Key, Known>,
    /// The lanes of which records are there: a ring's number and the lane's.
    lanes: HashSet<(u32, u32)>,
    /// The lines that report records left out of the output, and how many of these records no hole has shown yet.
    /// They may be of any owner, before its next entry.
    left_out_lines: u64,
    left_out: u64,
    holes: usize,
    sums: Sums,
    findings: Vec<Finding>,
}

impl Account {
    /// `partial`: the output begins in the middle, so what comes before an owner's first record is not missed.
    pub fn new(partial: bool) -> Account {
        Account { partial, ..Account::default() }
    }

    /// Takes the next entry of the output.
    pub fn take(&mut self, place: Place, entry: &Entry<'_>) {
        let ring = self.ring(&entry.uuid);
        let key = entry.lane.map(|(lane, incarnation)| (ring, lane, incarnation));
        if let Some(key) = key.filter(|_| !matches!(entry.what, What::Died(_))) {
            self.arrive(key);
        }
        match (&entry.what, key) {
            (What::Record(sequence), Some(key)) => self.record(place, key, *sequence),
            (What::Died(lanes), _) => self.process_death(place, ring, lanes),
            (What::Gap { reason, count }, key) => self.gap(place, key, reason, *count),
            _ => {}
        }
    }

    /// What has been found since the last call.
    pub fn findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// Ends the output: what has not come by now is missing. Returns the rest of the findings, in order of their
    /// places, and the sums.
    pub fn close(mut self) -> (Vec<Finding>, Sums) {
        for (key, owner) in std::mem::take(&mut self.owners) {
            owner.series.holes().for_each(|(missing, place)| self.miss(key, missing, place));
        }
        self.findings.sort_by_key(|finding| finding.place);
        (self.findings, self.sums)
    }

    fn ring(&mut self, uuid: &str) -> u32 {
        if let Some(ring) = self.rings.get(uuid) {
            return *ring;
        }
        let ring = self.rings.len() as u32;
        self.rings.insert(uuid.to_owned(), ring);
        ring
    }

    fn arrive(&mut self, key: Key) {
        let youngest = self.youngest.entry((key.0, key.1)).or_insert(key.2);
        *youngest = key.2.max(*youngest);
        self.owners.entry(key).or_default();
    }

    fn record(&mut self, place: Place, key: Key, sequence: u64) {
        self.sums.records += 1;
        let after = self.youngest.get(&(key.0, key.1)).copied().filter(|youngest| *youngest != key.2);
        let Some(owner) = self.owners.get_mut(&key) else { return };
        let (highest, died) = (owner.series.next().saturating_sub(1), owner.died);
        let first = !std::mem::replace(&mut owner.seen, true);
        let excused = owner.take_excuse(self.left_out_lines, self.left_out);
        if !std::mem::replace(&mut owner.has_records, true) {
            self.lanes.insert((key.0, key.1));
            self.sums.lanes = self.lanes.len() as u64;
        }
        match owner.series.take(sequence) {
            Arrival::Late => {
                self.sums.misplaced += 1;
                return self.find(place, key, Fault::Late { sequence, after: highest });
            }
            Arrival::Doubled => {
                self.sums.doubled += 1;
                return self.find(place, key, Fault::Doubled(sequence));
            }
            Arrival::Ahead(missing) if !(first && self.partial) => {
                self.miss_unless_it_comes(key, missing, excused, place);
            }
            Arrival::Ahead(_) | Arrival::Next => {}
        }
        if died {
            self.sums.misplaced += 1;
            self.find(place, key, Fault::AfterDeath(sequence));
        } else if let Some(incarnation) = after {
            self.sums.misplaced += 1;
            self.find(place, key, Fault::AfterIncarnation { sequence, incarnation });
        }
    }

    fn process_death(&mut self, place: Place, ring: u32, lanes: &[LaneEnd]) {
        let key_of = |end: &LaneEnd| (ring, end.lane, end.incarnation);
        let is_known = |end: &&LaneEnd| self.owners.get(&key_of(end)).is_some_and(|owner| owner.died);
        if let Some(doubled) = lanes.iter().filter(is_known).max_by_key(|end| end.last) {
            self.sums.doubled += 1;
            return self.find(place, key_of(doubled), Fault::DeathDoubled);
        }
        self.sums.died += 1;
        for LaneEnd { lane, incarnation, last } in lanes {
            let key = (ring, *lane, *incarnation);
            // A process's own lane seldom has records, and then is not one of the output's.
            if last.is_some() {
                self.arrive(key);
            }
            self.owners.entry(key).or_default();
            self.death(place, key, *last);
        }
    }

    fn death(&mut self, place: Place, key: Key, last: Option<u64>) {
        let Some(owner) = self.owners.get_mut(&key) else { return };
        let (next, end) = (owner.series.next(), last.map_or(0, |last| last.saturating_add(1)));
        let excused = owner.take_excuse(self.left_out_lines, self.left_out);
        let first = !std::mem::replace(&mut owner.seen, true);
        owner.died = true;
        let missing = owner.series.end(end);
        if end < next {
            self.sums.misplaced += next - end;
            self.find(place, key, Fault::DeathAtOdds { last, highest: next - 1 });
        } else if let Some(missing) = missing.filter(|_| !(first && self.partial)) {
            self.miss_unless_it_comes(key, missing, excused, place);
        }
    }

    fn gap(&mut self, place: Place, key: Option<Key>, reason: &str, count: u64) {
        // Only what had been published had a sequence; what was refused had none.
        let (sum, excused) = match reason {
            "dropped" => (&mut self.sums.dropped, 0),
            reason if is_refusal(reason) => (&mut self.sums.dropped, 0),
            // They are of another ring.
            "left" => (&mut self.sums.left, 0),
            "damaged" => (&mut self.sums.damaged, u64::MAX),
            "unwritten" => {
                self.left_out_lines += 1;
                self.left_out = self.left_out.saturating_add(count);
                (&mut self.sums.left_out, 0)
            }
            _ => (&mut self.sums.overwritten, count),
        };
        *sum = sum.saturating_add(count);
        let fault = Fault::Gap { reason: reason.to_owned(), count };
        let Some(key) = key else {
            return self.findings.push(Finding { place, owner: None, fault });
        };
        if let Some(owner) = self.owners.get_mut(&key) {
            owner.excused = owner.excused.saturating_add(excused);
        }
        self.find(place, key, fault);
    }

    /// Notes a hole, of which gaps explain `excused` records; which ones is not known.
    fn miss_unless_it_comes(
        &mut self,
        key: Key,
        missing: RangeInclusive<u64>,
        excused: Excuse,
        place: Place,
    ) {
        let unexplained = count_of(&missing).saturating_sub(excused.by_gap);
        let unexcused = unexplained.saturating_sub(excused.left_out);
        self.left_out -= unexplained - unexcused;
        if unexcused == 0 {
            return;
        }
        if unexcused <= missing.end() - missing.start() {
            self.sums.missing = self.sums.missing.saturating_add(unexcused);
            return self.find(place, key, Fault::PartlyMissing(missing, unexcused));
        }
        let owner = self.owners.get_mut(&key).filter(|_| self.holes < HOLES_MAX);
        match owner {
            Some(owner) => {
                self.holes += 1;
                owner.series.await_late(missing, place);
            }
            None => self.miss(key, missing, place),
        }
    }

    fn miss(&mut self, key: Key, missing: RangeInclusive<u64>, place: Place) {
        self.sums.missing = self.sums.missing.saturating_add(count_of(&missing));
        self.find(place, key, Fault::Missing(missing));
    }

    fn find(&mut self, place: Place, (ring, lane, incarnation): Key, fault: Fault) {
        // There are few rings, and findings are rare.
        let uuid = self.rings.iter().find(|(_, number)| **number == ring).map_or("", |(uuid, _)| uuid);
        let owner = Some(Owner { uuid: uuid.to_owned(), lane, incarnation });
        self.findings.push(Finding { place, owner, fault });
    }
}

/// How many numbers these are; all of them are too many by one to be counted.
fn count_of(numbers: &RangeInclusive<u64>) -> u64 {
    (numbers.end() - numbers.start()).saturating_add(1)
}

/// Whether this reason of a gap, other than `dropped`, says that the ring refused the records.
pub fn is_refusal(reason: &str) -> bool {
    matches!(reason, "no_lane" | "nested" | "unfit" | "system" | "no_ring")
}

#[cfg(test)]
mod tests;
