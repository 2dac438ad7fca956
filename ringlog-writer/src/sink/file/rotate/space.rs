//! Closed files that are deleted for space: on a full disk, below the space that is to stay free, and beyond the limit
//! for the closed files of all handlers.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;
use ringlog::admin::{self, Shown};

use super::FileRotation;
use crate::events::Events;
use crate::rotation::{Deletions, Identity, OnFull, Plan, PlanError, TotalShare, closed_files};

/// How often to look at the free space, besides after a rotation.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often to list the closed files for the limit of all handlers, besides after a rotation: the compressor makes
/// them smaller.
const LIST_EVERY: Duration = Duration::from_secs(10);
/// How often to report that nothing is left to delete.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// The space that the file system is to have free.
pub(super) struct MinFree {
    bytes: u64,
    /// Looks at the free space of the directory's file system.
    free: fn(&Path) -> io::Result<u64>,
    looked_at: Option<Instant>,
    /// When it was last reported that nothing is left to delete.
    reported_at: Option<Instant>,
}

/// The part of this sink in the closed files of all handlers.
pub(super) struct Shared {
    share: TotalShare,
    listed_at: Option<Instant>,
}

fn free_bytes(directory: &Path) -> io::Result<u64> {
    let stat = statvfs(directory)?;
    // Without what is reserved for root, as for `df`.
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

fn is_due(last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= every)
}

impl MinFree {
    pub(super) fn new(bytes: u64) -> MinFree {
        MinFree { bytes, free: free_bytes, looked_at: None, reported_at: None }
    }
}

impl Shared {
    pub(super) fn new(share: TotalShare) -> Shared {
        Shared { share, listed_at: None }
    }
}

impl FileRotation {
    /// Looks for space soon, because a file was closed.
    pub(super) fn look_for_space(&mut self) {
        self.min_free.iter_mut().for_each(|min_free| min_free.looked_at = None);
        self.shared.iter_mut().for_each(|shared| shared.listed_at = None);
    }

    /// Deletes closed files as far as limits of space ask for it and it is time to look.
    pub(super) fn maintain_space(&mut self, open: Identity, events: &mut dyn Events) {
        if self.min_free.as_ref().is_some_and(|min_free| is_due(min_free.looked_at, LOOK_EVERY)) {
            self.keep_free(open, events);
        }
        let is_listed = |shared: &Shared| is_due(shared.listed_at, LIST_EVERY) || shared.share.is_due();
        if self.shared.as_ref().is_some_and(is_listed) {
            self.delete_surplus(open, events);
        }
    }

    /// Deletes closed files on a full disk, as far as that is configured. False if nothing was deleted.
    pub(in crate::sink::file) fn free_space(&mut self, open: Identity, events: &mut dyn Events) -> bool {
        if self.keep_free(open, events) || self.delete_surplus(open, events) {
            return true;
        }
        self.rotation.on_full == OnFull::DropOldestFile
            && self.delete_oldest(open, 1, "the disk is full", events)
    }

    /// Deletes the oldest closed files if less space is free than configured. Returns whether one was deleted.
    fn keep_free(&mut self, open: Identity, events: &mut dyn Events) -> bool {
        let Some(min_free) = &mut self.min_free else { return false };
        min_free.looked_at = Some(Instant::now());
        // What cannot be looked at is no reason to delete anything.
        let Ok(free) = (min_free.free)(self.directory.path()) else { return false };
        let Some(missing) = min_free.bytes.checked_sub(free).filter(|missing| *missing > 0) else {
            min_free.reported_at = None;
            return false;
        };
        let why = format!("less than {} is free", admin::size_word(min_free.bytes));
        // No more than is missing: the file system may be slow to count it as free.
        if self.delete_oldest(open, missing, &why, events) {
            return true;
        }
        if let Some(min_free) = self.min_free.as_mut().filter(|min| is_due(min.reported_at, REPORT_EVERY)) {
            min_free.reported_at = Some(Instant::now());
            let path = self.directory.path().join(self.family.base());
            events.report(&format!(
                "{}: {why}, and no closed file is left to delete; going on until the disk is full",
                path.shown()
            ));
        }
        false
    }

    /// Deletes the oldest closed files, of at least so many bytes together, and reports each. Returns whether one was
    /// deleted.
    fn delete_oldest(&mut self, open: Identity, bytes: u64, why: &str, events: &mut dyn Events) -> bool {
        let directory = self.directory.clone();
        let names = directory.lock();
        let Ok(listing) = names.list() else { return false };
        let Ok(clock) = self.wall_clock(&listing) else { return false };
        let plan = Plan::drop_oldest(&self.family, &listing, open, &clock, bytes);
        let Some(deletions) = self.carry_out_deletions(plan.carry_out(&names), events) else { return false };
        for name in &deletions.done {
            let path = names.path(name);
            events.report(&format!("{why}: deleted the oldest file, {}", path.shown()));
        }
        !deletions.done.is_empty()
    }

    /// Lists the closed files for the limit of all handlers, and deletes those that are surplus. Returns whether one
    /// was deleted.
    fn delete_surplus(&mut self, open: Identity, events: &mut dyn Events) -> bool {
        let Some(shared) = &mut self.shared else { return false };
        shared.listed_at = Some(Instant::now());
        let directory = self.directory.clone();
        let names = directory.lock();
        let Ok(listing) = names.list() else { return false };
        let Ok(clock) = self.wall_clock(&listing) else { return false };
        let Some(Shared { share, .. }) = &self.shared else { return false };
        let surplus = share.list(closed_files(&self.family, &listing, open, &clock));
        if surplus.is_empty() {
            return false;
        }
        let plan = Plan::delete(&surplus);
        let Some(deletions) = self.carry_out_deletions(plan.carry_out(&names), events) else { return false };
        // A file that cannot be deleted stays in the list as surplus, so no other one is deleted in its place.
        let left = names.list().unwrap_or_else(|_| plan.imagine(&listing));
        if let Some(Shared { share, .. }) = &self.shared {
            share.update(closed_files(&self.family, &left, open, &clock));
        }
        !deletions.done.is_empty()
    }

    fn carry_out_deletions(
        &mut self,
        carried_out: Result<Deletions, PlanError>,
        events: &mut dyn Events,
    ) -> Option<Deletions> {
        match carried_out {
            Ok(deletions) => {
                self.report_undeleted(&deletions, events);
                Some(deletions)
            }
            Err(error) => {
                events.report(&error.to_string());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
