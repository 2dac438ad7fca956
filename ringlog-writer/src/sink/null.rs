//! Discards every record.

use std::fmt;

use super::guarantee::OutputKind;
use super::kind::{Opening, SinkKind};
use super::traits::{Sink, Unrotatable};
use crate::error::Error;
use crate::setting::Key;
use crate::setting::diagnostics::Findings;
use crate::setting::section::Section;

/// A sink that discards every record. It has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NullConfig;

impl SinkKind for NullConfig {
    fn plain() -> NullConfig {
        NullConfig
    }

    fn python(&self) -> &'static [&'static str] {
        &["NullHandler"]
    }

    fn keys(&self) -> Vec<Key> {
        Vec::new()
    }

    fn read(&mut self, _section: &Section<'_>, _findings: &mut Findings) {}

    fn print(&self, _f: &mut fmt::Formatter<'_>, _header: &str) -> fmt::Result {
        Ok(())
    }

    fn name(&self) -> String {
        "nothing".to_owned()
    }

    fn outputs(&self) -> &'static [OutputKind] {
        &[]
    }

    fn output(&self) -> Option<OutputKind> {
        None
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        Some(Unrotatable::Console)
    }

    fn open(&self, _with: &Opening<'_>) -> Result<Option<Box<dyn Sink>>, Error> {
        Ok(None)
    }
}
