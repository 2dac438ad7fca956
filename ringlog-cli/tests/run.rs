//! `ringlog run` behaves as its command does; `tail`, `stop` and the JSON outputs.

mod common;

use std::process::Stdio;

use common::{Running, Scene, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn run_exits_as_its_command_did() {
    let scene = Scene::new();
    let code = |command: &[&str]| scene.ringlog(&[&["run", "--out", "app.log", "--"], command].concat()).code;
    assert_eq!(code(&["true"]), Some(0));
    assert_eq!(code(&["sh", "-c", "exit 7"]), Some(7));
    assert_eq!(code(&["sh", "-c", "kill -KILL $$"]), Some(137));
    assert_eq!(code(&["sh", "-c", "kill -TERM $$"]), Some(143));
}

#[test]
fn run_reports_why_a_command_did_not_start() {
    let scene = Scene::new();
    let run = |out: &str, command: &str| scene.ringlog(&["run", "--out", out, "--", command]);
    run("app.log", "no-such-command-here")
        .fails(127, "ringlog: cannot run no-such-command-here: there is no such command");
    run("app.log", "/dev/null").fails(126, "ringlog: cannot run /dev/null: Permission denied (os error 13)");
    run("no/app.log", "true").fails(
        125,
        "ringlog: cannot open no/app.log for writing: there is no directory no; make it with `mkdir -p no`",
    );
    let left: Vec<_> = std::fs::read_dir(scene.dir()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_signal_reaches_the_command_and_its_last_lines_are_kept() {
    let scene = Scene::new();
    let script =
        "trap 'ringlog put . goodbye; exit 9' TERM; ringlog put . ready; while :; do sleep 0.05; done";
    let mut command = scene.command(&["run", "--out", "app.log", "--", "sh", "-c", script]);
    let run = Running::start(command.stderr(Stdio::piped()));
    wait_until("the command", || scene.file("app.log").exists() && scene.read("app.log").contains("ready"));
    run.signal(Signal::SIGTERM);
    let ended = run.output();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(9), ""));
    assert!(scene.read("app.log").ends_with(" goodbye\n"));
}

/// The command is left in the process table until the writer has seen there how it ended: on any kernel.
#[test]
fn run_writes_how_its_command_ended() {
    let scene = Scene::new();
    let mut command = scene.command(&["run", "--out", "app.log", "--", "ringlog", "put", ".", "-"]);
    let mut run = Running::start(command.stdin(Stdio::piped()).stderr(Stdio::piped()));
    run.0.write(b"a line\n");
    let is_written = || scene.file("app.log").exists() && scene.read("app.log").contains(" a line\n");
    wait_until("the line", is_written);
    let log = scene.read("app.log");
    let (pid, _) = log.split_once("put[").unwrap().1.split_once('/').unwrap();
    kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
    assert_eq!(run.output().code, Some(137));
    let log = scene.read("app.log");
    let end = format!(" process ringlog (pid {pid}) was killed by signal 9 (SIGKILL)\n");
    assert!(log.ends_with(&end) && log.lines().count() == 2, "{log}");
}

#[test]
fn run_reports_processes_that_a_command_leaves_behind() {
    let scene = Scene::new();
    // The left process holds the ring open while it waits for its standard input, which ends with the test. It must not
    // hold our pipes, which we read to their ends.
    let script =
        "ringlog put . - < $1 > /dev/null 2>&1 & while ! ringlog stat . | grep -q alive; do sleep 0.05; done";
    let pipe = scene.file("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let end = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let script = script.replace("$1", pipe.to_str().unwrap());
    let ended = scene.ringlog(&["run", "--out", "app.log", "--", "sh", "-c", &script]).ok();
    drop(end);
    assert!(ended.stderr.contains(" is in use by ringlog (pid "), "{ended:#?}");
    assert!(ended.stderr.contains("; it is removed nevertheless"), "{ended:#?}");
    assert_eq!(std::fs::read_dir(scene.dir()).unwrap().count(), 0);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app"]).ok();
    scene.ringlog_with(&["put", "app", "-"], &b"a line of some length\n".repeat(50_000)).ok();
    let mut command = scene.command(&["tail", "app", "-n", "50000"]);
    let mut tail = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    assert!(tail.lines().next().unwrap().ends_with(" a line of some length"));
    // Dropping the iterator closed the pipe, long before the last line.
    let ended = tail.output();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn tail_follows_until_it_is_interrupted() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    scene.ringlog(&["tail", "app"]).fails(5, &format!("ringlog: nothing to show in {}/app", scene.dir()));
    scene.ringlog(&["put", "app", "before"]).ok();
    let mut command = scene.command(&["tail", "app", "-f", "--format", "raw", "--level", "info"]);
    let mut tail = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut lines = tail.lines();
    assert_eq!(lines.next().unwrap(), "before");
    scene.ringlog(&["put", "app", "--level", "debug", "unwanted"]).ok();
    scene.ringlog(&["put", "app", "after"]).ok();
    assert_eq!(lines.next().unwrap(), "after");

    scene.ringlog(&["rm", "app", "--force"]).ok();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    scene.ringlog(&["put", "app", "anew"]).ok();
    assert_eq!(lines.next().unwrap(), "anew");
    tail.signal(Signal::SIGINT);
    let ended = tail.output();
    let expected = format!("ringlog: {}/app was replaced; continuing with the new ring\n", scene.dir());
    assert_eq!((ended.code, ended.stderr), (Some(0), expected));
}

#[test]
fn stop_waits_and_gives_up_with_a_message() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let none = scene.ringlog(&["stop", "app"]).ok();
    assert_eq!(none.stderr, format!("ringlog: no writer drains {}/app\n", scene.dir()));

    let writer = scene.writer("app", &["--out", "app.log"]);
    writer.signal(Signal::SIGSTOP);
    let message = format!(
        "ringlog: {} still drains {}/app after 100ms: 0 records behind; it ends when that is written",
        writer.holder(),
        scene.dir()
    );
    scene.ringlog(&["stop", "app", "--timeout", "100ms"]).fails(5, &message);
    writer.signal(Signal::SIGCONT);
    scene.ringlog(&["stop", "app"]).ok();
}

#[test]
fn json_output_has_all_facts() {
    let scene = Scene::new();
    let json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&scene.ringlog(args).ok().stdout).unwrap()
    };
    let created = json(&["create", "app", "--size", "1MiB", "--overflow", "block:2s", "--json"]);
    assert_eq!((&created["overflow"], &created["block_bytes"]), (&"block:2s".into(), &8192.into()));
    scene.ringlog(&["put", "app", "hi"]).ok();
    std::fs::write(scene.ring("notes"), "no ring").unwrap();

    let rings = json(&["ls", "--json"]);
    assert_eq!((&rings[0]["name"], &rings[0]["published"]), (&"app".into(), &1.into()));
    let error = format!("{}/notes is not a ring: it starts with \"no ring\"", scene.dir());
    assert_eq!((&rings[1]["name"], &rings[1]["error"]), (&"notes".into(), &error.into()));

    let stat = json(&["stat", "app", "--json"]);
    assert_eq!((&stat["lanes"][1]["thread"], &stat["lanes"][1]["state"]), (&"main".into(), &"closed".into()));
    assert_eq!((&stat["behind"], &stat["writer"]), (&1.into(), &serde_json::Value::Null));
    assert_eq!(json(&["info", "app", "--json"])["is_of_this_boot"], true);
    assert_eq!(json(&["tail", "app", "--format", "json"])["message"], "hi");
}
