//! Compressing closed files in the background.
//!
//! The directory is the queue: every closed file that is not compressed is pending, also after a crash. A file is
//! compressed under a temporary name, synced, decompressed and compared, and renamed; only then is the original
//! deleted. Names may be shifted meanwhile, so files are looked up by their identity; the names are locked only for
//! the rename and the deletion.

mod codec;

pub use codec::decompressed;

use std::cell::Cell;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::attributes::Attributes;
use super::files::{Directory, FileEntry, Identity, LockedDirectory};
use super::names::{Family, Member};
use super::plan::without_replacing;
use super::policy::Compression;
use super::retention;
use super::wall_clock::WallClock;
use codec::Sum;
use jiff::Timestamp;
use nix::fcntl::OFlag;
use ringlog::admin::Shown;

/// A thread that compresses closed files. Dropping it abandons the present file, which the next one compresses.
#[derive(Debug)]
pub struct Compressor {
    nudge: Option<SyncSender<()>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Compressor {
    /// Starts the thread. It removes the temporary files of an earlier one, and compresses every closed file.
    ///
    /// Reports each failure by `say`, once for each file; the file stays as it is and is tried again when the next
    /// one is closed. A plan from a checkpoint has to be carried out before.
    ///
    /// # Errors
    /// The system's error if the thread cannot be started.
    pub fn start(
        directory: Arc<Directory>,
        family: Family,
        compression: Compression,
        say: impl Fn(&str) + Send + 'static,
    ) -> io::Result<Compressor> {
        let stop = Arc::new(AtomicBool::new(false));
        let (nudge, nudges) = sync_channel(1);
        let worker = Worker {
            directory,
            family,
            compression,
            stop: stop.clone(),
            say: Box::new(say),
            said: HashSet::new(),
            is_refusal_said: Cell::new(false),
        };
        let thread =
            thread::Builder::new().name("ringlog-compress".into()).spawn(move || worker.run(&nudges))?;
        Ok(Compressor { nudge: Some(nudge), stop, thread: Some(thread) })
    }

    /// Notes that a file was closed and has its final name. Returns at once.
    pub fn closed(&self) {
        if let Some(nudge) = &self.nudge {
            // A pending nudge covers this file too.
            let _ = nudge.try_send(());
        }
    }

    /// Waits until every closed file is compressed, or was tried.
    pub fn finish(mut self) {
        self.join();
    }

    fn join(&mut self) {
        self.nudge = None;
        if let Some(thread) = self.thread.take() {
            // A panic has been printed on standard error, and the files are as after a crash.
            let _ = thread.join();
        }
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.join();
    }
}

/// Why a file is not compressed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot compress {}: {source}; it stays as it is", path.shown())]
    System { path: PathBuf, source: io::Error },
    #[error("{} is not what {} compresses to; both are kept, remove one of them", archive.shown(), path.shown())]
    Differs { path: PathBuf, archive: PathBuf },
}

struct Worker {
    directory: Arc<Directory>,
    family: Family,
    compression: Compression,
    stop: Arc<AtomicBool>,
    say: Box<dyn Fn(&str) + Send>,
    /// The files whose failure has been reported.
    said: HashSet<Identity>,
    /// Whether it has been reported that an archive has another owner or mode than its file.
    is_refusal_said: Cell<bool>,
}

impl Worker {
    fn run(mut self, nudges: &Receiver<()>) {
        self.remove_stale();
        loop {
            self.pass();
            if self.is_stopped() || nudges.recv().is_err() {
                return;
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Removes temporary files of an earlier compressor. There is no other one: the writer holds a lock on the log
    /// file.
    fn remove_stale(&self) {
        let names = self.directory.lock();
        for entry in names.list().unwrap_or_default() {
            if entry.is_regular && self.family.is_temporary(&entry.name) {
                // After a failure it is tried again at the next start.
                let _ = fs::remove_file(names.path(&entry.name));
            }
        }
    }

    /// Compresses the closed files, oldest first.
    fn pass(&mut self) {
        let listing = match self.directory.lock().list() {
            Ok(listing) => listing,
            Err(error) => {
                return (self.say)(&format!("cannot compress in {}: {error}", self.directory.path().shown()));
            }
        };
        self.said.retain(|file| listing.iter().any(|entry| entry.file == *file));
        // By their names, whatever the clock says.
        let clock = WallClock::at(Timestamp::MAX);
        for files in retention::closed(&self.family, &listing, None, &clock).into_values() {
            let is_plain =
                |entry: &&&FileEntry| self.member(entry).is_some_and(|member| member.archive.is_none());
            let Some(plain) = files.iter().find(is_plain) else { continue };
            let archive = files.iter().find(|entry| !is_plain(entry));
            let done = match archive {
                Some(archive) => self.finish_archived(plain, archive),
                None => self.compress(plain),
            };
            if self.is_stopped() {
                return;
            }
            if let Err(failure) = done
                && self.said.insert(plain.file)
            {
                (self.say)(&failure.to_string());
            }
        }
    }

    fn member(&self, entry: &FileEntry) -> Option<Member> {
        self.family.parse(&entry.name)
    }

    /// The closed file under its present name.
    fn find(&self, names: &LockedDirectory<'_>, file: Identity) -> io::Result<Option<FileEntry>> {
        Ok(names.list()?.into_iter().find(|entry| entry.file == file && self.member(entry).is_some()))
    }

    fn open(&self, file: Identity) -> io::Result<Option<File>> {
        let names = self.directory.lock();
        let entry = self.find(&names, file)?;
        // Without waiting, should a pipe lie there by now.
        let open = |path| OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
        entry.map(|entry| open(names.path(&entry.name))).transpose()
    }

    /// Finishes after a crash between the rename and the deletion: compares the two, and deletes the original.
    fn finish_archived(&self, plain: &FileEntry, archive: &FileEntry) -> Result<(), Failure> {
        let (path, archived_at) = {
            let names = self.directory.lock();
            (names.path(&plain.name), names.path(&archive.name))
        };
        let failed = |source| Failure::System { path: path.clone(), source };
        let Some(compression) = self.member(archive).and_then(|member| member.archive) else { return Ok(()) };
        let opened = self.open(plain.file).and_then(|plain| Ok((plain, self.open(archive.file)?)));
        let (Some(original), Some(archived)) = opened.map_err(failed)? else { return Ok(()) };
        let sum = codec::sum(&original, &self.stop).map_err(failed)?;
        match codec::sum_of_archive(&archived, compression, &self.stop) {
            Ok(archived) if archived == sum => self.delete(plain.file).map_err(failed),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            _ => Err(Failure::Differs { path, archive: archived_at }),
        }
    }

    fn compress(&self, plain: &FileEntry) -> Result<(), Failure> {
        let (path, temporary) = {
            let names = self.directory.lock();
            (names.path(&plain.name), names.path(self.family.temporary(plain.file, self.compression)))
        };
        let done = self.compress_to(plain.file, &path, &temporary);
        // The temporary file is still there if the archive was not renamed.
        let _ = fs::remove_file(&temporary);
        done.map_err(|source| Failure::System { path, source })
    }

    fn compress_to(&self, file: Identity, path: &Path, temporary: &Path) -> io::Result<()> {
        let Some(original) = self.open(file)? else { return Ok(()) };
        let meta = original.metadata()?;
        let archive =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(temporary)?;
        let sum = codec::compress(&original, &archive, self.compression, &self.stop)?;
        if let Err(refused) = Attributes::from(&meta).give_to(&archive) {
            // The same holds for the other files.
            if !self.is_refusal_said.replace(true) {
                (self.say)(&format!("compressing {}: {refused}", path.shown()));
            }
        }
        // Retention uses the age of the content.
        archive.set_modified(meta.modified()?)?;
        archive.sync_all()?;
        self.verify(&archive, sum, meta.len())?;
        if self.name(file, temporary)? { self.delete(file) } else { Ok(()) }
    }

    /// Checks that the archive decompresses to what was compressed, and that this is the whole file.
    fn verify(&self, archive: &File, compressed: Sum, len: u64) -> io::Result<()> {
        if compressed.len != len {
            return Err(io::Error::other("another process is still writing to it"));
        }
        let decompressed = codec::sum_of_archive(archive, self.compression, &self.stop)?;
        if decompressed == compressed {
            Ok(())
        } else {
            Err(io::Error::other("the archive does not decompress to the original"))
        }
    }

    /// Renames the archive to its final name; false if the original was deleted meanwhile.
    fn name(&self, file: Identity, temporary: &Path) -> io::Result<bool> {
        let names = self.directory.lock();
        let Some(entry) = self.find(&names, file)? else { return Ok(false) };
        let Some(member) = self.member(&entry) else { return Ok(false) };
        let name = self.family.name(&Member { archive: Some(self.compression), ..member });
        without_replacing(temporary, &names.path(name))?;
        drop(names);
        // A power cut must not keep the deletion and lose the name.
        File::open(self.directory.path())?.sync_all()?;
        Ok(true)
    }

    fn delete(&self, file: Identity) -> io::Result<()> {
        let names = self.directory.lock();
        match self.find(&names, file)? {
            Some(entry) => fs::remove_file(names.path(entry.name)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
