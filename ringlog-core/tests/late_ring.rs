//! A process that began without its ring logs to standard error, and into the ring once that is there.
#![cfg(feature = "log")]

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ringlog::admin::{LevelRule, change_levels};
use ringlog::reader::OwnedEntry;
use ringlog::{Initialized, Level, Ring, debug, info, init};
use ringlog_testkit::{Child, Scratch, fork_child};

/// The environment variable of the process that logs: what it does.
const ROLE: &str = "RINGLOG_TEST_LOGS";

/// The file at which that process ends.
const STOP: &str = "RINGLOG_TEST_STOP";

/// What the process prints until it ends has room in a pipe.
const PAUSE: Duration = Duration::from_millis(10);

/// A look comes within this time: the pause between two, and some for a busy machine.
const A_LOOK: Duration = Duration::from_millis(1_500);

/// The process that logs; in a normal run of the tests it does nothing.
#[test]
fn a_process_that_logs() {
    match std::env::var(ROLE).as_deref() {
        Ok("forks") => {
            assert!(matches!(init(), Initialized::Fallback(_)));
            let child = fork_child(log_until_stopped);
            nix::sys::wait::waitpid(child, None).unwrap();
        }
        Ok(_) => {
            assert!(matches!(init(), Initialized::Fallback(_)));
            assert_eq!(log::max_level(), log::LevelFilter::Info);
            log_until_stopped();
            assert_eq!(log::max_level(), log::LevelFilter::Trace, "rules may ask for any level");
        }
        Err(_) => {}
    }
}

fn log_until_stopped() {
    let stop = std::env::var(STOP).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    for n in 0.. {
        if fs::exists(&stop).unwrap() || Instant::now() > end {
            break;
        }
        info!("open {n}");
        debug!("closed {n}");
        log::info!(target: "lib", "facade-open {n}");
        log::debug!(target: "lib", "facade-closed {n}");
        std::thread::sleep(PAUSE);
    }
}

struct Scene {
    at: Scratch,
    child: Child,
}

impl Scene {
    fn start(role: &str) -> Scene {
        Scene::start_at(role, Scratch::new())
    }

    fn start_at(role: &str, at: Scratch) -> Scene {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "a_process_that_logs", "--nocapture"])
            .env_remove("RINGLOG_LEVEL")
            .envs([(ROLE, role), (STOP, &at.text("stop")), ("RINGLOG", at.name())])
            .stderr(Stdio::piped());
        let child = Child::start(&mut command);
        std::thread::sleep(Duration::from_millis(200));
        Scene { at, child }
    }

    /// Makes the ring under another name, and gives it its name when it has its rules.
    fn make_ring(&self) {
        let draft = self.at.text("draft");
        Ring::options().size("4MiB").create(&draft).unwrap();
        let rule = LevelRule { logger: String::new(), level: Level::DEBUG, pid: None, until_unix: None };
        change_levels(&draft, |rules| rules.set(rule.clone())).unwrap();
        fs::rename(draft, self.at.name()).unwrap();
    }

    /// Ends the process and returns what it printed on standard error, and what is in the ring.
    fn end(self) -> (String, Vec<OwnedEntry>) {
        fs::write(self.at.file("stop"), "").unwrap();
        let output = self.child.output();
        let printed = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{printed}");
        let ring = Ring::open(self.at.name()).unwrap();
        assert_eq!(ring.observe().unwrap().stat().unwrap().dropped, 0);
        (printed, ring.observe().unwrap().into_iter().collect())
    }
}

/// The numbers that follow a word, in the lines or messages where it does.
fn numbers<T: AsRef<str>>(lines: &[T], word: &str) -> Vec<u64> {
    let number = |line: &T| line.as_ref().rsplit_once(&format!("{word} "))?.1.trim().parse().ok();
    let is_word = |line: &&T| line.as_ref().split(' ').any(|part| part == word);
    lines.iter().filter(is_word).filter_map(number).collect()
}

fn messages(entries: &[OwnedEntry]) -> Vec<String> {
    entries.iter().map(|entry| entry.entry().message()).collect()
}

#[test]
fn records_go_into_the_ring_once_it_is_there() {
    let scene = Scene::start("logs");
    scene.make_ring();
    std::thread::sleep(A_LOOK);
    let present = Ring::open(scene.at.name()).unwrap().observe().unwrap().stat().unwrap().published;
    assert!(present > 0, "within a second and a bit");
    std::thread::sleep(Duration::from_millis(200));
    let (printed, entries) = scene.end();
    let lines: Vec<&str> = printed.lines().collect();
    let messages = messages(&entries);
    let mut count = 0;
    for word in ["open", "facade-open"] {
        let (before, after) = (numbers(&lines, word), numbers(&messages, word));
        assert!(!before.is_empty() && !after.is_empty(), "{printed}");
        let all: Vec<u64> = before.iter().chain(&after).copied().collect();
        assert_eq!(all, (0..all.len() as u64).collect::<Vec<_>>(), "none lost, none twice, in order");
        count = all.len() as u64;
    }
    for word in ["closed", "facade-closed"] {
        assert_eq!(numbers(&lines, word), [0; 0], "standard error is at INFO");
        let after = numbers(&messages, word);
        // The ring may be found by the facade's line, which comes after the first closed gate of its round.
        assert!(after[0] <= numbers(&messages, "facade-open")[0] + 1, "closed gates open with the ring");
        assert_eq!(after, (after[0]..count).collect::<Vec<_>>());
    }
    let found: Vec<_> = lines.iter().filter(|line| line.starts_with("ringlog: found ")).collect();
    assert_eq!(found.len(), 1, "{printed}");
    assert!(found[0].ends_with("; logging into it from now on"), "{}", found[0]);
}

#[test]
fn a_forked_child_looks_for_the_ring_itself() {
    let scene = Scene::start("forks");
    let parent = scene.child.id();
    scene.make_ring();
    std::thread::sleep(A_LOOK);
    let (printed, entries) = scene.end();
    let of_child = entries.iter().filter(|entry| entry.entry().origin.pid != parent).count();
    assert!(of_child > 0 && of_child == entries.len(), "{printed}");
}

#[test]
fn a_ring_that_cannot_be_used_is_reported_once() {
    let scene = Scene::start("logs");
    fs::write(scene.at.name(), "no ring").unwrap();
    std::thread::sleep(A_LOOK + A_LOOK);
    fs::remove_file(scene.at.name()).unwrap();
    scene.make_ring();
    std::thread::sleep(A_LOOK);
    let (printed, entries) = scene.end();
    let reports: Vec<_> = printed.lines().filter(|line| line.contains(" is not a ring: ")).collect();
    assert_eq!(reports.len(), 1, "{printed}");
    assert!(reports[0].ends_with("; logging to standard error until it can be opened"), "{}", reports[0]);
    assert!(!entries.is_empty(), "{printed}");
}

#[test]
fn a_ring_that_was_unusable_at_the_start_is_not_reported_again() {
    let at = Scratch::new();
    fs::write(at.name(), "no ring").unwrap();
    let scene = Scene::start_at("logs", at);
    std::thread::sleep(A_LOOK);
    fs::remove_file(scene.at.name()).unwrap();
    scene.make_ring();
    std::thread::sleep(A_LOOK);
    let (printed, entries) = scene.end();
    assert_eq!(printed.matches(" is not a ring: ").count(), 1, "{printed}");
    assert!(!entries.is_empty(), "{printed}");
}
