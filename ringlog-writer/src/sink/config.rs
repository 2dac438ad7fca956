//! The kinds of sinks. A kind is one file, which declares its settings, its guarantees and how it is opened, and one
//! line in the list below.

use std::fmt;
use std::path::PathBuf;

use super::console::ConsoleConfig;
use super::file::config::FileConfig;
use super::file::paths::canonical;
use super::kind::SinkKind;
use super::null::NullConfig;
use crate::setting::Key;
use crate::text_enum::InvalidValue;

/// Declares [`SinkConfig`], with the word for each kind.
macro_rules! kinds {
    ($($(#[$doc:meta])+ $kind:ident($config:ty) = $word:literal;)+) => {
        /// The sink of a handler.
        #[derive(Clone, Debug, PartialEq)]
        #[expect(clippy::large_enum_variant, reason = "a configuration has at most 64 of them")]
        pub enum SinkConfig {
            $($(#[$doc])+ $kind($config),)+
        }

        impl SinkConfig {
            /// The words for all kinds.
            pub(crate) const KINDS: &[&str] = &[$($word),+];

            /// One sink of each kind, with defaults.
            pub(crate) fn all() -> Vec<SinkConfig> {
                vec![$(SinkConfig::$kind(<$config>::plain())),+]
            }

            /// The word for its kind.
            pub(crate) fn word(&self) -> &'static str {
                match self {
                    $(SinkConfig::$kind(_) => $word,)+
                }
            }

            pub(crate) fn kind(&self) -> &dyn SinkKind {
                match self {
                    $(SinkConfig::$kind(config) => config,)+
                }
            }

            pub(crate) fn kind_mut(&mut self) -> &mut dyn SinkKind {
                match self {
                    $(SinkConfig::$kind(config) => config,)+
                }
            }
        }
    };
}

kinds! {
    /// Standard output or standard error.
    Console(ConsoleConfig) = "console";
    /// A file, with every option that the command line has for one.
    File(FileConfig) = "file";
    /// Discards every record.
    Null(NullConfig) = "null";
}

/// Where a sink writes. Handlers that write to one place share its sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    File(PathBuf),
    /// What has this name.
    Named(String),
}

impl SinkConfig {
    /// A sink of the kind with this name, with defaults.
    ///
    /// # Errors
    /// That there is no such kind, and which one was probably meant.
    pub(crate) fn of_kind(word: &str) -> Result<SinkConfig, InvalidValue> {
        let all = SinkConfig::all();
        let unknown = || {
            let invalid = InvalidValue::new("handler kind", word, SinkConfig::KINDS.join(", "));
            let class = word.rsplit('.').next().unwrap_or_default();
            let python = SinkConfig::all().into_iter().find(|sink| sink.kind().python().contains(&class));
            match python {
                Some(sink) => invalid.meant(sink.word()),
                None => invalid.near(SinkConfig::KINDS.iter().copied()),
            }
        };
        all.into_iter().find(|sink| sink.word() == word).ok_or_else(unknown)
    }

    /// Whether it discards every record. Asks no file for it, whose disk may not answer.
    pub(crate) fn discards(&self) -> bool {
        self.kind().path().is_none() && self.kind().output().is_none()
    }

    /// Where it writes; `None` if it discards every record.
    pub(crate) fn place(&self) -> Option<Place> {
        if self.discards() {
            return None;
        }
        Some(match self.kind().path() {
            Some(path) => Place::File(canonical(path)),
            None => Place::Named(self.kind().name()),
        })
    }

    /// The kind as it is written in the file.
    pub(crate) fn kind_line(&self) -> String {
        format!("kind = {:?}", self.word())
    }

    /// The keys of its kind, which no other kind has unless it says so too.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let of = |key| Key { of: vec![self.kind_line()], ..key };
        self.kind().keys().into_iter().map(of).collect()
    }
}

/// The sink's name in messages.
impl fmt::Display for SinkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind().name())
    }
}
