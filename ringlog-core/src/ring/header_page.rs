//! The header page of a ring, mapped by itself.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapOptions, MmapRaw};

use crate::os::sigbus;
use crate::shm::layout::header;
use crate::shm::memory::Memory;

/// The header alone, read-only. Forked children inherit it, so they follow the level rules before they attach. Where
/// a ring has been replaced by another one of its name, the page shows the other one, at the same address.
#[derive(Debug)]
pub(crate) struct HeaderPage(MmapRaw);

impl HeaderPage {
    pub(crate) fn map(file: &File) -> io::Result<HeaderPage> {
        let map = MmapOptions::new().len(header::BYTES).map_raw_read_only(file)?;
        sigbus::watch(map.as_ptr(), header::BYTES)?;
        Ok(HeaderPage(map))
    }

    /// Shows the header of another ring from now on. Threads that read the page meanwhile see the one or the other.
    pub(crate) fn show(&self, file: &File) -> io::Result<()> {
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        let (base, bytes) = (self.0.as_mut_ptr(), header::BYTES);
        // SAFETY: over this value's own mapping, of the same length and protection.
        let shown = unsafe { libc::mmap(base.cast(), bytes, libc::PROT_READ, flags, file.as_raw_fd(), 0) };
        if shown == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        sigbus::unwatch(base);
        sigbus::watch(base, bytes)
    }

    /// Its words, for loads only.
    pub(crate) fn memory(&self) -> Memory {
        // SAFETY: page-aligned and as long as that. Callers use the words as long as they keep the page.
        unsafe { Memory::borrow(self.0.as_ptr().cast(), header::BYTES / 8) }
    }

    /// The epoch of the level rules.
    pub(crate) fn epoch(&self) -> &AtomicU64 {
        // SAFETY: within the page, aligned, and used as an atomic only.
        unsafe { &*self.0.as_ptr().add(header::LEVEL_EPOCH).cast() }
    }
}

impl Drop for HeaderPage {
    fn drop(&mut self) {
        sigbus::unwatch(self.0.as_ptr());
    }
}
