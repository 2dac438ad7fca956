//! The checkpoint: a small file beside a log file that records how much of each ring is in it.
//!
//! ```text
//!  0     magic, size of a half, number of the committed half
//!  4096  half 0: number, length, CRC-32, state
//!  ...   half 1
//! ```
//!
//! Preparing a batch writes the other half, with the state once the batch is written: the rings' cursors, the file's
//! length, and the batch's CRC. Once the batch is written, eight bytes commit that half. After a crash in between, the
//! next writer compares both halves with the file, and learns how much of the batch is in it. The checkpoint is not
//! mapped: on a full disk, storing into a mapping would kill the process.
//!
//! This is the double meta page of databases such as LMDB, with the batch's CRC instead of copy-on-write.

mod durable;
mod file_check;
mod replace;
mod state;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, fallocate};
use ringlog::admin::Shown;
use ringlog::reader::Cursor;

use super::lock::{Locking, try_lock};
use crate::error::Error;
use crate::rotation::Identity;
use crate::sink::file_size_limit;

pub(crate) use file_check::{FileCheck, Mismatch, OnDisk};
pub(crate) use state::{CheckpointState, ClockState, FileState};

const MAGIC: [u8; 16] = *b"ringlog chkpt 1\n";
const CAPACITY_AT: u64 = 16;
const COUNTS_AT: u64 = 24;
const HALVES_AT: u64 = 4096;
/// Number, length and CRC of a half.
const HALF_HEAD: usize = 16;
/// The smallest size of a half, so that a few more lanes do not make the file grow.
const CAPACITY_MIN: u64 = 16 << 10;
/// The largest size of a half. A file that says more is damaged.
const CAPACITY_MAX: u64 = 256 << 20;

/// The content of a checkpoint when it was opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoadedCheckpoint {
    /// The committed state; `None` in a new checkpoint.
    pub(crate) committed: Option<CheckpointState>,
    /// The prepared state: it holds if the batch that was being written is in the file.
    pub(crate) prepared: Option<CheckpointState>,
    /// Why the content cannot be relied on, if it cannot.
    pub(crate) damage: Option<&'static str>,
}

/// A checkpoint that is open and locked.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    file: File,
    path: PathBuf,
    capacity: u64,
    /// The number of the committed half.
    number: u64,
    buffer: Vec<u8>,
    /// Whether the file has lost its name, so that the next half goes into a new file.
    is_lost: bool,
    /// Whether the file was created since its directory was last synced.
    has_new_name: bool,
    /// Whether its last sync has failed, so that what was written to it may be lost although the next one succeeds.
    is_unsure: bool,
    /// Whether there was none when it was opened.
    is_new: bool,
}

/// Why a checkpoint cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    #[error("another writer is writing to it (it holds {})", .0.shown())]
    Held(PathBuf),
    #[error(
        "a process that may only read {path} has locked it; end that process (`lslocks` lists it), or replace the file \
         by a copy: `cp {path} {path}.copy && mv {path}.copy {path}`", path = .0.shown()
    )]
    HeldByReader(PathBuf),
    #[error("its checkpoint {}: {error}", path.shown())]
    Io { path: PathBuf, error: io::Error },
    #[error("{} is not a checkpoint of ringlog; move it away, or choose another file", .0.shown())]
    NotOurs(PathBuf),
}

impl CheckpointError {
    /// The error of opening the log file at this path.
    pub(super) fn of(self, path: &Path) -> Error {
        let why = self.to_string();
        match &self {
            CheckpointError::Io { error, .. } => Error::of_open(path, error, why),
            _ => Error::Open { path: path.to_owned(), why },
        }
    }
}

impl Checkpoint {
    /// Opens or creates a checkpoint, locks it, and reads it. Its content stays unchanged.
    pub(crate) fn open(path: &Path) -> Result<(Checkpoint, LoadedCheckpoint), CheckpointError> {
        let io = |error: io::Error| CheckpointError::Io { path: path.to_owned(), error };
        loop {
            let (file, is_new) = open_or_create(path).map_err(io)?;
            let meta = file.metadata().map_err(io)?;
            if !meta.is_file() {
                return Err(CheckpointError::NotOurs(path.to_owned()));
            }
            close_to_readers(&file, meta.permissions().mode());
            match try_lock(&file).map_err(io)? {
                Locking::Done => {}
                Locking::HeldExclusively => return Err(CheckpointError::Held(path.to_owned())),
                Locking::HeldShared => return Err(CheckpointError::HeldByReader(path.to_owned())),
            }
            // The previous holder may have removed the file before it released the lock.
            if Identity::of_path(path) != Some(Identity::from(&file.metadata().map_err(io)?)) {
                continue;
            }
            let bytes = read(&file).map_err(io)?;
            // A power cut may leave zeros in place of what was written.
            let is_blank = !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0);
            if !is_blank && !bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())]) {
                return Err(CheckpointError::NotOurs(path.to_owned()));
            }
            let (mut loaded, number, capacity) = parse(&bytes);
            if is_blank {
                loaded.damage = Some("its checkpoint is blank");
            }
            let checkpoint = Checkpoint {
                file,
                path: path.to_owned(),
                capacity,
                number,
                buffer: Vec::new(),
                is_lost: false,
                has_new_name: true,
                is_unsure: false,
                is_new,
            };
            return Ok((checkpoint, loaded));
        }
    }

    /// Writes a state that does not count until it is committed.
    pub(crate) fn prepare(&mut self, state: &CheckpointState) -> io::Result<()> {
        let number = self.number.wrapping_add(1);
        self.buffer.clear();
        self.buffer.resize(HALF_HEAD, 0);
        state.encode(&mut self.buffer);
        let len = (self.buffer.len() - HALF_HEAD) as u32;
        self.buffer[..8].copy_from_slice(&number.to_le_bytes());
        self.buffer[8..12].copy_from_slice(&len.to_le_bytes());
        let crc = crc_of_half(&self.buffer);
        self.buffer[12..16].copy_from_slice(&crc.to_le_bytes());
        if self.buffer.len() as u64 > self.capacity || self.is_lost {
            self.grow()?;
        }
        let (file, end) = (&self.file, HALVES_AT + 2 * self.capacity);
        file.write_all_at(&self.buffer, half_at(number, self.capacity))
            .map_err(|error| file_size_limit::explain_checkpoint(error, end))
    }

    /// Commits the prepared state.
    pub(crate) fn commit(&mut self) -> io::Result<()> {
        let number = self.number.wrapping_add(1);
        self.file.write_all_at(&number.to_le_bytes(), COUNTS_AT)?;
        self.number = number;
        Ok(())
    }

    /// Prepares and commits a state.
    pub(crate) fn set(&mut self, state: &CheckpointState) -> io::Result<()> {
        self.prepare(state)?;
        self.commit()
    }

    /// Looks whether the file still has its name, and returns that. If not, the next half goes into a new file. A
    /// checkpoint whose directory was moved counts as in place: it was moved together with the log file.
    pub(crate) fn check_place(&mut self) -> bool {
        let own = self.file.metadata().ok().as_ref().map(Identity::from);
        let has_directory = self.path.parent().is_some_and(Path::exists);
        self.is_lost = has_directory && Identity::of_path(&self.path) != own;
        !self.is_lost
    }

    /// Whether there was none when it was opened.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Removes the checkpoint, which is not needed any more. Another file in its place stays.
    pub(crate) fn remove(mut self) {
        if self.check_place() {
            // If this fails, the file does no harm: its content is correct.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens the file, or creates it. Returns whether it was created here.
fn open_or_create(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(CREATE_MODE);
    match options.clone().create_new(true).open(path) {
        // Also where a link leads to no file.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Ok((options.create(true).truncate(false).open(path)?, false))
        }
        created => Ok((created?, true)),
    }
}

/// The committed state of a checkpoint that is not opened, if there is one.
pub(super) fn peek(path: &Path) -> Option<CheckpointState> {
    peek_all(path)?.committed
}

/// The states of a checkpoint that is not opened, if there is one.
fn peek_all(path: &Path) -> Option<LoadedCheckpoint> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).ok()?;
    let bytes = file.metadata().ok().filter(|meta| meta.is_file()).and_then(|_| read(&file).ok())?;
    bytes.starts_with(&MAGIC).then(|| parse(&bytes).0)
}

/// The positions of rings in a file whose checkpoint is at this path and cannot be opened now. `None` if that depends
/// on the file's end, because a batch was being written.
pub(super) fn known_positions(path: &Path) -> Option<Vec<Cursor>> {
    match peek_all(path).unwrap_or_default() {
        LoadedCheckpoint { prepared: Some(_), .. } => None,
        LoadedCheckpoint { committed, .. } => Some(committed.unwrap_or_default().cursors),
    }
}

/// The mode with which a checkpoint is created, before the umask: from the first moment only its owner can read it.
const CREATE_MODE: u32 = 0o622;
const _: () = assert!(CREATE_MODE & 0o044 == 0, "open to readers until its mode is corrected");

/// Lets only those open the checkpoint who may write it, as its mode says: others could lock it by reading it, and so
/// keep its writers out.
fn close_to_readers(file: &File, mode: u32) {
    let writers = mode & 0o222;
    let private = writers | writers << 1 | 0o600;
    if file.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o7777 != private) {
        // Another user's file, or a file system without modes, stays as it is.
        let _ = file.set_permissions(Permissions::from_mode(private));
    }
}

/// Reserves the bytes, so that a full disk is noticed here and not in the middle of a batch.
fn allocate(file: &File, len: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, len as i64) {
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => {
            let zeros = [0; 4096];
            (0..len.div_ceil(4096)).try_for_each(|page| file.write_all_at(&zeros, page * 4096))
        }
        other => Ok(other?),
    }
}

/// Reads as much as a checkpoint can have. A foreign file may be much larger.
fn read(file: &File) -> io::Result<Vec<u8>> {
    let head = read_up_to(file, HALVES_AT)?;
    let capacity = head.get(CAPACITY_AT as usize..).and_then(|bytes| bytes.first_chunk());
    let capacity = capacity.map_or(0, |word| u64::from_le_bytes(*word));
    let is_ours = head.starts_with(&MAGIC) && (CAPACITY_MIN..=CAPACITY_MAX).contains(&capacity);
    read_up_to(file, HALVES_AT + 2 * if is_ours { capacity } else { CAPACITY_MIN })
}

fn read_up_to(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; file.metadata()?.len().min(most) as usize];
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(read);
    Ok(bytes)
}

fn half_at(number: u64, capacity: u64) -> u64 {
    HALVES_AT + (number & 1) * capacity
}

/// The CRC over a half's number, length and state.
fn crc_of_half(half: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&half[..12]);
    crc.update(&half[HALF_HEAD..]);
    crc.finalize()
}

/// The half with this number, if it is complete.
fn read_half(bytes: &[u8], number: u64, capacity: u64) -> Option<&[u8]> {
    let half = bytes.get(half_at(number, capacity) as usize..)?;
    let half = &half[..half.len().min(capacity as usize)];
    let head = half.first_chunk::<HALF_HEAD>()?;
    let word = |at: usize| Some(u32::from_le_bytes(*head[at..].first_chunk()?));
    let half = half.get(..HALF_HEAD.checked_add(word(8)? as usize)?)?;
    (head.starts_with(&number.to_le_bytes()) && word(12)? == crc_of_half(half)).then_some(half)
}

/// The committed number before a commit of which only the first bytes were written. Both halves are complete then, and
/// the batch is in the file.
fn torn_commit(bytes: &[u8], number: u64, capacity: u64) -> Option<u64> {
    let numbers = [0, 1].map(|half| {
        let at = half_at(half, capacity) as usize;
        bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map(|number| u64::from_le_bytes(*number))
    });
    let [Some(even), Some(odd)] = numbers else { return None };
    let before = even.min(odd);
    let after = before.checked_add(1).filter(|after| *after == even.max(odd))?;
    let is_torn = (1..8).map(|len| (1 << (8 * len)) - 1).any(|low| number == after & low | before & !low);
    let are_whole = [before, after].iter().all(|number| read_half(bytes, *number, capacity).is_some());
    (is_torn && are_whole).then_some(before)
}

/// Parses a checkpoint. Returns its content, the number of the committed half, and the size of a half.
fn parse(bytes: &[u8]) -> (LoadedCheckpoint, u64, u64) {
    let word = |at: u64| {
        let word = bytes.get(at as usize..).and_then(|bytes| bytes.first_chunk());
        word.map_or(0, |word| u64::from_le_bytes(*word))
    };
    let (capacity, number) = (word(CAPACITY_AT), word(COUNTS_AT));
    // A checkpoint that was just created, or never written.
    if number == 0 && bytes.iter().skip(HALVES_AT as usize).all(|byte| *byte == 0) {
        return (LoadedCheckpoint::default(), 0, 0);
    }
    let state = |number| CheckpointState::decode(read_half(bytes, number, capacity)?.get(HALF_HEAD..)?);
    let damaged = |damage| (LoadedCheckpoint { damage: Some(damage), ..LoadedCheckpoint::default() }, 0, 0);
    if !(CAPACITY_MIN..=CAPACITY_MAX).contains(&capacity) {
        return damaged("its checkpoint is damaged");
    }
    let is_first = || {
        let half = bytes.iter().skip(HALVES_AT as usize).take(capacity as usize);
        number == 0 && half.copied().all(|byte| byte == 0)
    };
    match state(number) {
        // The first half was prepared and not committed.
        None if is_first() => {
            (LoadedCheckpoint { committed: None, prepared: state(1), damage: None }, 0, capacity)
        }
        None => match torn_commit(bytes, number, capacity) {
            Some(before) => {
                let loaded =
                    LoadedCheckpoint { committed: state(before), prepared: state(before + 1), damage: None };
                (loaded, before, capacity)
            }
            None => damaged("its checkpoint is damaged"),
        },
        committed => {
            let loaded =
                LoadedCheckpoint { committed, prepared: state(number.wrapping_add(1)), damage: None };
            (loaded, number, capacity)
        }
    }
}

/// Parses any bytes as a checkpoint. Returns whether there is a committed state, and the length of both states.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) -> (bool, usize) {
    let (loaded, _, _) = parse(bytes);
    let mut out = Vec::new();
    let states = [&loaded.committed, &loaded.prepared];
    states.into_iter().flatten().for_each(|state| state.encode(&mut out));
    assert!(loaded.damage.is_none() || out.is_empty());
    (loaded.committed.is_some(), out.len())
}

/// Corrects the CRCs of both halves, so that a fuzzer gets past them.
#[cfg(fuzzing)]
pub(crate) fn fix_checksums(bytes: &mut [u8]) {
    for number in 0..2 {
        let at = half_at(number, CAPACITY_MIN) as usize;
        let Some(half) = bytes.get_mut(at..) else { continue };
        let Some(len) = half.get(8..12).and_then(|len| len.first_chunk()) else { continue };
        let len = HALF_HEAD.saturating_add(u32::from_le_bytes(*len) as usize);
        if let Some(half) = half.get_mut(..len) {
            let crc = crc_of_half(half);
            half[12..16].copy_from_slice(&crc.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
