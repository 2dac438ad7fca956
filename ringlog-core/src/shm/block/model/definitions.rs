//! The definition area: SYNC DEFINE, SYNC EMPTY, SYNC RETAKE and SYNC PIN.
//!
//! Registering and emptying are sequences of the functions in `shm/definitions.rs`, in the order of
//! `producer/definitions.rs` and `ring/definition_reclaim.rs`.

use super::*;
use crate::shm::definitions::{Encoded, Found, SegmentState};
use crate::shm::layout::area::Area;
use crate::shm::layout::{header, lane as lane_entry};
use crate::shm::sync::fence;

const FIRST: u64 = 0xd1;
const SECOND: u64 = 0xd2;
const BOOT: u32 = 5;

/// The lanes of the processes.
const USER: u32 = 0;
const OTHER: u32 = 1;

/// A ring of one block, and an area of one segment with room for two definitions of one word.
fn ring_with_area() -> SharedRing {
    let block_bytes = (BLOCK_HEADER_SLOTS + 1) * SLOT_BYTES as u32;
    let geometry = Geometry {
        file_bytes: 0,
        block_bytes,
        block_count: 1,
        lane_count: 2,
        reserved_blocks: 0,
        headroom_slots: 0,
        definitions: Area::new(1, 2, 3),
    };
    let area = geometry.area_offset() / 8;
    let index = area + geometry.definitions.index_offset() / 8;
    let slots = (0..2).flat_map(|slot| {
        let start = area + geometry.definitions.slot_offset(0, slot) / 8;
        start..start + 3
    });
    let start = geometry.blocks_offset() / 8;
    let record = start + word_of(0)..start + word_of(1);
    let block = [geometry.states_offset() / 8, start].into_iter().chain(record);
    let pins = (0..2).map(|lane| (geometry.lanes_offset() + lane * lane_entry::BYTES + lane_entry::PINS) / 8);
    let words = [header::SEGMENTS_FREED / 8, area].into_iter().chain(index..index + 8).chain(slots);
    SharedRing::new(Memory::zeroed(words.chain(block).chain(pins)), geometry)
}

/// Calls `act` with a definition of one word.
fn with<T>(value: u64, act: impl FnOnce(&Encoded<'_>) -> T) -> T {
    let scratch = [AtomicU64::new(value)];
    act(&Encoded::new(&scratch, 8, BOOT))
}

/// How a definition is entered into the index.
type Enter = fn(&SharedRing, u32, &Encoded<'_>, (u32, u64)) -> bool;

/// Finds or registers a definition, as a process does.
fn register(ring: &SharedRing, lane: u32, value: u64, enter: Enter) -> Option<u32> {
    with(value, |definition| {
        let mut own = None;
        for _ in 0..2 {
            let vacant = match ring.find_definition(lane, definition) {
                Found::Shared(id) => return Some(id),
                Found::Absent(vacant) => vacant.expect("the index has room"),
            };
            let id = match own {
                Some(id) => id,
                None => {
                    let place = ring.reserve(lane, 0, definition.slots())?;
                    *own.insert(ring.write_definition(place, definition))
                }
            };
            if enter(ring, id, definition, vacant) {
                return Some(id);
            }
        }
        own
    })
}

fn enter(ring: &SharedRing, id: u32, definition: &Encoded<'_>, vacant: (u32, u64)) -> bool {
    ring.enter_definition(id, definition, vacant)
}

/// What a reader gets for an id.
fn read(ring: &SharedRing, id: u32) -> Option<u64> {
    let bytes = ring.copy_definition(id, BOOT)?;
    Some(u64::from_le_bytes(bytes.try_into().expect("a definition of one word")))
}

/// A ring with a definition of a process that is gone.
fn ring_with_definition() -> (SharedRing, u32) {
    let ring = ring_with_area();
    let id = register(&ring, OTHER, FIRST, enter).expect("there is room");
    ring.pins(OTHER).store(0, Ordering::Relaxed);
    (ring, id)
}

/// Who uses the segment, as a reclaimer finds it out.
type IsUsed = fn(&SharedRing, &AtomicU64) -> bool;

/// The user's pin counts while it lives, and after that while a record names it.
fn is_used(ring: &SharedRing, lock: &AtomicU64) -> bool {
    let pinned = ring.pins(USER).load(Ordering::Acquire) != 0;
    pinned && (lock.load(Ordering::Acquire) != 0 || ring.committed(0, 0).is_some())
}

/// Wrong: the user may publish and die in between.
fn is_used_by_names_first(ring: &SharedRing, lock: &AtomicU64) -> bool {
    let named = ring.committed(0, 0).is_some();
    let pinned = ring.pins(USER).load(Ordering::Acquire) != 0;
    pinned && (lock.load(Ordering::Acquire) != 0 || named)
}

fn empty(ring: &SharedRing, lock: &AtomicU64, fenced: bool, is_used: IsUsed) -> bool {
    let seen = ring.segment(0);
    if !seen.closing {
        ring.close_segment(0, seen);
    }
    let closing = ring.segment(0);
    if fenced {
        ring.fence_before_pins();
    }
    closing.closing && !is_used(ring, lock) && ring.empty_segment(0, closing)
}

/// How a user gets at a definition that is there.
type Use = fn(&SharedRing) -> Option<u32>;

fn use_pinned(ring: &SharedRing) -> Option<u32> {
    match with(FIRST, |definition| ring.find_definition(USER, definition)) {
        Found::Shared(id) => Some(id),
        Found::Absent(_) => None,
    }
}

/// Wrong: the state was loaded before the pin was set.
fn use_validated_before(ring: &SharedRing) -> Option<u32> {
    let open = ring.segment(0);
    ring.pins(USER).fetch_or(1, Ordering::Release);
    fence(Ordering::SeqCst);
    let first = ring.geometry().definitions.id(crate::shm::layout::area::Place {
        segment: 0,
        generation: open.generation,
        slot: 0,
    });
    (open.generation == 0 && !open.closing).then_some(first)
}

/// A user finds a definition while a reclaimer empties its segment. Either it is used, or the segment is emptied.
fn using(of: Use, fenced: bool) -> &'static str {
    let (ring, id) = ring_with_definition();
    let lock = Arc::new(AtomicU64::new(1));
    let world = (ring, lock);
    let user = role(&world, move |(ring, _)| of(ring));
    let reclaimer = role(&world, move |(ring, lock)| empty(ring, lock, fenced, is_used));
    let (used, emptied) = (user.join().unwrap(), reclaimer.join().unwrap());
    match (used, emptied) {
        (Some(used), true) => panic!("emptied under a pin: {used}"),
        (Some(used), false) => {
            assert_eq!((used, read(&world.0, id)), (id, Some(FIRST)));
            "used and kept"
        }
        (None, true) => "emptied",
        (None, false) => "kept, and not used",
    }
}

#[test]
fn a_segment_in_use_is_not_emptied() {
    allows(&["used and kept", "emptied", "kept, and not used"], || using(use_pinned, true));
}

#[test]
fn without_full_fences_a_segment_is_emptied_under_a_pin() {
    weakening_shows(Sync::Pin, "emptied under a pin", || using(use_pinned, true));
}

#[test]
fn without_one_fence_a_segment_is_emptied_under_a_pin() {
    wrong_sequence_shows("emptied under a pin", || using(use_pinned, false));
}

#[test]
fn a_state_loaded_before_the_pin_does_not_protect() {
    wrong_sequence_shows("emptied under a pin", || using(use_validated_before, true));
}

/// A user finds a definition, publishes a record that names it, and dies, while a reclaimer empties the segment. What
/// the record names has to stay.
fn dying(is_used: IsUsed) -> &'static str {
    let (ring, id) = ring_with_definition();
    let lock = Arc::new(AtomicU64::new(1));
    let world = (ring, lock);
    let user = role(&world, |(ring, lock)| {
        let used = use_pinned(ring);
        if let Some(id) = used {
            block_with(ring, 0, USER, &[id.into()]);
        }
        // The kernel's part: it releases the lock of the dead.
        lock.store(0, Ordering::Release);
        used.is_some()
    });
    let reclaimer = role(&world, move |(ring, lock)| empty(ring, lock, true, is_used));
    let (published, emptied) = (user.join().unwrap(), reclaimer.join().unwrap());
    match (published, emptied) {
        (true, true) => panic!("a record without its definition"),
        (true, false) => {
            assert_eq!(read(&world.0, id), Some(FIRST));
            "published and kept"
        }
        (false, true) => "emptied",
        (false, false) => "kept, and not used",
    }
}

#[test]
fn what_a_dead_process_has_published_keeps_its_definition() {
    allows(&["published and kept", "emptied", "kept, and not used"], || dying(is_used));
}

#[test]
fn names_read_before_the_lock_miss_a_last_record() {
    wrong_sequence_shows("a record without its definition", || dying(is_used_by_names_first));
}

/// Wrong: overwrites what another process has entered.
fn enter_by_store(ring: &SharedRing, id: u32, definition: &Encoded<'_>, (number, _): (u32, u64)) -> bool {
    // Whatever is there, the CAS replaces it.
    let index = (ring.geometry().area_offset() + ring.geometry().definitions.index_offset()) / 8;
    let now = ring.memory().word(index + number as usize).load(Ordering::Relaxed);
    ring.enter_definition(id, definition, (number, now))
}

/// Two processes register the same definition.
fn registering_twice(enter: Enter) -> &'static str {
    let ring = ring_with_area();
    let roles = [USER, OTHER].map(|lane| role(&ring, move |ring| register(ring, lane, FIRST, enter)));
    let ids = roles.map(|role| role.join().unwrap().expect("there is room for two"));
    for id in ids {
        assert_eq!(read(&ring, id), Some(FIRST), "of {ids:?}");
    }
    assert_eq!(ids[0], ids[1], "two copies are in use");
    match ring.segment(0) {
        SegmentState { tail: 1, .. } => "one copy",
        SegmentState { tail: 2, .. } => "one copy, and one to spare",
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_processes_share_what_both_register() {
    allows(&["one copy", "one copy, and one to spare"], || registering_twice(enter));
}

#[test]
fn an_index_word_that_is_overwritten_makes_two_copies() {
    wrong_sequence_shows("two copies are in use", || registering_twice(enter_by_store));
}

/// A reader looks up an id while its segment is emptied and its place taken by another definition.
fn retaking() -> &'static str {
    let (ring, id) = ring_with_definition();
    let reader = role(&ring, move |ring| read(ring, id));
    let writer = role(&ring, |ring| {
        let lock = AtomicU64::new(0);
        assert!(empty(ring, &lock, true, is_used));
        with(SECOND, |definition| {
            let place = ring.reserve(USER, 0, definition.slots()).expect("it is empty");
            ring.write_definition(place, definition)
        })
    });
    let seen = reader.join().unwrap();
    assert_ne!(writer.join().unwrap(), id, "an id that comes twice");
    match seen {
        Some(FIRST) => "its definition",
        None => "not there",
        Some(other) => panic!("another one's definition: {other:x}"),
    }
}

#[test]
fn a_reader_never_takes_another_definition_for_its_own() {
    allows(&["its definition", "not there"], retaking);
}

#[test]
fn without_retake_another_definition_is_read() {
    weakening_shows(Sync::Retake, "another one's definition", retaking);
}

/// A thread registers a definition and stores its id for the other threads of its process; one of them logs a record
/// that names it. A reader of the record finds the definition.
fn registering() -> &'static str {
    let world = (ring_with_area(), Arc::new(AtomicU64::new(0)));
    let registering = role(&world, |(ring, cached)| {
        let place = ring.reserve(USER, 0, 1).expect("it is empty");
        let id = with(FIRST, |definition| ring.write_definition(place, definition));
        // SYNC DEFINE (release end).
        cached.store(id.into(), Sync::Define.release());
    });
    let logging = role(&world, |(ring, cached)| {
        // SYNC DEFINE (acquire end).
        let found = cached.load(Sync::Define.acquire());
        if found != 0 {
            block_with(ring, 0, LANE, &[found]);
        }
    });
    let reader = role(&world, |(ring, _)| match read_published(ring, 0, 0).1[..] {
        [] => "no record yet",
        [named] => {
            assert_eq!(read(ring, named as u32), Some(FIRST), "a record without its definition");
            "the record and its definition"
        }
        _ => unreachable!("one record was published"),
    });
    registering.join().unwrap();
    logging.join().unwrap();
    reader.join().unwrap()
}

#[test]
fn a_record_is_never_seen_before_its_definition() {
    allows(&["no record yet", "the record and its definition"], registering);
}

#[test]
fn a_record_is_seen_before_its_definition_without_define() {
    weakening_shows(Sync::Define, "a record without its definition", registering);
}
