//! The 16 bytes before a record's payload.

use crate::shm::layout::{RECORD_HEADER_BYTES, SLOT_BYTES, pair};

/// What the 16 bytes before a record's payload say:
/// `definition:32 | length:24 | flags:8`, then the time stamp in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The definition's id; for a control record its code; for a continuation its number.
    pub(crate) definition: u32,
    /// Payload bytes in this block.
    pub(crate) length: u32,
    pub(crate) flags: u8,
    pub(crate) ticks: u64,
}

/// The low three bits of the flags: what the bytes are. Kinds not named here are skipped by length.
pub(crate) mod kind {
    pub(crate) const RECORD: u8 = 0;
    pub(crate) const CONTROL: u8 = 2;
    pub(crate) const CONTINUATION: u8 = 3;
    pub(crate) const MASK: u8 = 7;
}

/// The other bits of the flags.
pub(crate) mod flag {
    /// The record brings its definition, before the fields.
    pub(crate) const DESCRIBED: u8 = 1 << 3;
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

    /// Whether the record brings its definition.
    pub(crate) const fn is_described(self) -> bool {
        self.flags & flag::DESCRIBED != 0
    }

    pub(crate) const fn slots(self) -> u32 {
        slots_for(self.length as usize)
    }
}

/// Slots that a record with this payload takes in one block. Saturates far above any block.
#[inline(always)]
pub(crate) const fn slots_for(payload_bytes: usize) -> u32 {
    const FAR: usize = 1 << 30;
    let bytes = if payload_bytes < FAR { payload_bytes } else { FAR };
    ((bytes + RECORD_HEADER_BYTES).div_ceil(SLOT_BYTES)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_words_round_trip() {
        let header = Header { definition: 77, length: 0xabcdef, flags: flag::MORE | kind::CONTROL, ticks: 9 };
        assert_eq!(Header::decode(header.words()), header);
        assert_eq!(header.words()[0].to_le_bytes(), [77, 0, 0, 0, 0xef, 0xcd, 0xab, 0x22]);
    }

    #[test]
    fn slots_round_up() {
        assert_eq!([slots_for(0), slots_for(48), slots_for(49), slots_for(112)], [1, 1, 2, 2]);
        assert_eq!(slots_for(usize::MAX), (1 << 24) + 1, "more than any block has");
    }
}
