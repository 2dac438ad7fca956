//! Standard output and standard error: a terminal, a pipe, or a file that the shell has redirected it to.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use super::batch::Batch;
use super::stream::{Progress, write_when_ready};
use super::traits::{Abandoned, Sink, Unrotatable};
use crate::config::{Color, Guarantee, OutputKind, SinkConfig, Stream};
use crate::error::Error;
use crate::events::Events;

/// A stream, written without the standard library's buffer, which would delay the last line.
pub(crate) struct Console {
    file: File,
    /// Its name in messages.
    name: String,
    /// Whether a write may wait for a reader.
    may_block: bool,
    progress: Progress,
}

impl Console {
    pub(crate) fn open(stream: Stream) -> Result<Console, Error> {
        let name = SinkConfig::Console { stream, color: Color::Never }.to_string();
        let failed = |error: io::Error| Error::Open { path: name.clone().into(), why: error.to_string() };
        let file = match stream {
            Stream::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            Stream::Stderr => io::stderr().as_fd().try_clone_to_owned(),
        };
        let file = File::from(file.map_err(failed)?);
        let may_block = !file.metadata().map_err(failed)?.is_file();
        Ok(Console { file, name, may_block, progress: Progress::default() })
    }
}

impl Sink for Console {
    fn guarantee(&self) -> Guarantee {
        OutputKind::Console.guarantee()
    }

    fn deliver(&mut self, batch: &Batch, _events: &mut dyn Events) -> io::Result<()> {
        let Console { file, may_block, progress, .. } = self;
        // Other processes have the stream too, so it cannot be made non-blocking.
        progress.proceed(batch, |bytes| match may_block {
            true => write_when_ready(file, bytes, true),
            false => file.write(bytes),
        })
    }

    fn abandon(&mut self, batch: &Batch, events: &mut dyn Events) -> Abandoned {
        self.progress.abandon(batch, &self.name, |_| false, events)
    }

    fn late(&self) -> u64 {
        self.progress.late()
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        Some(Unrotatable::Console)
    }
}
