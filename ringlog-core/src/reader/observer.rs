//! Looking into a ring without disturbing it: a read-only mapping, no locks, nothing consumed.

mod long_records;
mod missed;
mod older_copy;
mod waiting;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::long_records::{LongRecords, Part};
use self::missed::MissedRecords;
use crate::error::Error;
use crate::os::file::{Identity, size_if_shorter};
use crate::os::mapping::{Access, Mapping};
use crate::reader::dictionary::Dictionary;
use crate::reader::entry::{OwnedBody, OwnedEntry};
use crate::reader::origin::Origin;
use crate::record::text::TEXT;
use crate::record::value::Cursor;
use crate::ring::file;
use crate::ring::header::Info;
use crate::ring::lock_file;
use crate::ring::renewal;
use crate::shm::block::{BlockId, Kind, Phase, SharedRing, State};
use crate::shm::clock::Anchor;
use crate::shm::layout::{BLOCK_HEADER_SLOTS, RECORD_HEADER_BYTES, SLOT_WORDS, block};
use crate::shm::memory::Memory;
use crate::shm::record_header::{Header, control, flag, kind};

/// Shows every record that is in the ring: published ones, and persisted ones whose block has not been taken again. Any
/// number of observers can look at the same time, at live rings and at rings that no process uses any more.
///
/// A lane prefers free blocks near the ones that it used last, to stay in its caches. Of its persisted records not much
/// more than the last 32 blocks can be seen, 256 KiB in a ring of the default size.
#[derive(Debug)]
pub struct Observer {
    pub(crate) info: Info,
    pub(crate) path: std::path::PathBuf,
    pub(crate) identity: Identity,
    /// Where the ring's lock file lies.
    pub(crate) lock_path: std::path::PathBuf,
    pub(crate) mapping: Mapping,
    pub(crate) file: File,
    blocks: Vec<WatchedBlock>,
    dictionary: Dictionary,
    missed: MissedRecords,
    long_records: LongRecords,
}

/// How far one block has been read.
#[derive(Clone, Debug, Default)]
struct WatchedBlock {
    generation: u32,
    started: bool,
    /// Slots that have been read.
    read: u32,
    sequence: u64,
    anchor: Option<Anchor>,
    origin: Option<Arc<Origin>>,
}

/// A record as it was found, before its definition is looked for: that may be anywhere in the payload of a long one.
#[derive(Clone, Debug)]
struct FoundRecord {
    /// Where it begins.
    block: BlockId,
    header: Header,
    unix_ns: u64,
    sequence: u64,
    origin: Arc<Origin>,
    payload: Vec<u8>,
}

impl Observer {
    /// Opens the ring `name` for looking. Needs only permission to read.
    ///
    /// # Errors
    /// As for [`Ring::open`](crate::Ring::open).
    pub fn open(name: &str) -> Result<Observer, Error> {
        Self::of(file::open_by_name(name, false)?)
    }

    pub(crate) fn of_file(path: &Path) -> Result<Observer, Error> {
        Self::of(file::open("", path, false)?)
    }

    fn of(opened: file::Opened<'_>) -> Result<Observer, Error> {
        let mapping = opened.map(Access::ReadOnly)?;
        let lock_path = lock_file::path_for(&opened);
        Ok(Observer {
            info: opened.info,
            path: opened.path.into_owned(),
            identity: opened.identity,
            lock_path,
            mapping,
            file: opened.file,
            blocks: vec![WatchedBlock::default(); opened.info.geometry.block_count as usize],
            dictionary: Dictionary::default(),
            missed: MissedRecords::default(),
            long_records: LongRecords::default(),
        })
    }

    /// What the ring's header says.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// The ring's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the ring's writer says what has become of its outputs. No file is there before the first one does.
    pub fn status_path(&self) -> PathBuf {
        lock_file::status_path(&self.lock_path)
    }

    /// The rings that were at this path before the machine was started and are not drained yet, oldest first.
    pub fn of_earlier_boots(&self) -> Vec<PathBuf> {
        renewal::waiting_beside(&self.path, self.identity)
    }

    pub(crate) fn ring(&self) -> SharedRing {
        #[allow(unsafe_code)]
        // SAFETY: the mapping stays until `self` is dropped, and the ring is not kept longer.
        let memory = unsafe { Memory::of_mapping(&self.mapping) };
        SharedRing::new(memory, self.info.geometry)
    }

    /// The number of records that were overwritten or freed before they could be seen, since the first
    /// [`poll`](Self::poll).
    pub fn missed(&self) -> u64 {
        self.missed.count()
    }

    /// The records that have appeared since the last call, by time. The first call returns all that are there.
    /// Never waits.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the ring's file has been truncated. What earlier calls returned is good.
    pub fn poll(&mut self) -> Result<Vec<OwnedEntry>, Error> {
        let entries = self.look();
        self.check_whole().map(|()| entries)
    }

    /// Whether everything that was read so far came from the ring's file. The rest of a page beyond a cut
    /// reads zero without a fault, so the file is asked as well.
    pub(crate) fn check_whole(&self) -> Result<(), Error> {
        let bytes = self.info.geometry.file_bytes;
        if self.mapping.is_whole() && size_if_shorter(&self.file, bytes).is_none() {
            return Ok(());
        }
        Err(file::truncated(&self.path, self.identity, bytes))
    }

    fn look(&mut self) -> Vec<OwnedEntry> {
        let ring = self.ring();
        self.missed.begin_poll(&ring);
        let mut entries = Vec::new();
        let mut parts = Vec::new();
        for index in 0..self.info.geometry.block_count {
            self.read_block(&ring, index, &mut entries, &mut parts);
        }
        for record in self.long_records.join(parts, self.info.geometry.record_limit()) {
            entries.extend(self.entry(&ring, record));
        }
        self.missed.observe(&mut entries);
        entries.sort_by_key(|entry| (entry.ticks, entry.origin.lane, entry.sequence()));
        entries
    }

    /// Reads what is new in one block; nothing if the block is taken again meanwhile.
    fn read_block(
        &mut self,
        ring: &SharedRing,
        index: u32,
        entries: &mut Vec<OwnedEntry>,
        parts: &mut Vec<Part>,
    ) {
        let Some(generation) = readable(ring.state(index)) else { return };
        let mut watched = self.blocks[index as usize].clone();
        let id = BlockId { index, generation };
        if !watched.started || watched.generation != generation {
            let Some(header) = ring.block_header(id) else { return };
            watched = begin(generation, &header);
        }
        let Some(limit) = ring.committed(index, generation).filter(|limit| *limit > watched.read) else {
            return;
        };
        let Some(origin) = watched.origin.clone() else { return };
        let mut words = Vec::new();
        ring.copy_slots(index, watched.read, limit, &mut words);
        let header = ring.block_header(id);
        let mut found = Vec::new();
        let mut found_parts = Vec::new();
        let chain = header.map_or(0, |header| header[block::CHAIN]);
        let place = (origin.lane, origin.incarnation, chain);
        let mut at = 0;
        while let Some([first, ticks]) = words.get(at..).and_then(|w| w.first_chunk::<2>()) {
            let header = Header::decode([*first, *ticks]);
            let next = at + header.slots() as usize * SLOT_WORDS;
            if next > words.len() {
                break;
            }
            let start = at * 8 + RECORD_HEADER_BYTES;
            let bytes = &bytemuck::cast_slice::<u64, u8>(&words)[start..start + header.length as usize];
            at = next;
            match header.kind() {
                kind::CONTROL => watched.control(header, bytes),
                kind::CONTINUATION => found_parts.push(Part::new(place, header, bytes, None)),
                kind::RECORD => {
                    let record = watched.record(id, &origin, header, self.info.creation_anchor());
                    if header.flags & flag::MORE != 0 {
                        found_parts.push(Part::new(place, header, bytes, Some(record)));
                    } else {
                        found.extend(self.entry(ring, FoundRecord { payload: bytes.to_vec(), ..record }));
                    }
                }
                _ => {}
            }
        }
        // The copy counts only if the block has not been taken again in the meantime.
        if ring.still_holds(index, generation) {
            watched.read = limit;
            entries.append(&mut found);
            parts.append(&mut found_parts);
            self.blocks[index as usize] = watched;
        }
    }

    /// The record, all of whose payload has been read; `None` if its definition has been freed with its dead process.
    /// Only a block in use keeps the definitions of its records; those of a freed block are persisted.
    fn entry(&mut self, ring: &SharedRing, record: FoundRecord) -> Option<OwnedEntry> {
        let FoundRecord { block, header, unix_ns, sequence, origin, payload } = record;
        let flags = header.flags;
        let body = if header.definition == TEXT && !header.is_described() {
            OwnedBody::Plain { sequence, payload, flags }
        } else {
            let (definition, fields) = self.dictionary.resolve(ring, &origin, header, &payload);
            let (definition, payload) = (definition.cloned(), fields.to_vec());
            // In this order: as long as the block is in use, so are the definitions that it names.
            if definition.is_none() && !is_in_use(ring, block) {
                return None;
            }
            OwnedBody::Defined { sequence, definition, payload, flags }
        };
        Some(OwnedEntry { ticks: header.ticks, unix_ns, origin, body })
    }
}

/// Whether the block has not been freed since the record in it was published.
fn is_in_use(ring: &SharedRing, block: BlockId) -> bool {
    ring.state(block.index)
        .is_none_or(|state| state.phase != Phase::Free && state.generation == block.generation)
}

/// The generation of the records in a block. A free block still holds those of its last owner.
fn readable(state: Option<State>) -> Option<u32> {
    match state? {
        State { phase: Phase::Free, generation, .. } => generation.checked_sub(1),
        State { kind: Kind::Records, generation, .. } => Some(generation),
        _ => None,
    }
}

fn begin(generation: u32, header: &[u64; block::WORDS]) -> WatchedBlock {
    WatchedBlock {
        generation,
        started: true,
        read: BLOCK_HEADER_SLOTS,
        sequence: header[block::FIRST_SEQUENCE],
        anchor: Some(Anchor::of_block(header)),
        origin: Some(Arc::new(Origin::from_block(header))),
    }
}

impl WatchedBlock {
    /// The next record of the block, without its payload.
    fn record(
        &mut self,
        block: BlockId,
        origin: &Arc<Origin>,
        header: Header,
        at_creation: Anchor,
    ) -> FoundRecord {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let unix_ns = self.anchor.unwrap_or(at_creation).unix_ns_at(header.ticks);
        FoundRecord { block, header, unix_ns, sequence, origin: origin.clone(), payload: Vec::new() }
    }

    fn control(&mut self, header: Header, bytes: &[u8]) {
        let mut at = Cursor::new(bytes);
        if header.definition == control::ANCHOR
            && let (Some(ticks), Some(unix_ns), Some(ns_per_tick)) = (at.u64(), at.u64(), at.u64())
        {
            self.anchor = Some(Anchor { ticks, unix_ns, ns_per_tick });
        }
    }
}

/// The entries that are there now, oldest first; none if the ring is truncated meanwhile.
impl IntoIterator for Observer {
    type Item = OwnedEntry;
    type IntoIter = std::vec::IntoIter<OwnedEntry>;

    fn into_iter(mut self) -> Self::IntoIter {
        self.poll().unwrap_or_default().into_iter()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        // A forked child has a copy of this value, but not the mapping.
        if !self.mapping.is_inherited() {
            #[allow(unsafe_code)]
            // SAFETY: made in this process, and nothing that borrows it outlives `self`.
            unsafe {
                self.mapping.unmap();
            };
        }
    }
}
