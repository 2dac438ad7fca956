//! The steps of a rotation's plan.

use std::ffi::OsString;

use super::files::{FileEntry, Identity};

/// A step of a plan. It is done only while the name is still that of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanStep {
    /// Renames a file to an unused name.
    Rename {
        /// The present name.
        from: OsString,
        /// The new name.
        to: OsString,
        /// The file.
        file: Identity,
    },
    /// Deletes a file.
    Delete {
        /// The name.
        name: OsString,
        /// The file.
        file: Identity,
    },
}

impl PlanStep {
    pub(super) fn delete(entry: &FileEntry) -> PlanStep {
        PlanStep::Delete { name: entry.name.clone(), file: entry.file }
    }
}
