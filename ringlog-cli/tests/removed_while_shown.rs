//! Commands that show a ring, or drain it, while it is removed.

mod common;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use common::{Running, Scene, wait_until};
use nix::sys::signal::Signal;

/// Starts a command whose messages go to the file `said`, and what it shows to the file `shown`.
fn start(scene: &Scene, args: &[&str]) -> Running {
    let file = |name| Stdio::from(fs::File::create(scene.file(name)).unwrap());
    Running::start(scene.command(args).stdout(file("shown")).stderr(file("said")))
}

fn await_text(scene: &Scene, file: &str, text: &str) {
    wait_until(text, || scene.read(file).contains(text));
}

fn create(scene: &Scene) {
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
}

#[test]
fn tail_says_that_its_ring_was_removed_and_goes_on() {
    let scene = Scene::new();
    create(&scene);
    scene.ringlog(&["put", "app", "before"]).ok();
    let mut tail = start(&scene, &["tail", "app", "-f", "--format", "raw"]);
    await_text(&scene, "shown", "before");
    fs::remove_file(scene.ring("app")).unwrap();
    await_text(
        &scene,
        "said",
        "app was removed; its last records have been shown; waiting for a ring of this name",
    );
    create(&scene);
    await_text(&scene, "said", "app is there again; continuing with the new ring");
    scene.ringlog(&["put", "app", "after"]).ok();
    await_text(&scene, "shown", "after");
    fs::remove_file(scene.ring("app")).unwrap();
    wait_until("the second report", || scene.read("said").matches("was removed; ").count() == 2);
    tail.signal(Signal::SIGINT);
    assert!(tail.0.wait().success());
    assert_eq!(scene.read("said").lines().count(), 3, "{}", scene.read("said"));
}

#[test]
fn a_watched_stat_says_that_its_ring_was_removed_and_goes_on() {
    let scene = Scene::new();
    create(&scene);
    let _stat = start(&scene, &["stat", "app", "--watch", "0.1"]);
    await_text(&scene, "shown", "records   0 published");
    fs::remove_file(scene.ring("app")).unwrap();
    await_text(
        &scene,
        "said",
        "app was removed; its last counters have been shown; waiting for a ring of this name",
    );
    create(&scene);
    await_text(&scene, "said", "app is there again; continuing with the new ring");
    scene.ringlog(&["put", "app", "after"]).ok();
    await_text(&scene, "shown", "records   1 published");
    assert_eq!(scene.read("said").lines().count(), 2, "{}", scene.read("said"));
}

/// A shell without job control starts its commands in the background so.
#[test]
fn a_watched_stat_ends_though_it_was_started_to_ignore_sigint() {
    let scene = Scene::new();
    create(&scene);
    let mut command = scene.shell("trap '' INT; exec ringlog stat app --watch 60", Path::new("/"));
    let shown = fs::File::create(scene.file("shown")).unwrap();
    let mut stat = Running::start(command.stdout(shown));
    await_text(&scene, "shown", "records   0 published");
    stat.signal(Signal::SIGINT);
    let ended = stat.0.wait_within(Duration::from_secs(10));
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
}

#[test]
fn a_watched_stat_has_a_least_interval() {
    let scene = Scene::new();
    create(&scene);
    for short in ["0", "0.09", "99ms"] {
        let ended = scene.ringlog(&["stat", "app", "--watch", short]);
        assert!(
            ended.code == Some(2) && ended.stderr.contains("is too short; expected at least 0.1"),
            "{ended:#?}"
        );
    }
}

#[test]
fn a_writer_says_once_that_its_ring_was_removed() {
    let scene = Scene::new();
    create(&scene);
    let mut writer = start(&scene, &["writer", "app", "--out", "app.log"]);
    // A ring that is removed before the writer has begun is one that is not there.
    wait_until("the writer", || scene.ringlog(&["stat", "app"]).stdout.contains("\noutput "));
    fs::remove_file(scene.ring("app")).unwrap();
    let path = scene.ring("app").display().to_string();
    await_text(
        &scene,
        "said",
        &format!(
            "{path} was removed; what programs log into the removed ring is drained as before, but no program that \
             starts now finds it; make it again with `ringlog create {path}`, or start the writer with --create\n"
        ),
    );
    create(&scene);
    await_text(&scene, "said", "was replaced by another ring; going on with both");
    scene.ringlog(&["stop", "app"]).ok();
    assert!(writer.0.wait().success());
    assert_eq!(scene.read("said").matches("was removed; ").count(), 1, "{}", scene.read("said"));
}

#[test]
fn a_writer_says_when_its_wait_is_over() {
    let scene = Scene::new();
    let mut writer = start(&scene, &["writer", "app", "--wait", "--out", "app.log"]);
    await_text(&scene, "said", "waiting for the ring app\n");
    create(&scene);
    await_text(&scene, "said", "app is there\n");
    writer.signal(Signal::SIGTERM);
    assert!(writer.0.wait().success());
}
