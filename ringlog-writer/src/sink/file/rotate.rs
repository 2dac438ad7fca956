//! Rotation of the file sink: when the open file is closed, and what happens to closed ones.

mod space;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::checkpoint::ClockState;
use super::links::directory;
use crate::clock::{moment, now_unix_ns};
use crate::events::Events;
use crate::rotation::{
    Closing, Compressor, Deletions, Directory, Family, FileEntry, FileKey, Identity, LockedDirectory, Moment,
    Plan, PlanError, PlanStep, Rotation, Timestamp, TotalShare, Trigger, WallClock,
};
use ringlog::admin::Shown;
use space::{MinFree, Shared};

pub(super) struct FileRotation {
    rotation: Rotation,
    family: Family,
    directory: Arc<Directory>,
    trigger: Trigger,
    /// Reads the clocks.
    moment: fn() -> Moment,
    clock: ClockState,
    /// Whether the clock was trusted when it was last reported.
    was_trusted: bool,
    compressor: Option<Compressor>,
    /// The space that is to stay free, if that is configured.
    min_free: Option<MinFree>,
    /// The part in the closed files of all handlers, if these are limited.
    shared: Option<Shared>,
    /// The reported errors of deletions that failed the last time.
    undeleted: Vec<String>,
    /// Messages of the compressor's thread.
    messages: Receiver<String>,
    sender: Sender<String>,
}

impl FileRotation {
    /// `share`: the part in the closed files of all handlers, if these are limited.
    pub(super) fn new(path: &Path, rotation: &Rotation, share: Option<TotalShare>) -> FileRotation {
        let (sender, messages) = channel();
        FileRotation {
            rotation: rotation.clone(),
            family: Family::new(path.file_name().unwrap_or_default(), rotation),
            directory: Arc::new(Directory::new(directory(path))),
            trigger: Trigger::new(rotation, now_unix_ns()),
            moment,
            clock: ClockState::default(),
            was_trusted: true,
            compressor: None,
            min_free: rotation.min_free.map(MinFree::new),
            shared: share.map(Shared::new),
            undeleted: Vec::new(),
            messages,
            sender,
        }
    }

    /// Deletes files that are not kept any longer, and starts compressing closed ones. Called once the repair is done.
    pub(super) fn begin(&mut self, open: Identity, events: &mut dyn Events) -> io::Result<()> {
        let newest_ns = if self.clock.watch.is_new() { self.newest_ns() } else { None };
        self.read_clock(|| newest_ns);
        self.report_clock(events);
        self.tidy(open, events)?;
        if let Some(compression) = self.rotation.compression {
            let sender = self.sender.clone();
            // Sending fails only once the sink is gone.
            let say = move |message: &str| drop(sender.send(message.to_owned()));
            let started = Compressor::start(self.directory.clone(), self.family.clone(), compression, say);
            self.compressor = Some(started?);
        }
        Ok(())
    }

    /// Deletes closed files that are not kept any longer.
    fn tidy(&mut self, open: Identity, events: &mut dyn Events) -> io::Result<()> {
        if self.rotation.keep.is_all() {
            return Ok(());
        }
        let directory = self.directory.clone();
        let names = directory.lock();
        let listing = names.list()?;
        let clock = self.wall_clock(&listing)?;
        let plan = Plan::tidy(&self.family, &self.rotation, &listing, open, &clock);
        let deletions = plan.carry_out(&names).map_err(io::Error::other)?;
        drop(names);
        self.report_undeleted(&deletions, events);
        Ok(())
    }

    /// Whether files are closed by size or time.
    pub(super) fn rotates(&self) -> bool {
        self.rotation.size.is_some() || self.rotation.every.is_some()
    }

    /// The size at which files are closed; the greatest number for never.
    pub(super) fn size_max(&self) -> usize {
        self.rotation.size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX)
    }

    pub(super) fn closes_on_start(&self) -> bool {
        self.rotation.on_start
    }

    pub(super) fn is_configured(&self) -> bool {
        self.rotation != Rotation::default()
    }

    /// Whether a file of `len` bytes is closed before an entry of this length and time. A timestamp from the future
    /// closes nothing.
    pub(super) fn rotates_before(&mut self, len: u64, entry_len: u64, unix_ns: u64) -> bool {
        self.trigger.before(len, entry_len, unix_ns, now_unix_ns).is_some()
    }

    /// The directory. Its lock has to be held from the making of a plan until it is carried out, so that the compressor
    /// renames nothing in between.
    pub(super) fn directory(&self) -> Arc<Directory> {
        self.directory.clone()
    }

    /// The plan that closes the file, and the lowest number that the next closed file may get.
    pub(super) fn plan(
        &mut self,
        names: &LockedDirectory<'_>,
        open: Identity,
        unix_ns: u64,
        number: u64,
    ) -> io::Result<(Plan, u64)> {
        self.trigger.correct(now_unix_ns());
        let listing = names.list()?;
        let clock = self.wall_clock(&listing)?;
        let (now, due) = (timestamp(unix_ns)?, self.trigger.due());
        let closing = Closing { file: open, now, due, number_at_least: number.max(1), clock };
        let plan = Plan::new(&self.family, &self.rotation, &listing, &closing);
        let used = plan.steps().iter().filter_map(|step| match step {
            PlanStep::Rename { to, .. } => self.family.parse(to),
            PlanStep::Delete { .. } => None,
        });
        let numbers = used.filter_map(|member| match member.key {
            FileKey::Number(number) => Some(number.saturating_add(1)),
            _ => None,
        });
        let next = numbers.max().unwrap_or(number);
        Ok((plan, next))
    }

    pub(super) fn carry_out(
        &mut self,
        names: &LockedDirectory<'_>,
        plan: &Plan,
        durable: bool,
        events: &mut dyn Events,
    ) -> Result<(), PlanError> {
        self.report_undeleted(&plan.carry_out(names)?, events);
        if durable {
            let path = self.directory.path().to_owned();
            self.directory.sync().map_err(|source| PlanError::System {
                action: "make durable",
                path,
                source,
            })?;
        }
        Ok(())
    }

    /// Notes that the first entry of the open file was written at `since_ns`.
    pub(super) fn begin_file(&mut self, since_ns: u64) {
        self.trigger.begin(since_ns);
        self.trigger.correct(now_unix_ns());
    }

    /// When the first entry of the open file was written.
    pub(super) fn since_ns(&self) -> u64 {
        self.trigger.since_ns()
    }

    /// Notes that a new file was begun, after another one was closed.
    pub(super) fn rotated(&mut self, unix_ns: u64) {
        self.trigger.begin(unix_ns);
        self.look_for_space();
        if let Some(compressor) = &self.compressor {
            compressor.closed();
        }
    }

    /// Reports files that cannot be deleted, each once.
    fn report_undeleted(&mut self, deletions: &Deletions, events: &mut dyn Events) {
        let failed: Vec<String> = deletions.failed.iter().map(PlanError::to_string).collect();
        for why in failed.iter().filter(|why| !self.undeleted.contains(why)) {
            events.report(&format!("{why}; trying again with the next file"));
        }
        self.undeleted = failed;
    }

    /// Reports the compressor's messages.
    pub(super) fn report_messages(&mut self, events: &mut dyn Events) {
        self.messages.try_iter().for_each(|message| events.report(&message));
    }

    /// Waits until every closed file is compressed.
    pub(super) fn finish(&mut self, events: &mut dyn Events) {
        if let Some(compressor) = self.compressor.take() {
            compressor.finish();
        }
        self.report_messages(events);
    }
}

/// The wall clock.
impl FileRotation {
    /// What is known of the wall clock, for the checkpoint.
    pub(super) fn clock(&self) -> ClockState {
        self.clock
    }

    /// Goes on from what an earlier writer knew of the wall clock.
    pub(super) fn resume_clock(&mut self, clock: ClockState) {
        self.clock = clock;
        self.was_trusted = clock.watch.is_trusted();
    }

    /// Compares the wall clock with the time since the boot.
    fn read_clock(&mut self, newest_ns: impl FnOnce() -> Option<u64>) {
        self.clock.watch.read((self.moment)(), newest_ns);
    }

    /// Reports once that the wall clock has run ahead. Returns whether files are deleted for their age again.
    fn report_clock(&mut self, events: &mut dyn Events) -> bool {
        let is_trusted = self.clock.watch.is_trusted();
        let was_trusted = std::mem::replace(&mut self.was_trusted, is_trusted);
        if was_trusted && !is_trusted && self.rotation.keep.age.is_some() {
            let days = self.clock.watch.days_ahead();
            let unit = if days == 1 { "day" } else { "days" };
            let path = self.directory.path().join(self.family.base());
            events.report(&format!(
                "{}: the clock is {days} {unit} ahead of the last record, or of the newest file, or was set ahead: \
                 for 24 hours no closed file is deleted for its age. If the time is right, `ringlog rotate RING \
                 --trust-clock` ends this",
                path.shown()
            ));
        }
        is_trusted && !was_trusted
    }

    /// The time of the newest of the files, in ns since 1970.
    fn newest_ns(&self) -> Option<u64> {
        let listing = self.directory.lock().list().ok()?;
        let now_s = (now_unix_ns() / 1_000_000_000) as i64;
        let is_ours = |entry: &&FileEntry| {
            let is_open = entry.name == self.family.base() && entry.len > 0;
            entry.is_regular
                && entry.modified_s <= now_s
                && (is_open || self.family.parse(&entry.name).is_some())
        };
        let newest_s = listing.iter().filter(is_ours).map(|entry| entry.modified_s).max()?;
        Some(u64::try_from(newest_s).unwrap_or(0).saturating_mul(1_000_000_000))
    }

    /// What is known of the wall clock when files of this listing are named or deleted.
    fn wall_clock(&mut self, listing: &[FileEntry]) -> io::Result<WallClock> {
        // The clock may have jumped a moment ago.
        self.read_clock(|| None);
        let now_ns = self.clock.watch.last_unix_ns();
        let now = timestamp(now_ns)?;
        let keys = listing.iter().filter_map(|entry| self.family.parse(&entry.name));
        let is_ahead = keys.into_iter().any(|member| self.family.is_from_future(&member.key, now));
        self.clock.set_back_ns = match self.clock.set_back_ns {
            _ if !is_ahead => 0,
            0 => now_ns,
            // The clock was set back once more.
            since => since.min(now_ns),
        };
        let set_back = (self.clock.set_back_ns > 0).then(|| timestamp(self.clock.set_back_ns)).transpose()?;
        Ok(WallClock { now, set_back, is_trusted: self.clock.watch.is_trusted() })
    }

    /// Looks at the clock and at the space from time to time. Deletes the files that were kept while the clock was not
    /// trusted.
    pub(super) fn maintain(&mut self, open: Identity, events: &mut dyn Events) {
        self.maintain_space(open, events);
        self.read_clock(|| None);
        if self.report_clock(events)
            && let Err(error) = self.tidy(open, events)
        {
            events.report(&format!("cannot delete closed files: {error}; trying again with the next file"));
        }
    }

    /// Counts the clock as right, and deletes the files that were kept for that.
    pub(super) fn trust_clock(&mut self, open: Identity, events: &mut dyn Events) -> io::Result<()> {
        self.read_clock(|| None);
        self.clock.watch.trust();
        self.was_trusted = true;
        self.tidy(open, events)
    }
}

fn timestamp(unix_ns: u64) -> io::Result<Timestamp> {
    Timestamp::from_nanosecond(unix_ns.into()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
