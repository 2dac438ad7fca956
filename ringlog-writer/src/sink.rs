//! Where bytes go. A sink takes them in order and says when it cannot; what to do then is the loop's.

mod file;
mod stdout;

use std::io;
use std::path::Path;

use crate::error::Error;
use crate::options::{Options, Out};

/// Takes bytes.
pub(crate) trait Sink {
    /// Takes some of the bytes, and says how many.
    ///
    /// # Errors
    /// What the system says; nothing was taken then.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Takes back the last `bytes` bytes that were taken, so that they can be written anew elsewhere or
    /// later. False where that is not possible any more.
    fn take_back(&mut self, bytes: u64) -> bool;

    /// Begins anew under the same name: what had it before was moved away.
    ///
    /// # Errors
    /// [`Error::Open`]; the sink then goes on as it was.
    fn reopen(&mut self) -> Result<(), Error>;
}

/// Opens the output of the ring that lies at `ring`.
pub(crate) fn open(options: &Options, ring: &Path) -> Result<Box<dyn Sink>, Error> {
    Ok(match &options.out {
        Out::Stdout => Box::new(stdout::Stdout::open()?),
        Out::File(path) => Box::new(file::File::open(path, options.existing, ring)?),
    })
}
