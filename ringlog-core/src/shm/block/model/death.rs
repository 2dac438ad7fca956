//! Dead owners: which process may seal the blocks they left open, while a new owner takes the lane over.

use super::*;

/// The states of the lane's lock, which the kernel releases when its holder dies. A query is modelled as an
/// acquire load only: the kernel may answer without taking its own lock on the list.
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

/// One step of an owner, which may die after it.
#[derive(Clone, Copy)]
enum Step {
    Take,
    Write,
    Publish,
    Seal,
    Untake,
}

/// The steps of an owner that logs. It dies after any prefix of them.
const LOGS: &[Step] = &[Step::Take, Step::Write, Step::Publish, Step::Seal];
/// The steps of an owner that gives its block back.
const GIVES_BACK: &[Step] = &[Step::Take, Step::Write, Step::Untake];

/// What a role has published, read and freed; [`check_totals`] adds it up.
#[derive(Default)]
struct Effects {
    published: Vec<u64>,
    read: Vec<u64>,
    /// Blocks by index, with the generation that ended.
    freed: Vec<(u32, u32)>,
}

/// The first owner of the lane: runs `steps` on block 0 and dies.
fn run_and_die(world: &World, steps: &[Step]) -> Effects {
    let World { ring, lock } = world;
    let mut effects = Effects::default();
    let block = BlockId { index: 0, generation: 0 };
    for step in steps {
        match step {
            Step::Take => assert_eq!(ring.take(0, LANE, Kind::Records), Some(block)),
            Step::Write => write_record(ring, block, 0, OLD),
            Step::Publish => {
                publish_records(ring, block, 1);
                effects.published.push(OLD);
            }
            Step::Seal => ring.seal(block, LANE, Kind::Records),
            Step::Untake => {
                ring.untake(block, LANE, Kind::Records);
                effects.freed.push((0, 0));
            }
        }
    }
    // The kernel's part: it releases the lock after everything that the dead owner has done.
    lock.store(UNHELD, Ordering::Release);
    effects
}

/// The next owner, if it gets the lock: seals the lane's open blocks, takes a block for the same lane and
/// logs. Stays alive.
fn take_over(World { ring, lock }: &World, take: Take) -> (Effects, Option<BlockId>) {
    let mut effects = Effects::default();
    let (acquire, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
    if lock.compare_exchange(UNHELD, HELD_AGAIN, acquire, relaxed).is_err() {
        return (effects, None);
    }
    for index in 0..BLOCKS {
        if let Some(state @ State { phase: Phase::Open, lane: LANE, .. }) = ring.state(index) {
            ring.seal_dead(index, state);
        }
    }
    let block = (0..BLOCKS).find_map(|index| take(ring, index, LANE, Kind::Records));
    if let Some(block) = block {
        publish_record(ring, block, 0, NEW);
        effects.published.push(NEW);
    }
    (effects, block)
}

/// How a consumer gets the sealed state of a block, which it may then read to the end and free.
type Reclaim = fn(&World, u32) -> Option<State>;

/// Loads the state, probes the lock, swaps exactly the word that was loaded.
fn load_probe_swap(World { ring, lock }: &World, index: u32) -> Option<State> {
    let seen = ring.state(index)?;
    match seen.phase {
        Phase::Free => None,
        Phase::Sealed => Some(seen),
        Phase::Open if lock.load(Ordering::Acquire) != UNHELD => None,
        Phase::Open => ring.seal_dead(index, seen).then_some(seen.sealed()),
    }
}

/// Wrong: the lock was probed before the state was loaded, so it may have been free before the block's owner took it.
fn probe_load_swap(World { ring, lock }: &World, index: u32) -> Option<State> {
    let dead = lock.load(Ordering::Acquire) == UNHELD;
    let seen = ring.state(index)?;
    match seen.phase {
        Phase::Free => None,
        Phase::Sealed => Some(seen),
        Phase::Open => (dead && ring.seal_dead(index, seen)).then_some(seen.sealed()),
    }
}

/// Wrong: the block's state may have changed since it was loaded.
fn load_probe_store(World { ring, lock }: &World, index: u32) -> Option<State> {
    let seen = ring.state(index)?;
    match seen.phase {
        Phase::Free => None,
        Phase::Sealed => Some(seen),
        Phase::Open if lock.load(Ordering::Acquire) != UNHELD => None,
        Phase::Open => {
            ring.state_word(index).store(seen.sealed().word(), Ordering::Release);
            Some(seen.sealed())
        }
    }
}

/// One scan of the consumer.
fn scan(world: &World, reclaim: Reclaim) -> Effects {
    let World { ring, .. } = world;
    let mut effects = Effects::default();
    for index in 0..BLOCKS {
        let Some(sealed) = reclaim(world, index) else { continue };
        let (slots, records) = read_published(ring, index, sealed.generation);
        effects.read.extend(records);
        if ring.free(index, sealed, slots) {
            effects.freed.push((index, sealed.generation));
        }
    }
    effects
}

/// Which block the consumer freed, and which block the new owner got, while all three roles ran.
type Found = (&'static str, &'static str);

/// An owner dies after `steps`, the consumer scans and a new owner takes the lane over, at the same time.
/// Forbidden: the consumer seals the new owner's block, frees a block whose last record it has not seen, or
/// frees a block that has another owner by now. Records would be lost, or two owners would write into one block.
fn owner_dies(steps: &'static [Step], take: Take, reclaim: Reclaim) -> Found {
    let world = World { ring: small_ring(BLOCKS, 1), lock: Arc::new(AtomicU64::new(HELD)) };
    let owner = role(&world, |world| run_and_die(world, steps));
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
        _ => panic!("a block without a dead owner was freed: {:?}", consumer.freed),
    };
    let got = match block {
        None => "no lane",
        Some(BlockId { index: 0, generation: 0 }) => "an unused block",
        Some(BlockId { index: 0, .. }) => "the old block",
        Some(_) => "another block",
    };
    check_totals(&world, [owner, consumer, opener]);
    (found, got)
}

/// Ends the new owner too and scans once more. Then every published record has been read once, no block was
/// freed twice in one generation, and every block is free.
fn check_totals(world: &World, effects: [Effects; 3]) {
    world.lock.store(UNHELD, Ordering::Release);
    let last = scan(world, load_probe_swap);
    let (mut published, mut read, mut freed) = (Vec::new(), Vec::new(), Vec::new());
    for effects in effects.into_iter().chain([last]) {
        published.extend(effects.published);
        read.extend(effects.read);
        freed.extend(effects.freed);
    }
    read.sort_by_key(|value| published.iter().position(|known| known == value));
    assert_eq!(read, published, "a published record was lost or read twice");
    let once: BTreeSet<_> = freed.iter().collect();
    assert_eq!(freed.len(), once.len(), "a block was freed twice: {freed:?}");
    for index in 0..BLOCKS {
        let phase = world.ring.state(index).map(|state| state.phase);
        assert_eq!(phase, Some(Phase::Free), "a block was not freed");
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

/// Asserts the outcomes of the model for an owner that dies after `steps`.
fn dies_after(steps: &'static [Step], allowed: &[Found]) {
    allows(allowed, move || owner_dies(steps, SharedRing::take, load_probe_swap));
}

#[test]
fn records_survive_an_owner_that_dies_after_any_step() {
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
            owner_dies(&LOGS[..steps], SharedRing::take, probe_load_swap)
        });
    }
}

#[test]
fn without_the_cas_a_block_is_freed_twice() {
    wrong_sequence_shows("a block was freed twice", || {
        owner_dies(GIVES_BACK, SharedRing::take, load_probe_store)
    });
}

/// Wrong: a consumer that sees this OPEN need not see that the lane's lock is held. It then takes the block for
/// one of the lock's former holder, which is dead.
fn take_without_release(ring: &SharedRing, index: u32, lane: u32, kind: Kind) -> Option<BlockId> {
    let State { generation, phase: Phase::Free, .. } = ring.state(index)? else { return None };
    let free = State::free(generation).word();
    let open = State { generation, lane, kind, phase: Phase::Open }.word();
    let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
    ring.state_word(index).compare_exchange(free, open, acquire, relaxed).ok()?;
    Some(BlockId { index, generation })
}

#[test]
fn without_the_release_of_take_a_live_block_is_sealed() {
    for steps in 0..=LOGS.len() {
        wrong_sequence_shows("the block of a live owner was sealed", move || {
            owner_dies(&LOGS[..steps], take_without_release, load_probe_swap)
        });
    }
}
