//! Closes lanes when a thread ends. When the process runs its exit handlers, it closes process lanes and has each name
//! look at its path once more.

#![allow(unsafe_code)]

use std::sync::OnceLock;

use crate::os::fork_guard;
use crate::ring::lane_close;
use crate::ring::last_look;
use crate::ring::slot;
use crate::ring::thread_lanes;

/// A thread-specific key whose destructor closes the thread's lanes. Not a Rust thread-local with a
/// destructor: registering one allocates, and the first record may come from a signal handler.
static EXIT_KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();

/// Installs the handlers for the ends of threads and of the process, and those for forks. Called before a ring is
/// opened; acts once.
pub(crate) fn prepare() {
    fork_guard::prepare();
    EXIT_KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: the destructor and the handler are functions of this library.
        unsafe {
            if libc::pthread_key_create(&raw mut key, Some(thread_ends)) != 0 {
                // No key left: lanes of ended threads stay open until the process ends.
                return libc::pthread_key_t::MAX;
            }
            libc::atexit(process_ends);
        }
        stay_loaded();
        key
    });
}

/// Keeps this library's code in memory if it is part of an object that the program unloads: threads that have logged
/// run the destructor above when they end.
fn stay_loaded() {
    // SAFETY: `dladdr` fills in the struct, valid when zero; the object it names is open already, so
    // `dlopen` runs no initialisers. Not closing it again is what keeps it.
    unsafe {
        let mut object: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(thread_ends as *const libc::c_void, &raw mut object) != 0
            && !object.dli_fname.is_null()
        {
            libc::dlopen(object.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
        }
    }
}

/// Has the lanes of the calling thread closed when it ends.
pub(crate) fn close_at_thread_end() {
    if let Some(key) = EXIT_KEY.get() {
        // The value only has to be non-null for the destructor to run. Keys of the first 32 are kept
        // in the thread itself, so nothing is allocated.
        // SAFETY: a key made by `prepare`.
        unsafe { libc::pthread_setspecific(*key, std::ptr::dangling::<u8>().cast()) };
    }
}

extern "C" fn thread_ends(_: *mut libc::c_void) {
    thread_lanes::forget_all(lane_close::close_at_thread_end);
}

extern "C" fn process_ends() {
    thread_lanes::forget_all(lane_close::close_at_thread_end);
    for (local, session_id) in slot::process_lanes() {
        lane_close::end_process(local, session_id);
    }
    last_look::at_process_end();
}
