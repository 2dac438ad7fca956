//! Rotation of the file sink: when the open file is closed, and what happens to closed ones.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::append::directory;
use crate::clock::now_unix_ns;
use crate::events::Events;
use crate::rotation::{
    Closing, Compressor, Deletions, Directory, Family, FileKey, Identity, LockedDirectory, OnFull, Plan,
    PlanError, PlanStep, Rotation, Timestamp, Trigger,
};

pub(super) struct FileRotation {
    rotation: Rotation,
    family: Family,
    directory: Arc<Directory>,
    trigger: Trigger,
    compressor: Option<Compressor>,
    /// The reported errors of deletions that failed the last time.
    undeleted: Vec<String>,
    /// Messages of the compressor's thread.
    messages: Receiver<String>,
    sender: Sender<String>,
}

impl FileRotation {
    pub(super) fn new(path: &Path, rotation: &Rotation) -> FileRotation {
        let (sender, messages) = channel();
        FileRotation {
            rotation: rotation.clone(),
            family: Family::new(path.file_name().unwrap_or_default(), rotation),
            directory: Arc::new(Directory::new(directory(path))),
            trigger: Trigger::new(rotation, now_unix_ns()),
            compressor: None,
            undeleted: Vec::new(),
            messages,
            sender,
        }
    }

    /// Deletes files that are not kept any longer, and starts compressing closed ones. Called once the repair is done.
    /// The open file was last written at `since_ns`.
    pub(super) fn begin(&mut self, open: Identity, since_ns: u64, events: &mut dyn Events) -> io::Result<()> {
        self.trigger = Trigger::new(&self.rotation, since_ns);
        if !self.rotation.keep.is_all() {
            let names = self.directory.lock();
            let now_s = now_unix_ns() / 1_000_000_000;
            let plan = Plan::tidy(&self.family, &self.rotation, &names.list()?, open, now_s as i64);
            let deletions = plan.carry_out(&names).map_err(io::Error::other)?;
            drop(names);
            self.report_undeleted(&deletions, events);
        }
        if let Some(compression) = self.rotation.compression {
            let sender = self.sender.clone();
            // Sending fails only once the sink is gone.
            let say = move |message: &str| drop(sender.send(message.to_owned()));
            let started = Compressor::start(self.directory.clone(), self.family.clone(), compression, say);
            self.compressor = Some(started?);
        }
        Ok(())
    }

    /// Whether files are closed by size or time.
    pub(super) fn rotates(&self) -> bool {
        self.rotation.size.is_some() || self.rotation.every.is_some()
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
        let is_over = self.trigger.due().is_some_and(|due| i128::from(unix_ns) >= due.as_nanosecond());
        let unix_ns = if is_over { unix_ns.min(now_unix_ns()) } else { unix_ns };
        self.trigger.before(len, entry_len, unix_ns).is_some()
    }

    pub(super) fn may_close(&self, len: u64) -> bool {
        self.trigger.may_close(len)
    }

    /// The directory. Its lock has to be held from the making of a plan until it is carried out, so that the compressor
    /// renames nothing in between.
    pub(super) fn directory(&self) -> Arc<Directory> {
        self.directory.clone()
    }

    /// The plan that closes the file, and the lowest number that the next closed file may get.
    pub(super) fn plan(
        &self,
        names: &LockedDirectory<'_>,
        open: Identity,
        unix_ns: u64,
        number: u64,
    ) -> io::Result<(Plan, u64)> {
        let now = Timestamp::from_nanosecond(unix_ns.into()).map_err(io::Error::other)?;
        let closing = Closing { file: open, now, due: self.trigger.due(), number_at_least: number.max(1) };
        let plan = Plan::new(&self.family, &self.rotation, &names.list()?, &closing);
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

    /// Notes that a new file was begun.
    pub(super) fn rotated(&mut self, unix_ns: u64) {
        self.trigger.rotated(unix_ns);
        if let Some(compressor) = &self.compressor {
            compressor.closed();
        }
    }

    /// Deletes the oldest closed file if that is configured for a full disk. False if nothing was deleted.
    pub(super) fn free_space(&mut self, open: Identity, events: &mut dyn Events) -> bool {
        if self.rotation.on_full != OnFull::DropOldestFile {
            return false;
        }
        let directory = self.directory.clone();
        let names = directory.lock();
        let Ok(listing) = names.list() else { return false };
        match Plan::drop_oldest(&self.family, &listing, open).carry_out(&names) {
            Ok(deletions) => {
                self.report_undeleted(&deletions, events);
                for name in &deletions.done {
                    let path = names.path(name);
                    events.report(&format!("the disk is full: deleted the oldest file, {}", path.display()));
                }
                !deletions.done.is_empty()
            }
            Err(error) => {
                events.report(&error.to_string());
                false
            }
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
