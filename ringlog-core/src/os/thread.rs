//! Threads: their names and ids, their lanes, and closing those when a thread ends.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{Ordering, compiler_fence};

use crate::ring::private::ProducerState;
use crate::shm::layout::NAME_BYTES;

/// How many rings one thread can have lanes in at the same time.
const RINGS_PER_THREAD: usize = 8;

/// In place of a session: none, and not what a child finds where its parent's was.
const NONE: u64 = u64::MAX;

/// A lane of this thread: the session it belongs to, or [`NONE`], and its private half, which is never
/// unmapped. A signal handler may look at any instruction, so the session counts: it is set last.
struct Place {
    session_id: Cell<u64>,
    local: Cell<*const ProducerState>,
}

// Constant and without a destructor, so that reading it is a plain access, also in a signal handler.
thread_local! {
    static LANES: [Place; RINGS_PER_THREAD] = const {
        [const { Place { session_id: Cell::new(NONE), local: Cell::new(std::ptr::null()) } }; RINGS_PER_THREAD]
    };
    /// The process in which this thread is opening a lane, 0 for none: a signal handler must not try the
    /// same. A child that it forks finds its parent's.
    pub(crate) static OPENING: Cell<u32> = const { Cell::new(0) };
}

/// This thread's lane in the ring whose session it is.
///
/// # Safety
/// `'a` may not exceed the life of the attachment whose session this is.
pub(crate) unsafe fn lane_of<'a>(session_id: u64) -> Option<&'a ProducerState> {
    LANES.with(|lanes| lanes.iter().find_map(|place| place.local(session_id)))
}

/// The same if it is the thread's first: most threads log into one ring.
///
/// # Safety
/// As for `lane_of`.
#[inline(always)]
pub(crate) unsafe fn first_lane_of<'a>(session_id: u64) -> Option<&'a ProducerState> {
    LANES.with(|lanes| lanes[0].local(session_id))
}

impl Place {
    #[inline(always)]
    fn local<'a>(&self, session_id: u64) -> Option<&'a ProducerState> {
        (self.session_id.get() == session_id).then(|| {
            let local = self.local.get();
            // SAFETY: a place with a session has its private half, and those are never unmapped.
            unsafe {
                std::hint::assert_unchecked(!local.is_null());
                &*local
            }
        })
    }

    /// Whether the lane that was noted here has been closed, or closed with its ring.
    fn is_free(&self) -> bool {
        let session_id = self.session_id.get();
        // SAFETY: as above; a private half that was wiped reads session 0.
        session_id == NONE || unsafe { (*self.local.get()).session_id.load(Ordering::Acquire) } != session_id
    }

    fn set(&self, session_id: u64, local: &ProducerState) {
        self.session_id.set(NONE);
        compiler_fence(Ordering::SeqCst);
        self.local.set(local);
        compiler_fence(Ordering::SeqCst);
        self.session_id.set(session_id);
    }
}

/// Notes that this thread owns a lane. Fails when it has lanes in too many rings already.
pub(crate) fn remember(session_id: u64, local: &ProducerState) -> bool {
    let noted = LANES
        .with(|lanes| lanes.iter().find(|place| place.is_free()).map(|place| place.set(session_id, local)));
    if let (Some(()), Some(key)) = (noted, EXIT_KEY.get()) {
        // The value only has to be non-null for the destructor to run. Keys of the first 32 are kept
        // in the thread itself, so nothing is allocated.
        // SAFETY: a key made by `prepare`.
        unsafe { libc::pthread_setspecific(*key, std::ptr::dangling::<u8>().cast()) };
    }
    noted.is_some()
}

/// A thread-specific key whose destructor closes the thread's lanes. Not a Rust thread-local with a
/// destructor: registering one allocates, and the first record may come from a signal handler.
static EXIT_KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();

/// Prepares thread and process ends; called at each attach, works once.
pub(crate) fn prepare() {
    EXIT_KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: the destructor and the handler are functions of this library.
        unsafe {
            if libc::pthread_key_create(&raw mut key, Some(thread_ends)) != 0 {
                // No key left: lanes of ended threads come back when the process ends.
                return libc::pthread_key_t::MAX;
            }
            libc::atexit(process_ends);
        }
        stay_loaded();
        key
    });
}

/// Keeps this library's code in memory, should it be part of an object that the program unloads: a thread
/// that has logged by it runs the destructor above whenever it ends.
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

extern "C" fn thread_ends(_: *mut libc::c_void) {
    close_lanes();
}

extern "C" fn process_ends() {
    close_lanes();
    crate::ring::session::end_sessions();
}

/// Closes all lanes of the calling thread.
fn close_lanes() {
    LANES.with(|lanes| {
        for place in lanes {
            let session_id = place.session_id.replace(NONE);
            if session_id != NONE {
                // SAFETY: a place with a session has its private half, and those are never unmapped.
                crate::ring::lane::close_at_thread_end(unsafe { &*place.local.get() }, session_id);
            }
        }
    });
}

/// The kernel's id of this thread.
pub(crate) fn id() -> u32 {
    // SAFETY: has no preconditions and cannot fail.
    unsafe { libc::gettid() as u32 }
}

/// The thread's name as Rust knows it, else as the kernel does; `main` for the main thread.
pub(crate) fn name() -> String {
    match std::thread::current().name() {
        Some(name) => name.to_owned(),
        None => kernel_name(),
    }
}

fn kernel_name() -> String {
    let mut buffer = [0_u8; 16];
    // SAFETY: PR_GET_NAME writes at most 16 bytes.
    unsafe { libc::prctl(libc::PR_GET_NAME, buffer.as_mut_ptr()) };
    let end = buffer.iter().position(|b| *b == 0).unwrap_or(buffer.len());
    String::from_utf8_lossy(&buffer[..end]).into_owned()
}

/// The process's name: that of its program's file.
pub(crate) fn process_name() -> String {
    let program = std::env::args_os().next();
    let name = program.as_deref().and_then(|p| std::path::Path::new(p).file_name());
    name.map_or_else(kernel_name, |name| name.to_string_lossy().into_owned())
}

/// A name as it is stored: its first 32 bytes, cut between characters, padded with zeros.
pub(crate) fn name_words(name: &str) -> [u64; NAME_BYTES / 8] {
    text_words(name)
}

/// As much of a text as `WORDS` words hold, cut between characters, padded with zeros.
pub(crate) fn text_words<const WORDS: usize>(text: &str) -> [u64; WORDS] {
    let mut end = text.len().min(8 * WORDS);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut words = [0; WORDS];
    for (word, chunk) in words.iter_mut().zip(text.as_bytes()[..end].chunks(8)) {
        *word = chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    words
}

/// A stored name, read back from untrusted words.
pub(crate) fn name_from_words(words: &[u64]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).take_while(|b| *b != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_between_characters() {
        let long = "ä".repeat(20);
        assert_eq!(name_from_words(&name_words(&long)), "ä".repeat(16));
        let odd = format!("x{}", "ä".repeat(20));
        assert_eq!(name_from_words(&name_words(&odd)), format!("x{}", "ä".repeat(15)));
        assert_eq!(name_from_words(&name_words("worker-2")), "worker-2");
    }
}
