//! The output that moves the ring's cursor: files, and the checkpoint beside them. Every record is in them
//! exactly once, wherever the writer was killed.

pub(super) mod append;
pub(crate) mod checkpoint;
mod lock;
mod recovery;
pub(super) mod rotate;

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use ringlog::Ring;
use ringlog::reader::Cursor;

use append::File;
use recovery::{Mend, Recovery};
use rotate::{Rotating, now_ns};

use super::{Looked, Sink};
use crate::config::FileOutput;
use crate::config::options::{Existing, Fsync};
use crate::error::Error;
use crate::pipeline::Events;
use crate::rotation::{Identity, Names, Plan, Refused, Rotation, without_replacing};
use checkpoint::{Checkpoint, FileState, State};

/// Opens a file for these rings. A pipe without a reader is waited for, or refused.
pub(super) fn open(output: &FileOutput, rings: &[Ring], waits: bool) -> Result<Box<dyn Sink>, Error> {
    let rings: Vec<&Path> = rings.iter().map(Ring::path).collect();
    let file = File::open(&output.path, &rings, waits)?;
    if file.is_regular() && output.checkpoint {
        return Ok(Box::new(Primary::open(file, output)?));
    }
    // What a pipe or a device cannot do is not left undone in silence.
    if !file.is_regular() && (output.rotation != Rotation::default() || output.fsync != Fsync::Never) {
        let why = "it is no regular file, so it can be neither rotated nor synced".to_owned();
        return Err(Error::Open { path: output.path.clone(), why });
    }
    Ok(Box::new(file.with(output.existing)?))
}

/// How often to look whether the file was moved away.
const LOOK: Duration = Duration::from_millis(250);
const COMPLAIN: Duration = Duration::from_secs(60);

/// What was written and was not due to be synced then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsynced {
    Nothing,
    Some,
    /// It was due, and it has been said that it cannot be.
    Refused,
}

struct Primary {
    file: File,
    rotating: Rotating,
    /// What is left to be done to close the file, while it is being closed.
    closing: Option<Plan>,
    checkpoint: Checkpoint,
    /// What to do before the first batch.
    mend: Mend,
    /// Before that: what was prepared is in the file and counts.
    counts: bool,
    said: Vec<String>,
    /// The checkpoint knew nothing of the file.
    is_unknown: bool,
    existing: Existing,
    fsync: Fsync,
    /// What is certain, and what will be when the batch is written.
    committed: State,
    prepared: State,
    /// The checkpoint does not say yet which file it is and how long.
    is_news: bool,
    /// The batch counts; what is left is to make that survive a power cut.
    is_committed: bool,
    looked: Instant,
    synced: Instant,
    unsynced: Unsynced,
    /// When it was last said that others write to the file.
    complained: Option<Instant>,
}

impl Primary {
    /// Takes the checkpoint, so that no other writer does, and looks how things stand.
    fn open(mut file: File, output: &FileOutput) -> Result<Primary, Error> {
        // Closed files lie beside the open one, and not beside a link to it.
        file.path = fs::canonicalize(&file.path).map_err(|error| failed(&file.path, &error))?;
        if !file.try_lock().map_err(|error| failed(&file.path, &error))? {
            let why = "another writer is writing to it, under this name or another one".to_owned();
            return Err(Error::Open { path: file.path, why });
        }
        let path = Checkpoint::path_of(&file.path);
        let (checkpoint, kept) = Checkpoint::open(&path)
            .map_err(|error| Error::Open { path: file.path.clone(), why: error.to_string() })?;
        let is_unknown = kept.committed.is_none() && kept.damage.is_none();
        let Recovery { state, mend, counts, said } = Recovery::of(kept, &file);
        Ok(Primary {
            rotating: Rotating::new(&file.path, &output.rotation),
            closing: None,
            file,
            checkpoint,
            mend,
            counts,
            said,
            is_unknown,
            existing: output.existing,
            fsync: output.fsync,
            prepared: state.clone(),
            committed: state,
            is_news: true,
            is_committed: false,
            looked: Instant::now(),
            synced: Instant::now(),
            unsynced: Unsynced::Nothing,
            complained: None,
        })
    }

    /// How the file is when a batch of these bytes has been appended to it.
    fn file_with(&self, batch: &[u8]) -> FileState {
        FileState {
            identity: self.file.identity,
            len: self.file.len + batch.len() as u64,
            tail_start: self.file.len,
            tail_crc: crc32fast::hash(batch),
        }
    }

    /// Writes down which file it is and how long, where no batch is on its way.
    fn begin_file(&mut self) -> io::Result<()> {
        // Until that has been done no batch may be prepared: a part of it could not be told from what others write.
        self.is_news = true;
        self.committed.file = Some(self.file_with(&[]));
        self.committed.plan.clear();
        self.checkpoint.set(&self.committed)?;
        if self.fsync != Fsync::Never {
            self.checkpoint.sync()?;
            self.rotating.directory().sync()?;
        }
        self.prepared.clone_from(&self.committed);
        self.is_news = false;
        Ok(())
    }

    /// Everything is in its place: files may be closed from here on.
    fn begin_rotating(&mut self, events: &mut dyn Events) -> io::Result<()> {
        let since_ns = if self.file.len > 0 { self.file.modified_ns()? } else { now_ns() };
        self.rotating.begin(self.file.identity, since_ns, events)?;
        if self.rotating.closes_on_start() { self.rotate(now_ns(), events) } else { Ok(()) }
    }

    /// Gives the file that has the output's name another one, and begins a new one.
    fn set_aside(&mut self, events: &mut dyn Events) -> io::Result<()> {
        if self.file.len == 0 {
            return Ok(());
        }
        let (from, to) = (self.file.path.clone(), recovery::aside(&self.file.path));
        without_replacing(&from, &to)?;
        events.say(&format!("{} is now {}", from.display(), to.display()));
        self.file.reopen().map_err(io::Error::other)
    }

    /// Others may have cut the file, or written to it, which is theirs to do: logrotate's `copytruncate`
    /// does. What is certain has to be said anew then.
    fn notice_others(&mut self, events: &mut dyn Events) -> io::Result<()> {
        let Some(found) = self.file.len_if_there()? else {
            // It was deleted: nobody would ever read what is written to it. Where no other can be made the records wait
            // in the ring.
            return self.reopen().map_err(io::Error::other);
        };
        if found == self.file.len {
            return if self.is_news { self.begin_file() } else { Ok(()) };
        }
        // Who does it for every batch shall not fill the terminal.
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
            self.complained = Some(Instant::now());
            let (path, len) = (self.file.path.display(), self.file.len);
            let what = if found < len { "cut it" } else { "written to it" };
            events.say(&format!(
                "{path}: others have {what}: {found} bytes, expected {len}; going on at its end"
            ));
        }
        self.file.len = found;
        self.begin_file()
    }

    /// Carries out what a writer that was killed had written down.
    fn carry_out(&mut self, plan: &Plan, events: &mut dyn Events) -> Result<(), Refused> {
        let directory = self.rotating.directory();
        self.rotating.carry_out(&directory.lock(), plan, self.fsync != Fsync::Never, events)
    }

    /// Writes down what is to be done to close the file. From here on nothing more is written to it.
    fn begin_to_close(&mut self, names: &Names<'_>, unix_ns: u64) -> io::Result<()> {
        if self.fsync != Fsync::Never {
            self.file.sync()?;
        }
        let (plan, next_number) =
            self.rotating.plan(names, self.file.identity, unix_ns, self.committed.next_number)?;
        let mut state = State { file: None, next_number, ..self.committed.clone() };
        state.plan.clear();
        plan.encode(&mut state.plan);
        self.checkpoint.set(&state)?;
        self.committed = state;
        self.closing = Some(plan);
        Ok(())
    }

    /// Carries the plan out and begins the next file.
    fn close(&mut self, names: &Names<'_>, plan: &Plan, events: &mut dyn Events) -> io::Result<()> {
        match self.rotating.carry_out(names, plan, self.fsync != Fsync::Never, events) {
            // Somebody else was faster: the next attempt finds another name.
            Err(refused @ Refused::Taken { .. }) => {
                self.closing = None;
                return Err(io::Error::other(refused));
            }
            done => done.map_err(|refused| match &refused {
                // So that a full disk is known for one.
                Refused::System { source, .. } => io::Error::new(source.kind(), refused),
                Refused::Taken { .. } => io::Error::other(refused),
            })?,
        }
        self.file.reopen().map_err(io::Error::other)?;
        self.begin_file()
    }

    fn is_moved(&self) -> bool {
        Identity::of_path(&self.file.path).as_ref() != Some(&self.file.identity)
    }

    fn is_sync_due(&self, urgent: bool) -> bool {
        match self.fsync {
            Fsync::Never => false,
            Fsync::Batch => true,
            Fsync::Every(interval) => self.synced.elapsed() >= interval,
            Fsync::Level(_) => urgent,
        }
    }

    /// Syncs what was written before it was due. If that cannot be, it is due again an interval later.
    fn sync_late(&mut self, events: &mut dyn Events) {
        self.synced = Instant::now();
        match self.file.sync().and_then(|()| self.checkpoint.sync()) {
            Ok(()) => self.unsynced = Unsynced::Nothing,
            Err(_) if self.unsynced == Unsynced::Refused => {}
            Err(error) => {
                self.unsynced = Unsynced::Refused;
                events.say(&format!(
                    "{} cannot be synced: {error}; it is tried again",
                    self.file.path.display()
                ));
            }
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::Open { path: path.to_owned(), why: error.to_string() }
}

impl Sink for Primary {
    fn cursor(&self, ring: &[u8; 16]) -> Cursor {
        self.committed.cursor(ring)
    }

    fn settle(&mut self, after_a_kill: bool, events: &mut dyn Events) -> Result<(), Error> {
        if after_a_kill && self.is_unknown && self.file.len > 0 && self.existing == Existing::Append {
            let path = self.file.path.display();
            events.say(&format!(
                "{path} has no checkpoint, and the ring's last writer was killed: lines at its end may come again"
            ));
        }
        for said in self.said.drain(..) {
            events.say(&said);
        }
        // First, for what is written down next takes the place of what was prepared.
        let counted = if std::mem::take(&mut self.counts) { self.checkpoint.commit() } else { Ok(()) };
        let mended = counted.and_then(|()| match std::mem::replace(&mut self.mend, Mend::Nothing) {
            Mend::Nothing => Ok(()),
            Mend::Cut { mut file, len } => file.cut(len),
            Mend::Aside => self.set_aside(events),
            Mend::Close(plan) => match self.carry_out(&plan, events) {
                Ok(()) => self.file.reopen().map_err(io::Error::other),
                Err(refused @ Refused::Taken { .. }) => {
                    events.say(&format!("{refused}; the writer goes on with the file that is there"));
                    Ok(())
                }
                Err(refused) => Err(io::Error::other(refused)),
            },
        });
        // The length may be another one than when the file was opened.
        let begun = mended.and_then(|()| match self.existing {
            Existing::Truncate => self.file.cut(0),
            Existing::Append => self.file.found_len().map(|len| self.file.len = len),
        });
        let path = self.file.path.clone();
        let begun = begun.and_then(|()| self.begin_file()).and_then(|()| self.begin_rotating(events));
        begun.map_err(|error| failed(&path, &error))
    }

    fn has_cursors(&self) -> bool {
        true
    }

    fn prepare(&mut self, batch: &[u8], cursors: &[Cursor], events: &mut dyn Events) -> io::Result<()> {
        self.is_committed = false;
        self.notice_others(events)?;
        self.prepared.file = Some(self.file_with(batch));
        self.prepared.set_cursors(cursors);
        self.checkpoint.prepare(&self.prepared)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn commit(&mut self, urgent: bool) -> io::Result<()> {
        let sync = self.is_sync_due(urgent);
        // It counts once, however often the rest has to be tried.
        if !self.is_committed {
            if sync {
                self.file.sync()?;
            }
            self.checkpoint.commit()?;
            self.is_committed = true;
        }
        if sync {
            self.checkpoint.sync()?;
            self.synced = Instant::now();
        }
        self.unsynced = match self.unsynced {
            _ if sync || !matches!(self.fsync, Fsync::Every(_)) => Unsynced::Nothing,
            Unsynced::Nothing => Unsynced::Some,
            before => before,
        };
        self.is_committed = false;
        std::mem::swap(&mut self.committed, &mut self.prepared);
        self.prepared.know_rings_of(&self.committed);
        Ok(())
    }

    fn has_committed(&self) -> bool {
        self.is_committed
    }

    fn take_back(&mut self, bytes: u64) -> bool {
        self.file.take_back(bytes)
    }

    fn reopen(&mut self) -> Result<(), Error> {
        // Who closes it opens the next one.
        if self.closing.is_none() && self.is_moved() {
            if self.fsync != Fsync::Never {
                self.file.sync().map_err(|error| failed(&self.file.path, &error))?;
            }
            self.file.reopen()?;
            self.begin_file().map_err(|error| failed(&self.file.path, &error))?;
        }
        Ok(())
    }

    fn look(&mut self, events: &mut dyn Events) -> Result<Looked, Error> {
        if self.looked.elapsed() < LOOK {
            return Ok(Looked::Later);
        }
        self.looked = Instant::now();
        self.rotating.listen(events);
        if self.unsynced != Unsynced::Nothing && self.is_sync_due(false) {
            self.sync_late(events);
        }
        if !self.checkpoint.is_in_place() && self.closing.is_none() {
            // What cannot be done now is done before the next batch.
            let _ = self.begin_file();
        }
        match self.reopen() {
            // A file that was deleted is not gone on with: the next batch says what is wrong.
            Err(_) if matches!(self.file.len_if_there(), Ok(None)) => Ok(Looked::Now),
            done => done.map(|()| Looked::Now),
        }
    }

    fn closes_files(&self) -> bool {
        self.rotating.closes_files()
    }

    fn closes_before(&mut self, pending: usize, len: usize, unix_ns: u64) -> bool {
        self.rotating.closes_before(self.file.len + pending as u64, len as u64, unix_ns)
    }

    fn rotate(&mut self, unix_ns: u64, events: &mut dyn Events) -> io::Result<()> {
        // By a time stamp from the future every closed file would be too old to be kept.
        let unix_ns = unix_ns.min(now_ns());
        let directory = self.rotating.directory();
        let names = directory.lock();
        if self.closing.is_none() {
            if !self.rotating.may_close(self.file.len) {
                return Ok(());
            }
            self.begin_to_close(&names, unix_ns)?;
        }
        if let Some(plan) = self.closing.clone() {
            self.close(&names, &plan, events)?;
            self.closing = None;
            self.rotating.rotated(unix_ns);
        }
        Ok(())
    }

    fn make_room(&mut self, events: &mut dyn Events) -> bool {
        self.rotating.make_room(self.file.identity, events)
    }

    fn rest(&mut self, events: &mut dyn Events) {
        self.rotating.finish(events);
    }

    fn finish(mut self: Box<Self>, is_known: bool, events: &mut dyn Events) {
        if self.unsynced != Unsynced::Nothing {
            self.sync_late(events);
        }
        // What is to survive a power cut may come again from a ring on a disk that has not survived it, and
        // closed files go on being numbered from where they were.
        if is_known && self.fsync == Fsync::Never && !self.rotating.is_configured() {
            self.checkpoint.remove();
        }
    }
}
