//! The options of a writer for one ring, as the command line has them.

use std::path::PathBuf;

use super::general::General;
use super::model::Formatter;
use crate::error::Error;
use crate::sink::{Color, ConsoleConfig, FileConfig, SinkConfig, Stream};

/// Where the lines go.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a program has one")]
pub enum Out {
    /// Standard output. A record counts as persisted once a write to it has succeeded.
    #[default]
    Stdout,
    /// A file, created if needed. Its directory has to exist.
    File(FileConfig),
}

impl Out {
    /// A file with a checkpoint, to which lines are appended.
    pub fn file(path: impl Into<PathBuf>) -> Out {
        Out::File(FileConfig::new(path))
    }

    /// The file, if it is one.
    pub fn as_file(&self) -> Option<&FileConfig> {
        match self {
            Out::File(file) => Some(file),
            Out::Stdout => None,
        }
    }

    /// The file, if it is one.
    pub fn as_file_mut(&mut self) -> Option<&mut FileConfig> {
        match self {
            Out::File(file) => Some(file),
            Out::Stdout => None,
        }
    }
}

/// From the value of `--out`: a path, or `-` for standard output.
impl From<PathBuf> for Out {
    fn from(path: PathBuf) -> Out {
        if path.as_os_str() == "-" { Out::Stdout } else { Out::file(path) }
    }
}

impl From<Out> for SinkConfig {
    fn from(out: Out) -> SinkConfig {
        match out {
            Out::Stdout => SinkConfig::Console(ConsoleConfig { stream: Stream::Stdout, color: Color::Never }),
            Out::File(file) => SinkConfig::File(file),
        }
    }
}

/// The options of a writer. Start with [`Options::new`] and change what differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The ring: a name, a path, or `.` for `$RINGLOG`.
    pub ring: String,
    /// Where the lines go; standard output by default.
    pub out: Out,
    /// The format of a line; text by default.
    pub formatter: Formatter,
    /// What else can be set.
    pub general: General,
    /// Whether the writer ends once every lane is closed and every record is written; not by default. A lane whose
    /// thread or process has ended counts as closed, also after SIGKILL. If no process has ever logged into the ring,
    /// the writer first waits for one that does. An output that only fails ends it with an error, after twelve times
    /// the time to stop.
    pub until_idle: bool,
    /// Whether the writer makes the ring anew, as it was, after its file was removed; not by default.
    /// [`ringlog::admin::remove`] ends the writer instead.
    pub makes_anew: bool,
}

impl Options {
    /// Text to standard output, until the writer is asked to stop.
    pub fn new(ring: impl Into<String>) -> Options {
        Options {
            ring: ring.into(),
            out: Out::default(),
            formatter: Formatter::default(),
            general: General::default(),
            until_idle: false,
            makes_anew: false,
        }
    }

    /// Checks that the options fit together.
    ///
    /// # Errors
    /// [`Error::Options`], which says what to change.
    pub fn check(&self) -> Result<(), Error> {
        if self.general.max_total_size.is_some() && !self.out.as_file().is_some_and(|file| file.checkpoint) {
            return Err(Error::Options(
                "--max-total-size needs closed files; name a file with --out FILE, without --no-checkpoint"
                    .to_owned(),
            ));
        }
        let Out::File(file) = &self.out else { return Ok(()) };
        if let Some(what) = file.lacks_checkpoint_to_be() {
            return Err(Error::Options(format!(
                "a file without a checkpoint cannot be {what}; leave out --no-checkpoint"
            )));
        }
        file.rotation.check().map_err(|contradiction| {
            Error::Options(match contradiction.key() {
                "at" => {
                    "--rotate-at needs --rotate-every midnight, or a weekday; leave it out, or give that too"
                        .to_owned()
                }
                _ => contradiction.to_string(),
            })
        })
    }
}
