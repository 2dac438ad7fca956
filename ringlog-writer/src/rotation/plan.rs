//! The plan of a rotation: made from a listing, saved in the checkpoint, and carried out so that it can be repeated
//! after a crash between any two steps.

mod carry_out;
mod encoding;

use super::files::{FileEntry, Identity};
use super::names::{Closing, Family, FileKey, Member};
use super::policy::Rotation;
use super::retention;
use super::step::PlanStep;
use super::wall_clock::WallClock;

pub(crate) use carry_out::without_replacing;
pub use carry_out::{Deletions, PlanError};

/// Files to rename and delete, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub(super) steps: Vec<PlanStep>,
}

impl Plan {
    /// The plan that closes the open file: shifts the numbered files if the naming scheme does so, renames the open
    /// file to its final name, and deletes files beyond the retention limits.
    ///
    /// Foreign files are neither deleted nor overwritten. If one has the name that is needed, the plan uses another
    /// name, or carrying it out ends with [`PlanError::Taken`].
    pub fn new(family: &Family, rotation: &Rotation, listing: &[FileEntry], closing: &Closing) -> Plan {
        let mut plan = Plan::default();
        let is_open = |entry: &FileEntry| entry.file == closing.file && entry.is_regular;
        // The file may have been moved away: then there is nothing to rename.
        if listing.iter().any(|entry| entry.name == family.base() && is_open(entry)) {
            if let (true, Some(count)) = (rotation.shifts(), rotation.keep.count) {
                plan.shift(family, listing, closing.file, count);
            }
            // A name is taken by any entry, whether a file or not, compressed or not.
            let names = listing.iter().filter_map(|entry| family.parse(&entry.name));
            let taken: Vec<FileKey> = names.map(|member| member.key).collect();
            let to = family.name(&Member { key: family.next(closing, taken.iter()), archive: None });
            plan.steps.push(PlanStep::Rename { from: family.base().to_owned(), to, file: closing.file });
        }
        let outcome = plan.imagine(listing);
        plan.steps.extend(retention::steps(family, rotation, &outcome, None, &closing.clock));
        plan
    }

    /// The plan that deletes files beyond the retention limits when the writer starts.
    pub fn tidy(
        family: &Family,
        rotation: &Rotation,
        listing: &[FileEntry],
        open: Identity,
        clock: &WallClock,
    ) -> Plan {
        Plan { steps: retention::steps(family, rotation, listing, Some(open), clock) }
    }

    /// The plan that deletes the oldest closed file and its archive, and further ones until they have so many bytes;
    /// empty without a closed file.
    pub fn drop_oldest(
        family: &Family,
        listing: &[FileEntry],
        open: Identity,
        clock: &WallClock,
        bytes: u64,
    ) -> Plan {
        Plan { steps: retention::oldest(family, listing, Some(open), clock, bytes) }
    }

    /// The plan that deletes these files. Another name of one of them is somebody else's, and stays.
    pub(crate) fn delete(files: &[FileEntry]) -> Plan {
        Plan { steps: files.iter().map(PlanStep::delete).collect() }
    }

    /// Shifts the slots as Python does: the last slot is deleted if another file moves into it, and the others move
    /// up by one. Slots beyond the last, from a larger limit, stay as they are.
    fn shift(&mut self, family: &Family, listing: &[FileEntry], open: Identity, count: u32) {
        let of_slot = |slot: u32| {
            let in_slot = move |entry: &&FileEntry| {
                let member = family.parse(&entry.name)?;
                (member.key == slot_key(slot) && entry.is_regular && entry.file != open).then_some(member)
            };
            listing.iter().filter_map(move |entry| in_slot(&entry).map(|member| (entry, member)))
        };
        // The open file moves into the first slot.
        if count == 1 || of_slot(count - 1).next().is_some() {
            self.steps.extend(of_slot(count).map(|(entry, _)| PlanStep::delete(entry)));
        }
        for slot in (1..count).rev() {
            for (entry, member) in of_slot(slot) {
                let to = family.name(&Member { key: slot_key(slot + 1), ..member });
                self.steps.push(PlanStep::Rename { from: entry.name.clone(), to, file: entry.file });
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn of(steps: Vec<PlanStep>) -> Plan {
        Plan { steps }
    }

    /// The plan for the same files after their file system was mounted anew.
    pub(crate) fn on_device(mut self, device: u64) -> Plan {
        for step in &mut self.steps {
            let (PlanStep::Rename { file, .. } | PlanStep::Delete { file, .. }) = step;
            file.dev = device;
        }
        self
    }

    /// The steps.
    pub fn steps(&self) -> &[PlanStep] {
        &self.steps
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The directory's entries once the plan is carried out.
    pub fn imagine(&self, listing: &[FileEntry]) -> Vec<FileEntry> {
        let mut entries = listing.to_owned();
        for step in &self.steps {
            match step {
                PlanStep::Rename { from, to, file } => {
                    let found = entries.iter_mut().find(|entry| entry.name == *from && entry.file == *file);
                    if let Some(entry) = found {
                        entry.name.clone_from(to);
                    }
                }
                PlanStep::Delete { name, file } => {
                    entries.retain(|entry| !(entry.name == *name && entry.file == *file));
                }
            }
        }
        entries
    }
}

fn slot_key(slot: u32) -> FileKey {
    FileKey::Slot(std::cmp::Reverse(slot))
}

#[cfg(test)]
mod tests;
