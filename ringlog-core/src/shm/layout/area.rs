//! The definition area: its division into index and segments, and the ids of definitions.
//!
//! ```text
//! state words of 64 segments | index: a power of two of words | segment 0 | segment 1 | …
//! ```
//!
//! An id names a place in one generation of one segment. Generations only grow, so no id means two definitions in the
//! life of a ring. A segment whose next generation has no ids is worn out and not used any more.

use super::{BadGeometry, RECORD_HEADER_BYTES, SLOT_BYTES};

/// The most segments of an area: a lane's pins are one word.
pub(crate) const SEGMENTS_MAX: u32 = 64;
/// The longest definition, whatever the area's size. A process keeps room for one.
pub(crate) const DEFINITION_BYTES_MAX: usize = 16 << 10;

/// The most slots of an area, so that each segment has a thousand generations at least.
const SLOTS_MAX: u32 = 1 << 22;
const INDEX_BITS: std::ops::RangeInclusive<u32> = 3..=22;
const BYTES_MIN: u64 = 4096;
const STATES_BYTES: usize = SEGMENTS_MAX as usize * 8;

/// The sizes of a definition area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    segments: u32,
    segment_slots: u32,
    index_bits: u32,
}

/// Where a definition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) generation: u32,
    /// The slot in the segment.
    pub(crate) slot: u32,
}

impl Area {
    /// The area that fits into `bytes` bytes.
    pub(crate) fn fit(bytes: u64) -> Result<Area, BadGeometry> {
        let most = u64::from(SLOTS_MAX) * SLOT_BYTES as u64;
        if !(BYTES_MIN..=most).contains(&bytes) {
            return Err(BadGeometry(format!(
                "{bytes} bytes for definitions; expected {BYTES_MIN} to {most}"
            )));
        }
        let slots = (bytes / SLOT_BYTES as u64) as u32;
        // One word for every two slots: the smallest definitions take two.
        let index_bits = (slots / 2).next_power_of_two().trailing_zeros();
        let data = slots - (STATES_BYTES / SLOT_BYTES) as u32 - (1 << index_bits) / 8;
        let segments = (data / 64).clamp(4, SEGMENTS_MAX);
        let area = Area { segments, segment_slots: data / segments, index_bits };
        area.check()?;
        Ok(area)
    }

    /// The area of these sizes, which the caller checks.
    pub(crate) const fn new(segments: u32, segment_slots: u32, index_bits: u32) -> Area {
        Area { segments, segment_slots, index_bits }
    }

    /// As the header has it: `segment slots:32 | index bits:16 | segments:16`.
    pub(crate) const fn word(&self) -> u64 {
        (self.segment_slots as u64) << 32 | (self.index_bits as u64) << 16 | self.segments as u64
    }

    pub(crate) const fn decode(word: u64) -> Area {
        let (segment_slots, low) = super::halves(word);
        Area::new(low & 0xffff, segment_slots, low >> 16)
    }

    pub(crate) fn check(&self) -> Result<(), BadGeometry> {
        let Area { segments, segment_slots, index_bits } = *self;
        let slots = u64::from(segments) * u64::from(segment_slots);
        if !(1..=SEGMENTS_MAX).contains(&segments)
            || slots == 0
            || slots > SLOTS_MAX.into()
            || !INDEX_BITS.contains(&index_bits)
        {
            return Err(BadGeometry(format!(
                "{segments} segments of {segment_slots} slots for definitions, with an index of 2^{index_bits} words"
            )));
        }
        Ok(())
    }

    /// Number of segments, 64 at most.
    pub(crate) const fn segments(&self) -> u32 {
        self.segments
    }

    /// Slots of each segment.
    pub(crate) const fn segment_slots(&self) -> u32 {
        self.segment_slots
    }

    /// Slots of all segments.
    pub(crate) const fn slots(&self) -> u32 {
        self.segments * self.segment_slots
    }

    /// Words of the index, a power of two.
    pub(crate) const fn index_words(&self) -> u32 {
        1 << self.index_bits
    }

    /// The first byte of the index, from the start of the area.
    pub(crate) const fn index_offset(&self) -> usize {
        STATES_BYTES
    }

    /// The first byte of a slot.
    pub(crate) const fn slot_offset(&self, segment: u32, slot: u32) -> usize {
        let slot = segment as usize * self.segment_slots as usize + slot as usize;
        STATES_BYTES + self.index_words() as usize * 8 + slot * SLOT_BYTES
    }

    /// Bytes of the whole area.
    pub(crate) const fn bytes(&self) -> usize {
        self.slot_offset(self.segments, 0)
    }

    /// The longest payload of a definition.
    pub(crate) const fn definition_limit(&self) -> usize {
        let segment = self.segment_slots as usize * SLOT_BYTES;
        let most = if segment < DEFINITION_BYTES_MAX { segment } else { DEFINITION_BYTES_MAX };
        most - RECORD_HEADER_BYTES
    }

    /// Whether the definitions of this generation have no ids.
    pub(crate) const fn is_worn_out(&self, generation: u32) -> bool {
        // The ids below the first `slots` are not used: 0 is the built-in definition.
        (generation as u64 + 2) * self.slots() as u64 > 1 << 32
    }

    /// The id of the definition at this place, which is not worn out.
    pub(crate) const fn id(&self, place: Place) -> u32 {
        let slot = place.segment * self.segment_slots + place.slot;
        (place.generation + 1) * self.slots() + slot
    }

    /// The place that an id names, which may be any number.
    pub(crate) const fn place(&self, id: u32) -> Option<Place> {
        let Some(generation) = (id / self.slots()).checked_sub(1) else { return None };
        if self.is_worn_out(generation) {
            return None;
        }
        let slot = id % self.slots();
        Some(Place { segment: slot / self.segment_slots, generation, slot: slot % self.segment_slots })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_fits_into_its_bytes() {
        for bytes in [4096, 5000, 64 << 10, 128 << 10, 2 << 20, 256 << 20] {
            let area = Area::fit(bytes).unwrap();
            assert_eq!(area.check(), Ok(()));
            let used = area.bytes() as u64;
            assert!(used <= bytes && used + 64 * 64 >= bytes, "{used} of {bytes}: {area:?}");
            assert!(area.slots() / 2 <= area.index_words() && area.index_offset().is_multiple_of(64));
            assert_eq!(area.slot_offset(0, 0) % SLOT_BYTES, 0);
            assert_eq!(Area::decode(area.word()), area);
            assert!(!area.is_worn_out(1000));
        }
        assert!(Area::fit(4095).is_err() && Area::fit((256 << 20) + 1).is_err());
    }

    #[test]
    fn two_mebibytes_make_this_area() {
        let area = Area::fit(2 << 20).unwrap();
        assert_eq!((area.segments(), area.segment_slots(), area.index_words()), (64, 479, 16_384));
        assert_eq!((area.slot_offset(0, 0), area.definition_limit()), (131_584, 16_368));
        assert_eq!(area.word(), 479 << 32 | 14 << 16 | 64);
    }

    #[test]
    fn an_id_names_one_place() {
        let area = Area::new(5, 13, 5);
        let last = (u32::MAX / 65) - 1;
        let generations = [0, 1, 2, 1000, last - 1, last];
        let mut ids = std::collections::HashSet::from([0]);
        for generation in generations {
            assert_eq!(area.is_worn_out(generation), generation == last, "{generation}");
            for (segment, slot) in (0..5).flat_map(|segment| (0..13).map(move |slot| (segment, slot))) {
                let place = Place { segment, generation, slot };
                if area.is_worn_out(generation) {
                    continue;
                }
                assert_eq!(area.place(area.id(place)), Some(place));
                assert!(ids.insert(area.id(place)), "twice the same id");
            }
        }
        assert_eq!([area.place(0), area.place(64), area.place(u32::MAX)], [None; 3]);
    }

    #[test]
    fn sizes_that_make_no_area_are_refused() {
        for area in [
            Area::new(0, 100, 5),
            Area::new(65, 100, 5),
            Area::new(4, 0, 5),
            Area::new(64, 1 << 20, 5),
            Area::new(4, u32::MAX, 5),
            Area::new(4, 100, 2),
            Area::new(4, 100, 31),
        ] {
            assert!(area.check().is_err(), "{area:?}");
        }
    }
}
