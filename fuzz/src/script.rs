//! An input as a script: edits of a ring, and steps between them.

use crate::scene::Words;

/// Values that are more often wrong than others.
const TELLING: [u64; 16] = [
    0,
    1,
    2,
    u64::MAX,
    i64::MAX as u64,
    1 << 63,
    u32::MAX as u64,
    (u32::MAX as u64) << 32,
    1 << 32,
    (1 << 32) | 1,
    (1 << 32) | 0x10,
    (1 << 32) | 16,
    0x00ff_ffff,
    0x00ff_ffff << 32,
    0x20ff_ffff << 32,
    1_795_256_130_000_000_000,
];

/// Bytes that are taken one after the other; what is missing at the end reads as zero.
pub(crate) struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Script<'a> {
        Script { rest: bytes }
    }

    /// The next byte; `None` at the end.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.fill_with(|| self.byte().unwrap_or(0));
        bytes
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// Up to `count` of the bytes that are left.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (head, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        head
    }

    /// Makes the edits up to the next step, and says what kind of step that is; `None` at the end.
    ///
    /// An edit is a byte that says where (in its middle bits, see [`Words::place`]) and how, two that say which of
    /// the words there, and a value.
    pub(crate) fn next_step(&mut self, words: &Words) -> Option<u8> {
        const LOW: u64 = u32::MAX as u64;
        loop {
            let edit = self.byte()?;
            let how = edit & 7;
            if how == 0 {
                return Some(edit >> 3);
            }
            let place = words.place(edit >> 3, self.u16());
            let old = words.get(place);
            let new = match how {
                1 => self.u64(),
                2 => old & !LOW | u64::from(self.u32()),
                3 => old & LOW | u64::from(self.u32()) << 32,
                4 => {
                    let shift = self.array::<1>()[0] % 8 * 8;
                    let byte = self.array::<1>()[0];
                    old & !(0xff << shift) | u64::from(byte) << shift
                }
                5 => TELLING[usize::from(self.array::<1>()[0]) % TELLING.len()],
                6 => {
                    let other = self.array::<1>()[0];
                    words.get(words.place(other, self.u16()))
                }
                _ => {
                    let [by, shift] = self.array();
                    old.wrapping_add_signed(i64::from(by.cast_signed()) << (shift % 64))
                }
            };
            words.set(place, new);
        }
    }
}
