//! A second copy of the library in one process: this package is also built as a shared object, which has
//! its own copy of everything that is static.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::PathBuf;
use std::sync::Mutex;

use ringlog::Ring;

use crate::{Kind, Sequenced};

/// The ring of this copy of the library, in whichever object it lies.
static RING: Mutex<Option<Ring>> = Mutex::new(None);

/// Opens the ring `name`, which the caller promises to be a string that ends with NUL.
#[unsafe(no_mangle)]
extern "C" fn ringlog_tests_open(name: *const c_char) {
    // SAFETY: the caller's word.
    let name = unsafe { CStr::from_ptr(name) };
    *RING.lock().unwrap() = Some(Ring::open(name.to_str().unwrap()).unwrap());
}

/// Pushes `count` records of `producer` from the calling thread. Returns how many were published.
#[unsafe(no_mangle)]
extern "C" fn ringlog_tests_push(producer: u32, first: u64, count: u64) -> u64 {
    let log = RING.lock().unwrap().as_ref().map(Ring::logger).unwrap();
    (first..first + count).filter(|n| log.push(&Sequenced::new(producer, *n, "second")).is_ok()).count()
        as u64
}

/// Closes the ring.
#[unsafe(no_mangle)]
extern "C" fn ringlog_tests_close() {
    *RING.lock().unwrap() = None;
}

/// The copy in the shared object that lies beside the running program.
#[derive(Debug)]
pub struct SecondCopy {
    handle: *mut c_void,
}

// SAFETY: a handle that any thread may use.
unsafe impl Send for SecondCopy {}
// SAFETY: as for Send.
unsafe impl Sync for SecondCopy {}

impl SecondCopy {
    /// Loads it, and opens the ring `name` by it.
    pub fn open(name: &str) -> SecondCopy {
        let object = object();
        let path = CString::new(object.to_str().unwrap()).unwrap();
        // SAFETY: a string that ends with NUL; the object's initialisers are those of std.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        assert!(!handle.is_null(), "{} cannot be loaded", object.display());
        let copy = SecondCopy { handle };
        let name = CString::new(name).unwrap();
        // SAFETY: the function of that name above.
        unsafe {
            std::mem::transmute::<*mut c_void, extern "C" fn(*const c_char)>(copy.find(c"ringlog_tests_open"))(
                name.as_ptr(),
            )
        };
        copy
    }

    fn find(&self, function: &CStr) -> *mut c_void {
        // SAFETY: an open object and a string that ends with NUL.
        let address = unsafe { libc::dlsym(self.handle, function.as_ptr()) };
        assert!(!address.is_null(), "no {function:?}");
        assert_ne!(address, ringlog_tests_close as *mut c_void, "this is the first copy's");
        address
    }

    /// Pushes by the second copy, from this thread.
    pub fn push(&self, producer: u32, first: u64, count: u64) -> u64 {
        // SAFETY: the function of that name above.
        let push = unsafe {
            std::mem::transmute::<*mut c_void, extern "C" fn(u32, u64, u64) -> u64>(
                self.find(c"ringlog_tests_push"),
            )
        };
        push(producer, first, count)
    }

    /// Closes the second copy's ring.
    pub fn close(&self) {
        // SAFETY: the function of that name above.
        unsafe { std::mem::transmute::<*mut c_void, extern "C" fn()>(self.find(c"ringlog_tests_close"))() };
    }

    /// Unloads the object; nothing of it may be called any more.
    pub fn unload(&self) {
        // SAFETY: loaded by `open`.
        assert_eq!(unsafe { libc::dlclose(self.handle) }, 0);
    }
}

fn object() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.parent().unwrap().join("libringlog_tests.so")
}
