//! Rings of an earlier boot: a new ring takes the place of each, and the old one waits under another name until it is
//! drained.
//!
//! A ring on a disk outlives its machine, but after a power cut each of its pages is as old as the disk had it. Nothing
//! is added to such a file: a lane that lost its last owners would give their numbers to new records, and readers would
//! take these for records that they had before. The new ring has a UUID of its own, so no id comes twice.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::error::shown::Shown;
use crate::os::file::Identity;
use crate::ring::file::{self, Opened};
use crate::ring::header::Info;
use crate::ring::lock_file::LockFile;
use crate::ring::successor::Successor;
use crate::shm::block::{Phase, State};
use crate::shm::clock::Clock;
use crate::shm::layout::Geometry;

/// How long another process may take that replaces the ring, or looks whether it must.
const REPLACED_WITHIN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// The way out where a new ring cannot be made.
const REMEDY: &str = "let a user open it once who may write to its directory, or move it away";

/// What follows the name of a ring in the name under which it waits, and then digits of its UUID.
const SUFFIX: &str = ".boot-";
/// So many digits, more if that name is taken.
const DIGITS: [usize; 3] = [8, 16, 32];

/// Puts a new ring in the place of the one at `path`, if that is of an earlier boot. Leaves everything else as it is;
/// what is wrong with it shows when it is opened.
pub(crate) fn renew_if_old(name: &str, path: &Path) -> Result<(), Error> {
    let begun = Instant::now();
    loop {
        let Ok(old) = file::open(name, path, true) else { return Ok(()) };
        if !old.info.is_of_earlier_boot() || is_waiting(&old) || has_no_name(&old) {
            return Ok(());
        }
        match lock_out(&old) {
            Ok(Some(_nobody)) if old.identity.is_at(path) => {
                return replace(&old).map_err(|why| {
                    let why = format!("{why}; {REMEDY}");
                    Error::EarlierBoot { path: path.to_owned(), why }
                });
            }
            // Another process has replaced it.
            Ok(Some(_)) => {}
            Ok(None) if begun.elapsed() >= REPLACED_WITHIN => {
                let why = "a process uses it; end that process".to_owned();
                return Err(Error::EarlierBoot { path: path.to_owned(), why });
            }
            Ok(None) => std::thread::sleep(PAUSE),
            Err(_) if !old.identity.is_at(path) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Locks out every other process; `None` if one is attached.
fn lock_out(ring: &Opened) -> Result<Option<crate::os::ofd_lock::ScopedLock>, Error> {
    let lock_file = LockFile::of(ring)?;
    lock_file.lock_out().map_err(|e| Error::io("lock", lock_file.path(), e))
}

/// Whether no path leads to the file, only descriptors.
fn has_no_name(ring: &Opened) -> bool {
    ring.file.metadata().is_ok_and(|meta| meta.nlink() == 0)
}

/// Whether the ring waits already: its file is named after its UUID.
fn is_waiting(ring: &Opened) -> bool {
    let name = ring.path.file_name().unwrap_or_default().to_string_lossy();
    let Some((_, digits)) = name.rsplit_once(SUFFIX) else { return false };
    DIGITS.contains(&digits.len()) && uuid_digits(&ring.info).starts_with(digits)
}

fn uuid_digits(info: &Info) -> String {
    format!("{:032x}", u128::from_be_bytes(info.uuid))
}

/// The old file has its other name before the new ring takes its own: wherever this process dies, no file is lost. No
/// other process does this, because the old ring is locked.
fn replace(old: &Opened) -> Result<(), String> {
    let cannot = |error: Error| format!("a new ring cannot take its place: {error}");
    let info = Info::new(old.info.geometry, Clock::best());
    let mut successor = Successor::make(old, &info, lasting).map_err(cannot)?;
    successor.sync().map_err(cannot)?;
    if was_used(old) {
        keep(old, successor.path())?;
    }
    // If a power cut undoes it, the next process does it again.
    successor.take_place().map_err(cannot)
}

/// Whether anything was ever logged into the ring, as far as the disk shows.
fn was_used(old: &Opened) -> bool {
    let Geometry { block_count, lane_count, .. } = old.info.geometry;
    let has_traces = old.with_ring(|ring| {
        let is_free = |state: Option<State>| state.is_some_and(|state| state.phase == Phase::Free);
        let is_fresh = |lane| ring.lane_state(lane).incarnation == 0;
        !(0..block_count).all(|index| is_free(ring.state(index))) || !(0..lane_count).all(is_fresh)
    });
    has_traces.unwrap_or(true)
}

/// Gives the old file the name under which it waits.
fn keep(old: &Opened, path: &Path) -> Result<(), String> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err("its name is not text".to_owned());
    };
    let digits = uuid_digits(&old.info);
    for count in DIGITS {
        let waiting = dir.join(format!("{name}{SUFFIX}{}", &digits[..count]));
        match fs::hard_link(path, &waiting) {
            Ok(()) => return Ok(()),
            Err(_) if old.identity.is_at(&waiting) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(format!("it cannot be kept as {}: {e}", waiting.shown())),
        }
    }
    Err(format!("it cannot be kept as {name}{SUFFIX}{digits}: other files have that name"))
}

/// The rules that are not for one process, which has ended.
fn lasting(rules: &[u8]) -> Vec<u8> {
    let lines = rules.split_inclusive(|byte| *byte == b'\n');
    let is_for_all = |line: &&[u8]| line.split(|byte| *byte == b' ').nth(1) == Some(b"0");
    lines.filter(is_for_all).flatten().copied().collect()
}

/// The rings of earlier boots that wait beside the ring `identity` at `path`, oldest first.
pub(crate) fn waiting_beside(path: &Path, identity: Identity) -> Vec<PathBuf> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return Vec::new() };
    let Some(prefix) = name.to_str().map(|name| format!("{name}{SUFFIX}")) else { return Vec::new() };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let opened = names.filter(|name| name.starts_with(&prefix)).filter_map(|name| {
        let path = dir.join(&name);
        let ring = file::open("", &path, false).ok()?.into_owned();
        (ring.identity != identity && ring.info.is_of_earlier_boot() && is_waiting(&ring)).then_some(ring)
    });
    let mut found: Vec<Opened<'_>> = opened.collect();
    found.sort_by_key(|ring| ring.info.created_unix_ns);
    found.into_iter().map(|ring| ring.path.into_owned()).collect()
}
