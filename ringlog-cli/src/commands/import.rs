//! `ringlog import`

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::import::{self, Imported, Kind, Note};
use crate::{exit_code, humanize, terminal};

/// More than any configuration has.
const BYTES_MAX: u64 = 4 << 20;

/// Make a ringlog.toml of a configuration of Python's logging
///
/// It goes to standard output. What has no counterpart is listed on standard error, and in the new file's first
/// lines. Nothing is executed: what only a running program could tell is left out, and said.
#[derive(Args)]
pub struct Import {
    /// A file for fileConfig (logging.conf), or a dictionary for dictConfig as JSON; `-` for standard input
    file: PathBuf,
    /// Write to this file, which must not exist yet
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What the program gives to fileConfig as `defaults`, for %(NAME)s in the file; may be repeated
    #[arg(short = 'D', long, value_name = "NAME=VALUE", value_parser = definition)]
    define: Vec<(String, String)>,
    /// Exit with 1 if anything has no counterpart
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
                let place = Line(error.line);
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
            terminal::print_message(format_args!("{name}{}: {}", Line(note.at.line), Said(note)));
        }
        let failed = self.strict && !imported.is_complete();
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// `NAME=VALUE`.
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

/// The new file, which says where it comes from and what it lacks.
fn toml(name: &str, imported: &Imported) -> String {
    let mut text = format!(
        "# Made by `ringlog import {name}`. Name the rings here, or on the command line:\n# rings = [\"app\"]\n"
    );
    for note in imported.notes.iter().filter(|note| note.kind == Kind::Lost) {
        text.push_str(&format!("# Without a counterpart{}: {}\n", Behind(note.at.line), Said(note)));
    }
    format!("{text}\n{}", imported.config)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let shown = terminal::escape(&path.to_string_lossy());
    let mut file = File::create_new(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            anyhow::anyhow!("{shown} is there already; remove it, or give another name")
        }
        _ => anyhow::Error::new(error).context(format!("{shown} cannot be made")),
    })?;
    file.write_all(text.as_bytes()).with_context(|| format!("{shown} cannot be written"))
}

/// `:12`, as compilers say it.
struct Line(Option<usize>);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// ` (line 12)`.
struct Behind(Option<usize>);

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, " (line {line})"))
    }
}

/// A note behind its place.
struct Said<'a>(&'a Note);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Note { at, what, .. } = self.0;
        write!(f, "{}: {}", terminal::escape(&at.place), terminal::escape(what))
    }
}
