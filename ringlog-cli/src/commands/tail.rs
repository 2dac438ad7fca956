//! `ringlog tail`

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ringlog::Level;
use ringlog::admin::Shown;
use ringlog::reader::{Observer, OwnedEntry};
use ringlog_writer::{FormatKind, Newlines, format};

use crate::commands::absence::Absence;
use crate::commands::stop_signals::StopSignals;
use crate::{exit_code, humanize, terminal};

/// Time between two polls of a followed ring. It is short while records come: a drained lane reuses the same few
/// blocks, so their records are soon overwritten. In a quiet ring it doubles up to `POLL_PAUSE_MAX`.
const POLL_PAUSE_MIN: Duration = Duration::from_millis(2);
const POLL_PAUSE_MAX: Duration = Duration::from_millis(50);
/// How often to check whether the name leads to another ring: while the shown one is there, and while none is.
const REPLACED_CHECK: Duration = Duration::from_secs(1);
const REMOVED_CHECK: Duration = Duration::from_millis(100);

/// Show the latest records of a ring, without consuming them
///
/// Shows the records that are in the ring: those that no writer has written yet, and those that a writer has
/// written but whose space has not been used again since. Any number of `tail`s can run at once, whether a writer runs
/// or not; they affect neither the writer nor each other.
#[derive(Args)]
pub struct Tail {
    /// The ring to show
    name: String,
    /// How many of the latest records to show first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: usize,
    /// Then show new records as they come, until SIGINT. If the ring is removed or replaced, say so and go on with the
    /// ring of this name that is there next
    #[arg(short, long)]
    follow: bool,
    /// Format of the output: text for people, json with one object a line, or raw: only messages and the fields of
    /// typed records, without time, level and notices of lost records
    #[arg(long, default_value = "text", value_parser = formats())]
    format: FormatKind,
    /// In the text format, show each record's id after the time: the ring's UUID, lane, incarnation and sequence, which
    /// `ringlog verify --help` explains
    #[arg(long)]
    ids: bool,
    /// Show only records of this level and above. Notices of lost records and of unclean exits are shown at every
    /// level, except in raw
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
        view.report_missed();
        if self.follow {
            drop(entries);
            return self.follow(view);
        }
        if shown.is_empty() {
            terminal::print_message(format_args!("nothing to show in {}", view.observer.path().shown()));
            return Ok(ExitCode::from(exit_code::TIMED_OUT_OR_EMPTY));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn wants(&self, entry: &OwnedEntry) -> bool {
        let entry = entry.entry();
        // Entries that are not records, such as gaps, have no level and are always shown.
        entry.record().is_none_or(|record| self.level.is_none_or(|level| record.level >= level))
    }

    fn follow(&self, mut view: RingView) -> exit_code::CommandResult {
        let signals = StopSignals::install()?;
        let mut watch = NameWatch::new();
        let mut nap = POLL_PAUSE_MIN;
        while !signals.have_come() {
            // Looked for before the last poll, so that no record is missed between the two.
            let next = watch.next(self, &view)?;
            let came = view.print_new(|entry| self.wants(entry))?;
            nap = if came { POLL_PAUSE_MIN } else { (nap * 2).min(POLL_PAUSE_MAX) };
            let Some(next) = next else {
                watch.report(&view.observer);
                std::thread::sleep(nap);
                continue;
            };
            watch.absence.end(&view.observer);
            view = next;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Looks whether the name of a followed ring leads to another ring.
struct NameWatch {
    checked: Instant,
    absence: Absence,
}

impl NameWatch {
    fn new() -> NameWatch {
        NameWatch { checked: Instant::now(), absence: Absence::default() }
    }

    /// The ring that has taken the place of the one that is shown, if it is time to look and there is one.
    fn next(&mut self, tail: &Tail, view: &RingView) -> anyhow::Result<Option<RingView>> {
        let pause = if self.absence.is_begun() { REMOVED_CHECK } else { REPLACED_CHECK };
        if self.checked.elapsed() < pause {
            return Ok(None);
        }
        self.checked = Instant::now();
        if !view.is_gone()? {
            return Ok(None);
        }
        match RingView::open(tail) {
            Ok(next) => Ok(Some(next)),
            Err(ringlog::Error::NoSuchRing { .. }) => {
                self.absence.begin();
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn report(&mut self, shown: &Observer) {
        self.absence.report(shown, "its last records have been shown");
    }
}

/// A ring that is shown, with its format and position.
pub(crate) struct RingView {
    pub(crate) observer: Observer,
    format: Box<dyn format::Format>,
    /// Device and inode of the file that was opened.
    file: Option<(u64, u64)>,
    missed: u64,
}

impl RingView {
    fn open(tail: &Tail) -> Result<RingView, ringlog::Error> {
        Ok(RingView::of(Observer::open(&tail.name)?, tail.format, tail.ids))
    }

    pub(crate) fn of(observer: Observer, format: FormatKind, ids: bool) -> RingView {
        let source = format::RingIdentity::new(observer.path(), observer.info());
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

    /// Prints the new entries that `wants` accepts. Returns whether there were new entries at all.
    fn print_new(&mut self, wants: impl Fn(&OwnedEntry) -> bool) -> anyhow::Result<bool> {
        let mut entries = self.observer.poll()?;
        let came = !entries.is_empty();
        entries.retain(wants);
        self.print(&entries)?;
        self.report_missed();
        Ok(came)
    }

    /// Prints how many records were overwritten before they could be shown.
    fn report_missed(&mut self) {
        let missed = self.observer.missed();
        if missed > self.missed {
            terminal::print_message(format_args!(
                "missed {} here: their space was reused before they could be shown",
                humanize::records(missed - self.missed)
            ));
            self.missed = missed;
        }
    }

    /// Whether the ring of this name was replaced or removed.
    fn is_gone(&self) -> Result<bool, ringlog::Error> {
        Ok(file(&self.observer) != self.file || self.observer.stat()?.retired)
    }
}

fn file(observer: &Observer) -> Option<(u64, u64)> {
    observer.path().metadata().ok().map(|meta| (meta.dev(), meta.ino()))
}
