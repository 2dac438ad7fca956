//! When a role may access a block's bytes: SYNC REUSE, SYNC RETAKE, taking and giving back.

use super::*;

/// A ring whose only block holds a record of one lane: published, sealed, not yet read.
fn ring_with_sealed_block() -> SharedRing {
    let ring = small_ring(1, 1);
    let block = block_with(&ring, 0, LANE, &[OLD]);
    ring.seal(block, LANE, Kind::Records);
    ring
}

/// The consumer of one block: reads it and gives it back.
fn consume(ring: &SharedRing) {
    let sealed = ring.state(0).expect("a known state");
    let (slots, records) = read_published(ring, 0, sealed.generation);
    assert_eq!(records, [OLD], "new bytes were read as old");
    assert_eq!(read_undisturbed(ring, 0), OLD, "new bytes were read as old");
    assert!(ring.free(0, sealed, slots));
}

/// The consumer reads a sealed block and frees it, a producer takes it at once and overwrites it. If
/// a load of the consumer could still be pending then, new bytes would be persisted as old ones.
fn reusing() -> &'static str {
    let ring = ring_with_sealed_block();
    let consumer = role(&ring, consume);
    let producer = role(&ring, |ring| match ring.take(0, OTHER_LANE, Kind::Records) {
        Some(block) => {
            assert_eq!(block.generation, 1);
            publish_record(ring, block, 0, NEW);
            "overwritten after it was read"
        }
        None => "not free yet",
    });
    consumer.join().unwrap();
    producer.join().unwrap()
}

#[test]
fn a_block_is_overwritten_only_after_it_was_read() {
    allows(&["not free yet", "overwritten after it was read"], reusing);
}

#[test]
fn a_block_is_overwritten_while_it_is_read_without_reuse() {
    weakening_shows(Sync::Reuse, "Concurrent atomic store and `unsync_load`", reusing);
}

/// Two producers try to take the same free block. If both stored into it, their records would mix. So
/// exactly one of them gets it, with the generation in which it was free.
fn taking(take: Take) -> &'static str {
    let ring = small_ring(1, 1);
    ring.state_word(0).store(State::free(5).word(), Ordering::Relaxed);
    let one = role(&ring, move |ring| take(ring, 0, LANE, Kind::Records));
    let other = role(&ring, move |ring| take(ring, 0, OTHER_LANE, Kind::Records));
    let block = BlockId { index: 0, generation: 5 };
    let (lane, outcome) = match (one.join().unwrap(), other.join().unwrap()) {
        (Some(taken), None) if taken == block => (LANE, "the one took it"),
        (None, Some(taken)) if taken == block => (OTHER_LANE, "the other took it"),
        (None, None) => panic!("a free block was not taken"),
        both => panic!("taken twice, or in a wrong generation: {both:?}"),
    };
    let open = State { generation: 5, lane, kind: Kind::Records, phase: Phase::Open };
    assert_eq!(ring.state(0), Some(open));
    outcome
}

#[test]
fn a_free_block_is_taken_once() {
    allows(&["the one took it", "the other took it"], || taking(SharedRing::take));
}

/// Wrong: a block that was free when its state was loaded need not be free when it is taken.
fn take_by_load_and_store(ring: &SharedRing, index: u32, lane: u32, kind: Kind) -> Option<BlockId> {
    let State { generation, phase: Phase::Free, .. } = ring.state(index)? else { return None };
    let open = State { generation, lane, kind, phase: Phase::Open };
    ring.state_word(index).store(open.word(), Ordering::Release);
    Some(BlockId { index, generation })
}

#[test]
fn a_free_block_is_taken_twice_by_load_and_store() {
    wrong_sequence_shows("taken twice", || taking(take_by_load_and_store));
}

/// Copies what block 0 holds, as an observer, which owns nothing: from a block in use, or from a freed one,
/// which keeps its bytes until it is taken again. `None` if the bytes may be another owner's.
fn observe(ring: &SharedRing) -> Option<(u32, Vec<[u64; 2]>)> {
    let state = ring.state(0)?;
    let generation = match state.phase {
        Phase::Free => state.generation.checked_sub(1)?,
        Phase::Open | Phase::Sealed => state.generation,
    };
    let slots = ring.committed(0, generation)?;
    let records = copy_records(ring, 0, slots);
    ring.still_holds(0, generation).then_some((generation, records))
}

/// An observer copies a block while it is freed, taken and overwritten. It cannot prevent that, but it has
/// to notice it: what it accepts as a generation's bytes holds no byte of the next owner. That owner ends
/// with `finish`: it publishes its bytes or gives the block back.
fn observing(finish: fn(&SharedRing, BlockId)) -> &'static str {
    let ring = ring_with_sealed_block();
    let consumer = role(&ring, |ring| {
        let sealed = ring.state(0).expect("a known state");
        assert!(ring.free(0, sealed, BLOCK_HEADER_SLOTS + 1));
    });
    let producer = role(&ring, move |ring| {
        if let Some(block) = ring.take(0, OTHER_LANE, Kind::Records) {
            write_record(ring, block, 0, NEW);
            finish(ring, block);
        }
    });
    let observer = role(&ring, observe);
    consumer.join().unwrap();
    producer.join().unwrap();
    match observer.join().unwrap() {
        None => "rejected",
        Some((0, copy)) if copy == [[OLD, OLD]] => "the old record",
        Some((1, copy)) if copy == [[NEW, NEW]] => "the new record",
        Some(mixed) => panic!("new bytes were observed as old: {mixed:x?}"),
    }
}

fn publish_it(ring: &SharedRing, block: BlockId) {
    publish_records(ring, block, 1);
}

fn give_it_back(ring: &SharedRing, block: BlockId) {
    ring.untake(block, OTHER_LANE, Kind::Records);
}

#[test]
fn an_observer_never_takes_new_bytes_for_old() {
    allows(&["rejected", "the old record", "the new record"], || observing(publish_it));
    allows(&["rejected", "the old record"], || observing(give_it_back));
}

#[test]
fn an_observer_takes_new_bytes_for_old_without_retake() {
    weakening_shows(Sync::Retake, "new bytes were observed", || observing(publish_it));
    weakening_shows(Sync::Retake, "new bytes were observed", || observing(give_it_back));
}

const DRAFT: u64 = 0xdaf7;

type Untake = fn(&SharedRing, BlockId, u32, Kind);

/// An owner writes a draft into a block, does not publish it and gives the block back, while a consumer scans
/// the block and another producer tries to take it. The consumer must see neither the draft, nor the block's
/// earlier record, nor the other producer's record as one of the lane that gave the block back.
fn untaking(untake: Untake) -> &'static str {
    let ring = ring_with_sealed_block();
    consume(&ring);
    let owner = role(&ring, move |ring| {
        if let Some(block) = ring.take(0, LANE, Kind::Records) {
            write_record(ring, block, 0, DRAFT);
            untake(ring, block, LANE, Kind::Records);
        }
    });
    let other = role(&ring, |ring| {
        if let Some(block) = ring.take(0, OTHER_LANE, Kind::Records) {
            publish_record(ring, block, 0, NEW);
        }
    });
    let consumer = role(&ring, |ring| match ring.state(0) {
        Some(State { phase: Phase::Open, generation, lane, .. }) => {
            (lane, read_published(ring, 0, generation).1)
        }
        _ => (0, Vec::new()),
    });
    owner.join().unwrap();
    other.join().unwrap();
    match consumer.join().unwrap() {
        (_, seen) if seen.is_empty() => "nothing",
        (OTHER_LANE, seen) if seen == [NEW] => "the record under its lane",
        (LANE, seen) if seen == [NEW] => panic!("a record under another lane"),
        (_, seen) => panic!("an unpublished record: {seen:x?}"),
    }
}

#[test]
fn a_block_given_back_shows_nothing_unpublished() {
    allows(&["nothing", "the record under its lane"], || untaking(SharedRing::untake));
}

#[test]
fn without_reuse_an_unpublished_draft_is_seen() {
    weakening_shows(Sync::Reuse, "an unpublished record", || untaking(SharedRing::untake));
}

/// Wrong: a reader that loaded the former owner's state cannot detect that the block has changed its owner.
fn untake_in_the_same_generation(ring: &SharedRing, block: BlockId, _lane: u32, _kind: Kind) {
    ring.state_word(block.index).store(State::free(block.generation).word(), Ordering::Release);
}

#[test]
fn a_record_is_seen_under_another_lane_if_generations_repeat() {
    wrong_sequence_shows("under another lane", || untaking(untake_in_the_same_generation));
}
