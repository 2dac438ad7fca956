//! Why there was no room for definitions: one bit for each reason, in a word of the header. Producers set them, and
//! nothing clears them.

use crate::shm::block::SharedRing;
use crate::shm::layout::header;
use crate::shm::sync::Ordering;

/// A limit that a definition has met. Its number is that of its bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DefinitionLimit {
    /// No segment had room.
    Area = 0,
    /// The process had used what one process gets of the area.
    ProcessShare = 1,
    /// The process had used what sites made at run time get of it.
    RunTimeShare = 2,
    /// The definition is longer than any may be.
    Length = 3,
    /// The process has no number left for its site.
    Sites = 4,
}

/// The limits that definitions have met since the ring was made. Records bring such definitions along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefinitionLimits {
    /// The area had no room.
    pub area: bool,
    /// A process had used its share of the area, three quarters.
    pub process_share: bool,
    /// A process had used the share of the area that definitions made at run time get, a quarter.
    pub run_time_share: bool,
    /// A definition was longer than any may be.
    pub length: bool,
    /// A process had more kinds of records than it can number.
    pub sites: bool,
}

/// Notes that a definition has met a limit.
pub(crate) fn note(ring: &SharedRing, limit: DefinitionLimit) {
    let (word, bit) = (ring.header_word(header::DEFINITION_LIMITS), 1 << limit as u32);
    // Many records may meet the same limit, and only the first one writes to the shared line.
    if word.load(Ordering::Relaxed) & bit == 0 {
        word.fetch_or(bit, Ordering::Relaxed);
    }
}

impl DefinitionLimits {
    pub(crate) fn read(ring: &SharedRing) -> DefinitionLimits {
        let word = ring.header_word(header::DEFINITION_LIMITS).load(Ordering::Relaxed);
        let is_met = |limit: DefinitionLimit| word >> limit as u32 & 1 == 1;
        DefinitionLimits {
            area: is_met(DefinitionLimit::Area),
            process_share: is_met(DefinitionLimit::ProcessShare),
            run_time_share: is_met(DefinitionLimit::RunTimeShare),
            length: is_met(DefinitionLimit::Length),
            sites: is_met(DefinitionLimit::Sites),
        }
    }
}
