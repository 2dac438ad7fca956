//! `naming = python` against Python's own handlers: the same records by the same clock come to the same files with the
//! same contents.
//!
//! Where the two are meant to differ:
//!
//! * Python before 3.13 closes an empty file for a line that is larger than the size, and all versions close one when a
//!   time has come before its first record. Here an empty file is never closed. `handlers.py` makes up for the former.
//! * Python loses a file whose dated name is taken, as in the hour that comes twice; here it gets a number.
//! * Python deletes what only begins like one of its files, such as `app.log.2026-11-21.mine`; here such files stay.
//! * Python counts an interval from its handler's start, and after a restart from the last write; here it counts from
//!   the file's first record. So the first record comes at once, and at a restart Python is given its time.
//! * Python's midnights and weekdays are an hour off on some days on which the clock is changed; here they are not.
//!   Such runs are counted and left out.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use ringlog_testkit::Scratch;
use ringlog_writer::rotation::{
    Closing, Directory, Family, Naming, Plan, Rotation, Timestamp, Trigger, WallClock,
};
use serde_json::json;

/// By time: later versions reuse no dated name.
const NEEDS: &str = "sys.version_info[:2] == (3, 11)";
/// By size: earlier versions close empty files, which `handlers.py` makes up for.
const NEEDS_BY_SIZE: &str = "sys.version_info >= (3, 11)";

/// Quarters of a second since 1970 began, as a binary fraction that both sides count exactly.
type Quarters = u64;

#[derive(Clone, Debug)]
struct Run {
    /// Python's `when` and `interval`; by size if `None`.
    when: Option<(&'static str, u32)>,
    at: Option<(u8, u8)>,
    zone: &'static str,
    size: u64,
    /// The number of files to keep; 0 keeps all, and is used only with `when`.
    count: u32,
    start: Quarters,
    /// The files in the directory before the run.
    files: Vec<&'static str>,
    log: Vec<Event>,
}

#[derive(Clone, Debug)]
enum Event {
    /// The time since the event before.
    Record {
        after: Quarters,
        len: usize,
    },
    Restart,
}

impl Run {
    fn rotation(&self) -> Rotation {
        let weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let every = self.when.map(|(when, interval)| match when {
            "MIDNIGHT" => "midnight".to_owned(),
            "S" => format!("{interval}s"),
            "M" => format!("{interval}min"),
            "H" => format!("{interval}h"),
            "D" => format!("{interval}d"),
            weekday => weekdays[usize::from(weekday.as_bytes()[1] - b'0')].to_owned(),
        });
        let keep = if self.count == 0 { "all".to_owned() } else { self.count.to_string() };
        Rotation {
            size: self.when.is_none().then_some(self.size),
            every: every.map(|every| every.parse().unwrap()),
            at: self.at.map(|(hour, minute)| format!("{hour:02}:{minute:02}").parse().unwrap()),
            zone: self.zone.parse().unwrap(),
            naming: Naming::Python,
            keep: keep.parse().unwrap(),
            ..Rotation::default()
        }
    }

    /// The times of the events and, for records, their text.
    fn events(&self) -> Vec<(Quarters, Option<String>)> {
        let mut now = self.start;
        let event = |(number, event): (usize, &Event)| match event {
            Event::Record { after, len } => {
                now += after;
                (now, Some(format!("{number} {}", "x".repeat(*len))))
            }
            Event::Restart => (now, None),
        };
        self.log.iter().enumerate().map(event).collect()
    }
}

/// Closes and names files as the writer does.
struct Ours<'a> {
    dir: &'a Path,
    directory: Directory,
    rotation: Rotation,
    family: Family,
    trigger: Trigger,
    len: u64,
}

fn ns(at: Quarters) -> u64 {
    at * 250_000_000
}

impl<'a> Ours<'a> {
    fn carry_out(run: &Run, dir: &'a Path) {
        let rotation = run.rotation();
        rotation.check().unwrap();
        let mut ours = Ours {
            dir,
            directory: Directory::new(dir),
            family: Family::new(OsStr::new("app.log"), &rotation),
            trigger: Trigger::new(&rotation, ns(run.start)),
            rotation,
            len: 0,
        };
        ours.append("");
        for (at, text) in run.events() {
            match text {
                Some(text) => ours.record(at, &format!("{text}\n")),
                None => ours.trigger = Trigger::new(&ours.rotation, ours.trigger.since_ns()),
            }
        }
    }

    fn append(&mut self, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.dir.join("app.log")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.len += text.len() as u64;
    }

    fn record(&mut self, at: Quarters, line: &str) {
        if self.trigger.before(self.len, line.len() as u64, ns(at), || ns(at)).is_some() {
            let names = self.directory.lock();
            let file = names.entry("app.log").unwrap().unwrap().file;
            let now = Timestamp::from_nanosecond(ns(at).into()).unwrap();
            let clock = WallClock::at(now);
            let closing = Closing { file, now, due: self.trigger.due(), number_at_least: 0, clock };
            let plan = Plan::new(&self.family, &self.rotation, &names.list().unwrap(), &closing);
            plan.carry_out(&names).unwrap();
            drop(names);
            self.trigger.begin(ns(at));
            self.len = 0;
        }
        self.append(line);
    }
}

struct Python {
    child: Child,
    runs: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Python {
    fn start(needs: &str) -> Option<Python> {
        let mut command = crate::python(include_str!("handlers.py"), needs)?;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (runs, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Some(Python { child, runs, answers: BufReader::new(answers) })
    }

    /// False if Python rotates at another time than the clock would show.
    fn carry_out(&mut self, run: &Run, dir: &Path) -> bool {
        let seconds = |at: Quarters| at as f64 / 4.0;
        let log: Vec<_> = run.events().into_iter().map(|(at, text)| (seconds(at), text)).collect();
        let run = json!({
            "dir": dir.to_str(),
            "when": run.when.map(|(when, _)| when),
            "interval": run.when.map_or(1, |(_, interval)| interval),
            "at": run.at.map(|(hour, minute)| [hour, minute]),
            "zone": run.zone,
            "size": run.size,
            "count": run.count,
            "start": seconds(run.start),
            "log": log,
        });
        writeln!(self.runs, "{run}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(["off\n", "as planned\n"].contains(&answer.as_str()), "Python ended early: {answer:?}");
        answer == "as planned\n"
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn files(dir: &Path) -> BTreeMap<String, String> {
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
    };
    fs::read_dir(dir).unwrap().map(file).collect()
}

/// The files that would be left if each file with a number had overwritten the one before.
fn without_numbers(files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut left = BTreeMap::new();
    for number in 0..10 {
        for (name, text) in files {
            let (plain, found) = match name.strip_prefix("app.log.").and_then(|tail| tail.split_once('.')) {
                Some((stamp, number)) => (format!("app.log.{stamp}"), number.parse().unwrap_or(0)),
                None => (name.clone(), 0),
            };
            if found == number {
                left.insert(plain, text.clone());
            }
        }
    }
    left
}

#[derive(Default)]
struct Counts {
    compared: Cell<usize>,
    rotations: Cell<usize>,
    taken: Cell<usize>,
    off: Cell<usize>,
}

impl Counts {
    fn add(counter: &Cell<usize>, count: usize) {
        counter.set(counter.get() + count);
    }
}

fn compare(run: &Run, python: &mut Python, counts: &Counts) -> Result<(), TestCaseError> {
    let dirs = [Scratch::on_disk(), Scratch::on_disk()];
    for (dir, name) in dirs.iter().flat_map(|dir| run.files.iter().map(move |name| (dir, name))) {
        fs::write(dir.file(name), name).unwrap();
    }
    Ours::carry_out(run, dirs[0].path());
    if !python.carry_out(run, dirs[1].path()) {
        Counts::add(&counts.off, 1);
        return Ok(());
    }
    let [ours, pythons] = [files(dirs[0].path()), files(dirs[1].path())];
    let taken = run.when.is_some() && ours.keys().any(|name| name.matches('.').count() > 2);
    if taken && run.count > 0 {
        // Python has deleted less, because it has overwritten one.
        Counts::add(&counts.taken, 1);
        return Ok(());
    }
    let comparable = if taken { without_numbers(&ours) } else { ours.clone() };
    prop_assert_eq!(comparable, pythons);
    Counts::add(&counts.taken, taken.into());
    Counts::add(&counts.compared, 1);
    Counts::add(&counts.rotations, ours.len() - 1);
    Ok(())
}

fn check(needs: &str, cases: u32, runs: impl Strategy<Value = Run>) -> Option<Counts> {
    let python = RefCell::new(Python::start(needs)?);
    let counts = Counts::default();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    if let Err(error) = runner.run(&runs, |run| compare(&run, &mut python.borrow_mut(), &counts)) {
        panic!("{error}");
    }
    Some(counts)
}

fn log(
    after: impl Strategy<Value = Quarters>,
    len: impl Strategy<Value = usize>,
) -> impl Strategy<Value = Vec<Event>> {
    let record = (after, len).prop_map(|(after, len)| Event::Record { after, len });
    let later = proptest::collection::vec(prop_oneof![9 => record, 1 => Just(Event::Restart)], 1..60);
    later.prop_map(|later| [vec![Event::Record { after: 0, len: 1 }], later].concat())
}

#[test]
fn rotation_by_size_makes_the_files_that_python_makes() {
    let files = ["app.log.1", "app.log.2", "app.log.3", "app.log.5", "app.log.9", "app.log.bak"];
    let files = proptest::sample::subsequence(files.to_vec(), 0..=6);
    // The first record may be larger than the size: the file is empty then.
    let parts = (20..300_u64, 1..6_u32, files, 0..120_usize, log(0..9_u64, 0..120_usize));
    let runs = parts.prop_map(|(size, count, files, len, mut log)| {
        log[0] = Event::Record { after: 0, len };
        Run { when: None, at: None, zone: "utc", size, count, start: 7_000_000_000, files, log }
    });
    let Some(counts) = check(NEEDS_BY_SIZE, 300, runs) else { return };
    println!(
        "by size: {} runs alike, {} files besides the open ones",
        counts.compared.get(),
        counts.rotations.get()
    );
    assert_eq!(counts.compared.get(), 300);
}

/// Starts in a zone, half of them within a week before a change of the clock.
fn starts() -> impl Strategy<Value = (&'static str, Quarters)> {
    const DAY: u64 = 86_400;
    let zones = ["utc", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"];
    let zone = proptest::sample::select(zones.to_vec());
    // 29 March, 25 October 2026; 8 March, 1 November; 4 April.
    let change = proptest::sample::select(vec![
        1_774_746_000,
        1_792_890_000,
        1_772_953_200,
        1_793_512_800,
        1_775_228_400_u64,
    ]);
    let start =
        prop_oneof![1_770_000_000..1_800_000_000_u64, change.prop_flat_map(|at| at - 7 * DAY..at + DAY)];
    (zone, start, 0..4_u64).prop_map(|(zone, start, quarter)| (zone, start * 4 + quarter))
}

#[test]
fn no_file_is_lost_in_the_hour_that_a_clock_change_repeats() {
    let Some(mut python) = Python::start(NEEDS) else { return };
    // 25 October 2026, 01:30 in Berlin, and a record each quarter of an hour.
    let mut log = vec![Event::Record { after: 900 * 4, len: 3 }; 16];
    log.insert(0, Event::Record { after: 0, len: 3 });
    let run = Run {
        when: Some(("H", 1)),
        at: None,
        zone: "Europe/Berlin",
        size: 0,
        count: 0,
        start: 1_792_884_600 * 4,
        files: Vec::new(),
        log,
    };
    let counts = Counts::default();
    compare(&run, &mut python, &counts).unwrap();
    assert_eq!((counts.compared.get(), counts.taken.get()), (1, 1));
}

/// Runs of these kinds, in whose records many intervals pass, or few.
fn timed(
    kinds: &[(&'static str, u64)],
    at: impl Strategy<Value = Option<(u8, u8)>>,
    intervals: bool,
) -> impl Strategy<Value = Run> {
    let kind = proptest::sample::select(kinds.to_vec());
    let interval = if intervals { 1..5_u32 } else { 1..2 };
    (kind, interval, at, starts(), 0..4_u32).prop_flat_map(
        move |((when, seconds), interval, at, (zone, start), count)| {
            let length = seconds * u64::from(interval) * 4;
            let after = prop_oneof![6 => 0..length / 3, 3 => 0..length * 2, 1 => Just(length)];
            log(after, 0..9_usize).prop_map(move |log| Run {
                when: Some((when, interval)),
                at,
                zone,
                size: 0,
                count,
                start,
                files: vec!["app.log.old", "app.log.1"],
                log,
            })
        },
    )
}

#[test]
fn rotation_by_intervals_makes_the_files_that_python_makes() {
    let runs = timed(&[("S", 1), ("M", 60), ("H", 3600), ("D", 86_400)], Just(None), true);
    let Some(counts) = check(NEEDS, 400, runs) else { return };
    let (compared, taken) = (counts.compared.get(), counts.taken.get());
    println!(
        "by intervals: {compared} runs alike, {} files besides the open ones, {taken} with taken names",
        counts.rotations.get()
    );
    assert!(compared >= 380, "{compared} of 400 compared");
}

#[test]
fn rotation_by_days_and_weeks_makes_the_files_that_python_makes() {
    let at = prop_oneof![Just((0, 0)), (0..24_u8, 0..60_u8)].prop_map(Some);
    let weekdays = ["W0", "W1", "W2", "W3", "W4", "W5", "W6"].map(|day| (day, 7 * 86_400));
    let kinds = [&[("MIDNIGHT", 86_400); 7][..], &weekdays].concat();
    let Some(counts) = check(NEEDS, 400, timed(&kinds, at, false)) else { return };
    let (compared, off) = (counts.compared.get(), counts.off.get());
    println!(
        "by days: {compared} runs alike, {} files besides the open ones, {off} where Python is off",
        counts.rotations.get()
    );
    assert!(compared >= 200, "{compared} of 400 compared");
}
