//! Shared mappings of whole files that children do not inherit.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ptr::NonNull;

use memmap2::{Advice, MmapOptions, MmapRaw};

use crate::os::sigbus;

/// How a file is mapped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    /// For writing a word or two: pages are faulted in as they are touched.
    Write,
    /// For logging: every page is faulted in at once.
    WriteAll,
}

/// A shared mapping of a file that children do not inherit.
///
/// Not unmapped on drop, for the same reason as a [`LockPage`](crate::os::ofd_lock::LockPage): a forked child
/// has the value but not the mapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
    /// Process that mapped it.
    pid: u32,
}

// SAFETY: an address and a length; using the memory behind it is the contract of what borrows it.
unsafe impl Send for Mapping {}
// SAFETY: as for Send.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `bytes` bytes of `file`.
    pub(crate) fn new(file: &File, bytes: usize, access: Access) -> io::Result<Mapping> {
        let mut options = MmapOptions::new();
        options.len(bytes);
        let map: io::Result<MmapRaw> = match access {
            Access::ReadOnly => options.map_raw_read_only(file),
            Access::Write | Access::WriteAll => options.map_raw(file),
        };
        let map = map.map_err(|e| match e.raw_os_error() {
            Some(libc::ENOMEM) => {
                let why = format!(
                    "no room for its {bytes} bytes in this process's memory, which `ulimit -v` limits"
                );
                io::Error::new(io::ErrorKind::OutOfMemory, why)
            }
            _ => e,
        })?;
        map.advise(Advice::DontFork)?;
        let Some(base) = NonNull::new(map.as_mut_ptr()) else {
            return Err(io::Error::other("mapped at address zero"));
        };
        sigbus::watch(base.as_ptr(), bytes)?;
        std::mem::forget(map);
        if access == Access::WriteAll {
            // Each process faults in every page by itself on its first lap; this takes those faults out
            // of the log calls. Kernels before 5.14 refuse, which costs only speed.
            // SAFETY: advice on our own mapping.
            unsafe { libc::madvise(base.as_ptr().cast(), bytes, libc::MADV_POPULATE_WRITE) };
        }
        Ok(Mapping { base, bytes, pid: std::process::id() })
    }

    /// # Safety
    /// `base` and `bytes` are those of a mapping made in this process that is still there.
    pub(crate) unsafe fn from_raw(base: NonNull<u8>, bytes: usize) -> Mapping {
        Mapping { base, bytes, pid: 0 }
    }

    /// Whether this value came here by a fork, without the mapping.
    pub(crate) fn is_inherited(&self) -> bool {
        self.pid != std::process::id()
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether everything that was loaded from the mapping so far came from its file.
    pub(crate) fn is_whole(&self) -> bool {
        sigbus::is_whole(self.base.as_ptr())
    }

    /// # Safety
    /// Made in this process, and nothing refers to it any more.
    pub(crate) unsafe fn unmap(self) {
        sigbus::unwatch(self.base.as_ptr());
        // SAFETY: the caller's contract.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}
