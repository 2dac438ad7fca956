//! The protocol of the definition area: which process may store where, and when a segment is emptied.
//!
//! ```text
//!      any process: CAS of generation and tail, its pin set before        reclaimer: CAS
//!   (g, tail) ------------------------------------------> (g, tail + n)  ----------------> CLOSING(g)
//!       ^                                                                                      |
//!       +------------- (g + 1, 0): reclaimer, CAS, no process uses the segment ----------------+
//! ```
//!
//! * A process that has moved the tail owns the slots in between. It writes a definition there and publishes it by
//!   storing the *check word*, which holds the definition's id. A process that is killed in between leaves slots that
//!   come back with the segment.
//! * The index leads from a checksum to ids. Its words are hints: whatever they say, a definition is used only if its
//!   bytes are the same.
//! * A process uses a definition, its own or another's, only after it has *pinned* the segment: it sets its bit,
//!   passes a full fence, and then finds the generation unchanged and the segment not closing. A reclaimer sets
//!   CLOSING, passes a full fence, and then reads the pins. So one of the two sees the other.
//! * CLOSING is final. From then on the users of a segment only become fewer, so a reclaimer that finds none may be
//!   stopped for any time before it empties the segment.
//! * Ids of a generation are never used again, and a segment is emptied only into the next generation.

use crate::shm::block::SharedRing;
use crate::shm::layout::area::{Area, Place};
use crate::shm::layout::{halves, header, lane as lane_entry, pair};
use crate::shm::record_header::slots_for;
use crate::shm::sync::{AtomicU64, Ordering, Sync};

/// How many places of the index are tried for a definition.
const PROBES: u32 = 32;
/// How often a step is repeated that another process has disturbed.
const ROUNDS: u32 = 3;
/// Words before a definition's payload: `CRC-32:32 | length:32`, and the check word `id:32 | boot tag:32`.
const HEADER_WORDS: usize = 2;

/// A segment's state word: `generation:32 | closing:1 | tail:31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentState {
    pub(crate) generation: u32,
    /// Whether it is about to be emptied, and not to be pinned any more.
    pub(crate) closing: bool,
    /// Slots that have been given away.
    pub(crate) tail: u32,
}

impl SegmentState {
    const CLOSING: u32 = 1 << 31;

    pub(crate) const fn word(self) -> u64 {
        pair(self.generation, if self.closing { Self::CLOSING } else { 0 } | self.tail)
    }

    pub(crate) const fn decode(word: u64) -> SegmentState {
        let (generation, low) = halves(word);
        SegmentState { generation, closing: low & Self::CLOSING != 0, tail: low & !Self::CLOSING }
    }

    /// Whether definitions of this generation may be shared.
    const fn is_open(self, generation: u32) -> bool {
        self.generation == generation && !self.closing
    }
}

/// An encoded definition, as it is looked for and written.
#[derive(Clone, Copy)]
pub(crate) struct Encoded<'a> {
    /// The payload's words, zero behind its end.
    words: &'a [AtomicU64],
    bytes: u32,
    checksum: u32,
    /// Of the present boot. After a power failure the area may be older than records that name it, so definitions of
    /// another boot are not shared.
    boot: u32,
}

impl<'a> Encoded<'a> {
    /// The definition in the first `bytes` bytes of `scratch`, which are in it.
    pub(crate) fn new(scratch: &'a [AtomicU64], bytes: usize, boot: u32) -> Encoded<'a> {
        let words = &scratch[..bytes.div_ceil(8)];
        let mut checksum = crc32fast::Hasher::new();
        let mut chunk = [0; 256];
        let mut left = bytes;
        for words in words.chunks(chunk.len() / 8) {
            for (bytes, word) in chunk.chunks_exact_mut(8).zip(words) {
                bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
            }
            let count = left.min(words.len() * 8);
            checksum.update(&chunk[..count]);
            left -= count;
        }
        Encoded { words, bytes: bytes as u32, checksum: checksum.finalize(), boot }
    }

    /// Slots that it takes in a segment.
    pub(crate) fn slots(&self) -> u32 {
        slots_for(self.bytes as usize)
    }

    fn header(&self) -> u64 {
        pair(self.checksum, self.bytes)
    }
}

/// What an index says of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// An equal one has this id. Its segment is pinned.
    Shared(u32),
    /// None of its places leads to an equal one. This one can be replaced, if there is one: its number and word.
    Absent(Option<(u32, u64)>),
}

impl SharedRing {
    fn area(&self) -> &Area {
        &self.geometry().definitions
    }

    fn area_word(&self, offset: usize) -> &AtomicU64 {
        self.memory().word((self.geometry().area_offset() + offset) / 8)
    }

    fn segment_word(&self, segment: u32) -> &AtomicU64 {
        self.area_word(segment as usize * 8)
    }

    fn index_word(&self, number: u32) -> &AtomicU64 {
        self.area_word(self.area().index_offset() + number as usize * 8)
    }

    fn definition_word(&self, place: Place, word: usize) -> &AtomicU64 {
        self.area_word(self.area().slot_offset(place.segment, place.slot) + word * 8)
    }

    fn check_word(&self, place: Place) -> &AtomicU64 {
        self.definition_word(place, 1)
    }

    pub(crate) fn segment(&self, segment: u32) -> SegmentState {
        // SYNC EMPTY (acquire end): whoever emptied it has found it unused.
        SegmentState::decode(self.segment_word(segment).load(Sync::Empty.acquire()))
    }

    /// The pins of a lane: bit n is that of segment n.
    pub(crate) fn pins(&self, lane: u32) -> &AtomicU64 {
        self.lane_word(lane, lane_entry::PINS)
    }

    /// Runs `validate` with the segment pinned. A pin that was not set before is taken back if that fails. The caller
    /// is the only thread of its process that pins.
    fn pinned<T>(&self, lane: u32, segment: u32, validate: impl FnOnce() -> Option<T>) -> Option<T> {
        let pin = 1 << segment;
        // Release: whoever sees the pin sees that the lane is a process lane.
        let before = self.pins(lane).fetch_or(pin, Ordering::Release);
        // SYNC PIN (user's end): the pin is set, then the state is loaded.
        Sync::Pin.full_fence();
        let valid = validate();
        if valid.is_none() && before & pin == 0 {
            self.pins(lane).fetch_and(!pin, Ordering::Release);
        }
        valid
    }

    /// Gives `slots` slots of a segment to the caller, whose process lane is `lane`, and pins it.
    pub(crate) fn reserve(&self, lane: u32, segment: u32, slots: u32) -> Option<Place> {
        self.pinned(lane, segment, || {
            for _ in 0..ROUNDS {
                let seen = self.segment(segment);
                let tail = seen.tail.saturating_add(slots);
                if seen.closing
                    || self.area().is_worn_out(seen.generation)
                    || tail > self.area().segment_slots()
                {
                    return None;
                }
                let new = SegmentState { tail, ..seen };
                let swapped = self.segment_word(segment).compare_exchange(
                    seen.word(),
                    new.word(),
                    Sync::Empty.acquire(),
                    Ordering::Relaxed,
                );
                if swapped.is_ok() {
                    return Some(Place { segment, generation: seen.generation, slot: seen.tail });
                }
            }
            None
        })
    }

    /// Writes and publishes the definition at a place that the caller owns, in a segment that it has pinned.
    pub(crate) fn write_definition(&self, place: Place, definition: &Encoded<'_>) -> u32 {
        let id = self.area().id(place);
        // SYNC RETAKE (release end): a reader that sees a byte of this generation sees the generation.
        Sync::Retake.release_fence();
        self.definition_word(place, 0).store(definition.header(), Ordering::Relaxed);
        for (at, word) in definition.words.iter().enumerate() {
            self.definition_word(place, HEADER_WORDS + at)
                .store(word.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        // SYNC DEFINE (release end).
        self.check_word(place).store(pair(id, definition.boot), Sync::Define.release());
        id
    }

    /// Looks for an equal definition in the index, and pins its segment.
    pub(crate) fn find_definition(&self, lane: u32, definition: &Encoded<'_>) -> Found {
        let mut vacant = None;
        for step in 0..PROBES {
            let number = definition.checksum.wrapping_add(step) % self.area().index_words();
            // Acquire: the definition that it leads to is published.
            let word = self.index_word(number).load(Ordering::Acquire);
            let (tag, id) = halves(word);
            if word == 0 {
                return Found::Absent(vacant.or(Some((number, word))));
            }
            match self.area().place(id).filter(|place| self.is_published(*place, id)) {
                Some(place) if tag == definition.checksum => {
                    if self.share(lane, place, id, definition).is_some() {
                        return Found::Shared(id);
                    }
                }
                Some(_) => {}
                None => vacant = vacant.or(Some((number, word))),
            }
        }
        Found::Absent(vacant)
    }

    /// Whether a definition of this id is there.
    fn is_published(&self, place: Place, id: u32) -> bool {
        self.segment(place.segment).is_open(place.generation)
            && halves(self.check_word(place).load(Ordering::Relaxed)).0 == id
    }

    /// Pins the definition at `place` if it is the same.
    fn share(&self, lane: u32, place: Place, id: u32, definition: &Encoded<'_>) -> Option<()> {
        self.pinned(lane, place.segment, || {
            let word = |at| self.definition_word(place, at).load(Ordering::Relaxed);
            let is_valid = self.segment(place.segment).is_open(place.generation)
                // SYNC DEFINE (acquire end): its bytes are there.
                && self.check_word(place).load(Sync::Define.acquire()) == pair(id, definition.boot)
                && word(0) == definition.header()
                && definition.slots() <= self.area().segment_slots() - place.slot;
            let mut words = definition.words.iter().enumerate();
            let is_equal = is_valid
                && words.all(|(at, wanted)| word(HEADER_WORDS + at) == wanted.load(Ordering::Relaxed));
            is_equal.then_some(())
        })
    }

    /// Puts a published definition into the index, at a place that a search returned. False if the place was taken.
    pub(crate) fn enter_definition(&self, id: u32, definition: &Encoded<'_>, vacant: (u32, u64)) -> bool {
        let (number, seen) = vacant;
        let word = pair(definition.checksum, id);
        self.index_word(number).compare_exchange(seen, word, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Copies the definition `id` for a reader, as bytes; `None` if it is not there, or not that of a record of the
    /// boot with this tag.
    pub(crate) fn copy_definition(&self, id: u32, boot: u32) -> Option<Vec<u8>> {
        let place = self.area().place(id)?;
        let state = self.segment(place.segment);
        // SYNC DEFINE (acquire end).
        let check = self.check_word(place).load(Sync::Define.acquire());
        if state.generation != place.generation || check != pair(id, boot) {
            return None;
        }
        let (checksum, bytes) = halves(self.definition_word(place, 0).load(Ordering::Relaxed));
        let end = place.slot.saturating_add(slots_for(bytes as usize));
        let tail = state.tail.min(self.area().segment_slots());
        if end > tail || bytes as usize > self.area().definition_limit() {
            return None;
        }
        let words =
            (0..(bytes as usize).div_ceil(8)).map(|at| self.definition_word(place, HEADER_WORDS + at));
        let mut copy: Vec<u8> = words.flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        copy.truncate(bytes as usize);
        // SYNC RETAKE (acquire end): if a byte of a later generation was copied, that generation is seen.
        Sync::Retake.acquire_fence();
        let now = SegmentState::decode(self.segment_word(place.segment).load(Ordering::Relaxed));
        let is_unchanged = now.generation == place.generation && self.memory().is_whole();
        (is_unchanged && crc32fast::hash(&copy) == checksum).then_some(copy)
    }

    /// Announces that a segment is to be emptied: it is not pinned any more from here on. The caller reads the pins
    /// after [`fence_before_pins`](Self::fence_before_pins).
    pub(crate) fn close_segment(&self, segment: u32, seen: SegmentState) {
        let closing = SegmentState { closing: true, ..seen };
        // If the word has changed, the segment is in use, or closing already.
        let _ = self.segment_word(segment).compare_exchange(
            seen.word(),
            closing.word(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    /// Orders the pins that the caller reads next after every CLOSING that it has seen.
    pub(crate) fn fence_before_pins(&self) {
        // SYNC PIN (reclaimer's end).
        Sync::Pin.full_fence();
    }

    /// Empties a closing segment that no process uses, into its next generation.
    pub(crate) fn empty_segment(&self, segment: u32, closing: SegmentState) -> bool {
        let empty = SegmentState { generation: closing.generation.wrapping_add(1), closing: false, tail: 0 };
        // SYNC EMPTY (release end): the caller has found it unused.
        let emptied = self
            .segment_word(segment)
            .compare_exchange(closing.word(), empty.word(), Sync::Empty.release(), Ordering::Relaxed)
            .is_ok();
        if emptied {
            self.header_word(header::SEGMENTS_FREED).fetch_add(1, Ordering::Relaxed);
        }
        emptied
    }

    /// The definitions that the index leads to: the segment and the bytes of each.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = (u32, Vec<u8>)> {
        self.indexed().filter_map(|(id, place)| {
            let (_, boot) = halves(self.check_word(place).load(Ordering::Relaxed));
            Some((place.segment, self.copy_definition(id, boot)?))
        })
    }

    /// The number of definitions that the index leads to.
    pub(crate) fn count_definitions(&self) -> u32 {
        self.indexed().count() as u32
    }

    fn indexed(&self) -> impl Iterator<Item = (u32, Place)> {
        (0..self.area().index_words()).filter_map(|number| {
            let (_, id) = halves(self.index_word(number).load(Ordering::Acquire));
            let place = self.area().place(id)?;
            self.is_published(place, id).then_some((id, place))
        })
    }
}
