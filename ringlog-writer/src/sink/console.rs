//! Standard output and standard error: a terminal, a pipe, or what the shell has redirected it to.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use super::Sink;
use crate::config::{Color, Output, Stream};
use crate::error::Error;

/// Writes past the standard library's own buffer, which would hold the last line back.
pub(crate) struct Console {
    file: File,
}

impl Console {
    pub(crate) fn open(stream: Stream) -> Result<Console, Error> {
        let file = match stream {
            Stream::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            Stream::Stderr => io::stderr().as_fd().try_clone_to_owned(),
        };
        let what = Output::Console { stream, color: Color::Never }.to_string();
        let file = file.map_err(|error| Error::Open { path: what.into(), why: error.to_string() })?;
        Ok(Console { file: file.into() })
    }
}

impl Sink for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn take_back(&mut self, bytes: u64) -> bool {
        bytes == 0
    }

    fn reopen(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
