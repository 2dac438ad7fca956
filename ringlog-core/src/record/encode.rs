//! What a record is on the producing side: a site, a level and fields that write themselves.

use std::marker::PhantomData;

use crate::error::PushError;
use crate::record::definition::Site;
use crate::record::level::Level;
use crate::record::value::Type;
use crate::shm::memory::store_unpublished;
use crate::shm::record_header::Header;
use crate::shm::sync::{AtomicU64, Ordering};

/// Something that can be pushed: usually derived for a struct with `#[derive(Record)]`.
///
/// The fields travel in the order and types of the site's [`Definition`](crate::schema::Definition); no padding
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

    /// What the definition does not say because only the compiler knows it. For log statements.
    #[doc(hidden)]
    #[inline(always)]
    fn inferred(&self) -> Inferred {
        Inferred::NOTHING
    }
}

/// What a log statement's arguments turn out to be. The statement's site is one static, its arguments may
/// be of other types each time where it stands in a generic function.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Inferred {
    /// The types of the fields, in place of the definition's.
    pub(crate) types: Option<&'static Types>,
    /// Tells apart the types that one site has seen: 48 bits, 0 where the definition says them.
    pub(crate) fingerprint: u64,
    /// Some field is formatted while it is written: nobody knows its length before.
    pub(crate) formats: bool,
    /// Its message can be made here and now, if it cannot travel as it is.
    pub(crate) has_message: bool,
    /// Flags for its header.
    pub(crate) flags: u8,
}

impl Inferred {
    pub(crate) const NOTHING: Inferred =
        Inferred { types: None, fingerprint: 0, formats: false, has_message: false, flags: 0 };
}

/// Types in a row, as a constant that a generic function can name.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Types {
    pub(crate) first: Type,
    pub(crate) rest: Option<&'static Types>,
}

impl Types {
    /// One after the other.
    pub(crate) fn iter(types: Option<&'static Types>) -> impl Iterator<Item = Type> {
        std::iter::successors(types, |types| types.rest).map(|types| types.first)
    }
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
            store_unpublished(unsafe { &*self.out.add(word - self.from_word) }, value);
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
    #[inline(always)]
    pub fn put_raw(&mut self, bytes: &[u8]) {
        let (Some(head), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) else {
            if !bytes.is_empty() {
                self.put(few_bytes(bytes), bytes.len());
            }
            return;
        };
        // The first word completes the pending one; the others are read from where it leaves off.
        let used = self.at & 7;
        let mut word = self.at >> 3;
        self.store(word, self.pending | u64::from_le_bytes(*head) << (used * 8));
        // Those before the window are passed over, so that a payload of many blocks is not read once for each.
        let skip = self.from_word.saturating_sub(word + 1);
        word += skip;
        let rest = bytes[8 - used..].get(skip * 8..).unwrap_or_default();
        if let Some((second, mut rest)) = rest.split_first_chunk::<8>() {
            word += 1;
            self.store(word, u64::from_le_bytes(*second));
            // Ends with the window too, not by `store` alone. That also keeps the compiler from unrolling the
            // loop, which short text does not even come to.
            while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
                word += 1;
                if word >= self.to_word {
                    break;
                }
                self.store(word, u64::from_le_bytes(*chunk));
                rest = tail;
            }
        }
        self.at += bytes.len();
        // In two steps, because a word cannot be shifted by its whole width.
        self.pending = u64::from_le_bytes(*last) >> 1 >> (63 - (self.at & 7) * 8);
    }

    /// Appends a length of 4 bytes and then the bytes: the form of every variable field.
    #[inline(always)]
    pub fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_u32(bytes.len() as u32);
        self.put_raw(bytes);
    }

    /// Formats `value` into the payload, in the form of a variable field: the length is put before it when
    /// it is known. A `Display` that fails ends early; what it wrote until then counts.
    pub(crate) fn put_formatted(&mut self, value: &dyn std::fmt::Display) {
        self.put_arguments(format_args!("{value}"));
    }

    /// The same for what `format_args!` gives.
    pub(crate) fn put_arguments(&mut self, arguments: std::fmt::Arguments<'_>) {
        let length_at = self.at;
        self.put_u32(0);
        let _ = std::fmt::write(self, arguments);
        self.patch_u32(length_at, (self.at - length_at - 4) as u32);
    }

    /// Replaces four zero bytes that were written before.
    fn patch_u32(&mut self, at: usize, value: u32) {
        let shift = at % 8 * 8;
        self.patch(at / 8, u64::from(value) << shift);
        if shift > 32 {
            self.patch(at / 8 + 1, u64::from(value) >> (64 - shift));
        }
    }

    fn patch(&mut self, word: usize, bits: u64) {
        if word == self.at >> 3 {
            self.pending |= bits;
        } else if word >= self.from_word && word < self.to_word {
            // SAFETY: within the window that `new` was promised.
            let stored = unsafe { &*self.out.add(word - self.from_word) };
            store_unpublished(stored, stored.load(Ordering::Relaxed) | bits);
        }
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

/// Formats into the payload. What no ring takes any more ends the formatting.
impl std::fmt::Write for Encoder<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.put_raw(text.as_bytes());
        if self.at <= Header::LENGTH_MAX as usize { Ok(()) } else { Err(std::fmt::Error) }
    }
}

/// How many bytes `encode` writes.
pub(crate) fn measure(encode: impl FnOnce(&mut Encoder<'_>)) -> usize {
    #[allow(unsafe_code)]
    // SAFETY: the window is empty, so nothing is ever stored.
    let mut out = unsafe { Encoder::new(std::ptr::NonNull::dangling().as_ptr(), 0, 0) };
    encode(&mut out);
    out.finish()
}

/// A record that has been written to private memory, because only then its length was known.
pub(crate) struct Prepared<'a> {
    record: &'a dyn Record,
    words: Vec<AtomicU64>,
    bytes: usize,
}

impl<'a> Prepared<'a> {
    /// Writes `record`, which took `bytes` when it was tried. A `Display` may say something else each time:
    /// then the next try has room for it.
    pub(crate) fn new(
        record: &'a dyn Record,
        mut bytes: usize,
        limit: usize,
    ) -> Result<Prepared<'a>, PushError> {
        for _ in 0..TRIES {
            if bytes > limit {
                return Err(PushError::TooLarge { bytes, limit });
            }
            let words: Vec<_> = (0..bytes.div_ceil(8)).map(|_| AtomicU64::new(0)).collect();
            #[allow(unsafe_code)]
            // SAFETY: the window is all of `words`, which outlives the encoder.
            let mut out = unsafe { Encoder::new(words.as_ptr(), 0, words.len()) };
            record.encode(&mut out);
            let room = std::mem::replace(&mut bytes, out.finish());
            if bytes <= room {
                return Ok(Prepared { record, words, bytes });
            }
        }
        Err(PushError::Mismatch)
    }

    /// The payload.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let bytes = self.words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes());
        bytes.take(self.bytes).collect()
    }
}

/// How often a record may turn out longer than it was the last time.
const TRIES: u32 = 4;

impl Record for Prepared<'_> {
    fn site(&self) -> &Site {
        self.record.site()
    }

    fn level(&self) -> Level {
        self.record.level()
    }

    fn payload_bytes(&self) -> usize {
        self.bytes
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        let mut left = self.bytes;
        for word in &self.words {
            let bytes = word.load(Ordering::Relaxed).to_le_bytes();
            let count = left.min(8);
            out.put_raw(&bytes[..count]);
            left -= count;
        }
    }
}

/// Up to 7 bytes as the low ones of a word, read in at most two pieces that may overlap.
#[inline(always)]
fn few_bytes(bytes: &[u8]) -> u64 {
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
mod tests;
