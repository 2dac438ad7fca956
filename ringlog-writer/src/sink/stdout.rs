//! Standard output: a terminal, a pipe, or what the shell has redirected it to.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use super::Sink;
use crate::error::Error;

/// Writes past the standard library's own buffer, which would hold the last line back.
pub(crate) struct Stdout {
    file: File,
}

impl Stdout {
    pub(crate) fn open() -> Result<Stdout, Error> {
        let file = io::stdout().as_fd().try_clone_to_owned();
        let file = file.map_err(|e| Error::Open { path: "standard output".into(), why: e.to_string() })?;
        Ok(Stdout { file: file.into() })
    }
}

impl Sink for Stdout {
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
