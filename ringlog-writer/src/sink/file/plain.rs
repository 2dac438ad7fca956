//! A file without a checkpoint, or a device.

use std::io;
use std::time::Instant;

use ringlog::admin::Shown;

use super::append::File;
use super::config::Existing;
use super::outputs::{IRREGULAR, WITHOUT_CHECKPOINT};
use super::{MAINTAIN_EVERY, failed};
use crate::error::Error;
use crate::events::Events;
use crate::sink::batch::Batch;
use crate::sink::guarantee::Guarantee;
use crate::sink::stream::{Progress, write_when_ready};
use crate::sink::traits::{Abandoned, Sink, SinkRequest, Unrotatable};

pub(super) struct PlainFile {
    file: File,
    /// Whether the file ends within a line, of which a killed writer wrote a part only. The next line would be joined
    /// to it, and lost for those that read lines.
    is_torn: bool,
    existing: Existing,
    progress: Progress,
    maintained_at: Instant,
}

impl PlainFile {
    pub(super) fn new(file: File, existing: Existing) -> PlainFile {
        let is_torn = file.ends_within_line();
        PlainFile { is_torn, file, existing, progress: Progress::default(), maintained_at: Instant::now() }
    }

    /// Opens the file of the same name again. The same file goes on where it ends.
    fn reopen(&mut self) -> Result<(), Error> {
        let before = self.file.identity;
        self.file.reopen()?;
        if self.file.identity != before {
            self.is_torn = self.file.ends_within_line();
            self.progress.begin_file();
        }
        Ok(())
    }
}

impl Sink for PlainFile {
    fn guarantee(&self) -> Guarantee {
        if self.file.is_regular() { WITHOUT_CHECKPOINT.guarantee } else { IRREGULAR.guarantee }
    }

    fn deliver(&mut self, batch: &Batch, events: &mut dyn Events) -> io::Result<()> {
        // If no new one can be made, the records wait in the ring.
        if self.file.is_regular() && self.file.is_deleted()? {
            self.reopen().map_err(io::Error::from)?;
            self.file.report_notice(events);
        }
        let PlainFile { file, is_torn, progress, .. } = self;
        if *is_torn {
            file.write(b"\n")?;
            *is_torn = false;
        }
        progress.proceed(batch, |bytes| match file.is_regular() {
            true => file.write(bytes),
            false => write_when_ready(file.as_raw(), bytes),
        })
    }

    fn abandon(&mut self, batch: &Batch, events: &mut dyn Events) -> Abandoned {
        let PlainFile { file, progress, .. } = self;
        let path = file.path.clone();
        progress.abandon(batch, &path.shown(), |bytes| file.take_back(bytes), events)
    }

    fn begin(&mut self, _events: &mut dyn Events) -> Result<(), Error> {
        let PlainFile { file, is_torn, existing, .. } = self;
        if *existing == Existing::Truncate && file.is_regular() {
            file.truncate(0).map_err(|error| failed(&file.path, error))?;
            *is_torn = false;
        }
        Ok(())
    }

    fn handle(&mut self, request: SinkRequest, _events: &mut dyn Events) -> io::Result<()> {
        match request {
            SinkRequest::Reopen => self.reopen().map_err(io::Error::from),
            SinkRequest::Rotate(_) | SinkRequest::TrustClock | SinkRequest::Finish => Ok(()),
        }
    }

    fn maintain(&mut self, events: &mut dyn Events) -> Result<bool, Error> {
        self.file.report_notice(events);
        if !self.file.is_regular() || self.maintained_at.elapsed() < MAINTAIN_EVERY {
            return Ok(false);
        }
        self.maintained_at = Instant::now();
        if !self.file.is_moved() {
            return Ok(true);
        }
        match self.reopen() {
            // The file was deleted: the next batch opens a new one, and reports the error if it cannot.
            Err(_) if matches!(self.file.is_deleted(), Ok(true)) => Ok(true),
            done => done.map(|()| true),
        }
    }

    fn late(&self) -> u64 {
        self.progress.late()
    }

    fn withdraw(self: Box<Self>) {
        self.file.discard();
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        Some(if self.file.is_regular() { Unrotatable::WithoutCheckpoint } else { Unrotatable::Irregular })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::events::StandardError;
    use crate::rotation::NewFile;

    #[test]
    fn what_follows_a_torn_line_begins_in_a_new_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let batch = Batch::of_lines(&["whole\n"]);
        for (before, after) in [
            ("", "whole\nwhole\n"),
            ("before\n", "before\nwhole\nwhole\n"),
            ("before\nto", "before\nto\nwhole\nwhole\n"),
        ] {
            fs::write(&path, before).unwrap();
            let file = File::open(&path, &[], NewFile::default(), None).unwrap();
            let mut sink = PlainFile::new(file, Existing::Append);
            sink.begin(&mut StandardError).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), before, "opening it changes nothing");
            for _ in 0..2 {
                sink.deliver(&batch, &mut StandardError).unwrap();
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn a_file_that_was_moved_or_deleted_is_begun_anew() {
        let batch = Batch::of_lines(&["line\n"]);
        for (is_deleted, is_idle) in [(false, true), (true, true), (true, false)] {
            let dir = tempfile::tempdir().unwrap();
            let (path, moved) = (dir.path().join("app.log"), dir.path().join("app.log.1"));
            let file = File::open(&path, &[], NewFile::default(), None).unwrap();
            let mut sink = PlainFile::new(file, Existing::Append);
            sink.deliver(&batch, &mut StandardError).unwrap();
            match is_deleted {
                true => fs::remove_file(&path).unwrap(),
                false => fs::rename(&path, &moved).unwrap(),
            }
            if is_idle {
                sink.maintained_at -= MAINTAIN_EVERY;
                assert!(sink.maintain(&mut StandardError).unwrap());
                assert_eq!(fs::read_to_string(&path).unwrap(), "", "deleted: {is_deleted}");
            }
            sink.deliver(&batch, &mut StandardError).unwrap();
            assert_eq!(
                fs::read_to_string(&path).unwrap(),
                "line\n",
                "deleted: {is_deleted}, idle: {is_idle}"
            );
            assert_eq!(
                fs::read_to_string(&moved).unwrap_or_default(),
                if is_deleted { "" } else { "line\n" }
            );
        }
    }

    /// An entry that is interrupted by opening another file is whole in that one. Opened again, the same file gets the
    /// rest of it.
    #[test]
    fn a_line_that_a_reopen_interrupts_is_whole_in_the_new_file() {
        let batch = Batch::of_lines(&["one\n", "two\n", "three\n"]);
        for (is_moved, written, old, new) in [
            (true, 0, "", "one\ntwo\nthree\n"),
            (true, 6, "one\ntw", "two\nthree\n"),
            (true, 8, "one\ntwo\n", "three\n"),
            (false, 6, "", "one\ntwo\nthree\n"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let (path, moved) = (dir.path().join("app.log"), dir.path().join("app.log.1"));
            let mut sink =
                PlainFile::new(File::open(&path, &[], NewFile::default(), None).unwrap(), Existing::Append);
            let PlainFile { file, progress, .. } = &mut sink;
            let mut left = written;
            let interrupted = progress.proceed(&batch, |bytes| match std::mem::take(&mut left) {
                0 => Err(io::ErrorKind::StorageFull.into()),
                some => file.write(&bytes[..some]),
            });
            interrupted.unwrap_err();
            if is_moved {
                fs::rename(&path, &moved).unwrap();
            }
            sink.handle(SinkRequest::Reopen, &mut StandardError).unwrap();
            sink.deliver(&batch, &mut StandardError).unwrap();
            assert_eq!(fs::read_to_string(&moved).unwrap_or_default(), old);
            assert_eq!(fs::read_to_string(&path).unwrap(), new);
            // The next batch is written from its beginning.
            sink.deliver(&batch, &mut StandardError).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{new}one\ntwo\nthree\n"));
        }
    }

    /// Of a batch that is given up after the file was opened anew, only what is in the new file is taken back from it.
    #[test]
    fn a_batch_given_up_after_a_reopen_takes_back_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let batch = Batch::of_lines(&["interrupted\n"]);
        let mut sink =
            PlainFile::new(File::open(&path, &[], NewFile::default(), None).unwrap(), Existing::Append);
        let fail_after = |sink: &mut PlainFile, mut bytes: usize| {
            let PlainFile { file, progress, .. } = sink;
            let part = progress.proceed(&batch, |rest| match std::mem::take(&mut bytes) {
                0 => Err(io::ErrorKind::StorageFull.into()),
                some => file.write(&rest[..some]),
            });
            part.unwrap_err();
        };
        fail_after(&mut sink, 8);
        fs::rename(&path, dir.path().join("app.log.1")).unwrap();
        fs::write(&path, "of another program\n").unwrap();
        sink.handle(SinkRequest::Reopen, &mut StandardError).unwrap();
        fail_after(&mut sink, 3);
        sink.abandon(&batch, &mut StandardError);
        assert_eq!(fs::read_to_string(&path).unwrap(), "of another program\n");
    }
}
