//! The role of the getter: one process has it at a time, sees what the one before has done, takes it from a dead one
//! once, and is woken if it waits. A claim is there before the item that it copies is acknowledged.

use super::*;
use crate::shm::role::Holder;

const ONE: Holder = Holder::new(0, 1);
const OTHER: Holder = Holder::new(1, 1);
const DEAD: Holder = Holder::new(2, 1);

/// The place of a claim in the ring, and the item.
const ITEM: u64 = 0x17e;

/// A ring with the role, and the number of items that were taken out.
type World = (SharedRing, Arc<AtomicU64>);

fn world() -> World {
    (small_ring_with_role(1, 1), Arc::new(AtomicU64::new(0)))
}

/// What a getter does with the role: reads how many items were taken out, and takes one more.
fn take_item(taken: &AtomicU64) -> u64 {
    let item = taken.load(Ordering::Relaxed);
    taken.store(item + 1, Ordering::Relaxed);
    item
}

/// Two getters try to take an item each.
fn getting() -> &'static str {
    let world = world();
    let get = |me| {
        role(&world, move |(ring, taken): &World| {
            ring.getting().take(me).ok()?;
            let item = take_item(taken);
            ring.getting().give_back();
            Some(item)
        })
    };
    let (one, other) = (get(ONE), get(OTHER));
    match (one.join().unwrap(), other.join().unwrap()) {
        (Some(a), Some(b)) if a == b => panic!("an item came twice"),
        (Some(_), Some(_)) => "one after the other",
        (None, None) => panic!("the role was free and neither got it"),
        _ => "one at a time",
    }
}

#[test]
fn a_getter_sees_what_the_one_before_has_taken() {
    allows(&["one after the other", "one at a time"], getting);
}

#[test]
fn an_item_comes_twice_without_order_between_getters() {
    weakening_shows(Sync::Role, "an item came twice", getting);
}

/// How the role is taken from a dead holder.
type TakeFromDead = fn(&SharedRing, Holder) -> bool;

fn by_cas(ring: &SharedRing, me: Holder) -> bool {
    ring.getting().take_from_dead(DEAD, me)
}

/// Wrong: another one may have taken it by now.
fn by_store(ring: &SharedRing, me: Holder) -> bool {
    ring.getting().seize(me);
    true
}

/// Two getters have found the holder dead.
fn inheriting(take: TakeFromDead) -> &'static str {
    let world = world();
    assert!(world.0.getting().take(DEAD).is_ok());
    let get = |me| {
        role(&world, move |(ring, taken): &World| {
            // Without giving it back: each would be the only one.
            take(ring, me).then(|| take_item(taken))
        })
    };
    let (one, other) = (get(ONE), get(OTHER));
    match (one.join().unwrap(), other.join().unwrap()) {
        (Some(_), Some(_)) => panic!("two have the role"),
        (None, None) => panic!("neither has it"),
        _ => "one has it",
    }
}

#[test]
fn the_role_of_a_dead_getter_goes_to_one() {
    allows(&["one has it"], || inheriting(by_cas));
}

#[test]
fn two_have_the_role_if_it_is_taken_by_a_store() {
    wrong_sequence_shows("two have the role", || inheriting(by_store));
}

/// A getter gives the role back while another one is about to sleep.
fn waiting() -> &'static str {
    let world = world();
    assert!(world.0.getting().take(ONE).is_ok());
    let holder = role(&world, |(ring, _): &World| ring.getting().give_back());
    let waiter = role(&world, |(ring, _): &World| {
        ring.getting().announce();
        ring.getting().take(OTHER).is_ok()
    });
    match (holder.join().unwrap(), waiter.join().unwrap()) {
        (false, false) => panic!("asleep beside a free role"),
        (true, false) => "woken",
        (false, true) => "taken",
        (true, true) => "taken, and woken needlessly",
    }
}

#[test]
fn a_getter_never_sleeps_beside_a_free_role() {
    allows(&["woken", "taken", "taken, and woken needlessly"], waiting);
}

#[test]
fn a_getter_sleeps_beside_a_free_role_without_the_fences() {
    weakening_shows(Sync::Turn, "asleep beside a free role", waiting);
}

/// What a getter has done when it is killed.
#[derive(Clone, Copy)]
enum Order {
    ClaimFirst,
    /// Wrong.
    AcknowledgeFirst,
}

/// A getter claims an item and may be killed in between; another one then has the role.
fn claiming(order: Order, is_killed: bool) -> &'static str {
    let world = world();
    let getter = role(&world, move |(ring, taken): &World| {
        ring.getting().take(ONE).ok()?;
        let claim = || {
            let block = ring.take(0, LANE, Kind::Claims)?;
            publish_record(ring, block, 0, ITEM);
            ring.seal(block, LANE, Kind::Claims);
            Some(())
        };
        match order {
            Order::ClaimFirst => claim()?,
            Order::AcknowledgeFirst => _ = take_item(taken),
        }
        // Killed here, it does the other step no more. The kernel proves that it is dead after all of its stores.
        if !is_killed {
            match order {
                Order::ClaimFirst => _ = take_item(taken),
                Order::AcknowledgeFirst => claim()?,
            }
        }
        ring.getting().give_back();
        Some(())
    });
    let next = role(&world, |(ring, taken): &World| {
        ring.getting().take(OTHER).ok()?;
        let is_there = taken.load(Ordering::Relaxed) == 0;
        let claim = ring.state(0).filter(|state| state.kind == Kind::Claims && state.phase == Phase::Sealed);
        let claimed = claim.map(|state| read_published(ring, 0, state.generation).1 == [ITEM]);
        Some((is_there, claimed))
    });
    getter.join().unwrap();
    match next.join().unwrap() {
        None => "not yet",
        Some((false, None)) => panic!("the item is lost"),
        Some((_, Some(false))) => panic!("the claim is of another item"),
        Some((true, None)) => "in the queue",
        Some((false, Some(true))) => "claimed",
        Some((true, Some(true))) => "both",
    }
}

#[test]
fn an_item_is_in_the_queue_or_claimed() {
    allows(&["not yet", "in the queue", "claimed"], || claiming(Order::ClaimFirst, false));
    allows(&["not yet", "in the queue", "both"], || claiming(Order::ClaimFirst, true));
}

#[test]
fn an_item_is_lost_if_it_is_acknowledged_first() {
    wrong_sequence_shows("the item is lost", || claiming(Order::AcknowledgeFirst, true));
}

#[test]
fn an_item_is_lost_without_order_between_getters() {
    weakening_shows(Sync::Role, "lost", || claiming(Order::ClaimFirst, false));
}
