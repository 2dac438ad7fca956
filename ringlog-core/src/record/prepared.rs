//! Records encoded into private memory: those whose length is unknown before they are written, and those logged inside
//! another log call. No lane is held meanwhile, so what their arguments log finds one.

use std::cell::Cell;

use crate::error::PushError;
use crate::os::pages::Pages;
use crate::record::encode::{Encoder, Spill};
use crate::record::level::Level;
use crate::record::record_trait::{Inferred, Record};
use crate::record::site::Site;
use crate::shm::sync::{AtomicU64, Ordering};

/// How many records may be encoded inside each other: the outermost one and eight levels that arguments log. Records
/// that the record path writes do not count, of which there is one at most in each lane.
const DEPTH_MAX: u32 = 9;

thread_local! {
    /// How many records this thread is encoding into private memory, each inside the one before.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// One level of records inside each other, as long as it exists.
pub(crate) struct Nesting(());

impl Nesting {
    /// Begins a level; `None` beyond the deepest one.
    pub(crate) fn enter() -> Option<Nesting> {
        let depth = DEPTH.get();
        (depth < DEPTH_MAX).then(|| {
            DEPTH.set(depth + 1);
            Nesting(())
        })
    }
}

impl Drop for Nesting {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
    }
}

/// Words of a payload that need no memory of the kernel.
const INLINE_WORDS: usize = 64;

/// An encoded record.
pub(crate) struct Prepared<'a> {
    record: &'a dyn Record,
    inline: [AtomicU64; INLINE_WORDS],
    pages: Option<Pages>,
    bytes: usize,
}

impl<'a> Prepared<'a> {
    /// Encodes `record`, once. Async-signal-safe, as far as the record's arguments are.
    pub(crate) fn new(record: &'a dyn Record) -> Result<Prepared<'a>, PushError> {
        let _level = Nesting::enter().ok_or(PushError::Nested)?;
        let inline = [const { AtomicU64::new(0) }; INLINE_WORDS];
        let spill = Spill::default();
        let known = (!record.inferred().formats).then(|| record.payload_bytes());
        let long = known.filter(|bytes| *bytes > INLINE_WORDS * 8);
        let pages = long.map(|bytes| Pages::new(bytes.div_ceil(8))).transpose().map_err(PushError::System)?;
        let words = pages.as_ref().map_or(&inline[..], Pages::words);
        #[allow(unsafe_code)]
        // SAFETY: the window is all of `words`, which outlive the encoder.
        let mut out = unsafe { Encoder::growing(words.as_ptr(), words.len(), &spill) };
        record.encode(&mut out);
        let bytes = out.finish();
        match (known, pages.or_else(|| spill.take())) {
            (Some(known), _) if known != bytes => Err(PushError::Mismatch),
            (_, None) if bytes <= INLINE_WORDS * 8 => Ok(Prepared { record, inline, pages: None, bytes }),
            (_, pages) => Self::of_pages(record, pages, bytes),
        }
    }

    /// The record whose payload of so many bytes was encoded into these pages, which are missing or too few where the
    /// kernel had no memory.
    pub(crate) fn of_pages(
        record: &'a dyn Record,
        pages: Option<Pages>,
        bytes: usize,
    ) -> Result<Prepared<'a>, PushError> {
        let pages = pages.filter(|pages| pages.words().len() * 8 >= bytes);
        let pages = Some(pages.ok_or(PushError::System(libc::ENOMEM))?);
        Ok(Prepared { record, inline: [const { AtomicU64::new(0) }; INLINE_WORDS], pages, bytes })
    }

    /// The pages, to be used again.
    pub(crate) fn into_pages(self) -> Option<Pages> {
        self.pages
    }

    fn words(&self) -> &[AtomicU64] {
        self.pages.as_ref().map_or(&self.inline, Pages::words)
    }

    /// The payload.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let bytes = self.words().iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes());
        bytes.take(self.bytes).collect()
    }
}

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
        for word in self.words().iter().take(self.bytes.div_ceil(8)) {
            let bytes = word.load(Ordering::Relaxed).to_le_bytes();
            let count = left.min(8);
            out.put_raw(&bytes[..count]);
            left -= count;
        }
    }

    fn inferred(&self) -> Inferred {
        Inferred { formats: false, is_encoded: true, ..self.record.inferred() }
    }
}
