//! `ringlog stat` after an unclean exit: how many blocks were freed, within which time, and how processes ended.

mod common;

use std::process::Stdio;

use common::{Running, Scene, wait_until};

fn stat(scene: &Scene) -> serde_json::Value {
    let stat = scene.ringlog(&["stat", "app", "--json"]).ok();
    serde_json::from_str(&stat.stdout).unwrap()
}

/// A `put` that has logged one line and waits for the next.
fn putting(scene: &Scene) -> Running {
    let before = stat(scene)["published"].as_u64();
    let mut command = scene.command(&["put", "app", "-"]);
    let mut putting = Running::start(command.stdin(Stdio::piped()));
    putting.0.write(b"a line\n");
    wait_until("the line", || stat(scene)["published"].as_u64() > before);
    putting
}

#[test]
fn stat_shows_the_reclaim_time_in_text_and_json() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let fresh = scene.ringlog(&["stat", "app"]).ok();
    let line = "reclaim   0 blocks of ended owners freed; no writer has looked for ended owners";
    assert!(fresh.stdout.lines().any(|found| found == line), "{}", fresh.stdout);
    assert!(
        stat(&scene)["reclaim_looked_unix_ns"].is_null() && stat(&scene)["reclaimed_within_ns"].is_null()
    );

    let _writer = scene.writer("app", &["--out", "app.log"]);
    wait_until("the first check", || !stat(&scene)["reclaim_looked_unix_ns"].is_null());
    let killed = putting(&scene);
    let pid = killed.id();
    drop(killed);
    wait_until("the block", || stat(&scene)["reclaimed_blocks"] == 1);

    let json = stat(&scene);
    let (last, longest) = (json["reclaimed_within_ns"].as_u64(), json["reclaimed_within_max_ns"].as_u64());
    assert!(last > Some(0) && longest >= last, "{json:#}");
    let text = scene.ringlog(&["stat", "app"]).ok().stdout;
    let at_most = |ns: Option<u64>| match ns.unwrap().div_ceil(1_000_000) {
        ms @ 0..10_000 => format!("{ms} ms"),
        ms => format!("{} s", ms.div_ceil(1_000)),
    };
    let line = format!(
        "reclaim   1 block of an ended owner freed, the last at most {} after its owner's end, the longest {}; \
         a writer last looked for ended owners ",
        at_most(last),
        at_most(longest)
    );
    assert!(text.lines().any(|found| found.starts_with(&line) && found.ends_with(" ago")), "{text}");
    let dead = json["lanes"].as_array().unwrap().iter().filter(|lane| lane["state"] == "dead");
    assert!(dead.clone().all(|lane| lane["pid"] == pid), "{json:#}");
    assert_eq!(dead.count(), 2, "the lanes of the process and of its thread");
}

#[test]
fn stat_counts_ends_that_have_no_line() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let mut expected = 0;
    for options in [&["--no-exit-notices"][..], &[]] {
        // The counts outlive the writer.
        let writer = scene.writer("app", &[&["--out", "app.log"], options].concat());
        let before = scene.read("app.log").lines().count();
        drop(putting(&scene));
        expected += 1;
        let ends = |json: serde_json::Value| {
            ["signal", "status", "exec", "unknown"]
                .iter()
                .map(|c| json["ends"][c].as_u64().unwrap())
                .sum::<u64>()
        };
        wait_until("the end", || ends(stat(&scene)) == expected);
        scene.ringlog(&["stop", "app"]).ok();
        let written = writer.output();
        let lines = scene.read("app.log").lines().count() - before;
        assert_eq!(lines, if options.is_empty() { 2 } else { 1 }, "{options:?}");
        assert!(!written.stderr.contains("(pid "), "{written:?}");
        let text = scene.ringlog(&["stat", "app"]).ok().stdout;
        let line = format!("ends      {expected} process");
        assert!(text.lines().any(|found| found.starts_with(&line)), "{text}");
    }
}
