//! Looking into a ring without disturbing it: a read-only mapping, no locks, nothing consumed.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::reader::dictionary::Dictionary;
use crate::reader::entry::{OwnedBody, OwnedEntry, block_header};
use crate::reader::origin::Origin;
use crate::record::text::TEXT;
use crate::record::value::Cursor;
use crate::ring::file::{self, Identity, Mapping};
use crate::ring::header::Info;
use crate::ring::name;
use crate::shm::block::{BlockId, Kind, Phase, SharedRing, State};
use crate::shm::clock::Anchor;
use crate::shm::layout::{BLOCK_HEADER_SLOTS, RECORD_HEADER_BYTES, SLOT_WORDS, block};
use crate::shm::record_header::{Header, control, flag, kind};

/// Sees every record that is in the ring: published ones, and those already persisted whose block has
/// not been taken again. Any number of observers can look at the same time, at live rings and dead ones.
///
/// A lane that finds free blocks near the ones it used last takes those, to stay in its caches: of what
/// is persisted not much more than its last 32 blocks can be seen, 256 KiB in a ring of the default size.
#[derive(Debug)]
pub struct Observer {
    pub(crate) info: Info,
    pub(crate) path: std::path::PathBuf,
    pub(crate) identity: Identity,
    pub(crate) mapping: Mapping,
    file: File,
    blocks: Vec<Watched>,
    /// Next sequence of each lane's incarnation that has been seen.
    next: HashMap<(u32, u32), u64>,
    dictionary: Dictionary,
    missed: u64,
    /// Incarnations of the lanes at the first poll, or when `next` was last begun anew: later ones are seen
    /// from their first record on.
    at_first_poll: Vec<u32>,
    /// Parts of long records that were found without the others; looked at once more.
    unjoined: Vec<Part>,
}

/// More incarnations than this are not remembered; their missing records are no longer counted then.
const INCARNATIONS_MAX: usize = 1 << 16;

/// How far one block has been read.
#[derive(Clone, Debug, Default)]
struct Watched {
    generation: u32,
    started: bool,
    /// Slots that have been read.
    read: u32,
    sequence: u64,
    anchor: Option<Anchor>,
    origin: Option<Arc<Origin>>,
}

/// A part of a record of several blocks, in the order of the lane's chain.
#[derive(Debug)]
struct Part {
    place: (u32, u32, u64),
    header: Header,
    bytes: Vec<u8>,
    first: Option<OwnedEntry>,
    waited: bool,
}

impl Observer {
    /// Opens the ring `name` for looking. Needs only permission to read.
    ///
    /// # Errors
    /// As for [`Ring::open`](crate::Ring::open).
    pub fn open(name: &str) -> Result<Observer, Error> {
        let path =
            std::path::absolute(name::resolve(name)?).map_err(|e| Error::io("find", Path::new(name), e))?;
        Self::of(file::open(name, &path, false)?)
    }

    pub(crate) fn of_file(path: &Path) -> Result<Observer, Error> {
        Self::of(file::open("", path, false)?)
    }

    fn of(opened: file::Opened) -> Result<Observer, Error> {
        let mapping = Mapping::new(&opened, false)?;
        Ok(Observer {
            info: opened.info,
            path: opened.path.clone(),
            identity: opened.identity,
            mapping,
            file: opened.file,
            blocks: vec![Watched::default(); opened.info.geometry.block_count as usize],
            next: HashMap::new(),
            dictionary: Dictionary::default(),
            missed: 0,
            at_first_poll: Vec::new(),
            unjoined: Vec::new(),
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

    pub(crate) fn ring(&self) -> SharedRing {
        #[allow(unsafe_code)]
        // SAFETY: the mapping stays until `self` is dropped, and the ring is not kept longer.
        let memory = unsafe { self.mapping.memory() };
        SharedRing::new(memory, self.info.geometry)
    }

    /// How many records were overwritten or freed before they could be seen, since the first
    /// [`poll`](Self::poll).
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// The records that have appeared since the last call, in the order of their time; the first call
    /// gives all that are there. Never waits.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the ring's file has been truncated. What earlier calls gave is good.
    pub fn poll(&mut self) -> Result<Vec<OwnedEntry>, Error> {
        let entries = self.look();
        self.check_whole().map(|()| entries)
    }

    /// Whether everything that was read so far came from the ring's file. The rest of a page beyond a cut
    /// reads zero without a fault, so the file is asked as well.
    pub(crate) fn check_whole(&self) -> Result<(), Error> {
        let bytes = self.info.geometry.file_bytes;
        if self.mapping.is_whole() && file::size_if_shorter(&self.file, bytes).is_none() {
            return Ok(());
        }
        Err(file::truncated(&self.path, self.identity, bytes))
    }

    fn look(&mut self) -> Vec<OwnedEntry> {
        let ring = self.ring();
        // Whoever looks for months, or at made-up lanes, sees any number of incarnations.
        if self.at_first_poll.is_empty() || self.next.len() > INCARNATIONS_MAX {
            let lanes = 0..self.info.geometry.lane_count;
            self.at_first_poll = lanes.map(|lane| ring.lane_state(lane).incarnation).collect();
            self.next.clear();
        }
        let mut entries = Vec::new();
        let mut parts = std::mem::take(&mut self.unjoined);
        for index in 0..self.info.geometry.block_count {
            self.read_block(&ring, index, &mut entries, &mut parts);
        }
        self.join(parts, &mut entries);
        self.count_missed(&mut entries);
        entries.sort_by_key(|entry| (entry.ticks, entry.origin.lane, entry.sequence()));
        entries
    }

    /// Reads what is new in one block. A block that is taken again meanwhile gives nothing.
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
            let Some(header) = block_header(ring, id) else { return };
            watched = begin(generation, &header);
        }
        let Some(limit) = ring.committed(index, generation).filter(|limit| *limit > watched.read) else {
            return;
        };
        let Some(origin) = watched.origin.clone() else { return };
        let mut words = Vec::new();
        ring.copy_slots(index, watched.read, limit, &mut words);
        let header = block_header(ring, id);
        let mut found = Vec::new();
        let mut found_parts = Vec::new();
        let chain = header.map_or(0, |header| header[block::CHAIN]);
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
                kind::CONTINUATION => {
                    let place = (origin.lane, origin.incarnation, chain);
                    found_parts.push(Part {
                        place,
                        header,
                        bytes: bytes.to_vec(),
                        first: None,
                        waited: false,
                    });
                }
                kind::RECORD => {
                    let Some(entry) = self.entry(ring, index, &mut watched, header, bytes) else { continue };
                    if header.flags & flag::MORE == 0 {
                        found.push(entry);
                    } else {
                        let place = (origin.lane, origin.incarnation, chain);
                        let (bytes, first) = (bytes.to_vec(), Some(entry));
                        found_parts.push(Part { place, header, bytes, first, waited: false });
                    }
                }
                _ => {}
            }
        }
        // The copy counts only if nobody has taken the block in the meantime.
        if ring.still_holds(index, generation) {
            watched.read = limit;
            entries.append(&mut found);
            parts.append(&mut found_parts);
            self.blocks[index as usize] = watched;
        }
    }

    /// The record, or nothing if its definition went with its dead process: a block that has been freed,
    /// so that its records are persisted, keeps their definitions no longer.
    fn entry(
        &mut self,
        ring: &SharedRing,
        index: u32,
        watched: &mut Watched,
        header: Header,
        bytes: &[u8],
    ) -> Option<OwnedEntry> {
        let origin = watched.origin.clone()?;
        let anchor = watched.anchor.unwrap_or_else(|| self.info.creation_anchor());
        let sequence = watched.sequence;
        watched.sequence = sequence.wrapping_add(1);
        let flags = header.flags;
        let payload = bytes.to_vec();
        let body = if header.definition == TEXT {
            OwnedBody::Plain { sequence, payload, flags }
        } else {
            let definition = self.dictionary.look_up(ring, origin.process_lane, header.definition).cloned();
            // In this order: as long as the block is in use, so are the definitions that it names.
            if definition.is_none() && ring.state(index).is_some_and(|state| state.phase == Phase::Free) {
                return None;
            }
            OwnedBody::Defined { sequence, definition, payload, flags }
        };
        Some(OwnedEntry { ticks: header.ticks, unix_ns: anchor.unix_ns_at(header.ticks), origin, body })
    }

    /// Puts records of several blocks together. Parts whose others were published while we looked wait
    /// for the next poll; after that the others are gone, and the record shows as missed.
    fn join(&mut self, mut parts: Vec<Part>, entries: &mut Vec<OwnedEntry>) {
        parts.sort_by_key(|part| part.place);
        let limit = self.info.geometry.record_limit();
        let mut parts = parts.into_iter().peekable();
        while let Some(part) = parts.next() {
            let mut run = vec![part];
            while let (Some(last), Some(next)) = (run.last(), parts.peek())
                && last.header.flags & flag::MORE != 0
                && next.first.is_none()
                && next.place == (last.place.0, last.place.1, last.place.2.wrapping_add(1))
                && let Some(next) = parts.next()
            {
                run.push(next);
            }
            let complete = run.last().is_some_and(|last| last.header.flags & flag::MORE == 0);
            let bytes: usize = run.iter().map(|part| part.bytes.len()).sum();
            match run[0].first.clone() {
                Some(mut entry) if complete && bytes <= limit => {
                    let whole = run.into_iter().flat_map(|part| part.bytes).collect();
                    match &mut entry.body {
                        OwnedBody::Plain { payload, .. } | OwnedBody::Defined { payload, .. } => {
                            *payload = whole
                        }
                    }
                    entries.push(entry);
                }
                _ => {
                    let fresh = run.into_iter().filter(|part| !part.waited);
                    self.unjoined.extend(fresh.map(|part| Part { waited: true, ..part }));
                }
            }
        }
    }

    /// Counts sequences that were passed over since the lane was last seen.
    fn count_missed(&mut self, entries: &mut [OwnedEntry]) {
        entries.sort_by_key(|entry| (entry.origin.lane, entry.origin.incarnation, entry.sequence()));
        for entry in entries {
            let (lane, incarnation) = (entry.origin.lane, entry.origin.incarnation);
            let sequence = entry.sequence();
            let at_first_poll = self.at_first_poll.get(lane as usize);
            let is_new = at_first_poll.is_some_and(|earlier| incarnation > *earlier);
            let next = self.next.entry((lane, incarnation)).or_insert(if is_new { 0 } else { sequence });
            if sequence < *next {
                // A long record that had to wait for its parts has been counted already.
                self.missed = self.missed.saturating_sub(1);
            } else {
                self.missed = self.missed.saturating_add(sequence - *next);
                *next = sequence.wrapping_add(1);
            }
        }
    }
}

/// The generation of the bytes that a block holds: of a free one, those of its last owner.
fn readable(state: Option<State>) -> Option<u32> {
    match state? {
        State { phase: Phase::Free, generation, .. } => generation.checked_sub(1),
        State { kind: Kind::Records, generation, .. } => Some(generation),
        _ => None,
    }
}

/// How many records a block holds, for counting only: what a live block says may be old at once.
pub(crate) fn records_in(ring: &SharedRing, index: u32, generation: u32) -> u64 {
    let limit = ring.committed(index, generation).unwrap_or(0);
    let mut at = BLOCK_HEADER_SLOTS;
    let mut records = 0;
    while at < limit {
        let word = |i: usize| ring.block_word(index, at as usize * SLOT_WORDS + i);
        let header = Header::decode([word(0).load(std::sync::atomic::Ordering::Relaxed), 0]);
        records += u64::from(header.kind() == kind::RECORD);
        at = at.saturating_add(header.slots());
    }
    records
}

fn begin(generation: u32, header: &[u64; block::WORDS]) -> Watched {
    Watched {
        generation,
        started: true,
        read: BLOCK_HEADER_SLOTS,
        sequence: header[block::FIRST_SEQUENCE],
        anchor: Some(Anchor::of_block(header)),
        origin: Some(Arc::new(Origin::from_block(header))),
    }
}

impl Watched {
    fn control(&mut self, header: Header, bytes: &[u8]) {
        let mut at = Cursor::new(bytes);
        if header.definition == control::ANCHOR
            && let (Some(ticks), Some(unix_ns), Some(ns_per_tick)) = (at.u64(), at.u64(), at.u64())
        {
            self.anchor = Some(Anchor { ticks, unix_ns, ns_per_tick });
        }
    }
}

/// The entries that are there now, oldest first; none of a ring that is truncated meanwhile.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::layout::pair;
    use std::sync::atomic::Ordering;

    #[test]
    fn an_observer_remembers_no_more_incarnations_than_it_has_to() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let name = dir.path().join("ring");
        let options = crate::Ring::options().size("64KiB").block_bytes(1024).lanes(3);
        let ring = options.create(name.to_str().unwrap()).unwrap();
        let mut observer = ring.observe().unwrap();
        let blocks = observer.info.geometry.block_count;
        for round in 1..=2 * INCARNATIONS_MAX as u32 / blocks {
            ring.with_ring(|ring| {
                for index in 0..blocks {
                    let put = |word: usize, value| ring.memory().word(word).store(value, Ordering::Relaxed);
                    // In each block an empty text of an incarnation that nobody has seen.
                    let (start, state) = (ring.block_start(index), ring.geometry().states_offset() / 8);
                    put(start + block::LANE, pair(1, round * blocks + index));
                    put(start + BLOCK_HEADER_SLOTS as usize * SLOT_WORDS, 0);
                    put(start + block::COMMITTED, pair(round, BLOCK_HEADER_SLOTS + 1));
                    put(
                        state + index as usize,
                        State { phase: Phase::Sealed, lane: 1, ..State::free(round) }.word(),
                    );
                }
            });
            assert_eq!(observer.poll().unwrap().len(), blocks as usize);
            assert!(observer.next.len() <= INCARNATIONS_MAX + blocks as usize);
        }
    }
}
