//! The definitions that readers have found in the ring: read from their place, checked, and cached.

use std::collections::HashMap;
use std::sync::Arc;

use crate::reader::origin::Origin;
use crate::record::decoded::ParsedDefinition;
use crate::record::definition::Definition;
use crate::record::described;
use crate::shm::block::SharedRing;
use crate::shm::record_header::Header;

/// The boot tag of a record, and the id of a definition.
type Key = (u32, u32);

/// A cache of definitions, by boot and id. An id never means two definitions.
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
            return (self.look_up(ring, origin.boot_tag, header.definition), payload);
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

    /// The definition `id` of a record of this boot; `None` if it is damaged or not in the ring.
    pub(crate) fn look_up(
        &mut self,
        ring: &SharedRing,
        boot: u32,
        id: u32,
    ) -> Option<&Arc<ParsedDefinition>> {
        let key = (boot, id);
        if self.recent.as_ref().is_none_or(|(recent, _)| *recent != key) {
            let definition = match self.known.get(&key) {
                Some(definition) => definition.clone(),
                None => {
                    let known = Arc::new(ParsedDefinition::new(Definition::decode(
                        &ring.copy_definition(id, boot)?,
                    )?));
                    self.make_room(known.definition.payload_bytes(None));
                    self.known.insert(key, known.clone());
                    known
                }
            };
            self.recent = Some((key, definition));
        }
        self.recent.as_ref().map(|(_, definition)| definition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;
    use crate::schema::Site;
    use crate::shm::layout::area::Place;
    use crate::shm::layout::pair;
    use crate::shm::sync::Ordering;

    #[test]
    fn a_flood_of_definitions_is_not_all_kept() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let name = dir.path().join("ring");
        let options = crate::Ring::options().size("1MiB").definitions("2MiB");
        let ring = options.create(name.to_str().unwrap()).unwrap();
        let text = "x".repeat(15_000);
        let site = Site::new(Definition { text: text.into(), ..Definition::new(Level::INFO, "") });
        ring.logger().values(&site, &[]).unwrap();
        ring.with_ring(|ring| {
            let area = ring.geometry().definitions;
            let id = area.id(Place { segment: 0, generation: 0, slot: 0 });
            let check = ring.memory().word((ring.geometry().area_offset() + area.slot_offset(0, 0)) / 8 + 1);
            let mut dictionary = Dictionary::default();
            for boot in 1..=10_000 {
                check.store(pair(id, boot), Ordering::Relaxed);
                assert!(dictionary.look_up(ring, boot, id).is_some());
                let kept: usize = dictionary.known.values().map(|known| known.definition.text.len()).sum();
                assert!(kept <= BYTES_MAX + 1_000_000, "{kept} bytes");
            }
        });
    }
}
