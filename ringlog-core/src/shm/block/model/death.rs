//! Dead owners: who may seal what they left open, while a new owner takes the lane over.

use super::*;

/// The lane's lock, which the kernel takes from its holder when he dies. Asking for it is modelled as a
/// load that acquires and no more: the kernel may answer without taking its own lock on the list.
const UNHELD: u64 = 0;
const HELD: u64 = 1;
const HELD_AGAIN: u64 = 2;

const BLOCKS: u32 = 2;

/// One ring and the lock of the one lane that is used.
#[derive(Clone)]
struct World {
    ring: SharedRing,
    lock: Arc<AtomicU64>,
}

/// A step after which an owner may die.
#[derive(Clone, Copy)]
enum Step {
    Take,
    Write,
    Publish,
    Seal,
    Untake,
}

/// What owners do. They die after any prefix of it.
const LOGS: &[Step] = &[Step::Take, Step::Write, Step::Publish, Step::Seal];
const GIVES_BACK: &[Step] = &[Step::Take, Step::Write, Step::Untake];

/// What a role did, to be added up at the end.
#[derive(Default)]
struct Deeds {
    published: Vec<u64>,
    read: Vec<u64>,
    /// Blocks by index and the generation that ended.
    freed: Vec<(u32, u32)>,
}

/// The first owner of the lane: does `steps` with block 0 and dies.
fn live_and_die(world: &World, steps: &[Step]) -> Deeds {
    let World { ring, lock } = world;
    let mut deeds = Deeds::default();
    let block = BlockId { index: 0, generation: 0 };
    for step in steps {
        match step {
            Step::Take => assert_eq!(ring.take(0, LANE, Kind::Records), Some(block)),
            Step::Write => write_record(ring, block, 0, OLD),
            Step::Publish => {
                publish_records(ring, block, 1);
                deeds.published.push(OLD);
            }
            Step::Seal => ring.seal(block, LANE, Kind::Records),
            Step::Untake => {
                ring.untake(block, LANE, Kind::Records);
                deeds.freed.push((0, 0));
            }
        }
    }
    // The kernel's part: the lock's release comes after everything that the dead have done.
    lock.store(UNHELD, Ordering::Release);
    deeds
}

/// The next owner, if the lock can be had: seals what is open under the lane, takes a block under the
/// same lane and logs. Stays alive.
fn take_over(World { ring, lock }: &World, take: Take) -> (Deeds, Option<BlockId>) {
    let mut deeds = Deeds::default();
    let (acquire, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
    if lock.compare_exchange(UNHELD, HELD_AGAIN, acquire, relaxed).is_err() {
        return (deeds, None);
    }
    for index in 0..BLOCKS {
        if let Some(state @ State { phase: Phase::Open, lane: LANE, .. }) = ring.state(index) {
            ring.seal_dead(index, state);
        }
    }
    let block = (0..BLOCKS).find_map(|index| take(ring, index, LANE, Kind::Records));
    if let Some(block) = block {
        publish_record(ring, block, 0, NEW);
        deeds.published.push(NEW);
    }
    (deeds, block)
}

/// How a consumer gets at a block that it may read to the end and free: its sealed state.
type Reclaim = fn(&World, u32) -> Option<State>;

/// Loads the state, probes the lock, swaps exactly the word that was judged.
fn judge_probe_swap(World { ring, lock }: &World, index: u32) -> Option<State> {
    let judged = ring.state(index)?;
    match judged.phase {
        Phase::Free => None,
        Phase::Sealed => Some(judged),
        Phase::Open if lock.load(Ordering::Acquire) != UNHELD => None,
        Phase::Open => ring.seal_dead(index, judged).then_some(judged.sealed()),
    }
}

/// Wrong: the proof of death may be older than the owner it is used against.
fn probe_judge_swap(World { ring, lock }: &World, index: u32) -> Option<State> {
    let dead = lock.load(Ordering::Acquire) == UNHELD;
    let judged = ring.state(index)?;
    match judged.phase {
        Phase::Free => None,
        Phase::Sealed => Some(judged),
        Phase::Open => (dead && ring.seal_dead(index, judged)).then_some(judged.sealed()),
    }
}

/// Wrong: the block may have moved on since it was judged.
fn judge_probe_store(World { ring, lock }: &World, index: u32) -> Option<State> {
    let judged = ring.state(index)?;
    match judged.phase {
        Phase::Free => None,
        Phase::Sealed => Some(judged),
        Phase::Open if lock.load(Ordering::Acquire) != UNHELD => None,
        Phase::Open => {
            ring.state_word(index).store(judged.sealed().word(), Ordering::Release);
            Some(judged.sealed())
        }
    }
}

/// One scan of the consumer.
fn scan(world: &World, reclaim: Reclaim) -> Deeds {
    let World { ring, .. } = world;
    let mut deeds = Deeds::default();
    for index in 0..BLOCKS {
        let Some(sealed) = reclaim(world, index) else { continue };
        let (slots, records) = read_published(ring, index, sealed.generation);
        deeds.read.extend(records);
        if ring.free(index, sealed, slots) {
            deeds.freed.push((index, sealed.generation));
        }
    }
    deeds
}

/// What the consumer found to free, and what the new owner got, while all three were at it.
type Found = (&'static str, &'static str);

/// An owner dies after `steps`; the consumer scans; a new owner takes the lane over: all at once. The
/// consumer might seal the new owner's block, free a block whose last record it has not seen, or bring
/// back a block that is somebody else's by now. Records would be lost, or two would write into one block.
fn dying(steps: &'static [Step], take: Take, reclaim: Reclaim) -> Found {
    let world = World { ring: small_ring(BLOCKS, 1), lock: Arc::new(AtomicU64::new(HELD)) };
    let owner = role(&world, |world| live_and_die(world, steps));
    let consumer = role(&world, move |world| scan(world, reclaim));
    let opener = role(&world, move |world| take_over(world, take));
    let (owner, consumer) = (owner.join().unwrap(), consumer.join().unwrap());
    let (opener, block) = opener.join().unwrap();

    if let Some(block) = block {
        let state = world.ring.state(block.index).expect("a known state");
        let open = state.phase == Phase::Open && state.generation == block.generation;
        assert!(open, "the block of a live owner was sealed: {state:?}");
    }
    let found = match consumer.freed[..] {
        [] => "nothing",
        [(0, 0)] => "the old block",
        _ => panic!("a block that nobody left was freed: {:?}", consumer.freed),
    };
    let got = match block {
        None => "no lane",
        Some(BlockId { index: 0, generation: 0 }) => "an unused block",
        Some(BlockId { index: 0, .. }) => "the old block",
        Some(_) => "another block",
    };
    add_up(&world, [owner, consumer, opener]);
    (found, got)
}

/// The new owner ends, too, and the consumer scans once more. Then all that was published has been
/// read, once; no block was freed twice in one generation, and none is left over.
fn add_up(world: &World, deeds: [Deeds; 3]) {
    world.lock.store(UNHELD, Ordering::Release);
    let last = scan(world, judge_probe_swap);
    let (mut published, mut read, mut freed) = (Vec::new(), Vec::new(), Vec::new());
    for deeds in deeds.into_iter().chain([last]) {
        published.extend(deeds.published);
        read.extend(deeds.read);
        freed.extend(deeds.freed);
    }
    read.sort_by_key(|value| published.iter().position(|known| known == value));
    assert_eq!(read, published, "a published record was lost or read twice");
    let once: BTreeSet<_> = freed.iter().collect();
    assert_eq!(freed.len(), once.len(), "a block was freed twice: {freed:?}");
    for index in 0..BLOCKS {
        let phase = world.ring.state(index).map(|state| state.phase);
        assert_eq!(phase, Some(Phase::Free), "a block was left over");
    }
}

const NOTHING_LEFT: &[Found] = &[("nothing", "no lane"), ("nothing", "an unused block")];
const BLOCK_LEFT: &[Found] = &[
    ("nothing", "no lane"),
    ("nothing", "another block"),
    ("the old block", "no lane"),
    ("the old block", "another block"),
    ("the old block", "the old block"),
];
const BLOCK_GIVEN_BACK: &[Found] = &[("nothing", "no lane"), ("nothing", "the old block")];

/// Runs the model for a death after each of an owner's `steps`.
fn dies_after(steps: &'static [Step], allowed: &[Found]) {
    allows(allowed, move || dying(steps, SharedRing::take, judge_probe_swap));
}

#[test]
fn an_owner_may_die_after_any_step() {
    dies_after(&LOGS[..0], NOTHING_LEFT);
    for steps in 1..=LOGS.len() {
        dies_after(&LOGS[..steps], BLOCK_LEFT);
    }
    dies_after(&GIVES_BACK[..2], BLOCK_LEFT);
    dies_after(GIVES_BACK, BLOCK_GIVEN_BACK);
}

#[test]
fn without_state_before_probe_a_live_block_is_sealed() {
    for steps in 0..=LOGS.len() {
        wrong_sequence_shows("the block of a live owner was sealed", move || {
            dying(&LOGS[..steps], SharedRing::take, probe_judge_swap)
        });
    }
}

#[test]
fn without_the_cas_a_block_is_freed_twice() {
    wrong_sequence_shows("a block was freed twice", || {
        dying(GIVES_BACK, SharedRing::take, judge_probe_store)
    });
}

/// Wrong: who sees this OPEN need not see that the lane's lock is held, and takes the lock's former
/// holder, who is dead, for the block's owner.
fn take_without_release(ring: &SharedRing, index: u32, lane: u32, kind: Kind) -> Option<BlockId> {
    let State { generation, phase: Phase::Free, .. } = ring.state(index)? else { return None };
    let free = State::free(generation).word();
    let open = State { generation, lane, kind, phase: Phase::Open }.word();
    let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
    ring.state_word(index).compare_exchange(free, open, acquire, relaxed).ok()?;
    Some(BlockId { index, generation })
}

#[test]
fn a_live_owners_block_is_sealed_if_taking_it_does_not_release() {
    for steps in 0..=LOGS.len() {
        wrong_sequence_shows("the block of a live owner was sealed", move || {
            dying(&LOGS[..steps], take_without_release, judge_probe_swap)
        });
    }
}
