//! What an output has got of several writers, one after the other, and what its guarantee means for that.

use std::collections::BTreeMap;

/// What an output guarantees, in the words of docs/configuration.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// Every record is in it once, whole and in order.
    ExactlyOnce,
    /// Every record is in it. After a kill the next writer may begin with the last batch again.
    AtLeastOnce,
    /// As `AtLeastOnce`, but records that were queued for it when a writer was killed may be missing.
    BestEffort,
}

impl Guarantee {
    /// As `--check` and the document say it.
    pub fn name(self) -> &'static str {
        match self {
            Guarantee::ExactlyOnce => "exactly once",
            Guarantee::AtLeastOnce => "at least once",
            Guarantee::BestEffort => "best effort",
        }
    }
}

/// What an output has got from one writer.
#[derive(Clone, Debug)]
pub struct Part {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether the writer was killed in the end.
    pub is_killed: bool,
    /// The number of records that are not acknowledged then.
    pub unacknowledged: u64,
}

/// How much may come again after a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The last batch: this length, and what the last entry is longer.
    Batch(u64),
    /// What was not acknowledged, because another output had not written it yet.
    Unacknowledged,
}

/// The text of an output without what came again, and how much that was.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// The lines of all records, each once, and of the first report of a death.
    pub text: String,
    /// The number of records that came again.
    pub repeated: u64,
    /// The number of lines of which a killed writer wrote a part only.
    pub torn: usize,
}

impl Received {
    /// Checks that the guarantee holds for what came from one writer after the other, by the ids in the lines.
    /// `is_still`: no records came into the ring meanwhile, so that what is repeated comes before anything else.
    ///
    /// # Errors
    /// What the guarantee forbids, and where it is.
    pub fn check(
        parts: &[Part],
        guarantee: Guarantee,
        again: Again,
        is_still: bool,
    ) -> Result<Received, String> {
        let mut received = Received::default();
        // The next sequence of each lane.
        let mut due: BTreeMap<String, u64> = BTreeMap::new();
        let (mut unacknowledged, mut has_death) = (0, false);
        for (number, part) in parts.iter().enumerate() {
            let Part { bytes, is_killed, .. } = part;
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            let is_torn = whole < bytes.len();
            if is_torn && !(*is_killed && guarantee != Guarantee::ExactlyOnce) {
                return Err(format!("part {number} ends with a torn line"));
            }
            received.torn += usize::from(is_torn);
            let text = std::str::from_utf8(&bytes[..whole]).map_err(|error| error.to_string())?;
            let (mut in_part, mut has_new) = (BTreeMap::new(), false);
            let (mut repeated, mut repeated_bytes) = (0, 0);
            let mut longest = 0;
            for line in text.lines().filter(|line| !line.is_empty()) {
                longest = longest.max(line.len() as u64 + 1);
                if line.contains("/died:") {
                    if !std::mem::replace(&mut has_death, true) {
                        received.add(line);
                    }
                    continue;
                }
                // Under load an output that promises no more may leave some out while the writer runs, and says so.
                let may_leave_out = guarantee == Guarantee::BestEffort && !is_still;
                if may_leave_out && line.contains("/gap:") {
                    continue;
                }
                let (lane, sequence) = id(line).ok_or_else(|| format!("part {number}: {line:?}"))?;
                let last = in_part.insert(lane, sequence);
                if last.is_some_and(|last| sequence <= last || (sequence > last + 1 && !may_leave_out)) {
                    return Err(format!("part {number}: {line:?} after {last:?} of its lane"));
                }
                let due = due.entry(lane.to_owned()).or_default();
                if sequence < *due {
                    if guarantee == Guarantee::ExactlyOnce || (is_still && has_new) {
                        return Err(format!("part {number}: {line:?} came before"));
                    }
                    (repeated, repeated_bytes) = (repeated + 1, repeated_bytes + line.len() as u64 + 1);
                    continue;
                }
                if sequence > *due && guarantee != Guarantee::BestEffort {
                    return Err(format!("part {number}: {due} to {sequence} of {lane} are missing"));
                }
                (*due, has_new) = (sequence + 1, true);
                received.add(line);
            }
            let is_allowed = match again {
                Again::Batch(len) => repeated_bytes <= len + longest,
                Again::Unacknowledged => true,
            };
            if !is_allowed || repeated > unacknowledged {
                return Err(format!(
                    "part {number}: {repeated} records came again, {repeated_bytes} bytes; {unacknowledged} were not \
                     acknowledged"
                ));
            }
            received.repeated += repeated;
            unacknowledged = if *is_killed { part.unacknowledged } else { 0 };
        }
        Ok(received)
    }

    fn add(&mut self, line: &str) {
        self.text += line;
        self.text.push('\n');
    }
}

/// The lane of a record and its sequence there, from the id in its line.
fn id(line: &str) -> Option<(&str, u64)> {
    let (lane, sequence) = line.split(' ').nth(1)?.rsplit_once('/')?;
    Some((lane, sequence.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts of these sequences of one lane, all but the last of a killed writer.
    fn parts(sequences: &[&[u64]]) -> Vec<Part> {
        let text =
            |numbers: &&[u64]| numbers.iter().map(|n| format!("time u/0/1/{n} text\n")).collect::<String>();
        let mut parts: Vec<_> = sequences
            .iter()
            .map(|numbers| Part { bytes: text(numbers).into_bytes(), is_killed: true, unacknowledged: 3 })
            .collect();
        parts.last_mut().unwrap().is_killed = false;
        parts
    }

    #[test]
    fn each_guarantee_refuses_what_it_forbids() {
        use Guarantee::{AtLeastOnce, BestEffort, ExactlyOnce};
        let whole: &[&[u64]] = &[&[0, 1], &[2, 3]];
        let again: &[&[u64]] = &[&[0, 1], &[1, 2]];
        let more: &[&[u64]] = &[&[0, 1, 2], &[0, 1, 2]];
        let lost: &[&[u64]] = &[&[0, 1], &[3]];
        let hole: &[&[u64]] = &[&[0, 2], &[3]];
        let back: &[&[u64]] = &[&[0, 1], &[2, 1]];
        for (sequences, kept) in [
            (whole, [true, true, true]),
            (again, [false, true, true]),
            (more, [false, false, false]),
            (lost, [false, false, true]),
            (hole, [false, false, false]),
            (back, [false, false, false]),
        ] {
            // A batch of one of these lines, and up to one line more.
            let holds =
                |guarantee| Received::check(&parts(sequences), guarantee, Again::Batch(18), true).is_ok();
            assert_eq!([ExactlyOnce, AtLeastOnce, BestEffort].map(holds), kept, "{sequences:?}");
        }
        let unacknowledged =
            |parts: &[Part]| Received::check(parts, AtLeastOnce, Again::Unacknowledged, true);
        let mut more = parts(more);
        assert!(unacknowledged(&more).is_ok());
        more[0].unacknowledged = 2;
        assert!(unacknowledged(&more).is_err(), "one of them was acknowledged");
        let mut torn = parts(again);
        torn[0].bytes.extend(b"time u/0/1/2 te");
        assert_eq!(Received::check(&torn, AtLeastOnce, Again::Batch(18), true).unwrap().torn, 1);
        assert!(
            Received::check(&torn[1..], AtLeastOnce, Again::Batch(18), true).is_err(),
            "it begins at the first"
        );
        torn[0].is_killed = false;
        assert!(
            Received::check(&torn, AtLeastOnce, Again::Batch(18), true).is_err(),
            "no writer was killed in it"
        );
    }
}
