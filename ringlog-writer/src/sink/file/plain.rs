//! A file without a checkpoint, or a device.

use std::io;

use ringlog::admin::Shown;

use super::append::File;
use super::outputs::{IRREGULAR, WITHOUT_CHECKPOINT};
use crate::error::Error;
use crate::events::Events;
use crate::sink::batch::Batch;
use crate::sink::guarantee::Guarantee;
use crate::sink::stream::{Progress, write_when_ready};
use crate::sink::traits::{Abandoned, Sink, SinkRequest, Unrotatable};

pub(super) struct PlainFile {
    file: File,
    progress: Progress,
}

impl PlainFile {
    pub(super) fn new(file: File) -> PlainFile {
        PlainFile { file, progress: Progress::default() }
    }
}

impl Sink for PlainFile {
    fn guarantee(&self) -> Guarantee {
        if self.file.is_regular() { WITHOUT_CHECKPOINT.guarantee } else { IRREGULAR.guarantee }
    }

    fn deliver(&mut self, batch: &Batch, _events: &mut dyn Events) -> io::Result<()> {
        let PlainFile { file, progress } = self;
        progress.proceed(batch, |bytes| match file.is_regular() {
            true => file.write(bytes),
            false => write_when_ready(file.as_raw(), bytes, true),
        })
    }

    fn abandon(&mut self, batch: &Batch, events: &mut dyn Events) -> Abandoned {
        let PlainFile { file, progress } = self;
        let path = file.path.clone();
        progress.abandon(batch, &path.shown(), |bytes| file.take_back(bytes), events)
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

    fn unrotatable(&self) -> Option<Unrotatable> {
        Some(if self.file.is_regular() { Unrotatable::WithoutCheckpoint } else { Unrotatable::Irregular })
    }
}
