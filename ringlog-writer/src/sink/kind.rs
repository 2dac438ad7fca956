//! What a kind of sink declares.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use ringlog::reader::Cursor;

use super::guarantee::OutputKind;
use super::traits::{Sink, Unrotatable};
use crate::error::Error;
use crate::rotation::TotalSize;
use crate::setting::diagnostics::Findings;
use crate::setting::section::Section;
use crate::setting::{Key, Table};

/// What a kind of sink declares, and one configuration of it.
pub(crate) trait SinkKind {
    /// A configuration with defaults.
    fn plain() -> Self
    where
        Self: Sized;

    /// Python's handler classes that do the same.
    fn python(&self) -> &'static [&'static str] {
        &[]
    }

    /// Its keys, with the values of this configuration as their defaults.
    fn keys(&self) -> Vec<Key>;

    /// The tables within the handler's, with all of their header.
    fn tables(&self) -> Vec<Table> {
        Vec::new()
    }

    /// Reads the handler's table. Keys that the kind does not have are reported already.
    fn read(&mut self, section: &Section<'_>, findings: &mut Findings);

    /// Prints the keys that do not have their defaults, and the tables below the handler's, which has this header.
    fn print(&self, f: &mut fmt::Formatter<'_>, header: &str) -> fmt::Result;

    /// Its name in messages.
    fn name(&self) -> String;

    /// The file that it writes to, if it is one. Handlers with one path share a sink, so only files have it.
    fn path(&self) -> Option<&Path> {
        None
    }

    /// Every kind of output that it can be.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the document lists them"))]
    fn outputs(&self) -> &'static [OutputKind];

    /// The kind of output that it is now; `None` if it discards every record.
    fn output(&self) -> Option<OutputKind>;

    /// Whether levels have colours.
    fn is_colored(&self) -> bool {
        false
    }

    /// The reason why opening it would fail now, found without creating or changing anything. With one the writer does
    /// not start, and a reload is refused.
    fn obstacle(&self) -> Option<String> {
        None
    }

    /// What lies there that it will neither write nor delete, though it probably should, found without changing
    /// anything.
    fn leftover(&self) -> Option<String> {
        None
    }

    /// Leaves out what is to be done only when the writer starts, such as discarding what is there: the output was open
    /// before.
    fn go_on(&mut self) {}

    /// The positions of rings in an output that cannot be opened now; `None` if only opening it can tell.
    fn known_positions(&self) -> Option<Vec<Cursor>> {
        Some(Vec::new())
    }

    /// Why it cannot be rotated, as far as that is known before it is opened; `None` if it can.
    fn unrotatable(&self) -> Option<Unrotatable>;

    /// Opens it; `None` if it discards every record.
    ///
    /// # Errors
    /// [`Error::Open`].
    fn open(&self, with: &Opening<'_>) -> Result<Option<Box<dyn Sink>>, Error>;
}

/// What a sink is opened with.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    /// The files of the rings, which are no outputs.
    pub(crate) rings: &'a [&'a Path],
    /// The closed files of all handlers, if these are limited.
    pub(crate) total: Option<&'a Arc<TotalSize>>,
    /// Whether every record of the rings is for the output.
    pub(crate) takes_all: bool,
}
