//! `ringlog verify`

mod line;
mod words;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use ringlog_ledger::{Account, Place};
use ringlog_writer::rotation::decompressed;

use crate::line_reader::LineReader;
use crate::{exit_code, humanize, terminal};
use line::{LINE_MAX, Line};

/// How many unreadable lines are read before the output is taken for one without ids.
const UNREADABLE_LINES_MAX: usize = 100;

/// An output of which no line has an id.
const WITHOUT_IDS: &str = "lines without ids of records, as a pattern or the format raw writes them";

/// How many records out of order are reported one by one. Files in the wrong order would give one for each record.
const MISPLACED_MAX: u64 = 20;

/// Check an output for records that are missing, doubled or out of order
///
/// Reads files that a writer wrote with `--format json`, or as text with `--ids`. Each record in them has an
/// id of four parts: its ring, lane, incarnation and sequence. A lane is the part of the ring that one
/// logging thread uses. Threads use a lane one after another; the thread that has it is its owner, and the
/// incarnation is the owner's number. The sequence counts an owner's records: 0, 1, 2 and so on. Several files,
/// compressed or not, are read as parts of one output: give the oldest first.
///
/// Each fault is reported with its line: records that are missing, doubled or out of order, lines that cannot
/// be read, and a last line without a newline. A notice of an unclean exit names the owner's last sequence; a
/// record beyond that is a fault too. Losses that the output itself reports, such as records dropped because
/// the ring was full, are listed; they count as faults only with --strict.
///
/// Only an output that takes the records of all levels and loggers can be complete. One with a level, or with some of
/// the loggers, has gaps by design: a record that it does not take is missing in it like a lost one.
///
/// A limit: if the last records of an owner are missing, no later sequence shows it. `verify` notices that only
/// if the output has a notice of the owner's unclean exit.
#[derive(Args)]
#[command(after_help = "\
Exit codes: 0 complete, 1 a file cannot be read, 2 the output has no ids,
3 something is missing, doubled, out of order or damaged")]
pub struct Verify {
    /// Files that a writer has written, the oldest first; `-` for standard input
    #[arg(required = true, value_name = "OUTPUT")]
    outputs: Vec<PathBuf>,
    /// The output begins in the middle: do not report as missing what comes before the first record of each owner in it
    #[arg(long)]
    partial: bool,
    /// Exit with 3 also if the only losses are those that the output itself reports
    #[arg(long)]
    strict: bool,
}

impl Verify {
    pub fn run(self) -> exit_code::CommandResult {
        let mut check = Check {
            verify: &self,
            account: Account::new(self.partial),
            found: Vec::new(),
            has_ids: false,
            unreadable: 0,
            misplaced: 0,
            out: io::BufWriter::new(io::stdout().lock()),
        };
        for (number, path) in self.outputs.iter().enumerate() {
            if let Some(code) = check.file(number, path)? {
                return Ok(code);
            }
        }
        check.close()
    }
}

struct Check<'a> {
    verify: &'a Verify,
    account: Account,
    /// Lines of the report that are not printed yet.
    found: Vec<(Place, String)>,
    /// A line with an id has been seen.
    has_ids: bool,
    /// Lines that cannot be read, and torn ones.
    unreadable: u64,
    /// Records out of order.
    misplaced: u64,
    out: io::BufWriter<io::StdoutLock<'static>>,
}

impl Check<'_> {
    /// Reads one file. Returns an exit code if the check ends with it.
    fn file(&mut self, number: usize, path: &Path) -> anyhow::Result<Option<ExitCode>> {
        let name = self.name(number);
        let what = || format!("cannot read {name}");
        let input: Box<dyn Read> = match path.to_str() {
            Some("-") => Box::new(io::stdin().lock()),
            _ => Box::new(File::open(path).with_context(what)?),
        };
        let input = decompressed(input).with_context(what)?;
        let mut lines = LineReader::new(input, LINE_MAX);
        let mut place = Place { file: number, line: 0 };
        while let Some((line, bytes)) =
            lines.next().with_context(|| format!("cannot read {}", self.name(number)))?
        {
            place.line += 1;
            let known = match line::read(line) {
                _ if bytes > LINE_MAX as u64 => Err(format!("it is {bytes} bytes long")),
                Line::Entry(entry) => {
                    self.has_ids = true;
                    self.account.take(place, &entry);
                    let findings = self.account.findings();
                    for finding in findings {
                        let text = words::finding(&finding);
                        self.misplaced += u64::from(words::is_misplaced(&finding));
                        if !words::is_misplaced(&finding) || self.misplaced <= MISPLACED_MAX {
                            self.found.push((finding.place, text));
                        }
                    }
                    Ok(())
                }
                Line::Continuation if self.has_ids => Ok(()),
                Line::WithoutId(what) if !self.has_ids => return Ok(Some(self.refuse(place, what))),
                Line::WithoutId(what) => Err(what.to_owned()),
                Line::Continuation => Err("it begins in the middle of a message".to_owned()),
                Line::Unreadable(why) => Err(why),
            };
            // A torn line is reported once, below.
            if let Err(why) = known
                && !lines.is_torn()
            {
                self.unreadable += 1;
                self.say(place, &format!("damaged line: {why}"));
                if !self.has_ids && place.line as usize >= UNREADABLE_LINES_MAX {
                    return Ok(Some(self.refuse(place, WITHOUT_IDS)));
                }
            }
            self.report()?;
        }
        if lines.is_torn() {
            self.unreadable += 1;
            self.say(place, "torn last line: it has no newline, so its end may be missing");
            self.report()?;
        }
        Ok(None)
    }

    fn name(&self, file: usize) -> String {
        let path = self.verify.outputs.get(file).map(|path| path.to_string_lossy()).unwrap_or_default();
        if path == "-" { "standard input".to_owned() } else { terminal::escape(&path) }
    }

    fn say(&mut self, place: Place, text: &str) {
        self.found.push((place, text.to_owned()));
    }

    /// Prints what has been found since the last time.
    fn report(&mut self) -> io::Result<()> {
        // An output without ids is refused, and its other faults are not reported.
        let found = if self.has_ids { std::mem::take(&mut self.found) } else { Vec::new() };
        found.iter().try_for_each(|(place, text)| self.print(*place, text))
    }

    fn print(&mut self, place: Place, text: &str) -> io::Result<()> {
        let name = self.name(place.file);
        writeln!(self.out, "{name}:{}: {text}", place.line)
    }

    /// Reports that the output cannot be verified.
    fn refuse(&self, place: Place, what: &str) -> ExitCode {
        terminal::print_message(format_args!(
            "{}:{}: {what}, in which missing records cannot be found; let the writer write with --format json, or as \
             text with --ids (in a configuration: kind = \"json\", or ids = true)",
            self.name(place.file),
            place.line
        ));
        ExitCode::from(exit_code::USAGE)
    }

    fn close(mut self) -> exit_code::CommandResult {
        // Without ids nothing of what was found has been printed.
        if let Some((place, _)) = self.found.first().filter(|_| !self.has_ids) {
            return Ok(self.refuse(*place, WITHOUT_IDS));
        }
        let (findings, sums) = std::mem::take(&mut self.account).close();
        for finding in findings {
            self.print(finding.place, &words::finding(&finding))?;
        }
        if self.misplaced > MISPLACED_MAX {
            let more = humanize::records(self.misplaced - MISPLACED_MAX);
            writeln!(
                self.out,
                "{more} more out of order, not listed; were the files given with the oldest first?"
            )?;
        }
        if sums.missing > 0 {
            writeln!(
                self.out,
                "an output with a level, or with some of the loggers, has gaps by design: only one that takes every \
                 record can be complete"
            )?;
        }
        let (mut faults, reported) = (words::faults(&sums), words::reported(&sums));
        if self.unreadable > 0 {
            faults.push(format!("{} damaged", lines(self.unreadable)));
        }
        let is_complete = faults.is_empty() && (reported.is_empty() || !self.verify.strict);
        let mut parts = vec![format!(
            "{}: {} of {} in {}",
            if is_complete { "complete" } else { "incomplete" },
            humanize::records(sums.records),
            humanize::counted(sums.lanes, "lane"),
            humanize::counted(self.verify.outputs.len() as u64, "file"),
        )];
        parts.extend((!faults.is_empty()).then(|| faults.join(", ")));
        parts.extend((!reported.is_empty()).then(|| format!("reported as lost: {}", reported.join(", "))));
        parts.extend((sums.died > 0).then(|| humanize::counted(sums.died, "unclean exit")));
        writeln!(self.out, "{}", parts.join("; "))?;
        self.out.flush()?;
        Ok(ExitCode::from(if is_complete { 0 } else { exit_code::INCOMPLETE }))
    }
}

fn lines(count: u64) -> String {
    humanize::counted(count, "line")
}
