//! The part of the output that knows of closed files: when the open one is closed, and what becomes of it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::SystemTime;

use super::recovery::directory;
use crate::pipeline::Events;
use crate::rotation::{
    Closing, Compressor, Deletions, Directory, Family, Identity, Key, Names, OnFull, Plan, Refused, Rotation,
    Step, Timestamp, Trigger,
};

pub(super) struct Rotating {
    rotation: Rotation,
    family: Family,
    directory: Arc<Directory>,
    trigger: Trigger,
    compressor: Option<Compressor>,
    /// Files that could not be deleted the last time, and why: it has been said.
    undeleted: Vec<String>,
    /// What the compressor has to say, and the end on which it says it.
    said: Receiver<String>,
    say: Sender<String>,
}

impl Rotating {
    pub(super) fn new(path: &Path, rotation: &Rotation) -> Rotating {
        let (say, said) = channel();
        Rotating {
            rotation: rotation.clone(),
            family: Family::new(path.file_name().unwrap_or_default(), rotation),
            directory: Arc::new(Directory::new(directory(path))),
            trigger: Trigger::new(rotation, now_ns()),
            compressor: None,
            undeleted: Vec::new(),
            said,
            say,
        }
    }

    /// All names are right: deletes what is not kept any longer, and begins to compress what is closed. The open
    /// file was last written at `since_ns`.
    pub(super) fn begin(&mut self, open: Identity, since_ns: u64, events: &mut dyn Events) -> io::Result<()> {
        self.trigger = Trigger::new(&self.rotation, since_ns);
        if !self.rotation.keep.is_all() {
            let names = self.directory.lock();
            let now_s = now_ns() / 1_000_000_000;
            let plan = Plan::tidy(&self.family, &self.rotation, &names.list()?, open, now_s as i64);
            let deletions = plan.carry_out(&names).map_err(io::Error::other)?;
            drop(names);
            self.say_undeleted(&deletions, events);
        }
        if let Some(compression) = self.rotation.compression {
            let say = self.say.clone();
            // Whoever does not listen any more has ended.
            let say = move |message: &str| drop(say.send(message.to_owned()));
            let started = Compressor::start(self.directory.clone(), self.family.clone(), compression, say);
            self.compressor = Some(started?);
        }
        Ok(())
    }

    /// Whether files are closed by their size or time at all.
    pub(super) fn closes_files(&self) -> bool {
        self.rotation.size.is_some() || self.rotation.every.is_some()
    }

    pub(super) fn closes_on_start(&self) -> bool {
        self.rotation.on_start
    }

    pub(super) fn is_configured(&self) -> bool {
        self.rotation != Rotation::default()
    }

    /// Whether a file of `len` bytes is closed before an entry of this length and time. A time stamp from the
    /// future closes nothing.
    pub(super) fn closes_before(&mut self, len: u64, entry_len: u64, unix_ns: u64) -> bool {
        let is_over = self.trigger.due().is_some_and(|due| i128::from(unix_ns) >= due.as_nanosecond());
        let unix_ns = if is_over { unix_ns.min(now_ns()) } else { unix_ns };
        self.trigger.before(len, entry_len, unix_ns).is_some()
    }

    pub(super) fn may_close(&self, len: u64) -> bool {
        self.trigger.may_close(len)
    }

    /// The directory. Its lock is held from the making of a plan until it is carried out, so that the compressor
    /// renames nothing in between.
    pub(super) fn directory(&self) -> Arc<Directory> {
        self.directory.clone()
    }

    /// What is to be done to close the file, and the number that the next one has at least.
    pub(super) fn plan(
        &self,
        names: &Names<'_>,
        open: Identity,
        unix_ns: u64,
        number: u64,
    ) -> io::Result<(Plan, u64)> {
        let now = Timestamp::from_nanosecond(unix_ns.into()).map_err(io::Error::other)?;
        let closing = Closing { file: open, now, due: self.trigger.due(), number_at_least: number.max(1) };
        let plan = Plan::new(&self.family, &self.rotation, &names.list()?, &closing);
        let used = plan.steps().iter().filter_map(|step| match step {
            Step::Rename { to, .. } => self.family.parse(to),
            Step::Delete { .. } => None,
        });
        let numbers = used.filter_map(|member| match member.key {
            Key::Number(number) => Some(number.saturating_add(1)),
            _ => None,
        });
        let next = numbers.max().unwrap_or(number);
        Ok((plan, next))
    }

    pub(super) fn carry_out(
        &mut self,
        names: &Names<'_>,
        plan: &Plan,
        durable: bool,
        events: &mut dyn Events,
    ) -> Result<(), Refused> {
        self.say_undeleted(&plan.carry_out(names)?, events);
        if durable {
            let path = self.directory.path().to_owned();
            self.directory.sync().map_err(|source| Refused::System {
                action: "make durable",
                path,
                source,
            })?;
        }
        Ok(())
    }

    /// A new file was begun.
    pub(super) fn rotated(&mut self, unix_ns: u64) {
        self.trigger.rotated(unix_ns);
        if let Some(compressor) = &self.compressor {
            compressor.closed();
        }
    }

    /// Deletes the oldest closed file if that is wanted for a full disk; false if there is nothing to delete.
    pub(super) fn make_room(&mut self, open: Identity, events: &mut dyn Events) -> bool {
        if self.rotation.on_full != OnFull::DropOldestFile {
            return false;
        }
        let directory = self.directory.clone();
        let names = directory.lock();
        let Ok(listing) = names.list() else { return false };
        match Plan::drop_oldest(&self.family, &listing, open).carry_out(&names) {
            Ok(deletions) => {
                self.say_undeleted(&deletions, events);
                for name in &deletions.done {
                    let path = names.path(name);
                    events.say(&format!("the disk is full: deleted the oldest file, {}", path.display()));
                }
                !deletions.done.is_empty()
            }
            Err(error) => {
                events.say(&error.to_string());
                false
            }
        }
    }

    /// Says which files cannot be deleted, once.
    fn say_undeleted(&mut self, deletions: &Deletions, events: &mut dyn Events) {
        let failed: Vec<String> = deletions.failed.iter().map(Refused::to_string).collect();
        for why in failed.iter().filter(|why| !self.undeleted.contains(why)) {
            events.say(&format!("{why}; it is tried again with the next file"));
        }
        self.undeleted = failed;
    }

    /// Passes on what the compressor has to say.
    pub(super) fn listen(&mut self, events: &mut dyn Events) {
        self.said.try_iter().for_each(|said| events.say(&said));
    }

    /// Waits until what is closed is compressed.
    pub(super) fn finish(&mut self, events: &mut dyn Events) {
        if let Some(compressor) = self.compressor.take() {
            compressor.finish();
        }
        self.listen(events);
    }
}

pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
