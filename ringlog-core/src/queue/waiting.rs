//! Waiting for a role, as long as its holder lives.

use std::time::{Duration, Instant};

use super::patience::Patience;
use super::station::Station;
use crate::os::futex;
use crate::shm::block::SharedRing;
use crate::shm::layout::lock as lock_byte;
use crate::shm::role::{Holder, Role};

/// From this time on a waiter asks to be the next, and the last holder lets it.
const BARGING: Duration = Duration::from_millis(1);
/// How long the last holder lets another process go before it.
const YIELDING: Duration = Duration::from_millis(1);
/// The first sleep of a waiter. Then it asks whether the holder lives.
const NAP_MIN: Duration = Duration::from_millis(1);
const NAP_MAX: Duration = Duration::from_millis(50);

/// A role that this process has, until dropped.
pub(super) struct Held<'a> {
    role: Role<'a>,
    me: Holder,
    /// Whether the holder before was killed.
    pub(super) follows_death: bool,
}

impl Held<'_> {
    /// Whether this process also had the role before: no other one has changed anything since.
    pub(super) fn is_again(&self) -> bool {
        self.role.renew_last(self.me)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.role.give_back() {
            futex::wake(self.role.turns(), i32::MAX);
        }
    }
}

/// Takes a role for this process, of which the calling thread has the turn. `None` if that is not possible in time.
pub(super) fn take<'a>(
    station: &Station,
    ring: &SharedRing,
    role: Role<'a>,
    patience: &Patience<'_>,
) -> Option<Held<'a>> {
    let me = station.me;
    let held = |role, follows_death| Some(Held { role, me, follows_death });
    let mut wait = Wait::new(me);
    if wait.attempt(&role).is_ok() {
        return held(role, false);
    }
    let begun = Instant::now();
    let mut nap = NAP_MIN;
    loop {
        let turns = role.announce();
        let found = wait.attempt(&role);
        if found.is_ok() {
            role.drop_claim(me);
            return held(role, false);
        }
        let suspect = found.err().flatten().filter(|holder| *holder == me || nap > NAP_MIN);
        if let Some(holder) = suspect
            && !is_alive(station, ring, holder)
            && role.take_from_dead(holder, me)
        {
            role.drop_claim(me);
            return held(role, true);
        }
        let Some(slice) = patience.slice(nap) else {
            role.drop_claim(me);
            return None;
        };
        futex::wait(role.turns(), turns as u32, slice);
        if begun.elapsed() >= BARGING {
            role.claim_turn(me);
        }
        nap = (nap * 2).min(NAP_MAX);
    }
}

/// One process that waits.
struct Wait {
    me: Holder,
    /// The process that goes before this one, and until when.
    yields: Option<(Holder, Instant)>,
}

impl Wait {
    fn new(me: Holder) -> Wait {
        Wait { me, yields: None }
    }

    /// Takes the role if it is free and no other process is to go first. Otherwise returns the holder, if there is one.
    fn attempt(&mut self, role: &Role<'_>) -> Result<(), Option<Holder>> {
        if let Some(first) = role.yields_to(self.me) {
            let until = match self.yields {
                Some((yields_to, until)) if yields_to == first => until,
                _ => Instant::now() + YIELDING,
            };
            self.yields = Some((first, until));
            if Instant::now() < until {
                return Err(None);
            }
            // It may have been killed.
            role.drop_claim(first);
        }
        role.take(self.me).map_err(Some)
    }
}

/// Whether the holder of a role is alive. One of this process is not: the calling thread has its turn, so a thread that
/// had the role before was ended from outside.
pub(super) fn is_alive(station: &Station, ring: &SharedRing, holder: Holder) -> bool {
    let (lane, incarnation) = holder.process();
    // The word is untrusted.
    if holder == station.me || lane >= ring.geometry().lane_count {
        return false;
    }
    // The entry before the lock: the owner of a later incarnation holds the lock before its entry says so.
    ring.lane_state(lane).incarnation == incarnation
        && station.session().lock_file.is_held(lock_byte::lane(lane)).unwrap_or(true)
}
