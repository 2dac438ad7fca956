//! Standard output and standard error: a terminal, a pipe, or a file that the shell has redirected it to.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::batch::Batch;
use super::guarantee::{Guarantee, OutputKind};
use super::kind::{Opening, SinkKind};
use super::stream::{Progress, is_within_line, write_when_ready};
use super::traits::{Abandoned, Sink, Unrotatable};
use crate::error::Error;
use crate::events::Events;
use crate::setting::diagnostics::Findings;
use crate::setting::section::Section;
use crate::setting::{Key, Pattern, Setting, Syntax, keys, put_settings, word};
use crate::text_enum::text_enum;

/// What a console guarantees.
pub(super) const CONSOLE: OutputKind = OutputKind {
    name: "console beside a file or a pipe",
    alone: Some("console alone"),
    guarantee: Guarantee::BestEffort,
};

/// Standard output or standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsoleConfig {
    /// Which of the two.
    pub stream: Stream,
    /// Whether levels have colours.
    pub color: Color,
}

/// The keys of a console.
const SETTINGS: &[Setting<ConsoleConfig>] = &[
    Setting::<ConsoleConfig>::word(
        "stream",
        Syntax::String(Pattern::OneOf(Stream::WORDS)),
        word!(stream),
        "`stdout` or `stderr`.",
    ),
    Setting::<ConsoleConfig>::word(
        "color",
        Syntax::String(Pattern::OneOf(Color::WORDS)),
        word!(color),
        "Whether levels have colours: `auto` (if the stream is a terminal and `NO_COLOR` is not set), \
         `always`, `never`.",
    ),
];

/// A stream of the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error, the default as for Python's `StreamHandler`.
    #[default]
    Stderr,
}

text_enum!(Stream, "stream", Stdout => "stdout", Stderr => "stderr");

/// Whether levels have colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// Where the stream is a terminal and `NO_COLOR` is not set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether lines on this stream have colours.
    fn is_wanted(self, stream: Stream) -> bool {
        let is_terminal = || match stream {
            Stream::Stdout => std::io::stdout().is_terminal(),
            Stream::Stderr => std::io::stderr().is_terminal(),
        };
        match self {
            // https://no-color.org
            Color::Auto => is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            Color::Always => true,
            Color::Never => false,
        }
    }
}

text_enum!(Color, "color", Auto => "auto", Always => "always", Never => "never");

impl SinkKind for ConsoleConfig {
    fn plain() -> ConsoleConfig {
        ConsoleConfig::default()
    }

    fn python(&self) -> &'static [&'static str] {
        &["StreamHandler"]
    }

    fn keys(&self) -> Vec<Key> {
        keys(SETTINGS, &[*self])
    }

    fn read(&mut self, section: &Section<'_>, findings: &mut Findings) {
        section.read(SETTINGS, "", self, findings);
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, _header: &str) -> fmt::Result {
        put_settings(f, SETTINGS, self, &ConsoleConfig::plain(), |_| None)
    }

    fn name(&self) -> String {
        match self.stream {
            Stream::Stdout => "standard output".to_owned(),
            Stream::Stderr => "standard error".to_owned(),
        }
    }

    fn outputs(&self) -> &'static [OutputKind] {
        &[CONSOLE]
    }

    fn output(&self) -> Option<OutputKind> {
        Some(CONSOLE)
    }

    fn is_colored(&self) -> bool {
        self.color.is_wanted(self.stream)
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        Some(Unrotatable::Console)
    }

    fn open(&self, _with: &Opening<'_>) -> Result<Option<Box<dyn Sink>>, Error> {
        Ok(Some(Box::new(Console::open(self)?)))
    }
}

/// A stream, written without the standard library's buffer, which would delay the last line.
struct Console {
    file: File,
    /// Its name in messages.
    name: String,
    /// Whether a write may wait for a reader.
    may_block: bool,
    /// Whether it appends to a file that ends within a line, of which a killed writer wrote a part only.
    is_torn: bool,
    progress: Progress,
}

impl Console {
    fn open(config: &ConsoleConfig) -> Result<Console, Error> {
        let name = config.name();
        let file = match config.stream {
            Stream::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            Stream::Stderr => io::stderr().as_fd().try_clone_to_owned(),
        };
        let failed = |error: io::Error| Error::Open { path: name.clone().into(), why: error.to_string() };
        Console::of(file.map_err(failed)?.into(), name.clone()).map_err(failed)
    }

    fn of(file: File, name: String) -> io::Result<Console> {
        let meta = file.metadata()?;
        let appends = fcntl(&file, FcntlArg::F_GETFL)
            .is_ok_and(|flags| OFlag::from_bits_truncate(flags).contains(OFlag::O_APPEND));
        let last = meta.len().checked_sub(1).filter(|_| meta.is_file() && appends);
        let is_torn = last.is_some_and(|last| is_within_line(&file, last));
        Ok(Console { file, name, may_block: !meta.is_file(), is_torn, progress: Progress::default() })
    }
}

impl Sink for Console {
    fn guarantee(&self) -> Guarantee {
        CONSOLE.guarantee
    }

    fn deliver(&mut self, batch: &Batch, _events: &mut dyn Events) -> io::Result<()> {
        let Console { file, may_block, is_torn, progress, .. } = self;
        if *is_torn {
            file.write_all(b"\n")?;
            *is_torn = false;
        }
        // Other processes have the stream too, so it cannot be made non-blocking.
        progress.proceed(batch, |bytes| match may_block {
            true => write_when_ready(file, bytes),
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::events::StandardError;

    #[test]
    fn what_is_appended_to_a_torn_line_begins_in_a_new_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let batch = Batch::of_lines(&["whole\n"]);
        for (before, after) in
            [("", "whole\nwhole\n"), ("before\n", "before\nwhole\nwhole\n"), ("to", "to\nwhole\nwhole\n")]
        {
            fs::write(&path, before).unwrap();
            let file = File::options().append(true).open(&path).unwrap();
            let mut console = Console::of(file, "standard output".to_owned()).unwrap();
            for _ in 0..2 {
                console.deliver(&batch, &mut StandardError).unwrap();
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), after);
        }
    }
}
