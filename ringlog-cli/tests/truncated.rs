//! `ringlog writer`, `tail`, `stat` and `put` while the ring's file is truncated.

mod common;

use std::io::Write;
use std::process::Stdio;

use common::{Ended, Running, Scene, wait_until};

fn start(scene: &Scene, args: &[&str]) -> Running {
    let mut command = scene.command(args);
    Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()))
}

/// Waits for the first line of output, then reads the rest in a thread.
fn shows(child: &mut Running) {
    let mut lines = child.lines();
    assert!(lines.next().is_some());
    std::thread::spawn(move || lines.count());
}

/// Asserts that a command failed with this message.
#[track_caller]
fn said(ended: &Ended, words: &str) {
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.lines().any(|line| line.contains(words)), "not {words:?}: {ended:#?}");
}

#[test]
fn a_truncated_ring_ends_every_command_with_a_message() {
    for size in [0, 4096, 100_001, 500_000] {
        let scene = Scene::new();
        scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
        let bytes = scene.ring("app").metadata().unwrap().len();
        let mut put = start(&scene, &["put", "app", "--timeout", "30s", "-"]);
        let mut pipe = put.0.take_stdin();
        pipe.write_all(&b"one line\n".repeat(100)).unwrap();
        let writer = scene.writer("app", &["--out", "app.log"]);
        let mut tail = start(&scene, &["tail", "--follow", "-n", "1", "app"]);
        let mut stat = start(&scene, &["stat", "--watch", "0.1", "app"]);
        shows(&mut tail);
        shows(&mut stat);
        let lines = || scene.file("app.log").exists().then(|| scene.read("app.log").lines().count());
        wait_until("the lines", || lines() == Some(100));

        std::fs::File::options().write(true).open(scene.ring("app")).unwrap().set_len(size).unwrap();
        let lost = format!("app was lost while in use: it was truncated to {size} of its {bytes} bytes; ");
        let writer = writer.output();
        said(&writer, &lost);
        assert!(writer.stderr.starts_with("ringlog-writer: "), "{writer:#?}");
        said(&tail.output(), &lost);
        said(&stat.output(), if size == 0 { "is not a ring: it is empty" } else { "is damaged: cut to" });
        // More than the block of `put` holds. The pipe breaks when `put` ends.
        while pipe.write_all(&b"more\n".repeat(1000)).is_ok() {}
        said(&put.output(), &lost);
        let log = scene.read("app.log");
        assert!(log.lines().take(100).all(|line| line.ends_with(" one line")), "persisted lines stay");
        assert!(log.lines().skip(100).all(|line| line.ends_with(" more")), "there are no other lines: {log}");
    }
}
