//! Records encoded into private memory.

use crate::error::PushError;
use crate::record::encode::Encoder;
use crate::record::level::Level;
use crate::record::record_trait::Record;
use crate::record::site::Site;
use crate::shm::sync::{AtomicU64, Ordering};

/// A record encoded into private memory, because its length was unknown before.
pub(crate) struct Prepared<'a> {
    record: &'a dyn Record,
    words: Vec<AtomicU64>,
    bytes: usize,
}

impl<'a> Prepared<'a> {
    /// Encodes `record`, which took `bytes` at the first try. A `Display` may write another length each time: then the
    /// next try has that much room.
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

/// How often a record may grow from one try to the next.
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
