//! The encoding of a plan in the checkpoint.
//!
//! Little-endian: a `u16` with the number of steps; for each a tag byte, device, inode and birth time as `u64`,
//! and one name or two, each a `u8` length and its bytes.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::Plan;
use crate::rotation::files::Identity;
use crate::rotation::step::PlanStep;

const RENAME: u8 = 1;
const DELETE: u8 = 2;

impl Plan {
    /// The largest number of steps that are encoded. Further deletions happen at the next rotation.
    pub const MAX_STEPS: usize = 4096;

    /// Appends the plan's encoding: 2 bytes, and for each step 26 bytes and its name, or 27 and two names for a rename.
    /// Steps beyond [`MAX_STEPS`](Plan::MAX_STEPS), and steps with names that no file can have, are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let fits = |name: &OsString| is_name(name.as_bytes());
        let can_be = |step: &&PlanStep| match step {
            PlanStep::Rename { from, to, .. } => fits(from) && fits(to),
            PlanStep::Delete { name, .. } => fits(name),
        };
        let steps: Vec<&PlanStep> = self.steps.iter().filter(can_be).take(Self::MAX_STEPS).collect();
        out.extend((steps.len() as u16).to_le_bytes());
        for step in steps {
            match step {
                PlanStep::Rename { from, to, file } => put(out, RENAME, *file, &[from, to]),
                PlanStep::Delete { name, file } => put(out, DELETE, *file, &[name]),
            }
        }
    }

    /// Decodes a plan; `None` if the bytes are not exactly a plan, or if a name leads out of the directory.
    pub fn decode(bytes: &[u8]) -> Option<Plan> {
        let mut bytes = bytes;
        let count = usize::from(u16::from_le_bytes(take(&mut bytes)?));
        if count > Self::MAX_STEPS {
            return None;
        }
        let steps: Option<Vec<PlanStep>> = (0..count).map(|_| step(&mut bytes)).collect();
        steps.filter(|_| bytes.is_empty()).map(|steps| Plan { steps })
    }
}

fn put(out: &mut Vec<u8>, tag: u8, file: Identity, names: &[&OsString]) {
    out.push(tag);
    for number in [file.dev, file.ino, file.born_ns] {
        out.extend(number.to_le_bytes());
    }
    for name in names {
        out.push(name.len() as u8);
        out.extend(name.as_bytes());
    }
}

fn step(bytes: &mut &[u8]) -> Option<PlanStep> {
    let [tag] = take(bytes)?;
    let mut number = || take(bytes).map(u64::from_le_bytes);
    let file = Identity { dev: number()?, ino: number()?, born_ns: number()? };
    match tag {
        RENAME => Some(PlanStep::Rename { from: name(bytes)?, to: name(bytes)?, file }),
        DELETE => Some(PlanStep::Delete { name: name(bytes)?, file }),
        _ => None,
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn name(bytes: &mut &[u8]) -> Option<OsString> {
    let [len] = take(bytes)?;
    let (name, rest) = bytes.split_at_checked(usize::from(len))?;
    *bytes = rest;
    is_name(name).then(|| OsString::from_vec(name.to_owned()))
}

/// Whether the bytes are a name within a directory, and not a path that leads elsewhere.
fn is_name(name: &[u8]) -> bool {
    let name_max = 1..=255;
    name_max.contains(&name.len())
        && name != b"."
        && name != b".."
        && !name.iter().any(|byte| matches!(byte, b'/' | 0))
}
