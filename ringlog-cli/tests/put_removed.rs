//! `ringlog put` whose ring is removed meanwhile: it says which lines were not put, and which are lost.

mod common;

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use common::{Running, Scene, wait_until};
use nix::sys::signal::Signal;

fn published(scene: &Scene) -> u64 {
    let stat = scene.ringlog(&["stat", "app", "--json"]).ok();
    let stat: serde_json::Value = serde_json::from_str(&stat.stdout).unwrap();
    stat["published"].as_u64().unwrap()
}

/// A `put` that has put one line and waits for the next.
fn putting(scene: &Scene) -> Running {
    let mut command = scene.command(&["put", "app", "-"]);
    let mut putting = Running::start(command.stdin(Stdio::piped()).stderr(Stdio::piped()));
    putting.0.write(b"a line\n");
    wait_until("the line", || published(scene) == 1);
    putting
}

/// The number of lines in front of these words.
fn lines_before(text: &str, words: &str) -> u64 {
    let before = text.split(words).next().unwrap().trim_end();
    before.rsplit(' ').next().unwrap().replace(',', "").parse().unwrap()
}

#[test]
fn a_removed_ring_leaves_no_line_unaccounted_for() {
    const LINES: u64 = 20_000;
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "128KiB", "--lanes", "2"]).ok();
    fs::write(scene.file("input"), b"a line of some length\n".repeat(LINES as usize)).unwrap();
    let mut command = scene.command(&["put", "app", "--timeout", "5s", "-"]);
    let input = fs::File::open(scene.file("input")).unwrap();
    let putting = Running::start(command.stdin(input).stderr(Stdio::piped()));
    // More than the ring holds: it waits for space at the latest when the ring is full.
    wait_until("the first lines", || published(&scene) > 0);
    scene.ringlog(&["rm", "app", "--force"]).ok();
    let ended = putting.output();
    assert_eq!(ended.code, Some(4), "{ended:#?}");
    let said = ended.stderr;
    let waiting = format!("ringlog: no ring \"app\" in {}; waiting up to 5s for one\n", scene.dir());
    let said = said.strip_prefix(&waiting).expect(&said);
    let start = format!("ringlog: no ring \"app\" in {}; ", scene.dir());
    assert!(said.starts_with(&start) && !said.contains("at least"), "{said}");
    let put = lines_before(said, " lines were put before it, ");
    assert_eq!(put + lines_before(said, " lines were not; "), LINES, "{said}");
    let lost = format!("{}/app was removed: ", scene.dir());
    let rest = said.split(&lost).nth(1).unwrap();
    assert_eq!(lines_before(rest, " lines in it are not persisted and lost with it"), put, "{said}");
}

#[test]
fn lines_lost_with_a_removed_ring_are_a_failure() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let putting = putting(&scene);
    scene.ringlog(&["rm", "app", "--force"]).ok();
    let message = "1 line in it is not persisted and lost with it";
    putting.output().fails(3, &format!("ringlog: {}/app was removed: {message}", scene.dir()));
}

#[test]
fn lines_that_a_writer_drains_from_a_removed_ring_are_not_lost() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let writer = scene.writer("app", &["--out", "app.log", "--format", "raw"]);
    let putting = putting(&scene);
    scene.ringlog(&["rm", "app", "--force"]).ok();
    let ended = putting.output();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    writer.output().ok();
    assert_eq!(scene.read("app.log"), "a line\n");
}

#[test]
fn a_writer_of_a_removed_ring_is_waited_for() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let writer = scene.writer("app", &["--out", "app.log", "--format", "raw"]);
    writer.signal(Signal::SIGSTOP);
    let putting = putting(&scene);
    scene.ringlog(&["rm", "app", "--force"]).ok();
    let ended = std::thread::spawn(|| putting.output());
    // Long enough for a `put` that does not wait to end.
    for _ in 0..30 {
        assert!(!ended.is_finished(), "{:?}", ended.join());
        std::thread::sleep(Duration::from_millis(10));
    }
    writer.signal(Signal::SIGCONT);
    let ended = ended.join().unwrap();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    writer.output().ok();
    assert_eq!(scene.read("app.log"), "a line\n");
}

#[test]
fn putting_goes_on_with_the_ring_that_takes_the_place() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let said = fs::File::create(scene.file("said")).unwrap();
    let mut command = scene.command(&["put", "app", "-"]);
    let mut putting = Running::start(command.stdin(Stdio::piped()).stderr(said));
    putting.0.write(b"a line\n");
    wait_until("the line", || published(&scene) == 1);
    fs::remove_file(scene.ring("app")).unwrap();
    // The path is looked at once a second: each line until then is in the removed ring.
    let waiting = format!("ringlog: no ring \"app\" in {}; waiting up to 10s for one\n", scene.dir());
    let mut put = 0;
    wait_until("the wait", || {
        putting.0.write(b"another line\n");
        put += 1;
        scene.read("said") == waiting
    });
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    drop(putting.0.take_stdin());
    assert!(putting.0.wait().success());
    let stat = scene.ringlog(&["stat", "app", "--json"]).ok();
    let stat: serde_json::Value = serde_json::from_str(&stat.stdout).unwrap();
    let in_ring = stat["published"].as_u64().unwrap();
    assert!(in_ring > 0, "the line that was refused is put");
    assert_eq!(in_ring + stat["refused"]["left"].as_u64().unwrap(), 1 + put, "{stat}");
    assert_eq!(stat["dropped"], stat["refused"]["left"], "{stat}");
    assert_eq!(scene.read("said"), waiting);
}

/// The help says so: `put` does not end with 3 then.
#[test]
fn lines_left_in_a_replaced_ring_are_reported_by_the_next_one() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let mut putting = putting(&scene);
    scene.ringlog(&["rm", "app", "--force"]).ok();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    // The path is looked at once a second: until then lines go into the removed ring.
    let mut put = 1;
    wait_until("a line in the new ring", || {
        putting.0.write(b"another line\n");
        put += 1;
        published(&scene) > 0
    });
    let ended = putting.output();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    scene.ringlog(&["writer", "app", "--out", "app.log", "--until-idle"]).ok();
    let log = scene.read("app.log");
    let left = lines_before(
        &log.replace("record ", "records "),
        " records missing here: left in a ring that was removed or replaced",
    );
    let there = log.lines().filter(|line| line.ends_with(" another line")).count() as u64;
    assert_eq!(left + there, put, "{log}");
}
