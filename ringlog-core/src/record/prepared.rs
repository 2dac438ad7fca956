//! Records encoded into private memory.

use crate::error::PushError;
use crate::record::encode::Encoder;
use crate::record::level::Level;
use crate::record::record_trait::Record;
use crate::record::site::Site;
use crate::shm::sync::{AtomicU64, Ordering};

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
