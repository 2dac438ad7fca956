//! A lane and its blocks change hands: the lane's next owner and the consumer both find what a dead owner
//! left open, while a third one waits for the block.

use super::*;

/// How a block is sealed whose owner is dead.
type SealDead = fn(&SharedRing, u32, State) -> bool;

/// Wrong: the block may be somebody else's by now.
fn seal_by_store(ring: &SharedRing, index: u32, judged: State) -> bool {
    ring.state_word(index).store(judged.sealed().word(), Ordering::Release);
    true
}

/// An owner of the lane has published a record and died: the block is open, and nobody holds the lane.
fn ring_of_the_dead() -> SharedRing {
    let ring = small_ring(1, 1);
    block_with(&ring, 0, LANE, &[OLD]);
    ring
}

/// Seals block 0 if it is found open under the lane.
fn seal_what_is_open(ring: &SharedRing, seal: SealDead) -> Option<State> {
    match ring.state(0)? {
        judged @ State { phase: Phase::Open, lane: LANE, .. } => {
            seal(ring, 0, judged).then_some(judged.sealed())
        }
        sealed @ State { phase: Phase::Sealed, lane: LANE, .. } => Some(sealed),
        _ => None,
    }
}

/// The consumer seals, reads and frees the block; the lane's next owner seals it as well; a producer with
/// another lane takes it as soon as it is free, and logs. Its block must stay its own, and the record of
/// the dead must be read once.
fn sealing_twice(by_opener: SealDead) -> &'static str {
    let ring = ring_of_the_dead();
    let opener = role(&ring, move |ring| {
        seal_what_is_open(ring, by_opener);
    });
    let consumer = role(&ring, |ring| {
        let sealed = seal_what_is_open(ring, SharedRing::seal_dead)?;
        let (slots, records) = read_published(ring, 0, sealed.generation);
        assert_eq!(records, [OLD]);
        ring.free(0, sealed, slots).then_some(())
    });
    let producer = role(&ring, |ring| {
        let block = ring.take(0, OTHER_LANE, Kind::Records)?;
        publish_record(ring, block, 0, NEW);
        Some(block)
    });
    opener.join().unwrap();
    let freed = consumer.join().unwrap().is_some();
    let taken = producer.join().unwrap();
    let state = ring.state(0).expect("a known state");
    let (phase, generation) = (state.phase, state.generation);
    match (freed, taken) {
        (true, Some(_)) => {
            let open = State { generation: 1, lane: OTHER_LANE, kind: Kind::Records, phase: Phase::Open };
            assert_eq!(state, open, "another owner's block was sealed after it had moved on");
            "freed, and taken by the other"
        }
        (true, None) => {
            assert_eq!(
                (phase, generation),
                (Phase::Free, 1),
                "a freed block was sealed after it had moved on"
            );
            "freed"
        }
        (false, None) => {
            assert_eq!((phase, generation), (Phase::Sealed, 0), "nobody sealed it");
            "sealed by the opener first"
        }
        (false, Some(_)) => panic!("taken before it was freed"),
    }
}

#[test]
fn a_block_that_two_find_open_is_sealed_once() {
    allows(&["freed", "freed, and taken by the other", "sealed by the opener first"], || {
        sealing_twice(SharedRing::seal_dead)
    });
}

#[test]
fn without_the_openers_cas_a_moved_block_is_sealed() {
    wrong_sequence_shows("sealed after it had moved on", || sealing_twice(seal_by_store));
}

/// How many slots of a block its reader takes for published.
type Committed = fn(&SharedRing, u32, u32) -> Option<u32>;

/// Wrong: what an earlier owner published is no word of this one.
fn committed_of_any_generation(ring: &SharedRing, index: u32, _generation: u32) -> Option<u32> {
    let (_, slots) = layout::halves(ring.committed_word(index).load(Ordering::Acquire));
    Some(slots)
}

/// A block with a past is taken by an owner who dies: before his first record, or after it. The consumer
/// seals it and reads what he has published: nothing, or that, and never what was there before.
fn dying_in_a_block_with_a_past(publishes: bool, committed: Committed) -> &'static str {
    let ring = ring_of_the_dead();
    let sealed = seal_what_is_open(&ring, SharedRing::seal_dead).expect("it was open");
    assert!(ring.free(0, sealed, BLOCK_HEADER_SLOTS + 1));
    let lock = Arc::new(AtomicU64::new(1));
    let world = (ring, lock);
    let owner = role(&world, move |(ring, lock)| {
        let block = ring.take(0, LANE, Kind::Records).expect("nobody else takes");
        if publishes {
            publish_record(ring, block, 0, NEW);
        }
        // The kernel's part: he is dead from here on.
        lock.store(0, Ordering::Release);
    });
    let consumer = role(&world, move |(ring, lock)| {
        let judged = ring.state(0).filter(|state| state.phase == Phase::Open)?;
        if lock.load(Ordering::Acquire) != 0 || !ring.seal_dead(0, judged) {
            return None;
        }
        let slots = committed(ring, 0, judged.generation).unwrap_or(BLOCK_HEADER_SLOTS);
        Some(copy_records(ring, 0, slots))
    });
    owner.join().unwrap();
    match consumer.join().unwrap().as_deref() {
        None => "not dead yet",
        Some([]) => "nothing",
        Some([[NEW, NEW]]) => "his record",
        Some([[OLD, OLD]]) => panic!("a record of the past was read again"),
        Some(other) => panic!("a record that nobody published: {other:x?}"),
    }
}

#[test]
fn who_dies_in_a_block_with_a_past_hands_nothing_of_it_on() {
    allows(&["not dead yet", "nothing"], || dying_in_a_block_with_a_past(false, SharedRing::committed));
    allows(&["not dead yet", "his record"], || dying_in_a_block_with_a_past(true, SharedRing::committed));
}

#[test]
fn the_past_is_read_again_if_committed_has_no_generation() {
    wrong_sequence_shows("a record of the past was read again", || {
        dying_in_a_block_with_a_past(false, committed_of_any_generation)
    });
}
