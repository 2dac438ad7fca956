//! Keeping account: which records of each lane's owner have been seen, and which ought to have been.

use std::collections::HashMap;
use std::fmt;

use super::line::{Entry, What};
use crate::output;

/// How many runs of missing records are kept, in case they come later. Of more than that each is missing at
/// once, and what comes of it later counts as doubled.
const HOLES_MAX: usize = 1 << 16;

/// A line of a file, both by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: usize,
    pub line: u64,
}

/// Something worth a line of the report.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub place: Place,
    pub text: String,
}

/// What has been found, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub records: u64,
    pub lanes: u64,
    /// Not there, and nothing tells why.
    pub missing: u64,
    pub doubled: u64,
    pub misplaced: u64,
    /// Told in the output: refused records, those overwritten before they were read, damaged places.
    pub dropped: u64,
    pub overwritten: u64,
    /// Left out of an output that did not keep up.
    pub left_out: u64,
    pub damaged: u64,
    pub died: u64,
}

/// One owner of a lane: ring, lane, incarnation. Rings are numbered as they are met.
type Key = (u32, u32, u32);

/// Consecutive records that have not been seen, and the line before which they ought to be.
#[derive(Clone, Copy, Debug)]
struct Hole {
    from: u64,
    to: u64,
    place: Place,
}

#[derive(Debug, Default)]
struct Owner {
    /// The sequence that comes next.
    next: u64,
    seen: bool,
    died: bool,
    /// How many records the gap before the next one explains; any number if it tells damage.
    excused: u64,
    holes: Vec<Hole>,
}

/// The account of an output. Its size grows with the owners of lanes, not with their records.
#[derive(Debug, Default)]
pub struct Ledger {
    partial: bool,
    rings: HashMap<String, u32>,
    /// The youngest owner of each lane.
    youngest: HashMap<(u32, u32), u32>,
    owners: HashMap<Key, Owner>,
    holes: usize,
    pub sums: Sums,
    pub findings: Vec<Finding>,
}

impl Ledger {
    /// `partial`: the output begins in the middle, so what comes before an owner's first record is not missed.
    pub fn new(partial: bool) -> Ledger {
        Ledger { partial, ..Ledger::default() }
    }

    /// Takes the next entry of the output.
    pub fn take(&mut self, place: Place, entry: &Entry<'_>) {
        let ring = self.ring(&entry.uuid);
        let key = entry.lane.map(|(lane, incarnation)| (ring, lane, incarnation));
        if let Some(key) = key {
            self.arrive(key);
        }
        match (&entry.what, key) {
            (What::Record(sequence), Some(key)) => self.record(place, key, *sequence),
            (What::Died { last }, Some(key)) => self.death(place, key, *last),
            (What::Gap { reason, count }, key) => self.gap(place, key, reason, *count),
            _ => {}
        }
    }

    /// The output has ended: what has not come by now is missing. Returns the rest of the findings.
    pub fn close(&mut self) -> Vec<Finding> {
        let owners = std::mem::take(&mut self.owners);
        for (key, owner) in &owners {
            owner.holes.iter().for_each(|hole| self.miss(*key, hole));
        }
        self.findings.sort_by_key(|finding| finding.place);
        std::mem::take(&mut self.findings)
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
        self.sums.lanes = self.youngest.len() as u64;
        self.owners.entry(key).or_default();
    }

    fn record(&mut self, place: Place, key: Key, sequence: u64) {
        self.sums.records += 1;
        let after = self.youngest.get(&(key.0, key.1)).copied().filter(|youngest| *youngest != key.2);
        let Some(owner) = self.owners.get_mut(&key) else { return };
        let (next, died) = (owner.next, owner.died);
        let first = !std::mem::replace(&mut owner.seen, true);
        let excused = std::mem::take(&mut owner.excused);
        if sequence < next {
            let text = match (fill(&mut owner.holes, sequence), first) {
                (true, _) => {
                    self.sums.misplaced += 1;
                    format!("out of order: sequence {sequence} comes after {}", next - 1)
                }
                (false, _) => {
                    self.sums.doubled += 1;
                    format!("doubled: sequence {sequence} is there already")
                }
            };
            return self.find(place, key, text);
        }
        owner.next = sequence.saturating_add(1);
        let unexcused = (sequence - next).saturating_sub(excused);
        if unexcused > 0 && !(first && self.partial) {
            self.miss_unless_it_comes(key, Hole { from: next, to: sequence - 1, place }, unexcused);
        }
        if died {
            self.sums.misplaced += 1;
            self.find(place, key, format!("out of order: sequence {sequence} comes after its owner's death"));
        } else if let Some(after) = after {
            self.sums.misplaced += 1;
            self.find(
                place,
                key,
                format!("out of order: sequence {sequence} comes after incarnation {after}"),
            );
        }
    }

    fn death(&mut self, place: Place, key: Key, last: Option<u64>) {
        let Some(owner) = self.owners.get_mut(&key) else { return };
        let (next, end) = (owner.next, last.map_or(0, |last| last.saturating_add(1)));
        let excused = std::mem::take(&mut owner.excused);
        let first = !std::mem::replace(&mut owner.seen, true);
        if std::mem::replace(&mut owner.died, true) {
            self.sums.doubled += 1;
            return self.find(place, key, "doubled: its owner's death is told already".to_owned());
        }
        self.sums.died += 1;
        owner.next = next.max(end);
        if end < next {
            self.sums.misplaced += next - end;
            let last = last.map_or("no record at all".to_owned(), |last| format!("sequence {last}"));
            self.find(place, key, format!("at odds: its owner died after {last}, but {} is there", next - 1));
        } else if end - next > excused && !(first && self.partial) {
            let hole = Hole { from: next, to: end - 1, place };
            self.miss_unless_it_comes(key, hole, end - next - excused);
        }
    }

    fn gap(&mut self, place: Place, key: Option<Key>, reason: &str, count: u64) {
        // Only what had been published had a sequence; what was refused had none.
        let (sum, excused) = match reason {
            "dropped" => (&mut self.sums.dropped, 0),
            "damaged" => (&mut self.sums.damaged, u64::MAX),
            "unwritten" => (&mut self.sums.left_out, count),
            _ => (&mut self.sums.overwritten, count),
        };
        *sum = sum.saturating_add(count);
        let text = match reason {
            "damaged" => format!("told: damaged, {count} places"),
            _ => format!("told: {} {reason}", output::records(count)),
        };
        match key {
            Some(key) => {
                if let Some(owner) = self.owners.get_mut(&key) {
                    owner.excused = owner.excused.saturating_add(excused);
                }
                self.find(place, key, text);
            }
            None => self.findings.push(Finding { place, text: format!("{text}, of threads without a lane") }),
        }
    }

    /// Notes a hole, of which a gap excuses all but `unexcused` records; which ones nobody can tell.
    fn miss_unless_it_comes(&mut self, key: Key, hole: Hole, unexcused: u64) {
        if unexcused <= hole.to - hole.from {
            self.sums.missing = self.sums.missing.saturating_add(unexcused);
            let text = format!("missing: {} of {hole}, the rest is told", output::records(unexcused));
            return self.find(hole.place, key, text);
        }
        let owner = self.owners.get_mut(&key).filter(|_| self.holes < HOLES_MAX);
        match owner {
            Some(owner) => {
                self.holes += 1;
                owner.holes.push(hole);
            }
            None => self.miss(key, &hole),
        }
    }

    fn miss(&mut self, key: Key, hole: &Hole) {
        let count = (hole.to - hole.from).saturating_add(1);
        self.sums.missing = self.sums.missing.saturating_add(count);
        self.find(hole.place, key, format!("missing before this: {hole} ({})", output::records(count)));
    }

    fn find(&mut self, place: Place, (ring, lane, incarnation): Key, text: String) {
        // There are few rings, and findings are rare.
        let uuid = self.rings.iter().find(|(_, number)| **number == ring).map_or("", |(uuid, _)| uuid);
        let uuid = output::harmless(uuid);
        let text = format!("{text}, lane {lane}, incarnation {incarnation}, ring {uuid}");
        self.findings.push(Finding { place, text });
    }
}

/// Takes a record that comes late out of the hole that it left; false if there is none.
fn fill(holes: &mut Vec<Hole>, sequence: u64) -> bool {
    let Some(at) = holes.iter().position(|hole| (hole.from..=hole.to).contains(&sequence)) else {
        return false;
    };
    let hole = holes.swap_remove(at);
    if hole.from < sequence {
        holes.push(Hole { to: sequence - 1, ..hole });
    }
    if sequence < hole.to {
        holes.push(Hole { from: sequence + 1, ..hole });
    }
    true
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hole { from, to, .. } if from == to => write!(f, "sequence {from}"),
            Hole { from, to, .. } => write!(f, "sequences {from} to {to}"),
        }
    }
}

impl Sums {
    /// What the output lacks or has too much of, in words; empty if nothing.
    pub fn faults(&self) -> Vec<String> {
        let faults = [
            (self.missing, format!("{} missing", output::count(self.missing))),
            (self.doubled, format!("{} doubled", output::count(self.doubled))),
            (self.misplaced, format!("{} out of order", output::count(self.misplaced))),
        ];
        faults.into_iter().filter(|(count, _)| *count > 0).map(|(_, words)| words).collect()
    }

    /// What the output itself tells to be lost, in words; empty if nothing.
    pub fn told(&self) -> Vec<String> {
        let told = [
            (self.dropped, format!("{} dropped", output::count(self.dropped))),
            (self.overwritten, format!("{} overwritten", output::count(self.overwritten))),
            (self.left_out, format!("{} left out", output::count(self.left_out))),
            (self.damaged, format!("{} places damaged", output::count(self.damaged))),
        ];
        told.into_iter().filter(|(count, _)| *count > 0).map(|(_, words)| words).collect()
    }
}

#[cfg(test)]
mod tests;
