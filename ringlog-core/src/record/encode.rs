//! The encoder of payloads.

use std::marker::PhantomData;

use crate::os::pages::{KeptPages, Pages};
use crate::shm::memory::store_unpublished;
use crate::shm::record_header::Header;
use crate::shm::sync::{AtomicU64, Ordering};

/// Writes a payload into shared words: little-endian, packed, without padding.
///
/// It collects bytes into 64-bit words and stores each word once, relaxed: the block belongs to this thread alone,
/// and the publish that follows makes the bytes visible. With fields of fixed size everything but the stores
/// folds away at compile time.
///
/// A payload that spans several blocks is encoded once for each block, and only the block's window of it is stored.
pub struct Encoder<'a> {
    /// The place of the word `from_word`.
    out: *const AtomicU64,
    /// The window of payload words that is stored.
    from_word: usize,
    to_word: usize,
    /// Bytes written so far.
    at: usize,
    /// The bytes of the current, incomplete word.
    pending: u64,
    /// Takes the payload whole once it does not fit the window.
    spill: Option<&'a Spill>,
    memory: PhantomData<&'a AtomicU64>,
}

/// Where a payload goes that outgrows the window it was begun in, so that no argument has to be formatted twice.
#[derive(Default)]
#[repr(transparent)]
pub(crate) struct Spill(KeptPages);

impl Spill {
    /// What was written to the spill. The caller is the only one that uses it.
    pub(crate) fn take(&self) -> Option<Pages> {
        self.0.take()
    }

    /// Keeps pages for the next payload.
    pub(crate) fn put(&self, pages: Pages) {
        self.0.put(pages);
    }
}

#[allow(unsafe_code)]
impl<'a> Encoder<'a> {
    /// An encoder that stores the payload's words `from_word..to_word` at `out`.
    ///
    /// # Safety
    /// `out` points to `to_word - from_word` words that stay valid for `'a`.
    #[inline(always)]
    pub(crate) unsafe fn new(out: *const AtomicU64, from_word: usize, to_word: usize) -> Encoder<'a> {
        Encoder { out, from_word, to_word, at: 0, pending: 0, spill: None, memory: PhantomData }
    }

    /// An encoder that stores the payload at `out`, and from where that ends moves it to the spill.
    ///
    /// # Safety
    /// `out` points to `words` words that stay valid for `'a`, and nothing else uses the spill.
    #[inline(always)]
    pub(crate) unsafe fn growing(out: *const AtomicU64, words: usize, spill: &'a Spill) -> Encoder<'a> {
        Encoder {
            out,
            from_word: 0,
            to_word: words,
            at: 0,
            pending: 0,
            spill: Some(spill),
            memory: PhantomData,
        }
    }

    /// Makes the window so many bytes long, if the payload may move. Where there is no memory, it stays as it is.
    /// False if that is longer than any ring takes.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, bytes: usize) -> bool {
        let fits = bytes <= Header::LENGTH_MAX as usize;
        let words = bytes.div_ceil(8);
        let Some(spill) = self.spill else { return fits };
        let before = spill.take();
        let is_there = before.as_ref().is_some_and(|pages| std::ptr::eq(pages.words().as_ptr(), self.out));
        let grown = match before {
            Some(mut pages) => pages.grow(words).map(|()| pages),
            None => Pages::new(words),
        };
        let Ok(pages) = grown else {
            // What was written is lost, if it was there; the window is closed, and the payload is only counted.
            self.to_word = if is_there { 0 } else { self.to_word };
            self.spill = None;
            return fits;
        };
        if !is_there {
            let stored = self.to_word.min(self.at >> 3);
            for (at, word) in pages.words().iter().enumerate().take(stored) {
                // SAFETY: within the window that `growing` was promised.
                let value = unsafe { &*self.out.add(at) }.load(Ordering::Relaxed);
                word.store(value, Ordering::Relaxed);
            }
        }
        (self.out, self.to_word) = (pages.words().as_ptr(), pages.words().len());
        spill.put(pages);
        fits
    }

    /// Makes room for so many more bytes, which are written next, if the payload may move. Asked before each part of a
    /// record whose length is unknown, and not before each word: records of known length pay nothing for it. False
    /// if the payload becomes longer than any ring takes.
    #[inline(always)]
    pub(crate) fn reserve(&mut self, bytes: usize) -> bool {
        let end = self.at + bytes;
        end <= self.to_word * 8 || self.grow(end)
    }

    /// Writes text for which the window is too short. A call at the end of `write_str`, which so has nothing to keep.
    #[cold]
    #[inline(never)]
    fn write_beyond(&mut self, text: &str) -> std::fmt::Result {
        let fits = self.reserve(text.len());
        self.put_raw(text.as_bytes());
        if fits { Ok(()) } else { Err(std::fmt::Error) }
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

    /// Appends 2 bytes, little-endian, as the methods below do.
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
        // Words before the window are skipped, so that a payload of many blocks is not read once for each block.
        let skip = self.from_word.saturating_sub(word + 1);
        word += skip;
        let rest = bytes[8 - used..].get(skip * 8..).unwrap_or_default();
        if let Some((second, mut rest)) = rest.split_first_chunk::<8>() {
            word += 1;
            self.store(word, u64::from_le_bytes(*second));
            // The loop ends with the window too. That also keeps the compiler from unrolling it, which would not pay
            // for short text.
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

    /// Formats `value` into the payload as a variable field: its length is filled in afterwards. A `Display` that
    /// fails ends early; the text until then counts.
    pub(crate) fn put_formatted(&mut self, value: &dyn std::fmt::Display) {
        self.put_arguments(format_args!("{value}"));
    }

    /// As `put_formatted`, for the result of `format_args!`.
    pub(crate) fn put_arguments(&mut self, arguments: std::fmt::Arguments<'_>) {
        let length_at = self.at;
        self.put_u32(0);
        let _ = std::fmt::write(self, arguments);
        match self.at - length_at - 4 {
            // The length was written without room for it: of what follows, the first to be written would be lost.
            0 => _ = self.reserve(0),
            length => self.patch_u32(length_at, length as u32),
        }
    }

    /// Fills in four bytes that were written as zero.
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

    /// Stores the last, incomplete word. Returns the total number of bytes written.
    #[inline(always)]
    pub(crate) fn finish(mut self) -> usize {
        if self.at & 7 != 0 {
            self.store(self.at >> 3, self.pending);
        }
        self.at
    }
}

/// Formats into the payload. Text longer than any ring takes ends the formatting.
impl std::fmt::Write for Encoder<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.at + text.len() <= self.to_word * 8 {
            self.put_raw(text.as_bytes());
            return Ok(());
        }
        self.write_beyond(text)
    }
}

/// The number of bytes that `encode` writes.
pub(crate) fn measure(encode: impl FnOnce(&mut Encoder<'_>)) -> usize {
    #[allow(unsafe_code)]
    // SAFETY: the window is empty, so nothing is ever stored.
    let mut out = unsafe { Encoder::new(std::ptr::NonNull::dangling().as_ptr(), 0, 0) };
    encode(&mut out);
    out.finish()
}

/// Up to 7 bytes as the low bytes of a word, read as at most two pieces that may overlap.
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
