//! Models of the protocol: loom drives the functions of [`SharedRing`] through every interleaving of the
//! roles and every old value that a load may still return.
//!
//! * Every role is a thread of its own, as loom explores less of what the main thread does. A role
//!   tries each operation a bounded number of times; a loop that waits would never end under loom.
//! * A model returns the name of the outcome it reached and panics with the name of a forbidden one.
//!   Its test lists the allowed outcomes and requires that each is reached, so that a model fails if it
//!   never runs its critical step.
//! * Each model has negative twins: the same roles with one synchronisation weakened or with one
//!   wrong sequence. A twin has to reach the forbidden outcome, else the model proves nothing.
//! * loom runs a thread's loads in program order and never returns a store that has not been made yet.
//!   Where the error would be a load that happens too late, the model reads with [`read_undisturbed`],
//!   which checks the order itself.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loom::thread::JoinHandle;

use super::*;
use crate::shm::layout::SLOT_BYTES;
use crate::shm::sync::twin;

mod death;
mod definitions;
mod reuse;
mod roles;
mod steer;
mod takeover;
mod users;
mod visibility;
mod wake;

/// How often a thread may be interrupted in the interleavings that are explored, unless
/// `LOOM_MAX_PREEMPTIONS` says otherwise. The twins fail with fewer.
const PREEMPTIONS: usize = 3;

const LANE: u32 = 7;
const OTHER_LANE: u32 = 8;

/// The values of records in a block's first generation and in its next.
const OLD: u64 = 0x01d;
const NEW: u64 = 0x7e3;

/// A model: a function that runs once for each interleaving and returns the outcome it reached.
trait Model<O>: Fn() -> O + Send + std::marker::Sync + 'static {}
impl<O, F: Fn() -> O + Send + std::marker::Sync + 'static> Model<O> for F {}

/// An outcome: a name, or several names.
trait Outcome: Ord + Copy + Debug + Send + 'static {}
impl<O: Ord + Copy + Debug + Send + 'static> Outcome for O {}

/// Asserts that `model` reaches all of the outcomes `allowed` and no others.
fn allows<O: Outcome>(allowed: &[O], model: impl Model<O>) {
    let _alone = alone();
    assert_eq!(explore(model), allowed.iter().copied().collect());
}

/// Asserts that `model` reaches the outcome `forbidden` when `sync` is weakened to relaxed.
fn weakening_shows<O: Outcome>(sync: Sync, forbidden: &str, model: impl Model<O>) {
    twin_shows(Some(sync), forbidden, model);
}

/// Asserts that `twin`, a model with a wrong sequence in it, reaches the outcome `forbidden`.
fn wrong_sequence_shows<O: Outcome>(forbidden: &str, twin: impl Model<O>) {
    twin_shows(None, forbidden, twin);
}

fn twin_shows<O: Outcome>(weakened: Option<Sync>, forbidden: &str, twin: impl Model<O>) {
    let _alone = alone();
    let _weakened = Weakened::new(weakened);
    let panic = catch_unwind(AssertUnwindSafe(|| explore(twin)))
        .expect_err("the twin reached only allowed outcomes, so its model proves nothing");
    let text = message(&*panic);
    assert!(text.contains(forbidden), "the twin failed for another reason: {text}");
}

/// Runs `model` through its interleavings and returns the outcomes that they reached.
fn explore<O: Outcome>(model: impl Model<O>) -> BTreeSet<O> {
    let reached = Arc::new(Mutex::new((0, BTreeSet::new())));
    let reaching = Arc::clone(&reached);
    let mut loom = loom::model::Builder::new();
    loom.preemption_bound.get_or_insert(PREEMPTIONS);
    loom.check(move || {
        let outcome = model();
        let (runs, outcomes) = &mut *reaching.lock().unwrap();
        *runs += 1;
        outcomes.insert(outcome);
    });
    let (runs, outcomes) = &*reached.lock().unwrap();
    eprintln!("{runs} interleavings: {outcomes:?}");
    outcomes.clone()
}

/// A lock that makes the tests run one at a time: they share the switch that weakens a synchronisation.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A weakened synchronisation, until dropped.
struct Weakened;

impl Weakened {
    fn new(sync: Option<Sync>) -> Weakened {
        twin::weaken(sync);
        Weakened
    }
}

impl Drop for Weakened {
    fn drop(&mut self) {
        twin::weaken(None);
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("")
}

/// A ring of `blocks` free blocks with room for `records` records of one slot each. Apart from these
/// slots, only the state and `committed` words exist.
fn small_ring(blocks: u32, records: u32) -> SharedRing {
    small_ring_with(blocks, records, 0..0)
}

/// The same with the words of the getter's role.
fn small_ring_with_role(blocks: u32, records: u32) -> SharedRing {
    let start = layout::header::GETTING / 8;
    small_ring_with(blocks, records, start..start + layout::role::TURNS / 8 + 1)
}

fn small_ring_with(blocks: u32, records: u32, header_words: std::ops::Range<usize>) -> SharedRing {
    let block_bytes = (BLOCK_HEADER_SLOTS + records) * SLOT_BYTES as u32;
    let geometry = Geometry {
        file_bytes: 0,
        block_bytes,
        block_count: blocks,
        lane_count: 0,
        reserved_blocks: 0,
        headroom_slots: 0,
        definitions: crate::shm::layout::area::Area::new(1, 1, 3),
    };
    let (states, starts) = (geometry.states_offset() / 8, geometry.blocks_offset() / 8);
    let words = (0..blocks as usize).flat_map(|index| {
        let start = starts + index * block_bytes as usize / 8;
        let committed = start + layout::block::COMMITTED;
        let bytes = start + word_of(0)..start + word_of(records);
        [states + index, committed].into_iter().chain(bytes)
    });
    SharedRing::new(Memory::zeroed(header_words.chain(words)), geometry)
}

/// The word of a block at which its record number `record` starts.
const fn word_of(record: u32) -> usize {
    (BLOCK_HEADER_SLOTS + record) as usize * SLOT_WORDS
}

type Take = fn(&SharedRing, u32, u32, Kind) -> Option<BlockId>;

/// Starts a role in a thread of its own.
fn role<W, T>(world: &W, run: impl FnOnce(&W) -> T + 'static) -> JoinHandle<T>
where
    W: Clone + 'static,
    T: 'static,
{
    let world = world.clone();
    loom::thread::spawn(move || run(&world))
}

/// Takes the block and publishes `records` in it; leaves it open.
fn block_with(ring: &SharedRing, index: u32, lane: u32, records: &[u64]) -> BlockId {
    let block = ring.take(index, lane, Kind::Records).expect("the block is free");
    for (number, &value) in (0..).zip(records) {
        publish_record(ring, block, number, value);
    }
    block
}

/// Stores record number `record` of the block: two words, so that one can be seen without the other.
fn write_record(ring: &SharedRing, block: BlockId, record: u32, value: u64) {
    for word in 0..2 {
        ring.block_word(block.index, word_of(record) + word).store(value, Ordering::Relaxed);
    }
}

fn publish_record(ring: &SharedRing, block: BlockId, record: u32, value: u64) {
    write_record(ring, block, record, value);
    publish_records(ring, block, record + 1);
}

/// Publishes the block's first `records` records, which have been written.
fn publish_records(ring: &SharedRing, block: BlockId, records: u32) {
    publish(ring.committed_word(block.index), pair(block.generation, BLOCK_HEADER_SLOTS + records));
}

/// The records of the block up to `slots`, of two words each, which need not be equal.
fn copy_records(ring: &SharedRing, index: u32, slots: u32) -> Vec<[u64; 2]> {
    let mut words = Vec::new();
    ring.copy_slots(index, BLOCK_HEADER_SLOTS, slots, &mut words);
    words.chunks_exact(SLOT_WORDS).map(|slot| [slot[0], slot[1]]).collect()
}

/// The number of slots published in `generation`, by the block's `committed` word, and their records.
fn read_published(ring: &SharedRing, index: u32, generation: u32) -> (u32, Vec<u64>) {
    let slots = ring.committed(index, generation).unwrap_or(BLOCK_HEADER_SLOTS);
    let whole = |[first, second]: [u64; 2]| {
        assert_eq!(first, second, "a record without all of its bytes");
        first
    };
    (slots, copy_records(ring, index, slots).into_iter().map(whole).collect())
}

/// Reads the first record of a block that only the caller may access: loom panics unless a
/// synchronisation orders every store to it before this load or after it.
#[allow(unsafe_code)]
fn read_undisturbed(ring: &SharedRing, index: u32) -> u64 {
    // SAFETY: loom's atomics are memory of its own. It checks for the race that would be undefined
    // behaviour in a plain load, which is what the model tests.
    unsafe { ring.block_word(index, word_of(0)).unsync_load() }
}
