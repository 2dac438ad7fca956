//! What a record is on the producing side: a site, a level and fields that write themselves.

use std::marker::PhantomData;

use crate::definition::Site;
use crate::layout::{RECORD_HEADER_BYTES, SLOT_BYTES, pair};
use crate::level::Level;
use crate::sync::{AtomicU64, Ordering};

/// Something that can be pushed: usually derived for a struct with `#[derive(Record)]`.
///
/// The fields travel in the order and types of the site's [`Definition`](crate::Definition); no padding
/// is ever copied. An implementation that writes more or fewer bytes than it announced is refused with
/// [`PushError::Mismatch`](crate::PushError), it cannot hurt the ring.
pub trait Record {
    /// Where the record comes from and what its fields are.
    fn site(&self) -> &Site;

    /// Its level; by default the definition's.
    #[inline]
    fn level(&self) -> Level {
        self.site().definition().level
    }

    /// Exact number of bytes that `encode` will write.
    fn payload_bytes(&self) -> usize;

    /// Writes the fields in the definition's order. May be called more than once for one push and has
    /// to write the same each time.
    fn encode(&self, out: &mut Encoder<'_>);
}

/// What the 16 bytes before a record's payload say:
/// `definition:32 | length:24 | flags:8`, then the time stamp in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The definition's place; for a control record its code; for a continuation its number.
    pub(crate) definition: u32,
    /// Payload bytes in this block.
    pub(crate) length: u32,
    pub(crate) flags: u8,
    pub(crate) ticks: u64,
}

/// The low three bits of the flags: what the bytes are. Kinds not named here are skipped by length.
pub(crate) mod kind {
    pub(crate) const RECORD: u8 = 0;
    pub(crate) const DEFINITION: u8 = 1;
    pub(crate) const CONTROL: u8 = 2;
    pub(crate) const CONTINUATION: u8 = 3;
    pub(crate) const MASK: u8 = 7;
}

/// The other bits of the flags.
pub(crate) mod flag {
    /// Typed key=values follow the defined fields.
    pub(crate) const TRAILING: u8 = 1 << 4;
    /// The record goes on in the lane's next block.
    pub(crate) const MORE: u8 = 1 << 5;
    /// The text was longer than the ring takes and has been cut.
    pub(crate) const CUT: u8 = 1 << 6;
}

/// Codes of control records.
pub(crate) mod control {
    /// Payload: the lane's dropped counter at this place.
    pub(crate) const GAP: u32 = 1;
    /// Payload: ticks, nanoseconds since 1970, nanoseconds per tick; valid from here on in the block.
    pub(crate) const ANCHOR: u32 = 2;
}

impl Header {
    pub(crate) const LENGTH_MAX: u32 = (1 << 24) - 1;

    #[inline(always)]
    pub(crate) const fn words(self) -> [u64; 2] {
        [pair((self.flags as u32) << 24 | self.length, self.definition), self.ticks]
    }

    pub(crate) const fn decode(words: [u64; 2]) -> Header {
        let high = (words[0] >> 32) as u32;
        Header {
            definition: words[0] as u32,
            length: high & Self::LENGTH_MAX,
            flags: (high >> 24) as u8,
            ticks: words[1],
        }
    }

    pub(crate) const fn kind(self) -> u8 {
        self.flags & kind::MASK
    }

    pub(crate) const fn slots(self) -> u32 {
        slots_for(self.length as usize)
    }
}

/// Slots that a record with this payload takes in one block. Saturates far above any block.
#[inline(always)]
pub(crate) const fn slots_for(payload_bytes: usize) -> u32 {
    let slots = payload_bytes.saturating_add(RECORD_HEADER_BYTES).div_ceil(SLOT_BYTES);
    if slots > u32::MAX as usize { u32::MAX } else { slots as u32 }
}

/// Writes a payload into shared words: little-endian, packed, no padding.
///
/// It collects bytes into 64-bit words and stores each word once, relaxed: the block belongs to this
/// thread alone, and what makes the bytes visible is the publish that follows. With fields of fixed
/// size everything but the stores folds away at compile time.
///
/// A payload that spans several blocks is encoded once for each, with only a window of it stored.
pub struct Encoder<'a> {
    /// Where the word at `from_word` goes.
    out: *const AtomicU64,
    /// The window of payload words that is stored.
    from_word: usize,
    to_word: usize,
    /// Bytes written so far.
    at: usize,
    /// The bytes of the current, incomplete word.
    pending: u64,
    memory: PhantomData<&'a AtomicU64>,
}

#[allow(unsafe_code)]
impl<'a> Encoder<'a> {
    /// An encoder that stores the payload's words `from_word..to_word` at `out`.
    ///
    /// # Safety
    /// `out` points to `to_word - from_word` words that stay valid for `'a`.
    #[inline(always)]
    pub(crate) unsafe fn new(out: *const AtomicU64, from_word: usize, to_word: usize) -> Encoder<'a> {
        Encoder { out, from_word, to_word, at: 0, pending: 0, memory: PhantomData }
    }

    #[inline(always)]
    fn store(&mut self, word: usize, value: u64) {
        if word >= self.from_word && word < self.to_word {
            // SAFETY: within the window that `new` was promised.
            unsafe { (*self.out.add(word - self.from_word)).store(value, Ordering::Relaxed) };
        }
    }

    /// Appends the low `count` bytes of `bits`; the others must be zero. `count` is 1 to 8.
    #[inline(always)]
    fn put(&mut self, bits: u64, count: usize) {
        let used = self.at & 7;
        self.pending |= bits << (used * 8);
        if used + count >= 8 {
            self.store(self.at >> 3, self.pending);
            self.pending = if used == 0 { 0 } else { bits >> (64 - used * 8) };
        }
        self.at += count;
    }

    /// Appends an unsigned byte.
    #[inline(always)]
    pub fn put_u8(&mut self, value: u8) {
        self.put(value.into(), 1);
    }

    /// Appends 2 bytes, little-endian; so do its siblings with theirs.
    #[inline(always)]
    pub fn put_u16(&mut self, value: u16) {
        self.put(value.into(), 2);
    }

    /// Appends 4 bytes.
    #[inline(always)]
    pub fn put_u32(&mut self, value: u32) {
        self.put(value.into(), 4);
    }

    /// Appends 8 bytes.
    #[inline(always)]
    pub fn put_u64(&mut self, value: u64) {
        self.put(value, 8);
    }

    /// Appends 16 bytes.
    #[inline(always)]
    pub fn put_u128(&mut self, value: u128) {
        self.put(value as u64, 8);
        self.put((value >> 64) as u64, 8);
    }

    /// Appends bytes as they are, without a length.
    #[inline]
    pub fn put_raw(&mut self, bytes: &[u8]) {
        let mut rest = if self.at < self.from_word * 8 || self.at + bytes.len() > self.to_word * 8 {
            self.skip_outside_window(bytes)
        } else {
            bytes
        };
        while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
            self.put(u64::from_le_bytes(*chunk), 8);
            rest = tail;
        }
        if !rest.is_empty() {
            self.put(short(rest), rest.len());
        }
    }

    /// Passes over whole words that lie outside the window, so that a payload of many blocks is not
    /// read once for each of them. Returns what is left to write.
    #[cold]
    fn skip_outside_window<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if self.at > self.to_word * 8 {
            return self.pass(bytes, bytes.len());
        }
        let skip = (self.from_word * 8).saturating_sub(self.at + 8).min(bytes.len().saturating_sub(8)) & !7;
        self.pass(bytes, skip)
    }

    /// Counts `skip` bytes as written. Whole words keep the alignment; the pending bytes are rebuilt
    /// from the last ones passed.
    fn pass<'b>(&mut self, bytes: &'b [u8], skip: usize) -> &'b [u8] {
        let used = self.at & 7;
        if skip >= 8 && used != 0 {
            let mut last = [0; 8];
            last.copy_from_slice(&bytes[skip - 8..skip]);
            self.pending = u64::from_le_bytes(last) >> (64 - used * 8);
        }
        self.at += skip;
        &bytes[skip..]
    }

    /// Appends a length of 4 bytes and then the bytes: the form of every variable field.
    #[inline]
    pub fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_u32(bytes.len() as u32);
        self.put_raw(bytes);
    }

    /// Bytes written so far.
    #[cfg(feature = "log")]
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Stores the last, incomplete word. Returns the number of bytes written in all.
    #[inline(always)]
    pub(crate) fn finish(mut self) -> usize {
        if self.at & 7 != 0 {
            self.store(self.at >> 3, self.pending);
        }
        self.at
    }
}

/// Formats into the payload.
#[cfg(feature = "log")]
impl std::fmt::Write for Encoder<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.put_raw(text.as_bytes());
        Ok(())
    }
}

/// Up to 7 bytes as the low ones of a word, read in at most two pieces that may overlap.
#[inline(always)]
fn short(bytes: &[u8]) -> u64 {
    if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (head, tail) = (u32::from_le_bytes(*head), u32::from_le_bytes(*tail));
        u64::from(head) | u64::from(tail) << ((bytes.len() - 4) * 8)
    } else if let (Some(head), Some(tail)) = (bytes.first_chunk::<2>(), bytes.last_chunk::<2>()) {
        let (head, tail) = (u16::from_le_bytes(*head), u16::from_le_bytes(*tail));
        u64::from(head) | u64::from(tail) << ((bytes.len() - 2) * 8)
    } else {
        bytes.first().map_or(0, |byte| (*byte).into())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(window: std::ops::Range<usize>, write: impl Fn(&mut Encoder<'_>)) -> (usize, Vec<u8>) {
        let words: Vec<AtomicU64> = window.clone().map(|_| AtomicU64::new(0)).collect();
        #[allow(unsafe_code)]
        // SAFETY: `words` has as many words as the window and outlives the encoder.
        let mut out = unsafe { Encoder::new(words.as_ptr(), window.start, window.end) };
        write(&mut out);
        let len = out.finish();
        (len, words.iter().flat_map(|w| w.load(Ordering::Relaxed).to_le_bytes()).collect())
    }

    #[test]
    fn header_words_round_trip() {
        let header = Header { definition: 77, length: 0xabcdef, flags: flag::MORE | kind::CONTROL, ticks: 9 };
        assert_eq!(Header::decode(header.words()), header);
        assert_eq!(header.words()[0].to_le_bytes(), [77, 0, 0, 0, 0xef, 0xcd, 0xab, 0x22]);
    }

    #[test]
    fn slots_round_up() {
        assert_eq!([slots_for(0), slots_for(48), slots_for(49), slots_for(112)], [1, 1, 2, 2]);
        assert_eq!(slots_for(usize::MAX), u32::MAX);
    }

    proptest! {
        /// Whatever the fields, the bytes are their little-endian concatenation; and putting the
        /// windows of several blocks together gives the same bytes.
        #[test]
        fn encoding_is_plain_concatenation(
            parts in prop::collection::vec(prop_oneof![
                any::<u8>().prop_map(|v| v.to_le_bytes().to_vec()),
                any::<u16>().prop_map(|v| v.to_le_bytes().to_vec()),
                any::<u32>().prop_map(|v| v.to_le_bytes().to_vec()),
                any::<u64>().prop_map(|v| v.to_le_bytes().to_vec()),
                any::<u128>().prop_map(|v| v.to_le_bytes().to_vec()),
                prop::collection::vec(any::<u8>(), 17..300),
            ], 0..12),
            window_words in 1..9_usize,
        ) {
            let expected: Vec<u8> = parts.concat();
            let write = |out: &mut Encoder<'_>| for part in &parts {
                match part.len() {
                    1 => out.put_u8(part[0]),
                    2 => out.put_u16(u16::from_le_bytes(part[..].try_into().unwrap())),
                    4 => out.put_u32(u32::from_le_bytes(part[..].try_into().unwrap())),
                    8 => out.put_u64(u64::from_le_bytes(part[..].try_into().unwrap())),
                    16 => out.put_u128(u128::from_le_bytes(part[..].try_into().unwrap())),
                    _ => out.put_raw(part),
                }
            };
            let words = expected.len().div_ceil(8);
            let (len, bytes) = encode(0..words, write);
            prop_assert_eq!(len, expected.len());
            prop_assert_eq!(&bytes[..len], &expected[..]);
            let mut windows = Vec::new();
            for start in (0..words).step_by(window_words) {
                let (len, part) = encode(start..(start + window_words).min(words), write);
                prop_assert_eq!(len, expected.len());
                windows.extend(part);
            }
            prop_assert_eq!(&windows[..expected.len()], &expected[..]);
        }

        /// An encoder never stores beyond its window, however much is written.
        #[test]
        fn writing_too_much_is_counted_not_stored(extra in 0..200_usize) {
            let (len, bytes) = encode(0..2, |out| out.put_raw(&vec![0xaa; 16 + extra]));
            prop_assert_eq!(len, 16 + extra);
            prop_assert_eq!(bytes, vec![0xaa; 16]);
        }
    }
}
