//! The configuration file of a running writer.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use super::model::Config;
use super::read::Checked;
use crate::error::Error;
use crate::setting::diagnostics::ConfigErrors;
use ringlog::admin::Shown;

/// A configuration file that may change while the writer runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// The path.
    pub path: PathBuf,
    /// The rings, in place of those that the file names; empty to use the file's.
    pub rings: Vec<String>,
    /// Whether the writer ends once every lane is closed and every record is written. See
    /// [`Options::until_idle`](crate::Options::until_idle).
    pub until_idle: bool,
    /// Whether the writer makes rings anew that were removed. See [`Options::makes_anew`](crate::Options::makes_anew).
    pub makes_anew: bool,
}

impl ConfigFile {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Config`] with every error in it.
    pub fn check(&self) -> Result<Checked, Error> {
        self.check_unless(&AtomicBool::new(false))
    }

    fn check_unless(&self, stop: &AtomicBool) -> Result<Checked, Error> {
        let read = Config::read_unless(&self.path, stop);
        let mut checked = read.map_err(|errors| Error::Config(errors.to_string()))?;
        if !self.rings.is_empty() {
            checked.config.rings.clone_from(&self.rings);
        }
        if checked.config.rings.is_empty() {
            let path = self.path.shown();
            return Err(Error::Config(format!(
                "{path} names no ring; write `rings = [\"app\"]` into it, or name the rings on the command line"
            )));
        }
        Ok(checked)
    }

    /// Reads the file, as long as `stop` is not set, and checks that its handlers' files can be opened.
    pub(crate) fn load(&self, stop: &AtomicBool) -> Result<Config, Error> {
        let checked = self.check_unless(stop)?;
        let targets = checked.check_targets();
        if targets.is_empty() {
            Ok(checked.config)
        } else {
            Err(Error::Config(ConfigErrors(targets).to_string()))
        }
    }
}
