//! Forks wait while a kernel lock is being taken.
//!
//! Between opening a file and closing it again its descriptor is copied into every child that is forked,
//! and with it the open file description, and with that the lock: the lock would outlive us in a child
//! that neither ends nor execs. So `fork` waits for those few system calls. A child made behind the C
//! library's back (a raw `clone`) may still keep the lock, until it ends or execs.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::OnceLock;

use crate::os::owner_lock::{OwnerGuard, OwnerLock};
use crate::os::zero_on_fork::ZeroOnFork;

/// Held by whoever takes a kernel lock, or forks. In memory that a fork wipes: free in every child.
static GATE: OnceLock<Option<ZeroOnFork>> = OnceLock::new();

thread_local! {
    /// This thread forks, and holds the gate for that.
    static FORKING: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the process from being forked while it lives.
pub(crate) struct ForksBlocked {
    _gate: Option<OwnerGuard<'static>>,
}

/// Makes forks wait. Where this thread is itself on its way to a fork, or has been interrupted while it
/// holds forks off, there is nothing to wait for.
pub(crate) fn block_forks() -> ForksBlocked {
    ForksBlocked { _gate: gate().and_then(OwnerLock::lock) }
}

fn gate() -> Option<&'static OwnerLock> {
    let page = GATE.get_or_init(|| {
        let page = ZeroOnFork::new(4096).ok()?;
        // SAFETY: functions of this library, which the C library forgets when it is unloaded.
        let registered = unsafe { libc::pthread_atfork(Some(before), Some(after), Some(in_child)) };
        // Without handlers or memory for them forks are not held off; all else works.
        (registered == 0).then_some(page)
    });
    // SAFETY: an atomic, valid when zero, alone in its page.
    page.as_ref().map(|page| unsafe { page.at(0) })
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
}
