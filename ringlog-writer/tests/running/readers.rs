//! A user who may only read an output has no power over its writers.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::Ordering;

use ringlog_testkit::Stranger;
use ringlog_writer::rotation::Rotation;
use ringlog_writer::{Options, Signals, run_with};

use crate::common::{EventLog, eventually};
use crate::scene::Scene;

const HELD: &str = "another writer is writing to it";

/// A directory that others may look into, with an output and its checkpoint that the last writer left.
fn left(rotation: Rotation) -> Scene {
    let mut scene = Scene::new(rotation);
    fs::set_permissions(scene.dir.path(), Permissions::from_mode(0o755)).unwrap();
    scene.log(1);
    let options = scene.options();
    scene.beside_a_writer(&options, |scene, _| {
        scene.flush();
        let copy = scene.path("kept");
        fs::copy(scene.path("app.log.checkpoint"), copy).unwrap();
    });
    fs::rename(scene.path("kept"), scene.path("app.log.checkpoint")).unwrap();
    fs::set_permissions(scene.path("app.log"), Permissions::from_mode(0o644)).unwrap();
    scene
}

fn set_mode(scene: &Scene, name: &str, mode: u32) {
    fs::set_permissions(scene.path(name), Permissions::from_mode(mode)).unwrap();
}

fn mode(scene: &Scene, name: &str) -> u32 {
    scene.path(name).metadata().unwrap().mode() & 0o7777
}

fn refusal(options: &Options) -> String {
    run_with(options, &Signals::default(), &mut EventLog::default()).unwrap_err().to_string()
}

#[test]
fn a_readers_lock_keeps_no_writer_out() {
    let mut scene = left(Rotation { size: Some(31), ..Rotation::default() });
    set_mode(&scene, "app.log.checkpoint", 0o600);
    let Some(stranger) = Stranger::locking(scene.dir.path()) else { return };
    assert_eq!(stranger.opened(), 1, "the output, and nothing else");
    let options = scene.options();
    scene.beside_a_writer(&options, |scene, _| {
        scene.log(2);
        scene.flush();
        // A second writer of the output is refused as ever.
        let other = Scene::new(Rotation::default());
        let mut options = other.options();
        options.out = scene.options().out;
        let said = refusal(&options);
        assert!(said.contains(HELD), "{said}");
        // Also with locks on files that were begun since.
        scene.log(5);
        scene.flush();
        let _later = Stranger::locking(scene.dir.path()).unwrap();
        scene.log(5);
        scene.flush();
    });
    let names = scene.names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(scene.numbers(&names), (0..13).collect::<Vec<_>>());
    assert_eq!(scene.messages(), [""; 0]);
}

#[test]
fn a_checkpoint_opens_for_its_writers_alone() {
    // Who may write it may go on with it: a group of users, for example.
    for (found, expected) in [(0o600, 0o600), (0o644, 0o600), (0o640, 0o600), (0o664, 0o660), (0o666, 0o666)]
    {
        let mut scene = left(Rotation::default());
        set_mode(&scene, "app.log.checkpoint", found);
        let options = scene.options();
        scene.beside_a_writer(&options, |scene, _| {
            scene.log(1);
            scene.flush();
            assert_eq!(mode(scene, "app.log.checkpoint"), expected, "found with mode {found:o}");
        });
        assert_eq!(scene.numbers(&["app.log"]), [0, 1]);
    }
    let mut scene = Scene::new(Rotation::default());
    let options = scene.options();
    scene.beside_a_writer(&options, |scene, _| {
        scene.log(1);
        scene.flush();
        assert_eq!(mode(scene, "app.log.checkpoint") & 0o044, 0, "a new one");
        fs::remove_file(scene.path("app.log.checkpoint")).unwrap();
        eventually("it is there again", || scene.path("app.log.checkpoint").exists());
        assert_eq!(mode(scene, "app.log.checkpoint") & 0o044, 0, "one that was made anew");
    });
}

#[test]
fn a_lock_from_before_is_called_a_readers() {
    let scene = left(Rotation::default());
    set_mode(&scene, "app.log.checkpoint", 0o644);
    let Some(_stranger) = Stranger::locking(scene.dir.path()) else { return };
    let said = refusal(&scene.options());
    let path = scene.path("app.log.checkpoint").display().to_string();
    let remedy = format!("`cp {path} {path}.copy && mv {path}.copy {path}`");
    assert!(said.contains("a process that may only read") && said.contains(&remedy), "{said}");
    let copy = scene.path("copy");
    fs::copy(&path, &copy).unwrap();
    fs::rename(&copy, &path).unwrap();
    scene.drain();
    assert_eq!(scene.numbers(&["app.log"]), [0]);
}

#[test]
fn each_new_file_gets_the_lock() {
    let (mut one, other) = (left(Rotation::default()), Scene::new(Rotation::default()));
    let options = one.options();
    let stranger = Stranger::locking(one.dir.path());
    one.beside_a_writer(&options, |one, signals| {
        // The lock of a reader ends, or the file is another one: the writer takes its own.
        drop(stranger);
        signals.rotate.store(true, Ordering::SeqCst);
        eventually("the next file", || one.names().len() == 2);
        one.log(1);
        one.flush();
        fs::hard_link(one.path("app.log"), other.path("app.log")).unwrap();
        eventually("a second writer is refused", || {
            let signals = Signals::default();
            signals.stop.store(true, Ordering::SeqCst);
            run_with(&other.options(), &signals, &mut EventLog::default())
                .is_err_and(|error| error.to_string().contains(HELD))
        });
    });
}
