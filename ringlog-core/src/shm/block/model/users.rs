//! The end of a mapping: SYNC LEAVE, SYNC BEGIN. It is unmapped by its last user, and never under one.

#![allow(unsafe_code)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;

use super::*;
use crate::shm::users::{Entered, Users};

/// A mapping with a name that uses it, and a lane that is open.
struct Mapped {
    users: Users,
    /// The number of the mapping; 0 for none.
    id: AtomicU64,
    /// Stands for the mapping: it is read by users, and changed where it is mapped and unmapped.
    bytes: UnsafeCell<u64>,
}

// SAFETY: loom checks the accesses to the cell.
unsafe impl std::marker::Sync for Mapped {}
// SAFETY: as for Sync.
unsafe impl Send for Mapped {}

impl Mapped {
    fn with_users(users: u64) -> Arc<Mapped> {
        Arc::new(Mapped { users: Users::new(users), id: AtomicU64::new(1), bytes: UnsafeCell::new(1) })
    }

    fn is_mapped(&self) -> bool {
        self.id.load(Ordering::Acquire) != 0
    }

    fn unmap(&self) {
        self.id.store(0, Ordering::Release);
        self.write(0);
    }

    fn read(&self) -> u64 {
        // SAFETY: loom checks that nothing writes meanwhile.
        self.bytes.with(|bytes| unsafe { *bytes })
    }

    fn write(&self, value: u64) {
        // SAFETY: loom checks that nothing else reads or writes meanwhile.
        self.bytes.with_mut(|bytes| unsafe { *bytes = value });
    }

    fn leave(&self) {
        if self.users.leave() {
            self.unmap();
        }
    }
}

fn role_of<R: Send + 'static>(
    mapped: &Arc<Mapped>,
    act: impl FnOnce(&Mapped) -> R + Send + 'static,
) -> JoinHandle<R> {
    let mapped = mapped.clone();
    loom::thread::spawn(move || act(&mapped))
}

/// A record on the slow path.
fn record(mapped: &Mapped) -> &'static str {
    match mapped.users.enter(|| mapped.is_mapped()) {
        Entered::Counted => {
            assert_eq!(mapped.read(), 1, "used after it was unmapped");
            mapped.leave();
            "used"
        }
        Entered::Over => "over",
        Entered::Unmapped => panic!("neither mapped nor over"),
    }
}

/// The name leaves its old ring while a lane in it is closed and a record comes.
fn leaving() -> &'static str {
    let mapped = Mapped::with_users(2);
    let lane = role_of(&mapped, |mapped| {
        assert_eq!(mapped.read(), 1);
        mapped.leave();
    });
    let late = role_of(&mapped, record);
    mapped.leave();
    lane.join().unwrap();
    let late = late.join().unwrap();
    assert_eq!(mapped.read(), 0, "no thread has unmapped it");
    late
}

#[test]
fn the_last_user_unmaps() {
    allows(&["over", "used"], leaving);
}

#[test]
fn a_mapping_is_used_while_it_is_unmapped_without_leave() {
    weakening_shows(Sync::Leave, "Causality violation", leaving);
}

/// A ring that only its name uses is ended by it, while another thread takes the last use away.
#[test]
fn a_mapping_is_unmapped_once() {
    allows(&["by the end", "by leaving"], || {
        let mapped = Mapped::with_users(2);
        let user = role_of(&mapped, |mapped| mapped.users.leave().then(|| mapped.unmap()).is_some());
        let end = role_of(&mapped, |mapped| mapped.users.end_with(1).then(|| mapped.unmap()).is_some());
        match (user.join().unwrap(), end.join().unwrap()) {
            (false, true) => "by the end",
            (true, true) => panic!("unmapped twice"),
            // The end came too early, so its caller leaves as the user has.
            (was_last, false) => {
                assert!(!was_last, "unmapped under the end's caller");
                assert!(mapped.users.leave(), "no thread has unmapped it");
                "by leaving"
            }
        }
    });
}

/// A place that is over is prepared for another mapping, while a thread still has its address.
fn beginning() -> &'static str {
    let mapped = Mapped::with_users(1);
    mapped.leave();
    let next = role_of(&mapped, |mapped| {
        assert!(mapped.users.claim());
        mapped.write(2);
        mapped.users.begin();
        // As a session begins: its own use first, then the word that says that it is mapped.
        mapped.users.add();
        mapped.id.store(2, Ordering::Release);
    });
    let stale = role_of(&mapped, |mapped| match mapped.users.enter(|| mapped.is_mapped()) {
        Entered::Counted => {
            assert_eq!(mapped.read(), 2, "the mapping before");
            mapped.leave();
            "the next one"
        }
        // What is prepared may be read, as the library reads its name.
        Entered::Unmapped => {
            assert_eq!(mapped.read(), 2, "the mapping before");
            "not mapped yet"
        }
        Entered::Over => "over",
    });
    next.join().unwrap();
    stale.join().unwrap()
}

#[test]
fn a_stale_address_leads_to_what_is_prepared() {
    allows(&["not mapped yet", "over", "the next one"], beginning);
}

#[test]
fn a_stale_address_leads_to_half_a_mapping_without_begin() {
    weakening_shows(Sync::Begin, "Causality violation", beginning);
}
