//! The header page of a ring, mapped by itself.

#![allow(unsafe_code)]

use std::path::Path;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapOptions, MmapRaw};

use crate::error::Error;
use crate::os::file::{self, Identity};
use crate::ring::name;
use crate::shm::layout::header;
use crate::shm::memory::Memory;

/// The header alone, read-only. Forked children inherit it, so they follow the level rules before they attach.
#[derive(Debug)]
pub(crate) struct HeaderPage(MmapRaw);

impl HeaderPage {
    pub(crate) fn map(path: &Path, identity: Identity) -> Result<HeaderPage, Error> {
        let file = file::reopen(path, identity, false).map_err(|e| Error::io("open", path, e))?;
        let file = file.ok_or_else(|| name::no_such_ring("", path))?;
        let map = MmapOptions::new().len(header::BYTES).map_raw_read_only(&file);
        map.map(HeaderPage).map_err(|e| Error::io("map", path, e))
    }

    /// Its words, for loads only.
    pub(crate) fn memory(&self) -> Memory {
        // SAFETY: page-aligned and as long as that. The one value in use lives as long as the process.
        unsafe { Memory::borrow(self.0.as_ptr().cast(), header::BYTES / 8) }
    }

    /// The epoch of the level rules.
    pub(crate) fn epoch(&self) -> &AtomicU64 {
        // SAFETY: within the page, aligned, and used as an atomic only.
        unsafe { &*self.0.as_ptr().add(header::LEVEL_EPOCH).cast() }
    }
}
