//! A disk that does not answer at some call: the other outputs go on, and the writer reloads and ends in time.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ringlog::admin::{self, Request};
use ringlog::{Level, Ring};
use ringlog_testkit::{Call, Ended, Extent, Fate, eventually, run_cases, run_deciding};
use ringlog_tests::Writing;

const CONFIG: &str = r#"
grace = "0ms"
stop-timeout = "0s"
[handlers.hung]
kind = "file"
path = "DIR/hung.log"
formatter = "raw"
[handlers.well]
kind = "file"
path = "DIR/well.log"
formatter = "raw"
[root]
handlers = ["hung", "well"]
"#;

/// So many records are logged before each stage.
const RECORDS: usize = 3;

/// The stages of a run: the writer starts, it reloads, and the disk answers again or not.
const START: usize = 0;
const RELOAD: usize = 1;
const END: usize = 2;
const NEVER: usize = 9;

/// A writer whose disk holds one of its calls.
struct Run {
    writing: Writing,
    stage: AtomicUsize,
    /// The stage in which the call was held.
    held_in: AtomicUsize,
    /// Whether the disk is to answer again once the writer has reloaded.
    will_answer: bool,
    answers: AtomicBool,
}

impl Run {
    fn new(will_answer: bool) -> Run {
        Run {
            will_answer,
            writing: Writing::empty(&[], Ring::options().size("256KiB")),
            stage: AtomicUsize::new(START),
            held_in: AtomicUsize::new(NEVER),
            answers: AtomicBool::new(false),
        }
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.writing.dir().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn log(&self, stage: usize) {
        let ring = Ring::open(self.writing.ring()).unwrap();
        let log = ring.logger();
        for number in stage * RECORDS..(stage + 1) * RECORDS {
            log.text(Level::INFO, "x", number.to_string()).unwrap();
        }
    }

    fn request(&self, request: Request) -> u64 {
        admin::request(self.writing.ring(), request).unwrap()
    }

    fn is_held_in(&self, stage: usize) -> bool {
        self.held_in.load(Ordering::SeqCst) == stage
    }

    /// Runs the writer, whose call with this number on the hanging disk is held. Returns how it ended, and in which
    /// stage it was held.
    fn run(&self, held: usize) -> (Ended, usize) {
        self.log(START);
        let mut number = 0;
        let mut is_released = false;
        let decide = |call: &Call| {
            let name = call.path.file_name().map(|name| name.to_string_lossy().into_owned());
            if name.is_some_and(|name| name.starts_with("hung")) {
                number += 1;
                if number - 1 == held {
                    self.held_in.store(self.stage.load(Ordering::SeqCst), Ordering::SeqCst);
                    return Fate::Held;
                }
            } else if !is_released && self.answers.load(Ordering::SeqCst) {
                is_released = true;
                return Fate::Releases;
            }
            Fate::Done
        };
        let mut command = self.writing.configured(CONFIG);
        let ended = std::thread::scope(|scope| {
            let drive = scope.spawn(|| self.drive());
            let ended = run_deciding(&mut command, &self.writing.dir(), decide);
            drive.join().unwrap();
            ended
        });
        (ended, self.held_in.load(Ordering::SeqCst))
    }

    /// What is asked of the writer meanwhile.
    fn drive(&self) {
        let has = |count: usize| self.lines("well.log").len() >= count * RECORDS;
        // Held in its first batch, it has started.
        eventually("it starts, or its disk hangs", || {
            has(1) || (self.is_held_in(START) && !self.will_answer)
        });
        if !has(1) {
            self.request(Request::Stop);
            return;
        }
        self.stage.store(RELOAD, Ordering::SeqCst);
        let reload = self.request(Request::Reload);
        let observer = Ring::open(self.writing.ring()).unwrap().observe().unwrap();
        eventually("the reload is taken", || observer.stat().unwrap().reloads == (reload, true));
        self.log(1);
        eventually("the other output has its records", || has(2));
        self.stage.store(END, Ordering::SeqCst);
        if self.will_answer {
            self.answers.store(true, Ordering::SeqCst);
            self.log(2);
            eventually("the hanging one has them too", || self.lines("hung.log").len() >= 3 * RECORDS);
        }
        self.request(Request::Stop);
    }

    /// Checks that the next writer completes both outputs.
    fn check(&self, ended: &Ended, held: usize) {
        let when = format!("held at {held}: {}", self.writing.said());
        let lacks = self.lines("hung.log").len() < self.lines("well.log").len();
        let code = ended.status.unwrap().code();
        assert!(code == Some(3) || (code == Some(0) && !lacks), "{code:?}, {when}");
        let status = self.writing.configured(CONFIG).arg("--until-idle").status().unwrap();
        assert!(status.success(), "{when}");
        let logged = Ring::open(self.writing.ring()).unwrap().observe().unwrap().stat().unwrap().published;
        let expected: Vec<String> = (0..logged).map(|number| number.to_string()).collect();
        for name in ["hung.log", "well.log"] {
            assert_eq!(self.lines(name), expected, "{name}, {when}");
        }
    }
}

#[test]
fn a_disk_that_hangs_holds_up_no_other_output_and_no_stop() {
    hang_at_each_call(Extent::Sample(9));
}

#[test]
#[ignore = "exhaustive: run by cargo x prove"]
fn hanging_at_each_call_a_disk_holds_up_nothing_else() {
    hang_at_each_call(Extent::Every);
}

fn hang_at_each_call(extent: Extent) {
    let undisturbed = Run::new(false);
    let (ended, _) = undisturbed.run(usize::MAX);
    assert!(ended.status.unwrap().success(), "{}", undisturbed.writing.said());
    let is_hung = |call: &&Call| call.path.to_string_lossy().contains("hung");
    let calls = ended.calls.iter().filter(is_hung).count();
    let stages = [const { AtomicUsize::new(0) }; 3];
    let numbers = extent.of((0..calls).collect());
    run_cases(&numbers, |number| {
        let run = Run::new(false);
        let (ended, held_in) = run.run(*number);
        run.check(&ended, *number);
        stages.get(held_in).inspect(|stage| _ = stage.fetch_add(1, Ordering::Relaxed));
    });
    let stages = stages.map(AtomicUsize::into_inner);
    println!("{calls} calls, held in each stage: {stages:?}");
    assert!(stages.iter().all(|count| *count > 0), "{stages:?}");
}

#[test]
fn a_file_whose_disk_answers_again_gets_its_records_once() {
    let undisturbed = Run::new(false);
    let (ended, _) = undisturbed.run(usize::MAX);
    let mut writes = ended.calls.iter().filter(|call| call.path.to_string_lossy().contains("hung"));
    let first_batch =
        writes.position(|call| call.name == "write" && call.path.ends_with("hung.log")).unwrap();
    let run = Run::new(true);
    let (ended, held_in) = run.run(first_batch);
    assert!(ended.status.unwrap().success() && held_in == START, "{}", run.writing.said());
    run.check(&ended, first_batch);
}
