//! A named pipe. Opening one waits for its reader, so it is opened without waiting, and again until that succeeds.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringlog::admin::Shown;

use super::links::Place;
use super::outputs::IRREGULAR;
use crate::error::{Error, why_not_opened};
use crate::events::Events;
use crate::rotation::Identity;
use crate::sink::batch::Batch;
use crate::sink::guarantee::Guarantee;
use crate::sink::stream::{Progress, write_when_ready};
use crate::sink::traits::{Abandoned, Sink, SinkRequest, Unrotatable};

/// How often to look for a reader while there are no records.
const LOOK_EVERY: Duration = Duration::from_millis(250);

const NO_READER: &str = "this pipe has no reader yet; start the program that reads it";

/// A pipe that is written once a process reads it.
pub(super) struct Pipe {
    path: PathBuf,
    /// `None` until the pipe has a reader.
    file: Option<File>,
    looked_at: Instant,
    progress: Progress,
}

/// Whether the path leads to a pipe.
pub(super) fn is_pipe(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.file_type().is_fifo())
}

impl Pipe {
    pub(super) fn open(path: &Path) -> Result<Pipe, Error> {
        let refused = |why: String| Error::Open { path: path.to_owned(), why };
        let place = Place::trusted(path).map_err(refused)?;
        let why = |error: io::Error| refused(why_not_opened(path, &error));
        place.check_target(&fs::metadata(path).map_err(why)?).map_err(refused)?;
        let file = open_if_read(path).map_err(why)?;
        Ok(Pipe { path: path.to_owned(), file, looked_at: Instant::now(), progress: Progress::default() })
    }

    fn reopen(&mut self) -> Result<(), Error> {
        let why = |why: String| Error::Open { path: self.path.clone(), why };
        match open_if_read(&self.path) {
            Ok(None) if self.file.is_some() => Err(why(NO_READER.to_owned())),
            Ok(file) => {
                let identity = |file: &Option<File>| {
                    file.as_ref().and_then(|file| file.metadata().ok()).as_ref().map(Identity::from)
                };
                // What the same pipe gets goes on where it was interrupted: it may still hold what was written before.
                if identity(&file) != identity(&self.file) {
                    self.progress.begin_file();
                }
                self.file = file;
                Ok(())
            }
            Err(error) => Err(why(why_not_opened(&self.path, &error))),
        }
    }
}

/// Opens the pipe, so that no write to it waits; `None` if it has no reader.
fn open_if_read(path: &Path) -> io::Result<Option<File>> {
    let opened = OpenOptions::new().write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
    let file = match opened {
        Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => return Ok(None),
        opened => opened?,
    };
    let meta = file.metadata()?;
    if !meta.file_type().is_fifo() {
        return Err(io::Error::other("it is not a pipe any more; start the writer anew"));
    }
    Ok(Some(file))
}

impl Sink for Pipe {
    fn guarantee(&self) -> Guarantee {
        IRREGULAR.guarantee
    }

    fn deliver(&mut self, batch: &Batch, _events: &mut dyn Events) -> io::Result<()> {
        if self.file.is_none() {
            self.file = open_if_read(&self.path)?;
        }
        let Some(file) = &self.file else { return Err(io::Error::other(NO_READER)) };
        self.progress.proceed(batch, |bytes| write_when_ready(file, bytes))
    }

    fn abandon(&mut self, batch: &Batch, events: &mut dyn Events) -> Abandoned {
        self.progress.abandon(batch, &self.path.shown(), |_| false, events)
    }

    fn recover(&mut self, _after_crash: bool, events: &mut dyn Events) -> Result<(), Error> {
        if self.file.is_none() {
            let path = self.path.shown();
            events.report(&format!("{path}: {NO_READER}; until then records wait in the ring"));
        }
        Ok(())
    }

    fn handle(&mut self, request: SinkRequest, _events: &mut dyn Events) -> io::Result<()> {
        if request == SinkRequest::Reopen {
            self.reopen().map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn maintain(&mut self, events: &mut dyn Events) -> Result<bool, Error> {
        if self.file.is_some() || self.looked_at.elapsed() < LOOK_EVERY {
            return Ok(false);
        }
        self.looked_at = Instant::now();
        // The next batch reports an error.
        if let Ok(Some(file)) = open_if_read(&self.path) {
            self.file = Some(file);
            events.report(&format!("{} has a reader now", self.path.shown()));
        }
        Ok(true)
    }

    fn late(&self) -> u64 {
        self.progress.late()
    }

    fn has_reader(&self) -> bool {
        let has_reader = |file: &File| {
            let mut end = [PollFd::new(file.as_fd(), PollFlags::empty())];
            // Without a reader the end for writing is in error. A poll that fails says nothing.
            poll(&mut end, PollTimeout::ZERO).is_err()
                || end[0].revents().is_none_or(|found| !found.contains(PollFlags::POLLERR))
        };
        self.file.as_ref().is_some_and(has_reader)
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        Some(Unrotatable::Irregular)
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;

    use super::*;

    #[test]
    fn a_pipe_has_a_reader_as_long_as_a_process_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        assert!(!Pipe::open(&path).unwrap().has_reader());
        let open_reader = || OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&path);
        let reader = open_reader().unwrap();
        let pipe = Pipe::open(&path).unwrap();
        assert!(pipe.has_reader());
        // Also one that takes nothing.
        let file = pipe.file.as_ref().unwrap();
        while io::Write::write(&mut &*file, &[0; 4096]).is_ok() {}
        assert!(pipe.has_reader());
        drop(reader);
        assert!(!pipe.has_reader());
        let _next = open_reader().unwrap();
        assert!(pipe.has_reader());
    }
}
