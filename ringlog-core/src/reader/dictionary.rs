//! The definitions that readers have found in the ring: read from their place, checked, and cached.

use std::collections::HashMap;
use std::sync::Arc;

use crate::reader::origin::Origin;
use crate::record::decoded::ParsedDefinition;
use crate::record::definition::Definition;
use crate::record::described;
use crate::shm::block::{BlockId, Kind, Phase, SharedRing};
use crate::shm::layout::{BLOCK_HEADER_SLOTS, RECORD_HEADER_BYTES, SLOT_WORDS, block, halves};
use crate::shm::record_header::{Header, kind};
use crate::shm::sync::Ordering;

/// A process lane, its incarnation, and the id of a definition.
type Key = ((u32, u32), u32);

/// A cache of definitions, by process and id. A process never reuses an id.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    known: HashMap<Key, Arc<ParsedDefinition>>,
    recent: Option<(Key, Arc<ParsedDefinition>)>,
    /// The definitions that records have brought, by their bytes.
    brought: HashMap<Box<[u8]>, Arc<ParsedDefinition>>,
    /// Estimated memory of the cached definitions.
    bytes: usize,
}

/// Above this the cache is emptied. Only a flood of definitions needs more.
const BYTES_MAX: usize = 64 << 20;
/// Estimated memory of a definition besides its texts.
const BYTES_EACH: usize = 512;

impl Dictionary {
    /// The definition of a record, which is in the ring or in its own payload, and its fields. `None` in place of a
    /// definition that is damaged or not in the ring.
    pub(crate) fn resolve<'p>(
        &mut self,
        ring: &SharedRing,
        origin: &Origin,
        header: Header,
        payload: &'p [u8],
    ) -> (Option<&Arc<ParsedDefinition>>, &'p [u8]) {
        if !header.is_described() {
            return (self.look_up(ring, origin.process_lane, header.definition), payload);
        }
        match described::split(payload) {
            Some((definition, fields)) => (self.parse(definition), fields),
            None => (None, payload),
        }
    }

    /// The definition of these bytes, which a record has brought.
    fn parse(&mut self, bytes: &[u8]) -> Option<&Arc<ParsedDefinition>> {
        if !self.brought.contains_key(bytes) {
            let parsed = Arc::new(ParsedDefinition::new(Definition::decode(bytes)?));
            self.make_room(bytes.len() + parsed.definition.payload_bytes(None));
            self.brought.insert(bytes.into(), parsed);
        }
        self.brought.get(bytes)
    }

    /// Counts the bytes of one more definition; empties the cache if it is full.
    fn make_room(&mut self, bytes: usize) {
        if self.bytes > BYTES_MAX {
            self.known.clear();
            self.brought.clear();
            self.bytes = 0;
        }
        self.bytes += BYTES_EACH + bytes;
    }

    /// The definition `id` of a process; `None` if it is damaged or not in the ring.
    pub(crate) fn look_up(
        &mut self,
        ring: &SharedRing,
        process: (u32, u32),
        id: u32,
    ) -> Option<&Arc<ParsedDefinition>> {
        let key = (process, id);
        if self.recent.as_ref().is_none_or(|(recent, _)| *recent != key) {
            let definition = match self.known.get(&key) {
                Some(definition) => definition.clone(),
                None => {
                    let known = Arc::new(ParsedDefinition::new(read(ring, process, id)?));
                    self.make_room(known.definition.payload_bytes(None));
                    self.known.insert(key, known.clone());
                    known
                }
            };
            self.recent = Some((key, definition));
        }
        self.recent.as_ref().map(|(_, definition)| definition)
    }

    /// Forgets the definitions of a process whose lane has been reclaimed.
    pub(crate) fn forget(&mut self, process: (u32, u32)) {
        self.known.retain(|(of, _), _| *of != process);
        self.recent = None;
    }
}

/// Reads a definition from its place, which is untrusted. The place is valid only while its block belongs to the same
/// process: the block may have been given to another one since.
fn read(ring: &SharedRing, process: (u32, u32), id: u32) -> Option<Definition> {
    let slots = ring.geometry().block_slots();
    let (index, slot) = (id / slots, id % slots);
    if index >= ring.geometry().block_count {
        return None;
    }
    let state = ring.state(index)?;
    if state.kind != Kind::Definitions || state.phase == Phase::Free {
        return None;
    }
    let committed = ring.committed(index, state.generation)?;
    let header = ring.block_header(BlockId { index, generation: state.generation })?;
    if halves(header[block::PROCESS]) != process || !begins_record(ring, index, slot, committed) {
        return None;
    }
    let first = ring.block_word(index, slot as usize * SLOT_WORDS).load(Ordering::Relaxed);
    let end = slot.saturating_add(Header::decode([first, 0]).slots());
    if end > committed {
        return None;
    }
    let mut words = Vec::new();
    ring.copy_slots(index, slot, end, &mut words);
    if !ring.still_holds(index, state.generation) {
        return None;
    }
    let [first, ticks, ..] = words[..] else { return None };
    let header = Header::decode([first, ticks]);
    if header.kind() != kind::DEFINITION {
        return None;
    }
    let bytes: &[u8] = bytemuck::cast_slice(&words);
    Definition::decode(bytes.get(RECORD_HEADER_BYTES..)?.get(..header.length as usize)?)
}

/// Whether one of the block's records begins at `slot`. Without this check each slot of a forged block could be a
/// definition as long as the rest of the block, and a small ring would fill a large memory.
fn begins_record(ring: &SharedRing, index: u32, slot: u32, committed: u32) -> bool {
    let mut at = BLOCK_HEADER_SLOTS;
    while at < slot.min(committed) {
        let first = ring.block_word(index, at as usize * SLOT_WORDS).load(Ordering::Relaxed);
        at = at.saturating_add(Header::decode([first, 0]).slots());
    }
    at == slot && slot < committed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;
    use crate::schema::Site;
    use crate::shm::layout::pair;

    #[test]
    fn a_flood_of_definitions_is_not_all_kept() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let name = dir.path().join("ring");
        let options = crate::Ring::options().size("16MiB").block_bytes(1 << 20).lanes(3);
        let ring = options.create(name.to_str().unwrap()).unwrap();
        let text = "x".repeat(1_000_000);
        let site = Site::new(Definition { text: text.into(), ..Definition::new(Level::INFO, "") });
        ring.logger().values(&site, &[]).unwrap();
        ring.with_ring(|ring| {
            let is_definitions =
                |index: &u32| ring.state(*index).is_some_and(|s| s.kind == Kind::Definitions);
            let index = (0..ring.geometry().block_count).find(is_definitions).unwrap();
            let id = index * ring.geometry().block_slots() + BLOCK_HEADER_SLOTS;
            let mut dictionary = Dictionary::default();
            for incarnation in 1..=200 {
                ring.block_word(index, block::PROCESS).store(pair(1, incarnation), Ordering::Relaxed);
                assert!(dictionary.look_up(ring, (1, incarnation), id).is_some());
                let kept: usize = dictionary.known.values().map(|known| known.definition.text.len()).sum();
                assert!(kept <= BYTES_MAX + 1_000_000, "{kept} bytes");
            }
        });
    }
}
