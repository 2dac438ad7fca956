//! The output that moves the ring's cursor: files, and the checkpoint beside them. Every record is in them
//! exactly once, wherever the writer was killed.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use ringlog::Cursor;

use super::Sink;
use super::file::File;
use super::recovery::{self, Mend, Recovery};
use crate::checkpoint::{Checkpoint, FileState, Identity, State};
use crate::error::Error;
use crate::options::{Existing, Fsync, Options};
use crate::writer::Events;

/// How often to look whether the file was moved away.
const LOOK: Duration = Duration::from_millis(250);
const COMPLAIN: Duration = Duration::from_secs(60);

pub(super) struct Primary {
    file: File,
    checkpoint: Checkpoint,
    /// What to do before the first batch.
    mend: Mend,
    said: Vec<String>,
    existing: Existing,
    fsync: Fsync,
    /// What is certain, and what will be when the batch is written.
    committed: State,
    prepared: State,
    looked: Instant,
    synced: Instant,
    /// When it was last said that others write to the file.
    complained: Option<Instant>,
}

impl Primary {
    /// Takes the checkpoint, so that no other writer does, and looks how things stand.
    pub(super) fn open(file: File, options: &Options) -> Result<Primary, Error> {
        let path = Checkpoint::path_of(&file.path);
        let (checkpoint, kept) = Checkpoint::open(&path)
            .map_err(|error| Error::Open { path: file.path.clone(), why: error.to_string() })?;
        let Recovery { state, mend, said } = Recovery::of(kept, &file);
        Ok(Primary {
            file,
            checkpoint,
            mend,
            said,
            existing: options.existing,
            fsync: options.fsync,
            prepared: state.clone(),
            committed: state,
            looked: Instant::now(),
            synced: Instant::now(),
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
            rotate_at_unix_ns: 0,
        }
    }

    /// Writes down which file it is and how long, where no batch is on its way.
    fn begin_file(&mut self) -> io::Result<()> {
        self.committed.file = Some(self.file_with(&[]));
        self.checkpoint.set(&self.committed)
    }

    /// Gives the file that has the output's name another one, and begins a new one.
    fn set_aside(&mut self, events: &mut dyn Events) -> io::Result<()> {
        if self.file.len == 0 {
            return Ok(());
        }
        let (from, to) = (self.file.path.clone(), recovery::aside(&self.file.path));
        rename_new(&from, &to)?;
        events.say(&format!("{} is now {}", from.display(), to.display()));
        self.file.reopen().map_err(io::Error::other)
    }

    /// Others may have cut the file, or written to it, which is theirs to do: logrotate's `copytruncate`
    /// does. What is certain has to be said anew then.
    fn notice_others(&mut self, events: &mut dyn Events) -> io::Result<()> {
        let found = self.file.found_len()?;
        if found == self.file.len {
            return Ok(());
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
}

/// Renames, but onto nothing that is there.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // The file system cannot do both in one step.
        Err(Errno::EINVAL | Errno::ENOSYS) if to.symlink_metadata().is_err() => fs::rename(from, to),
        other => Ok(other?),
    }
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::Open { path: path.to_owned(), why: error.to_string() }
}

impl Sink for Primary {
    fn cursor(&self, ring: &[u8; 16]) -> Cursor {
        self.committed.cursor(ring)
    }

    fn settle(&mut self, events: &mut dyn Events) -> Result<(), Error> {
        for said in self.said.drain(..) {
            events.say(&said);
        }
        let mended = match std::mem::replace(&mut self.mend, Mend::Nothing) {
            Mend::Nothing => Ok(()),
            Mend::Cut { mut file, len } => file.cut(len),
            Mend::Aside => self.set_aside(events),
        };
        // The length may be another one than when the file was opened.
        let begun = mended.and_then(|()| match self.existing {
            Existing::Truncate => self.file.cut(0),
            Existing::Append => self.file.found_len().map(|len| self.file.len = len),
        });
        begun.and_then(|()| self.begin_file()).map_err(|error| failed(&self.file.path, &error))
    }

    fn prepare(&mut self, batch: &[u8], cursor: &mut Cursor, events: &mut dyn Events) -> io::Result<()> {
        self.notice_others(events)?;
        self.prepared.file = Some(self.file_with(batch));
        self.prepared.set_cursor(cursor);
        self.checkpoint.prepare(&self.prepared)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn commit(&mut self, urgent: bool) -> io::Result<()> {
        let sync = self.is_sync_due(urgent);
        if sync {
            self.file.sync()?;
        }
        self.checkpoint.commit()?;
        if sync {
            self.checkpoint.sync()?;
            self.synced = Instant::now();
        }
        std::mem::swap(&mut self.committed, &mut self.prepared);
        self.prepared.know_rings_of(&self.committed);
        Ok(())
    }

    fn take_back(&mut self, bytes: u64) -> bool {
        self.file.take_back(bytes)
    }

    fn reopen(&mut self) -> Result<(), Error> {
        if self.is_moved() {
            if self.fsync != Fsync::Never {
                self.file.sync().map_err(|error| failed(&self.file.path, &error))?;
            }
            self.file.reopen()?;
            self.begin_file().map_err(|error| failed(&self.file.path, &error))?;
        }
        Ok(())
    }

    fn look(&mut self, _events: &mut dyn Events) -> Result<(), Error> {
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        self.reopen()
    }

    fn finish(self: Box<Self>) {
        // What is to survive a power cut may come again from a ring on a disk that has not survived it.
        if self.fsync == Fsync::Never {
            self.checkpoint.remove();
        }
    }
}
