//! Lock files of rings that were removed by hand: `ringlog rm` removes them, but none that is in use.

mod common;

use std::fs;
use std::process::Stdio;

use common::{Running, Scene, wait_until};

fn files(scene: &Scene) -> Vec<String> {
    let entries = fs::read_dir(scene.dir()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn rm_removes_the_lock_files_of_rings_that_are_gone() {
    let scene = Scene::new();
    for name in ["app", "other"] {
        scene.ringlog(&["create", name, "--size", "1MiB"]).ok();
    }
    let mut command = scene.command(&["put", "other", "-"]);
    let user = Running::start(command.stdin(Stdio::piped()).stderr(Stdio::null()));
    wait_until("it is attached", || scene.ringlog(&["stat", "other"]).stdout.contains("alive"));
    fs::remove_file(scene.ring("app")).unwrap();
    fs::remove_file(scene.ring("other")).unwrap();
    assert_eq!(files(&scene).len(), 2);
    // A lock file is no ring.
    let listed = scene.ringlog(&["ls"]).ok();
    assert!(listed.stderr.contains("no rings in"), "{listed:#?}");

    let removed = scene.ringlog(&["rm", "app"]);
    let said: Vec<&str> = removed.stderr.lines().collect();
    assert_eq!((removed.code, said.len()), (Some(4), 2), "{said:#?}");
    assert!(said[0].ends_with(".lock, the lock file of a ring that is gone"), "{said:#?}");
    assert_eq!(said[1], format!("ringlog: no ring \"app\" in {}", scene.dir()));
    assert_eq!(files(&scene).len(), 1, "the other one is in use");
    user.output();
    scene.ringlog(&["rm", "app"]);
    assert_eq!(files(&scene), [""; 0]);
}
