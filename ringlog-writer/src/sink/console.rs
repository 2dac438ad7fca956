//! Standard output and standard error: a terminal, a pipe, or a file that the shell has redirected it to.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use super::traits::{Sink, Unrotatable};
use crate::config::{Color, SinkConfig, Stream};
use crate::error::Error;

/// Several handlers may write to one stream, each in its own thread. The lock keeps the lines of a batch together.
static STDOUT: Mutex<()> = Mutex::new(());
static STDERR: Mutex<()> = Mutex::new(());

/// A stream, written without the standard library's buffer, which would delay the last line.
pub(crate) struct Console {
    file: File,
    stream: Stream,
}

impl Console {
    pub(crate) fn open(stream: Stream) -> Result<Console, Error> {
        let file = match stream {
            Stream::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            Stream::Stderr => io::stderr().as_fd().try_clone_to_owned(),
        };
        let what = SinkConfig::Console { stream, color: Color::Never }.to_string();
        let file = file.map_err(|error| Error::Open { path: what.into(), why: error.to_string() })?;
        Ok(Console { file: file.into(), stream })
    }
}

impl Sink for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let turn = match self.stream {
            Stream::Stdout => &STDOUT,
            Stream::Stderr => &STDERR,
        };
        // The lock guards no data that a panic could leave inconsistent.
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = self.file.write(bytes)?;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(more) if more > 0 => taken += more,
                // The next attempt reports the error.
                _ => break,
            }
        }
        Ok(taken)
    }

    fn take_back(&mut self, bytes: u64) -> bool {
        bytes == 0
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        Some(Unrotatable::Console)
    }

    fn reopen(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
