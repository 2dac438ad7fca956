//! Rings in files without a name, whose bytes the scripts change.

#![allow(unsafe_code)]

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use ringlog::Ring;
use ringlog::admin::{Geometry, Info};
use ringlog::reader::Observer;

/// A ring of 23 KiB with three lanes and a bit of everything, as `make_image` has made it. A larger one would
/// only be slower.
const IMAGE: &[u8] = include_bytes!("../images/small.ring");

const BOOT_ID_AT: usize = 80;
const FILE_HEADER_BYTES: usize = 4096;
const LANE_BYTES: usize = 384;
const SLOT_BYTES: usize = 64;
const BLOCK_HEADER_WORDS: usize = 24;
const RECORDS_FROM_SLOT: usize = 3;

/// A ring, and what it is at the beginning of each run.
pub(crate) struct Scene {
    pub(crate) name: String,
    pub(crate) words: Words,
    image: Vec<u64>,
    file: File,
    /// Attached when the ring was whole.
    pub(crate) ring: Ring,
}

/// The ring's words. No other thread uses them while they are changed: a script is one thread.
pub(crate) struct Words {
    map: MmapRaw,
    geometry: Geometry,
}

thread_local! {
    /// Made once for each thread, for making them takes longer than a run.
    static SCENES: [Scene; 2] = [Scene::new(true), Scene::new(false)];
}

/// Runs `act` in a scene in its first state. The lowest bit of `choice` makes it a ring of another boot, the
/// next lets the thread of one of its lanes live.
pub(crate) fn with(choice: u8, act: impl FnOnce(&Scene)) {
    SCENES.with(|scenes| {
        let scene = &scenes[usize::from(choice & 1)];
        scene.restore();
        scene.set_alive(choice & 2 != 0);
        act(scene);
    });
}

impl Scene {
    fn new(of_this_boot: bool) -> Scene {
        let mut bytes = IMAGE.to_vec();
        if of_this_boot {
            let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
            let digits: Vec<u8> = boot_id.chars().filter_map(|c| Some(c.to_digit(16)? as u8)).collect();
            let id = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]);
            bytes[BOOT_ID_AT..][..16].iter_mut().zip(id).for_each(|(byte, new)| *byte = new);
            ringlog::fuzzing::mend_checksum(&mut bytes);
        }
        let mut file = File::from(memfd_create("ring", MFdFlags::MFD_CLOEXEC).unwrap());
        file.write_all(&bytes).unwrap();
        let name = format!("/proc/self/fd/{}", file.as_raw_fd());
        let geometry = *Observer::open(&name).unwrap().info().geometry();
        let map = MmapOptions::new().len(bytes.len()).map_raw(&file).unwrap();
        let ring = Ring::open(&name).unwrap();
        let words = Words { map, geometry };
        let image = (0..words.count()).map(|at| words.get(at)).collect();
        Scene { name, words, image, file, ring }
    }

    fn restore(&self) {
        for (at, word) in self.image.iter().enumerate() {
            self.words.set(at, *word);
        }
    }

    /// Holds or releases the kernel's lock of lane 1.
    fn set_alive(&self, alive: bool) {
        let kind = if alive { nix::libc::F_WRLCK } else { nix::libc::F_UNLCK };
        let lock = nix::libc::flock {
            l_type: kind as i16,
            l_whence: nix::libc::SEEK_SET as i16,
            l_start: 1,
            l_len: 1,
            l_pid: 0,
        };
        fcntl(&self.file, FcntlArg::F_OFD_SETLK(&lock)).unwrap();
    }

    pub(crate) fn info(&self) -> &Info {
        self.ring.info()
    }

    /// Makes the checksums of the header and of the level rules right again.
    pub(crate) fn mend_checksums(&self) {
        let mut bytes: Vec<u8> =
            (0..FILE_HEADER_BYTES / 8).flat_map(|at| self.words.get(at).to_le_bytes()).collect();
        ringlog::fuzzing::mend_checksum(&mut bytes);
        ringlog::fuzzing::mend_rules(&mut bytes);
        for (at, word) in bytes.chunks_exact(8).enumerate() {
            // Chunks of eight always are eight bytes.
            self.words.set(at, u64::from_le_bytes(word.try_into().unwrap()));
        }
    }
}

impl Words {
    fn count(&self) -> usize {
        self.map.len() / 8
    }

    fn at(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.count());
        // SAFETY: in bounds; a mapping is aligned to a page and stays as long as `self`; used through atomics only.
        unsafe { &*self.map.as_ptr().cast::<AtomicU64>().add(index) }
    }

    pub(crate) fn get(&self, index: usize) -> u64 {
        self.at(index).load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, index: usize, value: u64) {
        self.at(index).store(value, Ordering::Relaxed);
    }

    /// Slots of all blocks: no ring holds more records than that.
    pub(crate) fn slots(&self) -> usize {
        self.geometry.block_count() as usize * self.geometry.block_bytes() as usize / SLOT_BYTES
    }

    /// The index of a word: `part` names the part of the ring, of which only the low three bits count, and
    /// `number` the word in it.
    pub(crate) fn place(&self, part: u8, number: u16) -> usize {
        let number = usize::from(number);
        let (lanes, blocks) = (self.geometry.lane_count() as usize, self.geometry.block_count() as usize);
        let states = (FILE_HEADER_BYTES + lanes * LANE_BYTES) / 8;
        let block_words = self.geometry.block_bytes() as usize / 8;
        let slots = self.geometry.block_bytes() as usize / SLOT_BYTES;
        let first_block = self.count() - blocks * block_words;
        let block = |index: usize| first_block + index % blocks * block_words;
        match part & 7 {
            // Steering, the consumer's lines, and what is counted there.
            0 => 256 / 8 + number % (704 / 8),
            1 => FILE_HEADER_BYTES / 8 + number % (lanes * LANE_BYTES / 8),
            2 => states + number % blocks,
            3 => states + blocks + number % blocks,
            4 => block(number / BLOCK_HEADER_WORDS) + number % BLOCK_HEADER_WORDS,
            // The first words of a record: header, time stamp, and what comes first in the payload.
            5 => {
                let (slot, word) = (number / 4, number % 4);
                let record = RECORDS_FROM_SLOT + slot / blocks % (slots - RECORDS_FROM_SLOT);
                block(slot) + record * SLOT_BYTES / 8 + word
            }
            6 => first_block + number % (blocks * block_words),
            _ => number % self.count(),
        }
    }
}
