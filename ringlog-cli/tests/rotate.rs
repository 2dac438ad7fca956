//! `ringlog rotate` says which outputs cannot be rotated, and fails if there are no others.

mod common;

use std::fs;
use std::process::Stdio;

use common::{Running, Scene, wait_until};

/// What the writer says on standard error once it is stopped.
fn stopped(scene: &Scene, writer: Running) -> String {
    scene.ringlog(&["stop", "app"]).ok();
    writer.output().ok().stderr
}

fn nothing(kind: &str) -> String {
    format!(
        "ringlog: nothing was rotated: the writer writes to {kind}, which cannot be rotated; its standard error names \
         the output"
    )
}

#[test]
fn an_output_that_cannot_be_rotated_is_named() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    for (args, kind, message) in [
        (
            &["--out", "/dev/null"][..],
            "a pipe or a device",
            "/dev/null cannot be rotated: a pipe or a device has",
        ),
        (
            &["--out", "a.log", "--no-checkpoint"],
            "a file without a checkpoint",
            "a.log cannot be rotated: without a",
        ),
        (&["--out", "-"], "the console", "standard output cannot be rotated: the console has"),
    ] {
        let mut command = scene.command(&[&["writer", "app"], args].concat());
        let writer = Running::start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        wait_until("a writer", || scene.ringlog(&["stat", "app"]).stdout.contains(&writer.holder()));
        scene.ringlog(&["rotate", "app"]).fails(1, &nothing(kind));
        let said = stopped(&scene, writer);
        assert!(said.contains(message), "{said}");
    }
}

#[test]
fn the_files_beside_such_an_output_are_rotated() {
    const CONFIG: &str = r#"
[handlers.file]
kind = "file"
path = "app.log"
rotate = { naming = "number" }
[handlers.device]
kind = "file"
path = "/dev/null"
[root]
handlers = ["file", "device"]
"#;
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    fs::write(scene.file("ringlog.toml"), CONFIG).unwrap();
    let writer = scene.writer("app", &["--config", "ringlog.toml"]);
    scene.ringlog(&["put", "app", "one"]).ok();
    wait_until("the line", || fs::metadata(scene.file("app.log")).is_ok_and(|meta| meta.len() > 0));
    let rotated = scene.ringlog(&["rotate", "app"]).ok();
    assert_eq!(
        rotated.stderr,
        "ringlog: the files were rotated; but the writer writes to a pipe or a device, which cannot be rotated; its \
         standard error names the output\n"
    );
    assert!(scene.file("app.000001.log").exists());
    stopped(&scene, writer);
}
