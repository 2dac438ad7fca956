//! What `stat` and `ls` say of the writer and of its outputs.

mod common;

use std::fs::File;
use std::process::Stdio;

use common::{Running, Scene, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

/// The first output in `stat --json`.
fn output(scene: &Scene, ring: &str) -> Value {
    status(scene, ring)["outputs"][0].clone()
}

fn status(scene: &Scene, ring: &str) -> Value {
    let stat = scene.ringlog(&["stat", ring, "--json"]).ok().stdout;
    serde_json::from_str::<Value>(&stat).unwrap()["status"].clone()
}

fn put(scene: &Scene, ring: &str, count: usize) {
    let lines: String = (0..count).map(|number| format!("record {number:100}\n")).collect();
    assert_eq!(scene.ringlog_with(&["put", ring, "-"], lines.as_bytes()).code, Some(0));
}

fn log_into(scene: &Scene, ring: &str, args: &[&str]) -> Running {
    let running = scene.writer(ring, args);
    wait_until("a status", || status(scene, ring)["pid"] == running.id());
    running
}

/// So many lines of these texts stand behind one of a later time, in the same text.
fn late_in(texts: &[String]) -> u64 {
    let late = |text: &String| {
        let (mut newest, mut late) = ("", 0);
        for time in text.lines().filter_map(|line| line.split(' ').next()) {
            late += u64::from(time < newest);
            newest = newest.max(time);
        }
        late
    };
    texts.iter().map(late).sum()
}

#[test]
fn the_numbers_of_an_output_are_those_of_its_file() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let writer = log_into(&scene, "app", &["--out", "app.log"]);
    for round in 1..=2 {
        put(&scene, "app", 500);
        let text = || scene.read("app.log");
        wait_until("the lines", || text().lines().count() == 500 * round);
        wait_until("the status", || output(&scene, "app")["records"] == 500 * round);
        let output = output(&scene, "app");
        assert_eq!(output["bytes"], text().len());
        assert_eq!(
            (&output["queued"], &output["left_out"], &output["late"]),
            (&0.into(), &0.into(), &0.into())
        );
        assert_eq!(output["state"], "ok");
        assert_eq!(output["guarantee"], "exactly once");
    }
    let stat = scene.ringlog(&["stat", "app"]).ok().stdout;
    let line =
        format!("\noutput    {}: exactly once, ok; 1,000 records written, ", scene.file("app.log").display());
    assert!(stat.contains(&line), "{stat}");
    let said = stat.lines().find(|line| line.starts_with("outputs   as the writer said ")).unwrap();
    assert!(said.ends_with(" ago; it reports changes once a second"), "{said}");
    writer.signal(Signal::SIGTERM);
    writer.output();
    let stat = scene.ringlog(&["stat", "app"]).ok().stdout;
    assert!(stat.contains("\noutputs   of the last writer (pid "), "{stat}");
    assert!(stat.contains("), which ended; as it said "), "{stat}");
}

#[test]
fn late_lines_are_counted_in_each_file_also_after_a_kill() {
    let scene = Scene::new();
    for ring in ["old", "new", "older"] {
        scene.ringlog(&["create", ring, "--size", "1MiB"]).ok();
    }
    put(&scene, "older", 100);
    put(&scene, "old", 300);
    put(&scene, "new", 50);
    // The younger records first: all others that come into the same file are late.
    let writer = log_into(&scene, "new", &["--out", "app.log"]);
    wait_until("the first", || scene.read("app.log").lines().count() == 50);
    writer.signal(Signal::SIGKILL);
    writer.output();
    let rotating = ["--out", "app.log", "--rotate-size", "20000", "--naming", "number", "--keep", "20"];
    let writer = log_into(&scene, "old", &rotating);
    wait_until("the second", || scene.ringlog(&["stat", "old"]).stdout.contains(" 300 persisted"));
    writer.signal(Signal::SIGKILL);
    writer.output();
    let writer = log_into(&scene, "older", &rotating);
    wait_until("the third", || scene.ringlog(&["stat", "older"]).stdout.contains(" 100 persisted"));
    wait_until("the status", || output(&scene, "older")["records"] == 100);
    let closed = (1..20).map(|number| scene.read(&format!("app.{number:06}.log")));
    let texts: Vec<String> = closed.chain([scene.read("app.log")]).collect();
    assert_eq!(texts.iter().map(|text| text.lines().count()).sum::<usize>(), 450);
    let late = late_in(&texts);
    assert!(late > 20, "{late} lines are late");
    assert_eq!(output(&scene, "older")["late"], late);
    drop(writer);
}

/// An orderly end leaves nothing to continue where a checkpoint is not needed any more.
#[test]
fn late_lines_are_counted_since_the_checkpoint_was_made() {
    for (args, is_kept) in
        [(&["--out", "app.log"][..], false), (&["--out", "app.log", "--rotate-size", "1GiB"], true)]
    {
        let scene = Scene::new();
        for ring in ["old", "new"] {
            scene.ringlog(&["create", ring, "--size", "1MiB"]).ok();
        }
        put(&scene, "old", 30);
        put(&scene, "new", 1);
        let writer = log_into(&scene, "new", args);
        wait_until("the younger record", || scene.read("app.log").lines().count() == 1);
        writer.signal(Signal::SIGKILL);
        writer.output();
        let writer = log_into(&scene, "old", args);
        wait_until("the late records", || output(&scene, "old")["records"] == 30);
        assert_eq!(output(&scene, "old")["late"], 30, "after a kill the count goes on");
        writer.signal(Signal::SIGTERM);
        writer.output();
        put(&scene, "old", 1);
        let _writer = log_into(&scene, "old", args);
        wait_until("the last record", || output(&scene, "old")["records"] == 1);
        let expected = if is_kept { 30 } else { 0 };
        assert_eq!(
            (output(&scene, "old")["late"].as_u64(), scene.read("app.log").lines().count()),
            (Some(expected), 32)
        );
    }
}

#[test]
fn an_output_that_fails_says_why_and_since_when() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let said = Stdio::from(File::create(scene.file("said")).unwrap());
    let mut command = scene.command(&["writer", "app", "--out", "/dev/full"]);
    let _writer = Running::start(command.stderr(said));
    wait_until("a writer", || scene.ringlog(&["stat", "app"]).stdout.contains("\noutput    /dev/full"));
    let healthy = scene.ringlog(&["stat", "app", "--fail-if", "failing > 0", "--fail-if", "behind > 10s"]);
    assert_eq!((healthy.code, healthy.stderr.as_str()), (Some(0), ""));
    put(&scene, "app", 100);
    wait_until("the failure", || output(&scene, "app")["state"] == "failing");
    let first = output(&scene, "app");
    assert_eq!(first["failure"]["error"], "No space left on device (os error 28)");
    let queued = first["queued"].as_u64().unwrap();
    assert!((1..=100).contains(&queued) && first["oldest_unix_ns"].is_u64(), "{first}");
    let stat = scene.ringlog(&["stat", "app"]).ok().stdout;
    assert!(stat.contains("/dev/full: at least once, failing, since "), "{stat}");
    assert!(stat.contains(": No space left on device (os error 28); 0 records written, 0 B; "), "{stat}");
    let listed = scene.ringlog(&["ls"]).ok().stdout;
    assert!(listed.contains(" 1 of 1 in trouble"), "{listed}");
    let ill = scene.ringlog(&["stat", "app", "--fail-if", "failing > 0"]);
    let path = scene.ring("app");
    let expected = format!("ringlog: {}: failing > 0; it is 1\n", path.display());
    assert_eq!((ill.code, ill.stderr), (Some(1), expected));
    assert!(ill.stdout.starts_with("ring "), "it is shown nevertheless: {}", ill.stdout);
    // The time of the first failure stays, also in a later status.
    put(&scene, "app", 100);
    wait_until("more", || output(&scene, "app")["queued"] == 200);
    assert!(scene.ringlog(&["stat", "app"]).ok().stdout.contains(" 200 behind by "));
    assert_eq!(output(&scene, "app")["failure"]["since_unix_ns"], first["failure"]["since_unix_ns"]);
}

#[test]
fn retries_are_counted_over_reloads() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let text = "[handlers.full]\nkind = \"file\"\npath = \"/dev/full\"\n[root]\nhandlers = [\"full\"]\n";
    std::fs::write(scene.file("app.toml"), text).unwrap();
    let mut command = scene.command(&["writer", "app", "--config", "app.toml"]);
    let _writer = Running::start(command.stderr(Stdio::null()));
    wait_until("a status", || !output(&scene, "app").is_null());
    assert_eq!(output(&scene, "app")["retries"], 0);
    assert!(!scene.ringlog(&["stat", "app"]).ok().stdout.contains("tried again"));
    put(&scene, "app", 1);
    // The pauses between them become longer, so those after the reload take as long again.
    let retries = || output(&scene, "app")["retries"].as_u64().unwrap();
    wait_until("retries", || retries() >= 8);
    let loaded = || status(&scene, "app")["config"]["loaded_unix_ns"].clone();
    let before = (retries(), loaded());
    scene.ringlog(&["reload", "app"]).ok();
    wait_until("the next", || loaded() != before.1);
    let after = retries();
    assert!(after >= before.0, "{after} after {}", before.0);
    let stat = scene.ringlog(&["stat", "app"]).ok().stdout;
    assert!(stat.contains("; tried again ") && stat.contains(" times\n"), "{stat}");
    let fails = |condition| scene.ringlog(&["stat", "app", "--fail-if", condition]).code;
    assert_eq!((fails("retries > 7"), fails("retries > 1000")), (Some(1), Some(0)));
}

#[test]
fn an_output_that_takes_nothing_is_blocked() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    nix::unistd::mkfifo(&scene.file("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _unread = File::options().read(true).write(true).open(scene.file("pipe")).unwrap();
    let _writer = log_into(&scene, "app", &["--out", "pipe"]);
    put(&scene, "app", 2000);
    wait_until("it is blocked", || output(&scene, "app")["state"] == "blocked");
    let stat = scene.ringlog(&["stat", "app"]).ok().stdout;
    assert!(stat.contains("/pipe: at least once, blocked: it takes nothing; "), "{stat}");
}

#[test]
fn outputs_count_over_reloads_and_a_refused_one_is_shown() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let config = |level: &str| {
        let text = format!(
            "[handlers.file]\nkind = \"file\"\npath = \"app.log\"\nlevel = \"{level}\"\n\
             [root]\nhandlers = [\"file\"]\n"
        );
        std::fs::write(scene.file("app.toml"), text).unwrap();
    };
    config("info");
    let mut command = scene.command(&["writer", "app", "--config", "app.toml"]);
    let _writer = Running::start(command.stderr(Stdio::null()));
    wait_until("a status", || !output(&scene, "app").is_null());
    put(&scene, "app", 100);
    wait_until("the records", || output(&scene, "app")["records"] == 100);
    let loaded = status(&scene, "app")["config"]["loaded_unix_ns"].clone();
    config("warning");
    scene.ringlog(&["reload", "app"]).ok();
    wait_until("the next", || status(&scene, "app")["config"]["loaded_unix_ns"] != loaded);
    assert_eq!(output(&scene, "app")["records"], 100);
    // An output that a reload removes and a later one brings back goes on counting.
    let changed = || status(&scene, "app")["config"]["loaded_unix_ns"].clone();
    for (from, to) in [("app.log", "between.log"), ("between.log", "app.log")] {
        let (before, path) = (changed(), scene.file("app.toml"));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(from, to)).unwrap();
        scene.ringlog(&["reload", "app"]).ok();
        wait_until("the other output", || changed() != before);
        assert_eq!(output(&scene, "app")["records"], if to == "app.log" { 100 } else { 0 });
    }
    let loaded = status(&scene, "app")["config"]["loaded_unix_ns"].clone();
    // It can be read, but cannot take effect: another writer has the file.
    scene.ringlog(&["create", "other", "--size", "1MiB"]).ok();
    let _other = log_into(&scene, "other", &["--out", "other.log"]);
    let path = scene.file("app.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("app.log", "other.log")).unwrap();
    assert_eq!(scene.ringlog(&["reload", "app"]).code, Some(1));
    let refused =
        || status(&scene, "app")["config"]["refused"]["error"].as_str().unwrap_or_default().to_owned();
    wait_until("the refusal", || refused().contains("other.log"));
    assert_eq!(status(&scene, "app")["config"]["loaded_unix_ns"], loaded);
    config("loud");
    assert_eq!(scene.ringlog(&["reload", "app"]).code, Some(1));
    wait_until("the refusal", || refused().contains("loud"));
    assert_eq!(status(&scene, "app")["config"]["loaded_unix_ns"], loaded);
    let stat = scene.ringlog(&["stat", "app"]).ok().stdout;
    assert!(stat.contains("\nconfig    a later one was refused "), "{stat}");
    assert!(stat.contains("loud"), "{stat}");
}

#[test]
fn a_killed_writer_leaves_its_last_words() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    put(&scene, "app", 10);
    let writer = log_into(&scene, "app", &["--out", "app.log"]);
    wait_until("the records", || output(&scene, "app")["records"] == 10);
    let holder = writer.id();
    writer.signal(Signal::SIGKILL);
    writer.output();
    put(&scene, "app", 3);
    let stat = scene.ringlog(&["stat", "app"]).ok().stdout;
    let last =
        format!("\noutputs   of the last writer (pid {holder}), which did not end in order; as it said ");
    assert!(stat.contains(&last), "{stat}");
    assert!(stat.contains("\nwriter    none\n") && stat.contains(", 3 behind by "), "{stat}");
    let ill =
        ["stat", "app", "--fail-if", "writers < 1", "--fail-if", "behind > 0s", "--fail-if", "polled > 1d"];
    let ended = scene.ringlog(&ill);
    let said: Vec<&str> = ended.stderr.lines().map(|line| line.split(": ").last().unwrap()).collect();
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        (said.len(), said[0], said[2]),
        (3, "writers < 1; it is 0", "polled > 1d; it is without a writer")
    );
    // It goes with its ring.
    scene.ringlog(&["writer", "app", "--out", "app.log", "--until-idle"]).ok();
    scene.ringlog(&["rm", "app"]).ok();
    assert_eq!(std::fs::read_dir(scene.dir()).unwrap().count(), 0);
}

#[test]
fn all_rings_are_shown_at_once() {
    let scene = Scene::new();
    let none = scene.ringlog(&["stat"]).ok();
    assert!(none.stderr.contains("no rings in "), "{none:#?}");
    assert_eq!(scene.ringlog(&["stat", "--fail-if", "behind > 10s"]).code, Some(5));
    for ring in ["app", "other"] {
        scene.ringlog(&["create", ring, "--size", "1MiB"]).ok();
    }
    let all = scene.ringlog(&["stat"]).ok().stdout;
    let rings: Vec<&str> = all.lines().filter(|line| line.starts_with("ring ")).collect();
    assert_eq!(rings.len(), 2, "{all}");
    let json: Value = serde_json::from_str(&scene.ringlog(&["stat", "--json"]).ok().stdout).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 2);
    // One that is not there does not hide the other.
    let some = scene.ringlog(&["stat", "none", "app"]);
    assert_eq!(some.code, Some(4));
    assert!(some.stdout.starts_with("ring ") && some.stderr.contains("no ring \"none\""), "{some:#?}");
    assert_eq!(scene.ringlog(&["stat", "app", "--fail-if", "speed > 3"]).code, Some(2));
    assert_eq!(scene.ringlog(&["stat", "--watch"]).code, Some(2));
}

#[test]
fn a_damaged_status_hides_nothing_else() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let lock = std::fs::read_dir(scene.dir()).unwrap().map(|entry| entry.unwrap().path());
    let lock = lock.into_iter().find(|path| path.extension().is_some_and(|end| end == "lock")).unwrap();
    std::fs::write(lock.with_extension("status"), "{\"format\":1").unwrap();
    let stat = scene.ringlog(&["stat", "app"]).ok().stdout;
    assert!(
        stat.contains("\noutputs   not known: what the writer says of them cannot be read: EOF"),
        "{stat}"
    );
    let json = scene.ringlog(&["stat", "app", "--json"]).ok().stdout;
    assert!(json.contains("\"status\":null,\"status_error\":\"EOF"), "{json}");
    let ended = scene.ringlog(&["stat", "app", "--fail-if", "failing > 0"]);
    assert_eq!(ended.code, Some(0), "no writer has outputs: {ended:#?}");
    // Of a writer that runs they are not known to be ok.
    let _writer = log_into(&scene, "app", &["--out", "app.log"]);
    assert_eq!(scene.ringlog(&["stat", "app", "--fail-if", "failing > 0"]).code, Some(0));
    std::fs::write(lock.with_extension("status"), "{\"format\":1").unwrap();
    let ended = scene.ringlog(&["stat", "app", "--fail-if", "failing > 0", "--fail-if", "dropped > 0"]);
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(1), 1), "{ended:#?}");
    assert!(ended.stderr.contains(": failing > 0; it is not known: EOF"), "{ended:#?}");
    let listed = scene.ringlog(&["ls"]).ok().stdout;
    assert!(listed.lines().nth(1).unwrap().ends_with(" ?"), "{listed}");
}

#[test]
fn what_stays_in_the_ring_is_not_left_out() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let writer = log_into(&scene, "app", &["--out", "/dev/full"]);
    let lines: String = (0..12_000).map(|number| format!("{number}\n")).collect();
    assert_eq!(scene.ringlog_with(&["put", "app", "-"], lines.as_bytes()).code, Some(0));
    wait_until("the failure", || output(&scene, "app")["state"] == "failing");
    writer.signal(Signal::SIGTERM);
    assert_eq!(writer.output().code, Some(3));
    let last = output(&scene, "app");
    assert_eq!((&last["state"], &last["left_out"]), (&"given_up".into(), &0.into()), "{last}");
    assert!((1..12_000).contains(&last["queued"].as_u64().unwrap()), "not all were taken: {last}");
    assert_eq!(scene.ringlog(&["stat", "app", "--fail-if", "left_out > 0"]).code, Some(0));
    scene.ringlog(&["writer", "app", "--out", "app.log", "--until-idle"]).ok();
    assert_eq!(scene.read("app.log").lines().count(), 12_000);
}

#[test]
fn an_output_that_fails_and_is_left_out_says_both() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "256KiB", "--overflow", "drop"]).ok();
    let text = "[handlers.full]\nkind = \"file\"\npath = \"/dev/full\"\n\
                [handlers.file]\nkind = \"file\"\npath = \"app.log\"\n\
                [root]\nhandlers = [\"full\", \"file\"]\n";
    std::fs::write(scene.file("app.toml"), text).unwrap();
    let mut command = scene.command(&["writer", "app", "--config", "app.toml"]);
    let writer = Running::start(command.stderr(Stdio::null()));
    wait_until("a status", || !output(&scene, "app").is_null());
    let lines = format!("{:100}\n", "record").repeat(1000);
    let left_out = || output(&scene, "app")["left_out"].as_u64().unwrap();
    // The ring is full of what the failing output has not written, until the other goes on without it.
    wait_until("records are left out", || {
        scene.ringlog_with(&["put", "app", "-"], lines.as_bytes());
        left_out() > 0
    });
    let says_both = |state: &str, words: &str| {
        let now = output(&scene, "app");
        assert_eq!((&now["state"], &now["is_left_out"]), (&state.into(), &true.into()), "{now}");
        assert_eq!(now["failure"]["error"], "No space left on device (os error 28)");
        let stat = scene.ringlog(&["stat", "app"]).ok().stdout;
        let line = stat.lines().find(|line| line.starts_with("output    /dev/full")).unwrap();
        assert!(line.contains(&format!(", {words}, since ")) && line.contains(" records left out"), "{line}");
        let ill = scene.ringlog(&["stat", "app", "--fail-if", "failing > 0", "--fail-if", "left_out > 0"]);
        assert_eq!((ill.code, ill.stderr.lines().count()), (Some(1), 2), "{ill:#?}");
    };
    says_both("failing", "failing and left out");
    writer.signal(Signal::SIGTERM);
    assert_eq!(writer.output().code, Some(3));
    says_both("given_up", "given up and left out");
}
