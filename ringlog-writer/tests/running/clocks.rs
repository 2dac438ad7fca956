//! The writer and clocks: files from the future, intervals over restarts, and deletion by age.

use std::fs;
use std::thread;
use std::time::{Duration, SystemTime};

use ringlog::admin::{Request, request};
use ringlog_writer::rotation::Rotation;

use crate::common::eventually;
use crate::scene::Scene;

const DAY: Duration = Duration::from_secs(86_400);

fn rotation(every: Option<&str>, naming: &str, keep: &str) -> Rotation {
    let every = every.map(|every| every.parse().unwrap());
    Rotation { every, naming: naming.parse().unwrap(), keep: keep.parse().unwrap(), ..Rotation::default() }
}

/// Writes a file that was last written at this time.
fn write(scene: &Scene, name: &str, at: SystemTime) {
    fs::write(scene.path(name), "000000000\n").unwrap();
    fs::File::options().write(true).open(scene.path(name)).unwrap().set_modified(at).unwrap();
}

#[test]
fn a_file_from_the_future_stops_no_rotation() {
    for naming in ["time", "number", "python"] {
        let mut scene = Scene::new(rotation(Some("1s"), naming, "all"));
        write(&scene, "app.log", SystemTime::now() + 1000 * DAY);
        let options = scene.options();
        scene.beside_a_writer(&options, |scene, _| {
            eventually(naming, || {
                scene.log(1);
                scene.flush();
                scene.names().len() >= 3
            });
        });
    }
}

#[test]
fn an_interval_counts_over_restarts() {
    for naming in ["time", "number", "python"] {
        let mut scene = Scene::new(rotation(Some("1s"), naming, "all"));
        let mut last = Vec::new();
        for _ in 0..9 {
            scene.log(1);
            scene.drain();
            last = scene.names();
            if last.len() > 2 {
                break;
            }
            thread::sleep(Duration::from_millis(300));
        }
        assert!(last.len() > 2, "{naming}: closed twice in 2.7 seconds: {last:?}");
    }
}

#[test]
fn an_unknown_file_begins_when_it_was_made() {
    let mut scene = Scene::new(rotation(Some("1d"), "python", "all"));
    write(&scene, "app.log", SystemTime::now() - 2 * DAY);
    scene.log(1);
    scene.drain();
    assert_eq!(scene.names().len(), 2, "{:?}", scene.names());
}

#[test]
fn a_clock_that_ran_ahead_deletes_nothing_for_its_age() {
    let mut scene = Scene::new(rotation(None, "number", "30d"));
    let old = |scene: &Scene| {
        write(scene, "app.000001.log", SystemTime::now() - 40 * DAY);
        write(scene, "app.000002.log", SystemTime::now() - 33 * DAY);
        write(scene, "app.000003.log", SystemTime::now() + 1000 * DAY);
    };
    old(&scene);
    let options = scene.options();
    scene.beside_a_writer(&options, |scene, _| {
        scene.log(1);
        scene.flush();
        let ring = scene.ring.path().to_str().unwrap().to_owned();
        let rotated = |number| {
            eventually("it is rotated", || scene.ring.observe().unwrap().stat().unwrap().rotations == number);
        };
        rotated(request(&ring, Request::Rotate).unwrap());
        let all = ["app.000001.log", "app.000002.log", "app.000003.log", "app.000004.log", "app.log"];
        assert_eq!(scene.names(), all);
        let said = scene.messages();
        let expected = "app.log: the clock is 33 days ahead of the last record, or of the newest file, or was set \
                        ahead: for 24 hours no \
                        closed file is deleted for its age. If the time is right, `ringlog rotate RING --trust-clock` \
                        ends this";
        assert!(said.len() == 1 && said[0].ends_with(expected), "{said:?}");
        // Asked for in this order, as by the command line.
        request(&ring, Request::TrustClock).unwrap();
        rotated(request(&ring, Request::Rotate).unwrap());
        assert_eq!(scene.names(), all[2..]);
    });
    // The next writer goes on with the clock that is trusted now.
    old(&scene);
    scene.log(1);
    scene.drain();
    assert_eq!(scene.names(), ["app.000003.log", "app.000004.log", "app.log"]);
    assert_eq!(scene.messages().len(), 1);
}

#[test]
fn a_hold_lasts_over_a_restart_and_is_reported_once() {
    let mut scene = Scene::new(rotation(None, "number", "30d,5"));
    write(&scene, "app.000001.log", SystemTime::now() - 40 * DAY);
    for _ in 0..3 {
        scene.log(1);
        scene.drain();
    }
    assert_eq!(scene.names(), ["app.000001.log", "app.log"]);
    assert_eq!(scene.messages().len(), 1);
    // The limit by number goes on.
    for number in 2..7 {
        write(&scene, &format!("app.00000{number}.log"), SystemTime::now());
    }
    scene.drain();
    assert!(!scene.path("app.000001.log").exists());
}
