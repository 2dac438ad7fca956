//! A ring in a directory of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use ringlog::{Observer, Options, Ring};

/// A directory under `/dev/shm`, removed with everything in it.
#[derive(Debug)]
pub struct Scratch {
    dir: tempfile::TempDir,
    name: String,
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Scratch {
    /// An empty directory.
    pub fn new() -> Scratch {
        let dir = tempfile::Builder::new().prefix("ringlog-tests-").tempdir_in("/dev/shm").unwrap();
        let name = dir.path().join("ring").to_str().unwrap().to_owned();
        Scratch { dir, name }
    }

    /// The ring's name: an absolute path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Makes the ring.
    pub fn create(&self, options: Options) -> Ring {
        options.create(&self.name).unwrap()
    }
}

/// Free blocks of `ring` as soon as there are at least `count`, or what there are after two seconds.
/// The consumer looks for dead owners only now and then, so it is called in between.
pub fn free_blocks_after(ring: &Ring, count: u32, mut drain: impl FnMut()) -> u32 {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        drain();
        let free = stat(ring).free_blocks;
        if free >= count || Instant::now() > deadline {
            return free;
        }
    }
}

/// The ring's numbers now.
pub fn stat(ring: &Ring) -> ringlog::RingStat {
    Observer::open(ring.path().to_str().unwrap()).unwrap().stat().unwrap()
}
