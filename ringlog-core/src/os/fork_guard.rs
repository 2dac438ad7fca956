//! Delays forks while a kernel lock is taken.
//!
//! Between opening a file and closing it again, a fork copies the descriptor into the child. The child then shares
//! the open file description, and with it the lock, which would outlive this process if the child neither ends
//! nor calls exec. So `fork` waits for those few system calls. A child made by a raw `clone` does not wait, and a
//! thread that has waited too long goes on: then a child may keep the lock until it ends or calls exec.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::OnceLock;

use crate::os::owner_lock::{OwnerGuard, OwnerLock};
use crate::os::zero_on_fork::{self, ZeroOnFork};

/// Held while a thread takes a kernel lock or forks. A fork zeroes it, so it is free in every child.
static GATE: OnceLock<Option<ZeroOnFork>> = OnceLock::new();

thread_local! {
    /// Whether this thread holds the gate because it forks.
    static FORKING: Cell<bool> = const { Cell::new(false) };
}

/// Blocks forks of the process as long as it exists.
pub(crate) struct ForksBlocked {
    _gate: Option<OwnerGuard<'static>>,
}

/// Makes the gate, unless it exists. Called before a ring is opened: afterwards nothing here allocates or waits for a
/// thread of this kind, because a signal handler may be the caller.
pub(crate) fn prepare() {
    zero_on_fork::prepare();
    GATE.get_or_init(|| {
        let page = ZeroOnFork::new(4096).ok()?;
        // SAFETY: functions of this library, which the C library forgets when it is unloaded.
        let registered = unsafe { libc::pthread_atfork(Some(before), Some(after), Some(in_child)) };
        // Without handlers, or memory for them, forks are not blocked; everything else works.
        (registered == 0).then_some(page)
    });
}

/// Blocks forks. Does nothing if this thread holds the gate already: in its own fork, or in a signal handler that
/// interrupted a blocked section. Does nothing either after a bounded wait: a thread that forks holds the gate while
/// it waits for the locks of `malloc`, which the code that this handler interrupted may hold.
pub(crate) fn block_forks() -> ForksBlocked {
    ForksBlocked { _gate: gate().and_then(OwnerLock::lock) }
}

fn gate() -> Option<&'static OwnerLock> {
    let page = GATE.get()?.as_ref()?;
    // SAFETY: an atomic, valid when zero, alone in its page.
    Some(unsafe { page.at(0) })
}

extern "C" fn before() {
    if let Some(guard) = gate().and_then(OwnerLock::lock) {
        std::mem::forget(guard);
        FORKING.set(true);
    }
}

extern "C" fn after() {
    if FORKING.replace(false)
        && let Some(gate) = gate()
    {
        gate.unlock();
    }
}

extern "C" fn in_child() {
    FORKING.set(false);
    zero_on_fork::wipe_in_child();
}
