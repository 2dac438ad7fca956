//! Rings that are removed or replaced while a writer drains them.

use std::fs;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ringlog::schema::{Encoder, Type};
use ringlog::{FieldValue, Level, Logger, Record, Ring};

use crate::common::{EventLog, eventually};
use crate::configured::Scene;

const CONFIG: &str = r#"
[formatters.short]
format = "%(message)s"
[handlers.all]
kind = "file"
path = "DIR/all.log"
formatter = "short"
[root]
handlers = ["all"]
"#;

/// Longer than a writer waited for a replaced ring before it drained both.
const LONG: Duration = Duration::from_millis(900);

/// A field whose writer is interrupted in the middle of the record, between these two.
struct Interruption<'a> {
    begun: &'a Barrier,
    end: &'a Barrier,
    is_over: AtomicBool,
}

impl FieldValue for Interruption<'_> {
    const TYPE: Type = Type::U8;
    const FIXED_BYTES: Option<usize> = Some(1);

    fn payload_bytes(&self) -> usize {
        1
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        if !self.is_over.swap(true, Ordering::SeqCst) {
            self.begun.wait();
            self.end.wait();
        }
        out.put_u8(7);
    }
}

#[derive(Record)]
#[record(text = "slow")]
struct Slow<'a> {
    number: u32,
    interruption: Interruption<'a>,
}

/// Logs a record, which is interrupted between these two.
fn log_slowly(log: &Logger, number: u32, begun: &Barrier, end: &Barrier) {
    let interruption = Interruption { begun, end, is_over: AtomicBool::new(false) };
    log.push(&Slow { number, interruption }).unwrap();
}

/// Begins a record in the ring, and completes it after `meanwhile`.
fn interrupted(log: &Logger, number: u32, meanwhile: impl FnOnce()) {
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        let slow = scope.spawn(|| log_slowly(log, number, &barrier, &barrier));
        barrier.wait();
        meanwhile();
        barrier.wait();
        slow.join().unwrap();
    });
}

fn replace(scene: &Scene, ring: usize) -> Ring {
    let path = scene.rings[ring].path();
    fs::remove_file(path).unwrap();
    Ring::options().size("1MiB").create(path.to_str().unwrap()).unwrap()
}

fn is_written(scene: &Scene, text: &str) -> bool {
    scene.lines("all.log").iter().any(|line| line == text)
}

fn says(events: &EventLog, text: &str) -> usize {
    events.messages().iter().filter(|message| message.contains(text)).count()
}

fn left(ring: &Ring) -> u64 {
    ring.observe().unwrap().stat().unwrap().refused.left
}

#[test]
fn a_thread_that_is_slow_to_leave_the_old_ring_loses_nothing() {
    let scene = Scene::new(CONFIG);
    scene
        .beside_a_writer(|_, events| {
            let log = scene.rings[0].logger();
            // A thread opens no lane in a ring that was removed.
            log.text(Level::INFO, "x", "before").unwrap();
            let mut new = Vec::new();
            interrupted(&log, 1, || {
                // Twice: the writer then drains three rings at once, the last two by the name.
                for round in 0..2 {
                    new.push(replace(&scene, 0));
                    eventually("it is noticed", || says(events, "was replaced by") == round + 1);
                    let text = format!("new {round}");
                    eventually("the writer has come to the new ring", || {
                        log.text(Level::INFO, "x", &text).unwrap();
                        is_written(&scene, &text)
                    });
                }
                thread::sleep(LONG);
                // A session that ends meanwhile takes the old ring along.
                scene.reload(true);
                thread::sleep(Duration::from_millis(100));
            });
            eventually("the slow record is written", || is_written(&scene, "slow"));
            log.text(Level::INFO, "x", "after").unwrap();
            eventually("the last record is written", || is_written(&scene, "after"));
            assert_eq!(new.iter().map(left).sum::<u64>(), 0);
            assert_eq!(says(events, "was replaced by another ring"), 2, "{:?}", events.messages());
        })
        .unwrap();
    let lines = scene.lines("all.log");
    for once in ["slow", "after"] {
        assert_eq!(lines.iter().filter(|line| *line == once).count(), 1, "{lines:?}");
    }
    assert!(lines.iter().all(|line| !line.contains("records")), "no gap: {lines:?}");
}

#[test]
fn a_reload_while_a_ring_is_missing_goes_on_with_the_others() {
    let scene = Scene::with(2, || Ring::options().size("1MiB"), CONFIG);
    scene
        .beside_a_writer(|_, events| {
            let log = scene.rings[1].logger();
            log.text(Level::INFO, "x", "before").unwrap();
            eventually("the first is written", || is_written(&scene, "before"));
            fs::remove_file(scene.rings[1].path()).unwrap();
            thread::sleep(Duration::from_millis(300));
            scene.reload(true);
            scene.log(0, "x", Level::INFO, "of the other");
            log.text(Level::INFO, "x", "without a name").unwrap();
            eventually("both are drained", || {
                is_written(&scene, "of the other") && is_written(&scene, "without a name")
            });
            // A reload that is refused leaves them as they are.
            scene.configure("nonsense");
            scene.reload(false);
            scene.configure(CONFIG);
            let path = scene.rings[1].path().to_str().unwrap();
            let anew = Ring::options().size("1MiB").create(path).unwrap();
            anew.logger().text(Level::INFO, "x", "anew").unwrap();
            eventually("the ring that is there again is joined", || is_written(&scene, "anew"));
            assert_eq!(says(events, "trying again"), 0, "{:?}", events.messages());
            assert_eq!(left(&anew), 0);
        })
        .unwrap();
    for once in ["before", "of the other", "without a name", "anew"] {
        assert_eq!(scene.lines("all.log").iter().filter(|line| *line == once).count(), 1, "{once}");
    }
}

#[test]
fn many_replaced_rings_are_let_go_of_one_by_one() {
    const ROUNDS: u32 = 11;
    /// So many are drained at once.
    const KEPT: u32 = 8;
    let scene = Scene::new(CONFIG);
    let (begun, end) = (Barrier::new(2), Barrier::new(ROUNDS as usize + 1));
    scene
        .beside_a_writer(|_, events| {
            thread::scope(|scope| {
                let mut slow = Vec::new();
                for number in 0..ROUNDS {
                    // Each has a thread of its own handle: one name keeps no more than some rings.
                    let log = Ring::open(scene.rings[0].path().to_str().unwrap()).unwrap().logger();
                    let (begun, end) = (&begun, &end);
                    slow.push(scope.spawn(move || {
                        log_slowly(&log, number, begun, end);
                        // Moves, and counts what it has left behind.
                        thread::sleep(Duration::from_millis(150));
                        log.text(Level::INFO, "x", format!("moved {number}")).unwrap();
                    }));
                    begun.wait();
                    replace(&scene, 0);
                    eventually("it is noticed", || says(events, "was replaced by") == number as usize + 1);
                }
                let let_go = (ROUNDS - KEPT) as usize;
                assert_eq!(says(events, "the oldest is not drained any more"), let_go);
                end.wait();
                slow.into_iter().for_each(|thread| thread.join().unwrap());
            });
            let new = Ring::open(scene.rings[0].path().to_str().unwrap()).unwrap();
            eventually("all have moved", || {
                (0..ROUNDS).all(|number| is_written(&scene, &format!("moved {number}")))
            });
            assert_eq!(left(&new), u64::from(ROUNDS - KEPT));
            let written = scene.lines("all.log").iter().filter(|line| *line == "slow").count();
            assert_eq!(written, KEPT as usize);
        })
        .unwrap();
}

const TWO_OUTPUTS: &str = r#"
[formatters.short]
format = "%(message)s"
[handlers.lost]
kind = "file"
path = "DIR/lost/a.log"
formatter = "short"
[handlers.all]
kind = "file"
path = "DIR/all.log"
formatter = "short"
[root]
handlers = ["lost", "all"]
"#;

#[test]
fn an_output_that_cannot_be_opened_again_holds_up_no_other() {
    // The directory comes back as it was, or is made anew.
    for (is_made_anew, expected) in [(false, &["one", "two", "three"][..]), (true, &["two", "three"])] {
        let scene = Scene::new(TWO_OUTPUTS);
        let (lost, moved) = (scene.path("lost"), scene.path("moved"));
        fs::create_dir(&lost).unwrap();
        scene
            .beside_a_writer(|_, events| {
                scene.log(0, "x", Level::INFO, "one");
                eventually("both have it", || {
                    scene.lines("lost/a.log").len() == 1 && scene.lines("all.log").len() == 1
                });
                fs::rename(&lost, &moved).unwrap();
                let log = replace(&scene, 0).logger();
                eventually("it is reported", || {
                    says(events, "trying again, its records wait in the rings") == 1
                });
                log.text(Level::INFO, "x", "two").unwrap();
                eventually("the other one goes on", || is_written(&scene, "two"));
                match is_made_anew {
                    true => fs::create_dir(&lost).unwrap(),
                    false => fs::rename(&moved, &lost).unwrap(),
                }
                log.text(Level::INFO, "x", "three").unwrap();
                eventually("both go on", || {
                    scene.lines("lost/a.log").len() == expected.len() && is_written(&scene, "three")
                });
            })
            .unwrap();
        assert_eq!(scene.lines("lost/a.log"), expected);
        assert_eq!(scene.lines("all.log"), ["one", "two", "three"]);
        // The next writer repeats nothing.
        scene.drain().unwrap();
        assert_eq!(scene.lines("lost/a.log"), expected);
    }
}
