//! A lane and its blocks change their owner: the lane's next owner and the consumer both find a block that a
//! dead owner left open, while another producer tries to take it.

use super::*;

/// How a block of a dead owner is sealed.
type SealDead = fn(&SharedRing, u32, State) -> bool;

/// Wrong: the block may have another owner by now.
fn seal_by_store(ring: &SharedRing, index: u32, seen: State) -> bool {
    ring.state_word(index).store(seen.sealed().word(), Ordering::Release);
    true
}

/// A ring with an orphan: the lane's owner has published a record and died. The block is open, the lane's lock free.
fn ring_with_orphan() -> SharedRing {
    let ring = small_ring(1, 1);
    block_with(&ring, 0, LANE, &[OLD]);
    ring
}

/// Seals block 0 if it is found open under the lane.
fn seal_if_open(ring: &SharedRing, seal: SealDead) -> Option<State> {
    match ring.state(0)? {
        seen @ State { phase: Phase::Open, lane: LANE, .. } => seal(ring, 0, seen).then_some(seen.sealed()),
        sealed @ State { phase: Phase::Sealed, lane: LANE, .. } => Some(sealed),
        _ => None,
    }
}

/// The consumer seals, reads and frees the block; the lane's next owner seals it as well; a producer with
/// another lane takes it as soon as it is free, and logs. That block must not be sealed, and the dead
/// owner's record must be read once.
fn sealing_twice(by_opener: SealDead) -> &'static str {
    let ring = ring_with_orphan();
    let opener = role(&ring, move |ring| {
        seal_if_open(ring, by_opener);
    });
    let consumer = role(&ring, |ring| {
        let sealed = seal_if_open(ring, SharedRing::seal_dead)?;
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
            assert_eq!(state, open, "another owner's block was sealed after its state had changed");
            "freed and taken again"
        }
        (true, None) => {
            assert_eq!(
                (phase, generation),
                (Phase::Free, 1),
                "a freed block was sealed after its state had changed"
            );
            "freed"
        }
        (false, None) => {
            assert_eq!((phase, generation), (Phase::Sealed, 0), "the block was not sealed");
            "sealed by the opener first"
        }
        (false, Some(_)) => panic!("taken before it was freed"),
    }
}

#[test]
fn a_block_that_two_processes_find_open_is_sealed_once() {
    allows(&["freed", "freed and taken again", "sealed by the opener first"], || {
        sealing_twice(SharedRing::seal_dead)
    });
}

#[test]
fn without_the_openers_cas_a_changed_block_is_sealed() {
    wrong_sequence_shows("sealed after its state had changed", || sealing_twice(seal_by_store));
}

/// How a reader gets the number of a block's published slots.
type Committed = fn(&SharedRing, u32, u32) -> Option<u32>;

/// Wrong: the number may be an earlier owner's.
fn committed_of_any_generation(ring: &SharedRing, index: u32, _generation: u32) -> Option<u32> {
    let (_, slots) = layout::halves(ring.committed_word(index).load(Ordering::Acquire));
    Some(slots)
}

/// An owner takes a block that was used before and dies, before its first record or after it (`publishes`). The
/// consumer seals the block and reads what this owner has published: nothing, or its record, never an old one.
fn dying_in_reused_block(publishes: bool, committed: Committed) -> &'static str {
    let ring = ring_with_orphan();
    let sealed = seal_if_open(&ring, SharedRing::seal_dead).expect("it was open");
    assert!(ring.free(0, sealed, BLOCK_HEADER_SLOTS + 1));
    let lock = Arc::new(AtomicU64::new(1));
    let world = (ring, lock);
    let owner = role(&world, move |(ring, lock)| {
        let block = ring.take(0, LANE, Kind::Records).expect("the block is free");
        if publishes {
            publish_record(ring, block, 0, NEW);
        }
        // The kernel's part: it releases the lock of the dead owner.
        lock.store(0, Ordering::Release);
    });
    let consumer = role(&world, move |(ring, lock)| {
        let seen = ring.state(0).filter(|state| state.phase == Phase::Open)?;
        if lock.load(Ordering::Acquire) != 0 || !ring.seal_dead(0, seen) {
            return None;
        }
        let slots = committed(ring, 0, seen.generation).unwrap_or(BLOCK_HEADER_SLOTS);
        Some(copy_records(ring, 0, slots))
    });
    owner.join().unwrap();
    match consumer.join().unwrap().as_deref() {
        None => "not dead yet",
        Some([]) => "nothing",
        Some([[NEW, NEW]]) => "its record",
        Some([[OLD, OLD]]) => panic!("an old record was read again"),
        Some(other) => panic!("an unpublished record: {other:x?}"),
    }
}

#[test]
fn a_reused_block_of_a_dead_owner_shows_no_old_record() {
    allows(&["not dead yet", "nothing"], || dying_in_reused_block(false, SharedRing::committed));
    allows(&["not dead yet", "its record"], || dying_in_reused_block(true, SharedRing::committed));
}

#[test]
fn without_generations_an_old_record_is_read_again() {
    wrong_sequence_shows("an old record was read again", || {
        dying_in_reused_block(false, committed_of_any_generation)
    });
}
