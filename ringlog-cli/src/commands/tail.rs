//! `ringlog tail`

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ringlog::Level;
use ringlog::reader::{Observer, OwnedEntry};
use ringlog_writer::{FormatKind, Newlines, format};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::{exit_code, humanize, terminal};

/// How soon a followed ring is looked at again: at once while records come, because a lane that is drained
/// uses the same few blocks again and again, and seldom when it is quiet.
const LOOK_SOON: Duration = Duration::from_millis(2);
const LOOK_LATEST: Duration = Duration::from_millis(50);
/// How often it is asked whether the ring is still the one of that name.
const ASK: Duration = Duration::from_secs(1);

/// Show the latest records in a ring, without consuming any
///
/// Shows what is not persisted yet, and what is persisted as long as its block has not been taken again.
/// Any number of tails can look, with and without a writer; nobody notices.
#[derive(Args)]
pub struct Tail {
    /// The ring to look at
    name: String,
    /// How many records to begin with
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: usize,
    /// Go on with what comes, until SIGINT
    #[arg(short, long)]
    follow: bool,
    /// How a line looks
    #[arg(long, default_value = "text", value_parser = formats())]
    format: FormatKind,
    /// In text, put the record's id behind the time: the ring's UUID, lane, incarnation and sequence
    #[arg(long)]
    ids: bool,
    /// Only records of this level and above
    #[arg(long)]
    level: Option<Level>,
}

fn formats() -> impl TypedValueParser<Value = FormatKind> {
    PossibleValuesParser::new(FormatKind::NAMES.iter().map(|(name, _)| *name)).try_map(|name| name.parse())
}

impl Tail {
    pub fn run(self) -> exit_code::CommandResult {
        let mut view = RingView::open(&self)?;
        let mut entries = view.observer.poll()?;
        entries.retain(|entry| self.wants(entry));
        let latest = entries.len().saturating_sub(self.lines);
        let shown = &entries[latest..];
        view.print(shown)?;
        view.tell_missed();
        if self.follow {
            drop(entries);
            return self.follow(view);
        }
        if shown.is_empty() {
            terminal::print_message(format_args!("nothing to show in {}", view.observer.path().display()));
            return Ok(ExitCode::from(exit_code::TIMED_OUT_OR_EMPTY));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn wants(&self, entry: &OwnedEntry) -> bool {
        let entry = entry.entry();
        // What is no record is a gap, and a gap is worth knowing at any level.
        entry.record().is_none_or(|record| self.level.is_none_or(|level| record.level >= level))
    }

    fn follow(&self, mut view: RingView) -> exit_code::CommandResult {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, stop.clone()).context("cannot listen to signals")?;
        }
        let mut asked = Instant::now();
        let mut nap = LOOK_SOON;
        while !stop.load(Ordering::Relaxed) {
            // Before the last look, so that nothing falls between the two.
            let ask = asked.elapsed() >= ASK;
            let is_gone = ask && view.is_gone()?;
            if ask {
                asked = Instant::now();
            }
            let came = view.print_new(|entry| self.wants(entry))?;
            nap = if came { LOOK_SOON } else { (nap * 2).min(LOOK_LATEST) };
            if is_gone {
                let path = view.observer.path().display().to_string();
                match RingView::open(self) {
                    Ok(next) => {
                        terminal::print_message(format_args!(
                            "{path} was replaced; this goes on with the new ring"
                        ));
                        view = next;
                        continue;
                    }
                    Err(_) => {
                        terminal::print_message(format_args!(
                            "{path} was removed; its last records have been shown"
                        ));
                        return Ok(ExitCode::SUCCESS);
                    }
                }
            }
            std::thread::sleep(nap);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A ring that is looked at.
pub(crate) struct RingView {
    pub(crate) observer: Observer,
    format: Box<dyn format::Format>,
    /// Device and inode: which file it was when it was opened.
    file: Option<(u64, u64)>,
    missed: u64,
}

impl RingView {
    fn open(tail: &Tail) -> Result<RingView, ringlog::Error> {
        Ok(RingView::of(Observer::open(&tail.name)?, tail.format, tail.ids))
    }

    pub(crate) fn of(observer: Observer, format: FormatKind, ids: bool) -> RingView {
        let source = format::Source::new(observer.path(), observer.info());
        let format = format::new(format, Newlines::default(), ids, &source);
        let file = file(&observer);
        RingView { observer, format, file, missed: 0 }
    }

    fn print(&mut self, entries: &[OwnedEntry]) -> io::Result<()> {
        self.write(entries, &mut io::stdout().lock())
    }

    pub(crate) fn write(&mut self, entries: &[OwnedEntry], out: &mut impl Write) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in entries {
            self.format.entry(&entry.entry(), &mut lines);
            if lines.len() > 64 << 10 {
                out.write_all(&lines)?;
                lines.clear();
            }
        }
        out.write_all(&lines)?;
        out.flush()
    }

    /// Whether there was anything new, wanted or not.
    fn print_new(&mut self, wants: impl Fn(&OwnedEntry) -> bool) -> anyhow::Result<bool> {
        let mut entries = self.observer.poll()?;
        let came = !entries.is_empty();
        entries.retain(wants);
        self.print(&entries)?;
        self.tell_missed();
        Ok(came)
    }

    /// Says how many records were gone before they could be shown.
    fn tell_missed(&mut self) {
        let missed = self.observer.missed();
        if missed > self.missed {
            terminal::print_message(format_args!(
                "missed {} here: their space was used again first",
                humanize::records(missed - self.missed)
            ));
            self.missed = missed;
        }
    }

    /// Whether the name leads elsewhere by now, or to nothing.
    fn is_gone(&self) -> Result<bool, ringlog::Error> {
        Ok(file(&self.observer) != self.file || self.observer.stat()?.retired)
    }
}

fn file(observer: &Observer) -> Option<(u64, u64)> {
    observer.path().metadata().ok().map(|meta| (meta.dev(), meta.ino()))
}
