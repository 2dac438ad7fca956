//! What a checkpoint holds, and its bytes.

use ringlog::reader::Cursor;

use crate::rotation::Identity;

/// The output file and how much of it is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileState {
    pub(crate) identity: Identity,
    /// Length with the last batch.
    pub(crate) len: u64,
    /// Where the last batch began, and the CRC-32 of its bytes.
    pub(crate) tail_start: u64,
    pub(crate) tail_crc: u32,
}

/// Rings that take turns with one output are remembered up to this number.
const RINGS_MAX: usize = 16;

/// Everything that is true at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The open file; `None` between the end of one and the beginning of the next.
    pub(crate) file: Option<FileState>,
    /// Up to where each ring is in the files.
    pub(crate) cursors: Vec<Cursor>,
    /// What is to be done before the next file is made: the bytes of a rotation's plan, or none.
    pub(crate) plan: Vec<u8>,
    /// What the next closed file is called at least, where they are numbered.
    pub(crate) next_number: u64,
}

impl State {
    /// What it says of the ring; a cursor that has nothing behind it if it does not know it.
    pub(crate) fn cursor(&self, ring: &[u8; 16]) -> Cursor {
        let known = self.cursors.iter().find(|cursor| cursor.ring == *ring);
        known.cloned().unwrap_or_default()
    }

    /// Puts the cursors in the places of those of the same rings.
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

    /// Takes over the cursors where they are not of the same rings.
    pub(crate) fn know_rings_of(&mut self, other: &State) {
        let rings = |state: &State| state.cursors.iter().map(|cursor| cursor.ring).collect::<Vec<_>>();
        if self.cursors.len() != other.cursors.len() || rings(self) != rings(other) {
            self.cursors.clone_from(&other.cursors);
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let words = self.file.map_or([0; 8], |file| {
            let FileState { identity: Identity { dev, ino, born_ns }, len, tail_start, tail_crc } = file;
            [1, dev, ino, born_ns, len, tail_start, tail_crc.into(), 0]
        });
        for word in words.into_iter().chain([self.next_number]) {
            out.extend_from_slice(&word.to_le_bytes());
        }
        put_sized(out, |out| out.extend_from_slice(&self.plan));
        out.extend_from_slice(&(self.cursors.len() as u32).to_le_bytes());
        for cursor in &self.cursors {
            put_sized(out, |out| cursor.encode(out));
        }
    }

    /// From the bytes, which may be anything.
    pub(crate) fn decode(bytes: &[u8]) -> Option<State> {
        let mut at = Reader(bytes);
        let flags = at.u64()?;
        let identity = Identity { dev: at.u64()?, ino: at.u64()?, born_ns: at.u64()? };
        let (len, tail_start) = (at.u64()?, at.u64()?);
        let (tail_crc, _, next_number) = (at.u64()?.try_into().ok()?, at.u64()?, at.u64()?);
        let plan = at.sized()?.to_vec();
        let cursors = (0..at.u32()?).map(|_| Cursor::decode(at.sized()?)).collect::<Option<_>>()?;
        if flags > 1 || tail_start > len || !at.0.is_empty() {
            return None;
        }
        let file = FileState { identity, len, tail_start, tail_crc };
        Some(State { file: (flags == 1).then_some(file), cursors, plan, next_number })
    }
}

/// Appends bytes behind their number.
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
    fn rings_that_are_gone_make_room_and_live_ones_do_not() {
        let ring = |number: u8| {
            let mut cursor = Cursor::default();
            cursor.ring = [number; 16];
            cursor
        };
        let live: Vec<Cursor> = (0..3).map(ring).collect();
        let mut state = State::default();
        for remade in 3..60 {
            state.set_cursors(&[&live[..], &[ring(remade)]].concat());
            assert!(state.cursors.len() <= RINGS_MAX && live.iter().all(|live| state.cursors.contains(live)));
            assert!(state.cursors.contains(&ring(remade)));
        }
    }

    #[test]
    fn a_state_comes_back_from_its_bytes_and_from_no_part_of_them() {
        let identity = Identity { dev: 1, ino: 2, born_ns: 3 };
        let file = FileState { identity, len: 9, tail_start: 4, tail_crc: 5 };
        let mut cursor = Cursor::default();
        cursor.ring = [7; 16];
        for state in [
            State::default(),
            State {
                file: Some(file),
                cursors: vec![cursor.clone(), cursor],
                plan: vec![1, 2, 3],
                next_number: 4,
            },
        ] {
            let mut bytes = vec![];
            state.encode(&mut bytes);
            assert_eq!(State::decode(&bytes), Some(state));
            assert!((0..bytes.len()).all(|len| State::decode(&bytes[..len]).is_none()));
            bytes.push(0);
            assert_eq!(State::decode(&bytes), None);
        }
    }
}
