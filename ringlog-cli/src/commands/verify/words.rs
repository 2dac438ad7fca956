//! The account of an output in words.

use std::fmt;
use std::ops::RangeInclusive;

use ringlog_ledger::{Fault, Finding, Owner, Sums, is_refusal};

use crate::{humanize, terminal};

/// A finding without its place.
pub fn finding(finding: &Finding) -> String {
    let text = fault(&finding.fault);
    match &finding.owner {
        Some(Owner { uuid, lane, incarnation }) => {
            let uuid = terminal::escape(uuid);
            format!("{text}, lane {lane}, incarnation {incarnation}, ring {uuid}")
        }
        // Those were in lanes of another ring, or in any lanes of this one.
        None if matches!(&finding.fault, Fault::Gap { reason, .. } if reason == "left" || reason == "unwritten") => {
            text
        }
        None => format!("{text}, of threads without a lane"),
    }
}

/// Whether the finding is a record out of order.
pub fn is_misplaced(finding: &Finding) -> bool {
    matches!(finding.fault, Fault::Late { .. } | Fault::AfterDeath(_) | Fault::AfterIncarnation { .. })
}

fn fault(fault: &Fault) -> String {
    match fault {
        Fault::Missing(missing) => {
            let count = (missing.end() - missing.start()).saturating_add(1);
            format!("missing before this: {} ({})", Sequences(missing), humanize::records(count))
        }
        Fault::PartlyMissing(missing, count) => {
            format!("missing: {} of {}, the rest is reported", humanize::records(*count), Sequences(missing))
        }
        Fault::Late { sequence, after } => format!("out of order: sequence {sequence} comes after {after}"),
        Fault::Doubled(sequence) => format!("doubled: sequence {sequence} is there already"),
        Fault::AfterDeath(sequence) => {
            format!("out of order: sequence {sequence} comes after its owner's unclean exit")
        }
        Fault::AfterIncarnation { sequence, incarnation } => {
            format!("out of order: sequence {sequence} comes after incarnation {incarnation}")
        }
        Fault::DeathDoubled => "doubled: its owner's unclean exit is reported already".to_owned(),
        Fault::DeathAtOdds { last, highest } => {
            let last = last.map_or("no record".to_owned(), |last| format!("sequence {last} as the last"));
            format!("contradiction: its owner's unclean exit names {last}, but sequence {highest} is there")
        }
        Fault::Gap { reason, count } if reason == "damaged" => {
            format!("reported: damaged, {}", places(*count))
        }
        Fault::Gap { reason, count } if is_refusal(reason) => {
            format!("reported: {} dropped ({reason})", humanize::records(*count))
        }
        Fault::Gap { reason, count } if reason == "left" => {
            format!("reported: {} left in a ring that was removed or replaced", humanize::records(*count))
        }
        Fault::Gap { reason, count } if reason == "unwritten" => {
            format!("reported: {} left out, because the output did not keep up", humanize::records(*count))
        }
        Fault::Gap { reason, count } => {
            format!("reported: {} {}", humanize::records(*count), terminal::escape(reason))
        }
    }
}

fn places(number: u64) -> String {
    humanize::counted(number, "place")
}

struct Sequences<'a>(&'a RangeInclusive<u64>);

impl fmt::Display for Sequences<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.start(), self.0.end()) {
            (from, to) if from == to => write!(f, "sequence {from}"),
            (from, to) => write!(f, "sequences {from} to {to}"),
        }
    }
}

/// What the output lacks or has too much of; empty if nothing.
pub fn faults(sums: &Sums) -> Vec<String> {
    let faults = [
        (sums.missing, format!("{} missing", humanize::count(sums.missing))),
        (sums.doubled, format!("{} doubled", humanize::count(sums.doubled))),
        (sums.misplaced, format!("{} out of order", humanize::count(sums.misplaced))),
    ];
    faults.into_iter().filter(|(count, _)| *count > 0).map(|(_, words)| words).collect()
}

/// What the output itself reports as lost; empty if nothing.
pub fn reported(sums: &Sums) -> Vec<String> {
    let reported = [
        (sums.dropped, format!("{} dropped", humanize::count(sums.dropped))),
        (sums.overwritten, format!("{} overwritten", humanize::count(sums.overwritten))),
        (sums.left, format!("{} left in a removed ring", humanize::count(sums.left))),
        (sums.left_out, format!("{} left out", humanize::count(sums.left_out))),
        (sums.damaged, format!("{} damaged", places(sums.damaged))),
    ];
    reported.into_iter().filter(|(count, _)| *count > 0).map(|(_, words)| words).collect()
}

#[cfg(test)]
mod tests;
