//! Four processes run an embedded database each, and all log into one file.
//!
//! `sled` is an unmodified library that logs through the `log` facade. Each process writes and reads real
//! data at its most verbose level; the lines of all four go through one ring into one file. At the end the file is read
//! back: it has to hold every line of every process exactly once, each thread's in order, and all in order of time.
//!
//! ```sh
//! cargo run --release -p ringlog-examples
//! ```

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ringlog::{Overflow, Ring};
use ringlog_writer::config::Formatter;
use ringlog_writer::{Options, Out};
use serde_json::Value;

const PROCESSES: usize = 4;
const ROWS: u32 = 2_000;
/// After this number of rows each process flushes its database and logs its progress.
const STEP: u32 = 500;
/// The argument by which this program becomes one of the four.
const WORK: &str = "work";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[..] {
        [_, role, directory] if role == WORK => work(Path::new(directory)),
        _ => supervise(),
    }
}

/// One of the four processes: opens a database and uses it. Only the first line concerns ringlog.
fn work(directory: &Path) -> Result<()> {
    ringlog::init();
    let (begun, database) = (Instant::now(), sled::open(directory)?);
    for row in 1..=ROWS {
        database.insert(row.to_be_bytes(), vec![row as u8; 100])?;
        if row % STEP == 0 {
            database.flush()?;
            log::info!(rows = row, seconds = begun.elapsed().as_secs_f64(); "written");
        }
    }
    let rows = database.iter().filter(Result::is_ok).count();
    log::info!(rows, directory:% = directory.display(); "read");
    drop(database);
    log::logger().flush();
    Ok(())
}

/// Makes the ring, persists what the four log, and checks the file.
fn supervise() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let ring_directory = tempfile::tempdir_in("/dev/shm")?;
    let name = ring_directory.path().join("ring");
    let name = name.to_str().context("the ring's path is not UTF-8")?;
    let options = Ring::options().size("128MiB").overflow(Overflow::Block(Duration::from_secs(30)));
    let ring = options.create_or_open(name)?;
    let file = directory.path().join("all.log");

    let stop = AtomicBool::new(false);
    let mut writer = Options::new(name);
    writer.out = Out::file(&file);
    writer.formatter = Formatter::Json;
    // Four busy processes on a few cores interrupt each other for many milliseconds.
    writer.general.grace = Some(Duration::from_millis(200));
    let summary = std::thread::scope(|scope| -> Result<_> {
        let writing = scope.spawn(|| ringlog_writer::run(&writer, &stop));
        let ended = children(name, directory.path());
        stop.store(true, Ordering::Relaxed);
        let summary = writing.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        ended.map(|()| summary)
    })?;
    let late = ring.observe()?.stat()?.late;
    let found = check(&std::fs::read_to_string(&file)?, late)?;
    ensure!(
        found.lines == summary.records,
        "the writer says {}, the file has {}",
        summary.records,
        found.lines
    );
    let Found { lines, of_database, samples } = found;
    println!("{lines} lines of {PROCESSES} processes are in one file, each exactly once; {late} were late");
    println!("{of_database} of them are the database's; two of them:\n{}", samples.join("\n"));
    Ok(())
}

/// Runs the four processes to their end.
fn children(ring: &str, directory: &Path) -> Result<()> {
    let program = std::env::current_exe()?;
    let start = |number: usize| -> Result<Child> {
        let mut command = Command::new(&program);
        command.arg(WORK).arg(directory.join(format!("database-{number}")));
        command.env("RINGLOG", ring).env("RINGLOG_LEVEL", "trace");
        command.spawn().context("cannot start a process")
    };
    let children: Vec<Child> = (0..PROCESSES).map(start).collect::<Result<_>>()?;
    for mut child in children {
        let status = child.wait()?;
        ensure!(status.success(), "a process failed: {status}");
    }
    Ok(())
}

/// The contents of the file.
struct Found {
    lines: u64,
    of_database: u64,
    /// The first line of the database and the first of this program.
    samples: Vec<String>,
}

/// Checks the file: each lane's sequences run from 0 without a hole, time does not go back except in lines that the
/// writer has counted as late, and each process has logged its progress as often as it should.
fn check(text: &str, late: u64) -> Result<Found> {
    let mut next: HashMap<(u64, u64), u64> = HashMap::new();
    let mut rows: HashMap<u64, Vec<u64>> = HashMap::new();
    let (mut last_time, mut went_back) = (String::new(), 0);
    let mut found = Found { lines: 0, of_database: 0, samples: Vec::new() };
    for line in text.lines() {
        let entry: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        let number = |key: &str| entry[key].as_u64().with_context(|| format!("no number {key} in {line}"));
        let expected = next.entry((number("lane")?, number("incarnation")?)).or_default();
        ensure!(number("sequence")? == *expected, "expected sequence {expected} in {line}");
        *expected += 1;
        let time = entry["time"].as_str().unwrap_or_default();
        went_back += u64::from(time < last_time.as_str());
        last_time = time.to_owned();
        found.lines += 1;

        let of_process = rows.entry(number("pid")?).or_default();
        let is_ours = entry["logger"] == module_path!();
        if is_ours {
            // Key-values keep their types in the ring.
            let fields = &entry["fields"];
            of_process.push(fields["rows"].as_u64().with_context(|| format!("no number of rows in {line}"))?);
            let is_typed = match entry["message"].as_str() {
                Some("written") => fields["seconds"].is_f64(),
                _ => fields["directory"].is_string(),
            };
            ensure!(is_typed, "no second value, or one of another type, in {line}");
        } else {
            ensure!(entry["logger"].as_str().is_some_and(|name| name.starts_with("sled")), "whose is {line}");
            found.of_database += 1;
        }
        if found.samples.len() < 2 && is_ours != (found.samples.is_empty()) {
            found.samples.push(line.to_owned());
        }
    }
    let expected: Vec<u64> = (STEP..=ROWS).step_by(STEP as usize).chain([ROWS]).map(u64::from).collect();
    ensure!(rows.len() == PROCESSES, "lines of {} processes", rows.len());
    ensure!(rows.values().all(|rows| *rows == expected), "each process should count {expected:?}: {rows:?}");
    ensure!(went_back <= late, "time goes back {went_back} times, but only {late} lines were late");
    Ok(found)
}
