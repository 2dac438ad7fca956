//! Numbers that a process shares with others without a system call, so that it can be killed in between.

#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// How many counters a file holds.
const COUNT: usize = 512;

/// An array of counters in a file that several processes map.
#[derive(Debug)]
pub struct Counters(MmapRaw);

impl Counters {
    /// Opens the file, and makes it if it is not there.
    pub fn open(path: &Path) -> Counters {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        file.set_len((COUNT * 8) as u64).unwrap();
        Counters(MmapOptions::new().len(COUNT * 8).map_raw(&file).unwrap())
    }

    fn at(&self, index: u32) -> &AtomicU64 {
        assert!((index as usize) < COUNT);
        // SAFETY: in bounds, aligned as a mapping is by pages, and used through atomics only.
        unsafe { &*self.0.as_ptr().cast::<AtomicU64>().add(index as usize) }
    }

    /// Sets a counter.
    pub fn set(&self, index: u32, value: u64) {
        self.at(index).store(value, Ordering::Release);
    }

    /// Adds to a counter, and returns what it was before.
    pub fn add(&self, index: u32, count: u64) -> u64 {
        self.at(index).fetch_add(count, Ordering::AcqRel)
    }

    /// Reads a counter.
    pub fn get(&self, index: u32) -> u64 {
        self.at(index).load(Ordering::Acquire)
    }
}
