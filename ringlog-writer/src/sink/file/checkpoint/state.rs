//! The state in a checkpoint, and its encoding.

use ringlog::reader::Cursor;

use crate::rotation::{Attributes, ClockWatch, Identity};
use crate::sink::time_order::TimeOrder;

/// The log file, and how much of it the writer has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileState {
    pub(crate) identity: Identity,
    /// The length including the last batch.
    pub(crate) len: u64,
    /// The offset of the last batch.
    pub(crate) tail_start: u64,
    /// The CRC-32 of the last batch.
    pub(crate) tail_crc: u32,
    /// When its first entry was written, in ns since 1970; 0 while it has none.
    pub(crate) since_ns: u64,
}

/// The largest number of rings whose cursors are kept. More rings may use one file, one after the other.
const RINGS_MAX: usize = 16;

/// The state in a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckpointState {
    /// The open file; `None` while a rotation is under way.
    pub(crate) file: Option<FileState>,
    /// The position of each ring in the files.
    pub(crate) cursors: Vec<Cursor>,
    /// The encoded plan of the rotation that is under way; empty without one.
    pub(crate) plan: Vec<u8>,
    /// The lowest number that the next closed file may get, if closed files are numbered.
    pub(crate) next_number: u64,
    /// What is known of the wall clock.
    pub(crate) clock: ClockState,
    /// The mode, owner and group of the file that was written last, for the file that is begun after it.
    pub(crate) attributes: Option<Attributes>,
    /// The order of time in the files.
    pub(crate) order: TimeOrder,
}

/// What is known of the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClockState {
    pub(crate) watch: ClockWatch,
    /// Since when closed files with stamps from the future are known, in ns since 1970; 0 if there are none.
    pub(crate) set_back_ns: u64,
}

impl CheckpointState {
    /// The cursor of a ring; a new one if the ring is unknown.
    pub(crate) fn cursor(&self, ring: &[u8; 16]) -> Cursor {
        let known = self.cursors.iter().find(|cursor| cursor.ring == *ring);
        known.cloned().unwrap_or_default()
    }

    /// Replaces the cursors of these rings, and drops the oldest unused ring if there are too many.
    pub(crate) fn set_cursors(&mut self, cursors: &[Cursor]) {
        for cursor in cursors {
            if let Some(known) = self.cursors.iter_mut().find(|known| known.ring == cursor.ring) {
                known.clone_from(cursor);
                continue;
            }
            if self.cursors.len() >= RINGS_MAX {
                let is_live = |ring: &Cursor| cursors.iter().any(|live| live.ring == ring.ring);
                let oldest = self.cursors.iter().position(|known| !is_live(known));
                oldest.map(|oldest| self.cursors.remove(oldest));
            }
            self.cursors.push(cursor.clone());
        }
    }

    /// Copies the cursors of `other` unless they are of the same rings. [`set_cursors`](Self::set_cursors) then finds
    /// each ring.
    pub(crate) fn copy_rings_of(&mut self, other: &CheckpointState) {
        let rings =
            |state: &CheckpointState| state.cursors.iter().map(|cursor| cursor.ring).collect::<Vec<_>>();
        if self.cursors.len() != other.cursors.len() || rings(self) != rings(other) {
            self.cursors.clone_from(&other.cursors);
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut words = self.file.map_or([0; 8], |file| {
            let FileState { identity, len, tail_start, tail_crc, since_ns } = file;
            let Identity { dev, ino, born_ns } = identity;
            [HAS_FILE, dev, ino, born_ns, len, tail_start, tail_crc.into(), since_ns]
        });
        words[0] |= HAS_ORDER;
        let clock = self.clock.watch.to_words().into_iter().chain([self.clock.set_back_ns]);
        let attributes = self.attributes.map_or([0; 2], |Attributes { mode, uid, gid }| {
            [HAS_ATTRIBUTES | u64::from(mode), u64::from(uid) << 32 | u64::from(gid)]
        });
        let TimeOrder { newest_unix_ns, late } = self.order;
        let order = [newest_unix_ns, late];
        for word in words.into_iter().chain([self.next_number]).chain(clock).chain(attributes).chain(order) {
            out.extend_from_slice(&word.to_le_bytes());
        }
        put_sized(out, |out| out.extend_from_slice(&self.plan));
        out.extend_from_slice(&(self.cursors.len() as u32).to_le_bytes());
        for cursor in &self.cursors {
            put_sized(out, |out| cursor.encode(out));
        }
    }

    /// Decodes a state from untrusted bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Option<CheckpointState> {
        let mut at = Reader(bytes);
        let flags = at.u64()?;
        let identity = Identity { dev: at.u64()?, ino: at.u64()?, born_ns: at.u64()? };
        let (len, tail_start) = (at.u64()?, at.u64()?);
        let (tail_crc, since_ns, next_number) = (at.u64()?.try_into().ok()?, at.u64()?, at.u64()?);
        let mut watch = [0; ClockWatch::WORDS];
        for word in &mut watch {
            *word = at.u64()?;
        }
        let clock = ClockState { watch: ClockWatch::from_words(watch), set_back_ns: at.u64()? };
        let attributes = decode_attributes(at.u64()?, at.u64()?)?;
        let order = match flags & HAS_ORDER {
            0 => TimeOrder::default(),
            _ => TimeOrder { newest_unix_ns: at.u64()?, late: at.u64()? },
        };
        let plan = at.sized()?.to_vec();
        let cursors = (0..at.u32()?).map(|_| Cursor::decode(at.sized()?)).collect::<Option<_>>()?;
        if flags & !(HAS_FILE | HAS_ORDER) != 0 || tail_start > len || !at.0.is_empty() {
            return None;
        }
        let file = FileState { identity, len, tail_start, tail_crc, since_ns };
        let file = (flags & HAS_FILE != 0).then_some(file);
        Some(CheckpointState { file, cursors, plan, next_number, clock, attributes, order })
    }
}

/// A flag in the first word: there is an open file.
const HAS_FILE: u64 = 1;
/// A flag in the first word: the order of time follows. A state of an earlier version has none.
const HAS_ORDER: u64 = 2;

/// A flag beside the mode's bits: the mode, owner and group are known.
const HAS_ATTRIBUTES: u64 = 1 << 32;

/// Decodes mode, owner and group from their two words; `None` for words that are not valid.
fn decode_attributes(mode: u64, owners: u64) -> Option<Option<Attributes>> {
    if mode == 0 && owners == 0 {
        return Some(None);
    }
    let mode = u32::try_from(mode.checked_sub(HAS_ATTRIBUTES)?).ok().filter(|mode| *mode <= 0o777)?;
    let (uid, gid) = ((owners >> 32) as u32, owners as u32);
    Some(Some(Attributes { mode, uid, gid }))
}

/// Appends bytes, preceded by their length as a `u32`.
fn put_sized(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    put(out);
    let len = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&len.to_le_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(len as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_rings_stay_when_old_ones_are_dropped() {
        let ring = |number: u8| {
            let mut cursor = Cursor::default();
            cursor.ring = [number; 16];
            cursor
        };
        let live: Vec<Cursor> = (0..3).map(ring).collect();
        let mut state = CheckpointState::default();
        for remade in 3..60 {
            state.set_cursors(&[&live[..], &[ring(remade)]].concat());
            assert!(state.cursors.len() <= RINGS_MAX && live.iter().all(|live| state.cursors.contains(live)));
            assert!(state.cursors.contains(&ring(remade)));
        }
    }

    #[test]
    fn a_state_decodes_from_its_bytes_and_from_no_prefix() {
        let identity = Identity { dev: 1, ino: 2, born_ns: 3 };
        let file = FileState { identity, len: 9, tail_start: 4, tail_crc: 5, since_ns: 6 };
        let mut cursor = Cursor::default();
        cursor.ring = [7; 16];
        for state in [
            CheckpointState::default(),
            CheckpointState {
                file: Some(file),
                cursors: vec![cursor.clone(), cursor],
                plan: vec![1, 2, 3],
                next_number: 4,
                clock: ClockState { watch: ClockWatch::from_words([7, 8, 9, 10, 11]), set_back_ns: 12 },
                attributes: Some(Attributes { mode: 0o640, uid: u32::MAX, gid: 4 }),
                order: TimeOrder { newest_unix_ns: 13, late: 14 },
            },
        ] {
            let mut bytes = vec![];
            state.encode(&mut bytes);
            assert_eq!(CheckpointState::decode(&bytes), Some(state));
            assert!((0..bytes.len()).all(|len| CheckpointState::decode(&bytes[..len]).is_none()));
            bytes.push(0);
            assert_eq!(CheckpointState::decode(&bytes), None);
        }
    }
}
