//! A ring of another size in the place of a ring.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::reader::observer::Observer;
use crate::ring::file::{self, Opened};
use crate::ring::follow;
use crate::ring::handle::Ring;
use crate::ring::header::Info;
use crate::ring::left;
use crate::ring::lock_file::{self, LockFile};
use crate::ring::name;
use crate::ring::options::Size;
use crate::ring::renewal;
use crate::ring::successor::Successor;
use crate::shm::clock::Clock;
use crate::shm::layout::{Geometry, lock as lock_byte};

/// How long another process may take that resizes the ring or changes its level rules.
const LOCK_WITHIN: Duration = Duration::from_secs(10);

/// How long the consumer may take to come to the new ring.
const CONSUMER_WITHIN: Duration = Duration::from_secs(3);

/// The options of [`resize`]. What is not given stays as it is.
///
/// ```
/// # let dir = tempfile::tempdir_in("/dev/shm")?;
/// # let path = dir.path().join("app");
/// # let name = path.to_str().unwrap();
/// # ringlog::Ring::options().size("1MiB").create(name)?;
/// use ringlog::admin::{Resize, resize};
///
/// let done = resize(name, &Resize::to("2MiB"))?;
/// assert_eq!(done.after.block_bytes(), done.before.block_bytes());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Resize {
    size: Size,
    lanes: Option<u32>,
    definitions: Option<Size>,
    force: bool,
}

impl Resize {
    /// To this size, as in [`Options::size`](crate::Options::size).
    pub fn to(size: impl Into<Size>) -> Resize {
        Resize { size: size.into(), lanes: None, definitions: None, force: false }
    }

    /// Another number of lanes; see [`Options::lanes`](crate::Options::lanes). If none is given, a ring that has the
    /// number of its size gets that of its new size, or one for each lane in use if that is more. Another number stays.
    pub fn lanes(mut self, lanes: u32) -> Self {
        self.lanes = Some(lanes);
        self
    }

    /// Another size of the area for definitions; see [`Options::definitions`](crate::Options::definitions).
    pub fn definitions(mut self, size: impl Into<Size>) -> Self {
        self.definitions = Some(size.into());
        self
    }

    /// Resizes the ring also if no consumer drains it, so that records are lost.
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// The sizes of the new ring, at the moment in which so many lanes of the old one are in use.
    fn geometry(&self, old: &Geometry, in_use: u32) -> Result<Geometry, Error> {
        let by_size = |size| Geometry::default_lanes(size, old.block_bytes).max(in_use);
        let of_new = self.size.bytes().filter(|_| old.has_default_lanes()).map(by_size);
        let lanes = self.lanes.or(of_new).unwrap_or(old.lane_count);
        let options = Ring::options().size(self.size.clone()).lanes(lanes).block_bytes(old.block_bytes);
        match &self.definitions {
            Some(size) => options.definitions(size.clone()).geometry(),
            None => Ok(options.geometry()?.with_area_of(old)),
        }
    }
}

/// What [`resize`] has done. Nothing, if both sizes are the same.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Resized {
    /// The ring's file.
    pub path: PathBuf,
    /// The sizes of the ring before.
    pub before: Geometry,
    /// The sizes of the ring that is there now.
    pub after: Geometry,
    /// Records that were in the old ring and that no consumer takes out of it.
    pub lost: u64,
}

/// Puts a ring of another size in the place of the ring `name`, in one step. It has the old one's block size, lanes
/// (see [`Resize::lanes`]), area for definitions, overflow policy, permissions, owner, group, clock and level rules.
///
/// Processes that log move to the new ring with their next records, and a consumer drains the old one until they have.
/// The old file has no name any more. Both need their space for that time.
///
/// # Errors
/// [`Error::Resize`] if no consumer drains the ring and records would be lost; [`Error::Geometry`] if the sizes make no
/// ring; [`Error::SharedRing`] for the mere name of a ring in `/run/ringlog`; [`Error::Permission`] for a
/// ring of another user; [`Error::NoSpace`]; what [`Ring::open`] returns. Then the ring is as it was.
pub fn resize(name: &str, how: &Resize) -> Result<Resized, Error> {
    let path = name::resolve_own(name)?;
    // If the ring is replaced meanwhile, resize the new one. It is not replaced more often than this.
    for _ in 0..8 {
        renewal::renew_if_old(name, &path)?;
        let old = file::open(name, &path, true)?;
        check_owner(&old)?;
        let lanes = Observer::of_file(&path)?.stat()?.lanes;
        let in_use = lanes.iter().filter(|lane| lane.alive).count() as u32;
        let geometry = how.geometry(&old.info.geometry, in_use)?;
        let is_same = geometry == old.info.geometry;
        let lost = if is_same { Some(0) } else { replace(&old, geometry, how.force)? };
        if let Some(lost) = lost {
            let before = old.info.geometry;
            return Ok(Resized { path: path.clone(), before, after: geometry, lost });
        }
    }
    Err(name::no_such_ring(name, &path))
}

/// Processes that log do not take a ring of another owner for theirs.
fn check_owner(old: &Opened<'_>) -> Result<(), Error> {
    let uid = nix::unistd::geteuid().as_raw();
    if uid == 0 || uid == old.owner {
        return Ok(());
    }
    Err(Error::Permission { action: "replace", path: old.path.to_path_buf(), owner: old.owner, uid })
}

/// Returns the number of records that are lost; `None` if the path does not lead to the old ring any more.
fn replace(old: &Opened<'_>, geometry: Geometry, force: bool) -> Result<Option<u64>, Error> {
    let lock_file = match LockFile::of(old) {
        Err(Error::LockFileMissing { .. }) if !old.identity.is_at(&old.path) => return Ok(None),
        other => other?,
    };
    let io = |e| Error::io("lock", lock_file.path(), e);
    let hold = |byte, within| lock_file.hold_within(byte, within).map_err(io);
    // The lock of the level rules: none is changed between the copy of them and the moment at which it is in force.
    let Some(_rules) = hold(lock_byte::LEVELS, LOCK_WITHIN)? else {
        return match old.identity.is_at(&old.path) {
            true => Err(refuse(old, "another process resizes it or changes its levels, and does not finish")),
            false => Ok(None),
        };
    };
    if !old.identity.is_at(&old.path) {
        return Ok(None);
    }
    let clock = Some(old.info.clock).filter(|clock| clock.unreliable().is_none());
    let info = Info::new(geometry, clock.unwrap_or_else(Clock::best));
    let mut successor = Successor::make(old, &info, <[u8]>::to_vec)?;
    successor.sync()?;
    // Held if it is free, so that no process becomes the old ring's consumer until the new one has its name.
    let undrained = hold(lock_byte::CONSUMER, Duration::ZERO)?;
    let alone = lock_file.lock_out().map_err(io)?;
    let left = || Observer::of_file(&old.path)?.stat().map(|stat| stat.lag().saturating_add(stat.claims));
    let lost = if undrained.is_some() { left()? } else { 0 };
    if undrained.is_some() && !force && (lost > 0 || alone.is_none()) {
        return Err(refuse(old, &undrained_text(lost, alone.is_none())));
    }
    if !old.identity.is_at(&old.path) {
        return Ok(None);
    }
    successor.take_place()?;
    old.with_ring(|from| {
        // Producers look at their path because of this; at the latest after a second they do so anyway.
        follow::mark_nameless(from, true);
        if undrained.is_some() {
            let new = file::open("", successor.path(), true)?;
            new.with_ring(|to| left::count(from, to))?;
        }
        Ok::<(), Error>(())
    })??;
    let has_consumer = undrained.is_none();
    drop((undrained, alone));
    if has_consumer {
        // Where this fails, only the wait is missing.
        let _ = await_consumer(successor.path());
    }
    lock_file::sweep(successor.directory());
    Ok(Some(lost))
}

/// Waits until the consumer has come to the new ring, where requests reach it from now on. A program's own consumer may
/// never come.
fn await_consumer(path: &Path) -> Result<(), Error> {
    let lock_file = LockFile::of(&file::open("", path, true)?)?;
    let until = Instant::now() + CONSUMER_WITHIN;
    while Instant::now() < until && lock_file.is_held(lock_byte::CONSUMER).is_some_and(|is_held| !is_held) {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn refuse(old: &Opened<'_>, why: &str) -> Error {
    Error::Resize { path: old.path.to_path_buf(), why: why.to_owned() }
}

fn undrained_text(records: u64, is_in_use: bool) -> String {
    let lost = match (records, is_in_use) {
        (0, _) => "records that processes log until they find the new ring".to_owned(),
        (1, _) => "1 record in it".to_owned(),
        _ => format!("{records} records in it"),
    };
    format!("no writer drains it, so {lost} would be lost; start its writer, or lose them with --force")
}
