//! What a reader may see: SYNC PUBLISH and SYNC SEAL.

use super::*;

const OLDER: u64 = 0xa1;
const YOUNGER: u64 = 0xa2;

/// A reader that sees a record's slot counted must see the record's bytes; otherwise it would persist
/// earlier bytes. The producer publishes two records; the reader follows while the block is open.
fn publishing() -> &'static str {
    let ring = small_ring(1, 2);
    let producer = role(&ring, |ring| {
        block_with(ring, 0, LANE, &[OLDER, YOUNGER]);
    });
    let reader = role(&ring, |ring| match ring.state(0) {
        Some(State { phase: Phase::Open, generation, .. }) => read_published(ring, 0, generation).1,
        _ => Vec::new(),
    });
    producer.join().unwrap();
    match reader.join().unwrap()[..] {
        [] => "nothing published yet",
        [OLDER] => "the older record",
        [OLDER, YOUNGER] => "both records",
        _ => panic!("a record without its bytes"),
    }
}

#[test]
fn a_published_record_is_seen_whole() {
    allows(&["nothing published yet", "the older record", "both records"], publishing);
}

#[test]
fn a_published_record_is_torn_without_publish() {
    weakening_shows(Sync::Publish, "a record without", publishing);
}

/// How a consumer frees a block: with the state it has loaded and the number of slots it has read.
type Free = fn(&SharedRing, u32, State, u32) -> bool;

/// The owner publishes its last record and seals. A consumer that read up to the record before, then
/// sees SEALED, must find the last one before it frees the block; otherwise the record is lost.
fn sealing(free: Free) -> &'static str {
    let ring = small_ring(1, 2);
    let owner = role(&ring, |ring| {
        let block = block_with(ring, 0, LANE, &[OLDER, YOUNGER]);
        ring.seal(block, LANE, Kind::Records);
    });
    let consumer = role(&ring, move |ring| {
        let (read, _) = read_published(ring, 0, 0);
        let Some(sealed @ State { phase: Phase::Sealed, .. }) = ring.state(0) else {
            return (None, "not sealed yet");
        };
        if free(ring, 0, sealed, read) {
            return (Some(read), "freed at once");
        }
        let (rest, _) = read_published(ring, 0, 0);
        assert!(free(ring, 0, sealed, rest), "a sealed block that cannot be freed");
        (Some(rest), "refused, freed when the rest was read")
    });
    owner.join().unwrap();
    let (freed_at, outcome) = consumer.join().unwrap();
    if let Some(slots) = freed_at {
        assert_eq!(slots, BLOCK_HEADER_SLOTS + 2, "a published record was freed unread");
        assert_eq!(ring.state(0), Some(State::free(1)));
    }
    outcome
}

#[test]
fn a_block_is_freed_only_when_its_last_record_is_read() {
    allows(&["not sealed yet", "freed at once", "refused, freed when the rest was read"], || {
        sealing(SharedRing::free)
    });
}

#[test]
fn the_last_record_is_freed_unread_without_seal() {
    weakening_shows(Sync::Seal, "freed unread", || sealing(SharedRing::free));
}

/// Wrong: trusts the `committed` that the consumer loaded before it saw SEALED.
fn free_without_reloading_committed(ring: &SharedRing, index: u32, seen_state: State, _cursor: u32) -> bool {
    let free = State::free(seen_state.generation + 1).word();
    let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
    ring.state_word(index).compare_exchange(seen_state.word(), free, release, relaxed).is_ok()
}

#[test]
fn committed_loaded_before_state_frees_an_unread_record() {
    wrong_sequence_shows("freed unread", || sealing(free_without_reloading_committed));
}
