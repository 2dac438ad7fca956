//! A file without a checkpoint, or a device.

use std::io;

use ringlog::admin::Shown;

use super::append::File;
use super::config::Existing;
use super::failed;
use super::outputs::{IRREGULAR, WITHOUT_CHECKPOINT};
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
}

impl PlainFile {
    pub(super) fn new(file: File, existing: Existing) -> PlainFile {
        PlainFile { is_torn: file.ends_within_line(), file, existing, progress: Progress::default() }
    }
}

impl Sink for PlainFile {
    fn guarantee(&self) -> Guarantee {
        if self.file.is_regular() { WITHOUT_CHECKPOINT.guarantee } else { IRREGULAR.guarantee }
    }

    fn deliver(&mut self, batch: &Batch, _events: &mut dyn Events) -> io::Result<()> {
        let PlainFile { file, is_torn, progress, .. } = self;
        if *is_torn {
            file.write(b"\n")?;
            *is_torn = false;
        }
        progress.proceed(batch, |bytes| match file.is_regular() {
            true => file.write(bytes),
            false => write_when_ready(file.as_raw(), bytes, true),
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
            SinkRequest::Reopen => {
                self.file.reopen().map_err(io::Error::from)?;
                self.progress.begin_file();
                Ok(())
            }
            SinkRequest::Rotate(_) | SinkRequest::TrustClock | SinkRequest::Finish => Ok(()),
        }
    }

    fn maintain(&mut self, events: &mut dyn Events) -> Result<bool, Error> {
        self.file.report_notice(events);
        Ok(false)
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

    use ringlog::reader::{Body, Entry, Gap, GapReason, Origin};

    use super::*;
    use crate::events::StandardError;
    use crate::rotation::NewFile;

    #[test]
    fn what_follows_a_torn_line_begins_in_a_new_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let mut batch = Batch::default();
        let body = Body::Gap(Gap { count: 1, reason: GapReason::Dropped });
        batch.begin(&Entry { unix_ns: 0, origin: Origin::no_lane(), body }).extend(b"whole\n");
        batch.complete(0, None);
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
}
