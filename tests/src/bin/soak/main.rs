//! `ringlog-soak [--seconds N] [--seed S]`, run by `cargo x soak`.
//!
//! Real processes log into rings, are killed, stopped, forked and started again at random, and so are the
//! writers that persist the records and the commands that read the ring. Meanwhile every line that the writers
//! write is checked: each published record must be there whole, in order and once; each dropped one must be
//! reported at its place. Only after a writer was killed may its last batch be there twice.

mod arena;
mod checker;
mod findings;
mod ledger;
mod life;
mod patience;
mod plan;
mod process;
mod producer;
mod reader;
mod record;
mod spec;
mod summary;
mod tail;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

use arena::{Arena, Programs};
use findings::Findings;
use plan::Plan;
use spec::SPECS;
use summary::{Deeds, Summary};

/// How often a long run prints its progress.
const SAY: Duration = Duration::from_secs(120);

/// A step that takes longer is reported: usually the machine was busy, or a writer had much to write at its end.
const LONG: Duration = Duration::from_secs(3);

struct Options {
    seconds: u64,
    seed: u64,
}

impl Options {
    fn parse(arguments: &[String]) -> Option<Options> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut options = Options { seconds: 60, seed: now.as_nanos() as u64 % 1_000_000_000 };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { return None };
            match name.as_str() {
                "--seconds" => options.seconds = value.parse().ok()?,
                "--seed" => options.seed = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(options)
    }

    fn replay(&self) -> String {
        format!("cargo x soak --seconds {} --seed {}", self.seconds, self.seed)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "produce") {
        let Some(order) = producer::Order::parse(&arguments[1..]) else { return usage() };
        producer::run(&order);
        return ExitCode::SUCCESS;
    }
    let Some(options) = Options::parse(&arguments) else { return usage() };
    println!(
        "soak: seed {}, {} s; to repeat its decisions: {}",
        options.seed,
        options.seconds,
        options.replay()
    );
    // Forked processes that lose their parents become children of this process.
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    process::note_signals();
    let (summary, findings) = soak(&options);
    print!("{summary}");
    if findings.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("soak: {} findings with seed {}:", summary.findings, options.seed);
    findings.iter().for_each(|finding| eprintln!("* {finding}"));
    eprintln!("to repeat the decisions: {}", options.replay());
    ExitCode::FAILURE
}

fn usage() -> ExitCode {
    eprintln!("ringlog-soak: expected [--seconds N] [--seed S]");
    ExitCode::from(2)
}

/// The programs beside this one, which `cargo x soak` has built.
fn programs() -> Programs {
    let own = std::env::current_exe().unwrap();
    let beside = |name: &str| {
        let path = own.with_file_name(name);
        assert!(path.exists(), "there is no {}: run `cargo x soak`, which builds it", path.display());
        path
    };
    Programs { ringlog: beside("ringlog"), writer: beside("ringlog-writer") }
}

fn soak(options: &Options) -> (Summary, Vec<String>) {
    let programs = programs();
    let dir = tempfile::Builder::new().prefix("ringlog-soak-").tempdir_in("/dev/shm").unwrap();
    let rings = dir.path().join("rings");
    std::fs::create_dir(&rings).unwrap();
    let findings = Findings::default();
    let mut arenas =
        SPECS.map(|spec| Arena::new(spec, programs.clone(), &rings, dir.path(), findings.clone()));
    let mut deeds = Deeds::default();
    let started = Instant::now();
    let mut said = started;
    for step in Plan::new(options.seed, arenas.len()) {
        let is_over = started.elapsed() > Duration::from_secs(options.seconds);
        if is_over || findings.any() || process::is_asked_to_end() {
            break;
        }
        std::thread::sleep(step.pause);
        let began = Instant::now();
        arenas[step.arena].act(&step, &mut deeds);
        arenas.iter_mut().for_each(|arena| arena.tend(&mut deeds));
        deeds.steps += 1;
        if began.elapsed() > LONG {
            println!("soak: {:.1} s for {step:?}", began.elapsed().as_secs_f64());
        }
        if said.elapsed() > SAY {
            said = Instant::now();
            println!("soak: {:.0} s, {} steps", started.elapsed().as_secs_f64(), deeds.steps);
        }
    }
    let time = started.elapsed();
    for arena in &mut arenas {
        if !findings.any() {
            arena.finish(&mut deeds);
        }
    }
    if !findings.any() {
        let left: Vec<_> =
            std::fs::read_dir(&rings).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        if !left.is_empty() {
            findings.report(format_args!("left beside the rings: {left:?}"));
        }
    }
    let mut list = findings.list();
    if !list.is_empty() {
        // Copied as soon as possible after the finding; later changes would hide its cause.
        findings.close();
        list.push(format!(
            "rings, output and ledgers are kept in {}",
            keep(dir.path(), options.seed).display()
        ));
        arenas.iter_mut().for_each(Arena::abandon);
    }
    let arenas = arenas.iter().map(Arena::summary).collect();
    let summary = Summary { time, deeds, arenas, findings: list.len().saturating_sub(1) };
    (summary, list)
}

/// Copies everything to a directory that is kept. The output has holes where it was checked long ago.
fn keep(dir: &Path, seed: u64) -> PathBuf {
    let kept = std::env::temp_dir().join(format!("ringlog-soak-{seed}-{}", std::process::id()));
    let copied = Command::new("cp").args(["-r", "--sparse=always"]).arg(dir).arg(&kept).status();
    if !copied.is_ok_and(|status| status.success()) {
        eprintln!("soak: not everything could be copied to {}", kept.display());
    }
    kept
}
