//! A process that logs by `init`, and whose ring is removed while no writer drains it, says so on standard error.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ringlog::{Fallback, Initialized, PushError, Ring, default_logger, info, init_or};
use ringlog_testkit::{Child, Scratch, eventually};

/// The environment variable of the process that logs: what it does.
const ROLE: &str = "RINGLOG_TEST_LOGS";

/// The file at which that process ends.
const STOP: &str = "RINGLOG_TEST_STOP";

/// The process that logs; in a normal run of the tests it does nothing.
#[test]
fn a_process_that_logs() {
    match std::env::var(ROLE).as_deref() {
        Ok("logs") => {
            init_or(Fallback::Stderr);
            let logged = log_until(|| fs::exists(std::env::var(STOP).unwrap()).unwrap());
            eprintln!("logged {logged}");
        }
        Ok("silent") => {
            assert!(matches!(init_or(Fallback::Nothing), Initialized::Ring(_)));
            log_until(is_refused);
        }
        Ok("clogged") => {
            assert!(matches!(init_or(Fallback::Stderr), Initialized::Ring(_)));
            fill_stderr();
            log_until(is_refused);
        }
        Ok("leaves") => {
            assert!(matches!(init_or(Fallback::Stderr), Initialized::Ring(_)));
            (0..3).for_each(|n| info!("left {n}"));
            fs::remove_file(std::env::var("RINGLOG").unwrap()).unwrap();
        }
        _ => {}
    }
}

fn is_refused() -> bool {
    default_logger().unwrap().text(ringlog::Level::INFO, "", "asks") == Err(PushError::Gone)
}

fn log_until(is_over: impl Fn() -> bool) -> u64 {
    let end = Instant::now() + Duration::from_secs(60);
    for n in 0.. {
        if is_over() || Instant::now() > end {
            return n;
        }
        info!("record {n}");
        std::thread::sleep(Duration::from_millis(1));
    }
    0
}

/// Writes to the pipe at standard error until it takes nothing more, and leaves it blocking.
fn fill_stderr() {
    let stderr = std::io::stderr();
    let set = |flags| nix::fcntl::fcntl(&stderr, nix::fcntl::FcntlArg::F_SETFL(flags)).unwrap();
    set(nix::fcntl::OFlag::O_NONBLOCK);
    while stderr.lock().write(&[b'.'; 4096]).is_ok() {}
    while stderr.lock().write(b".").is_ok() {}
    set(nix::fcntl::OFlag::empty());
}

fn make_ring(at: &Scratch) {
    Ring::options().size("256KiB").create(at.name()).unwrap();
}

fn command(role: &str, at: &Scratch) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "a_process_that_logs", "--nocapture"])
        .env_remove("RINGLOG_LEVEL")
        .envs([(ROLE, role), (STOP, &at.text("stop")), ("RINGLOG", at.name())])
        .stdout(Stdio::null());
    command
}

fn start(role: &str, at: &Scratch) -> Child {
    Child::start(command(role, at).stderr(Stdio::piped()))
}

fn published(at: &Scratch) -> u64 {
    Ring::open(at.name()).unwrap().observe().unwrap().stat().unwrap().published
}

/// A process that logs, and whose standard error is a file.
struct Logging {
    at: Scratch,
    child: Child,
}

impl Logging {
    fn start(at: Scratch) -> Logging {
        let mut command = command("logs", &at);
        let child = Child::start(command.stderr(fs::File::create(at.file("said")).unwrap()));
        Logging { at, child }
    }

    fn said(&self) -> String {
        fs::read_to_string(self.at.file("said")).unwrap()
    }

    fn remove_once_logged(&self) {
        eventually("the first records", || published(&self.at) > 0);
        fs::remove_file(self.at.name()).unwrap();
    }

    /// Waits until it has reported so many times that the ring was removed.
    fn await_reports(&self, times: usize) {
        eventually("the report", || self.said().matches(&removed(&self.at)).count() == times);
    }

    /// Ends the process. The number of records that it logged, and the lines that it said.
    fn end(mut self) -> (u64, Vec<String>) {
        fs::write(self.at.file("stop"), "").unwrap();
        assert!(self.child.wait().success());
        let said = self.said();
        let logged = said.lines().find_map(|line| line.strip_prefix("logged ")).expect("its count");
        let lines = said.lines().filter(|line| line.starts_with("ringlog: "));
        (logged.parse().unwrap(), lines.map(str::to_owned).collect())
    }
}

fn removed(at: &Scratch) -> String {
    format!(
        "ringlog: {0} was removed, and no writer drains it; make the ring again with `ringlog create {0}`; until then \
         records are refused, and counted for the next ring of this name\n",
        at.name()
    )
}

#[test]
fn records_without_a_ring_are_reported_and_counted_at_the_end() {
    let at = Scratch::new();
    make_ring(&at);
    let logging = Logging::start(at);
    logging.remove_once_logged();
    logging.await_reports(1);
    let start = format!(
        "ringlog: lost, and counted in no ring because none has taken the place of {}: ",
        logging.at.name()
    );
    let (logged, said) = logging.end();
    assert_eq!(said.len(), 2, "{said:?}");
    let last = &said[1];
    let counts = last.strip_prefix(&start).expect(last).split(", ");
    let counts: Vec<u64> = counts.filter_map(|part| part.split(' ').next()?.parse().ok()).collect();
    let [refused, left] = counts[..] else { panic!("{last}") };
    assert!(refused > 0 && left > 0, "{last}");
    assert_eq!(refused + left, logged, "{last}");
}

#[test]
fn each_loss_of_a_ring_is_reported_once() {
    let at = Scratch::new();
    make_ring(&at);
    let logging = Logging::start(at);
    for round in 1..3 {
        logging.remove_once_logged();
        logging.await_reports(round);
        make_ring(&logging.at);
    }
    eventually("records in the last ring", || published(&logging.at) > 0);
    let (_, said) = logging.end();
    assert_eq!(said.len(), 2, "what is counted in a ring is not reported as lost: {said:?}");
}

#[test]
fn a_ring_that_was_found_late_is_reported_too() {
    let logging = Logging::start(Scratch::new());
    eventually("a line", || logging.said().contains("INFO "));
    make_ring(&logging.at);
    eventually("the ring", || logging.said().contains("ringlog: found "));
    logging.remove_once_logged();
    logging.await_reports(1);
    logging.end();
}

#[test]
fn what_is_left_in_a_removed_ring_is_reported_at_the_end() {
    let at = Scratch::new();
    make_ring(&at);
    let output = start("leaves", &at).output();
    let said = String::from_utf8(output.stderr).unwrap();
    let lost = "ringlog: lost, and counted in no ring because none has taken the place of ";
    assert_eq!(said, format!("{lost}{}: 3 records left in the ring before, of all processes\n", at.name()));
}

#[test]
fn without_the_fallback_nothing_is_printed() {
    let at = Scratch::new();
    make_ring(&at);
    let child = start("silent", &at);
    eventually("the first records", || published(&at) > 0);
    fs::remove_file(at.name()).unwrap();
    let output = child.output();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_full_standard_error_holds_up_no_record() {
    let at = Scratch::new();
    make_ring(&at);
    let mut child = start("clogged", &at);
    eventually("the first records", || published(&at) > 0);
    fs::remove_file(at.name()).unwrap();
    let ended = child.wait_within(Duration::from_secs(30));
    if ended.is_none() {
        child.kill();
    }
    assert!(ended.is_some_and(|status| status.success()), "it waits for its standard error");
}
