//! `ringlog import`

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::import::{self, Imported, Note, NoteKind};
use crate::{exit_code, humanize, terminal};

/// Upper bound for the size of a configuration; real ones are far smaller.
const BYTES_MAX: u64 = 4 << 20;

/// Convert a configuration of Python's logging to a ringlog.toml
///
/// The new configuration goes to standard output. Parts without a counterpart are listed on standard error and in
/// the first lines of the new file. No Python code is executed: values that only a running program knows are left
/// out and listed too.
#[derive(Args)]
pub struct Import {
    /// A file for fileConfig (logging.conf), or a dictConfig dictionary as JSON; `-` for standard input
    file: PathBuf,
    /// Write to this file, which must not exist yet
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A value for %(NAME)s in the file, as the program would pass it in the `defaults` of fileConfig; may be repeated
    #[arg(short = 'D', long, value_name = "NAME=VALUE", value_parser = definition)]
    define: Vec<(String, String)>,
    /// Exit with 1 if a part has no counterpart
    #[arg(long)]
    strict: bool,
}

impl Import {
    pub fn run(self) -> exit_code::CommandResult {
        let name = terminal::escape(&self.file.to_string_lossy());
        let bytes = match read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) => {
                terminal::print_message(format_args!("{name} cannot be read: {error}"));
                return Ok(ExitCode::from(exit_code::USAGE));
            }
        };
        let imported = match import::import(&bytes, &self.define) {
            Ok(imported) => imported,
            Err(error) => {
                let place = LineSuffix(error.line);
                terminal::print_message(format_args!("{name}{place}: {}", terminal::escape(&error.what)));
                return Ok(ExitCode::from(exit_code::USAGE));
            }
        };
        let text = toml(&name, &imported);
        match &self.output {
            Some(path) => write(path, &text)?,
            None => terminal::print_text(text.trim_end())?,
        }
        for note in &imported.notes {
            terminal::print_message(format_args!("{name}{}: {}", LineSuffix(note.at.line), PlacedNote(note)));
        }
        let failed = self.strict && !imported.is_complete();
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// Parses `NAME=VALUE`.
fn definition(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = parts.ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > BYTES_MAX {
        let what = format!("it has more than {}; is it a configuration?", humanize::bytes(BYTES_MAX));
        return Err(io::Error::new(ErrorKind::InvalidData, what));
    }
    Ok(bytes)
}

/// Makes the new file's text, which names its origin and lists the parts that it lacks.
fn toml(name: &str, imported: &Imported) -> String {
    let mut text = format!(
        "# Made by `ringlog import {name}`. Name the rings here, or on the command line:\n# rings = [\"app\"]\n"
    );
    for note in imported.notes.iter().filter(|note| note.kind == NoteKind::Lost) {
        text.push_str(&format!(
            "# Without a counterpart{}: {}\n",
            LineInParentheses(note.at.line),
            PlacedNote(note)
        ));
    }
    format!("{text}\n{}", imported.config)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let shown = terminal::escape(&path.to_string_lossy());
    let mut file = File::create_new(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            anyhow::anyhow!("{shown} already exists; remove it, or give another name")
        }
        _ => anyhow::Error::new(error).context(format!("{shown} cannot be created")),
    })?;
    file.write_all(text.as_bytes()).with_context(|| format!("{shown} cannot be written"))
}

/// A line number after a file's name, as in compiler messages: `:12`.
struct LineSuffix(Option<usize>);

impl fmt::Display for LineSuffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// A line number in parentheses: ` (line 12)`.
struct LineInParentheses(Option<usize>);

impl fmt::Display for LineInParentheses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, " (line {line})"))
    }
}

/// A note after its place, safe for a terminal.
struct PlacedNote<'a>(&'a Note);

impl fmt::Display for PlacedNote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Note { at, what, .. } = self.0;
        write!(f, "{}: {}", terminal::escape(&at.place), terminal::escape(what))
    }
}
