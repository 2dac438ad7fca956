//! What `stop` says of the records that are left in the ring.

mod common;

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use common::{Running, Scene, wait_until};
use nix::sys::signal::Signal;

fn number_before(text: &str, what: &str) -> u64 {
    let at = text.find(what).unwrap_or_else(|| panic!("{text}, expected {what}"));
    text[..at].trim_end().rsplit(' ').next().unwrap().replace(',', "").parse().unwrap()
}

#[test]
fn what_a_stuck_writer_has_not_written_is_counted() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    nix::unistd::mkfifo(&scene.file("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _unread = File::options().read(true).write(true).open(scene.file("pipe")).unwrap();
    let lines: String = (0..200).map(|number| format!("{number:01000}\n")).collect();
    std::fs::write(scene.file("lines"), lines).unwrap();
    let put = scene.command(&["put", "app", "-"]).stdin(File::open(scene.file("lines")).unwrap()).status();
    assert!(put.unwrap().success());
    let said = Stdio::from(File::create(scene.file("said")).unwrap());
    let mut writer = Running::start(scene.command(&["writer", "app", "--out", "pipe"]).stderr(said));
    wait_until("the writer", || scene.ringlog(&["stat", "app"]).ok().stdout.contains("alive"));
    let stopped = scene.ringlog(&["stop", "app"]);
    assert_eq!(stopped.code, Some(3), "{stopped:?}");
    assert!(
        stopped.stderr.contains("; its messages say why it has not written them\n"),
        "{}",
        stopped.stderr
    );
    let left = number_before(&stopped.stderr, " records left in ");
    assert_eq!(writer.0.wait().code(), Some(3));
    // The writer counts the same, and so does the next one.
    assert_eq!(number_before(&scene.read("said"), " records are not written"), left);
    scene.ringlog(&["writer", "app", "--out", "rest", "--format", "raw", "--until-idle"]).ok();
    assert_eq!(scene.read("rest").lines().count() as u64, left);
}

/// Two outputs, of which one can never write; and records, more than the ring takes, until the other goes on alone.
fn with_an_output_that_is_left_out(scene: &Scene) -> Running {
    scene.ringlog(&["create", "app", "--size", "256KiB", "--overflow", "drop"]).ok();
    let text = "[handlers.full]\nkind = \"file\"\npath = \"/dev/full\"\n\
                [handlers.file]\nkind = \"file\"\npath = \"app.log\"\n\
                [root]\nhandlers = [\"full\", \"file\"]\n";
    std::fs::write(scene.file("app.toml"), text).unwrap();
    let said = Stdio::from(File::create(scene.file("said")).unwrap());
    let mut command = scene.command(&["writer", "app", "--config", "app.toml"]);
    let writer = Running::start(command.stderr(said));
    let lines = format!("{:100}\n", "record").repeat(1000);
    wait_until("records are left out", || {
        scene.ringlog_with(&["put", "app", "-"], lines.as_bytes());
        scene.ringlog(&["stat", "app"]).stdout.contains(" records left out")
    });
    writer
}

#[test]
fn an_output_that_lacks_records_is_named_though_none_are_left() {
    let scene = Scene::new();
    let mut writer = with_an_output_that_is_left_out(&scene);
    let stopped = scene.ringlog(&["stop", "app"]);
    assert_eq!(writer.0.wait().code(), Some(3), "{}", scene.read("said"));
    assert!(stopped.stderr.contains(" has ended; 0 records left in "), "{stopped:?}");
    assert_eq!(stopped.code, Some(3), "{stopped:?}");
    let line = stopped.stderr.lines().nth(1).unwrap();
    let named = "ringlog: output /dev/full: at least once, given up and left out, since ";
    assert!(line.starts_with(named), "{stopped:?}");
    assert!(line.contains(": No space left on device (os error 28); "), "{stopped:?}");
    // As many as the writer has said last.
    let left_out = number_before(line, " records left out");
    assert_eq!(number_before(&scene.read("said"), " records that other handlers have written"), left_out);
    assert_eq!(stopped.stderr.lines().count(), 2, "the error is that of the output: {stopped:?}");
}

#[test]
fn records_that_wait_without_a_writer_are_counted() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let path = scene.ring("app").display().to_string();
    scene.ringlog(&["stop", "app"]).ok();
    for (count, left) in [(1, "1 record is left in it"), (2, "2 records are left in it")] {
        scene.ringlog(&["put", "app", "line"]).ok();
        let message = format!("ringlog: no writer drains {path}; {left} for the next writer");
        scene.ringlog(&["stop", "app"]).fails(3, &message);
        assert!(scene.ringlog(&["stat", "app"]).ok().stdout.contains(&format!(" {count} behind")));
    }
    scene.ringlog(&["writer", "app", "--out", "app.log", "--until-idle"]).ok();
    let none = scene.ringlog(&["stop", "app"]).ok();
    assert_eq!(none.stderr, format!("ringlog: no writer drains {path}\n"));
}

#[test]
fn what_is_logged_after_the_request_is_the_next_writers() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "16MiB"]).ok();
    let mut logging = scene.shell("while ringlog put app line; do :; done", std::path::Path::new("/"));
    let _logging = Running::start(&mut logging);
    let mut writer = Running::start(&mut scene.command(&["writer", "app", "--out", "app.log"]));
    wait_until("the writer", || scene.ringlog(&["stat", "app"]).ok().stdout.contains("alive"));
    scene.ringlog(&["put", "app", "the last before"]).ok();
    let stopped = scene.ringlog(&["stop", "app"]);
    assert!(writer.0.wait().success(), "what comes later is not its own");
    assert!(scene.read("app.log").contains("the last before"));
    let is_left = !stopped.stderr.contains("; 0 records left in ");
    assert_eq!(stopped.code, Some(if is_left { 3 } else { 0 }), "{stopped:?}");
    assert_eq!(
        stopped.stderr.contains(": logged after it was asked to end\n"),
        is_left,
        "{}",
        stopped.stderr
    );
}

/// A write to a terminal blocks in the kernel. One signal ends the writer all the same.
#[test]
fn terminals_that_nobody_reads_keep_no_writer_from_ending() {
    for (terminals, signals) in [(1, 1), (12, 1), (12, 2)] {
        let scene = Scene::new();
        scene.ringlog(&["create", "app", "--size", "4MiB"]).ok();
        let lines: String = (0..3000).map(|number| format!("{number:090}\n")).collect();
        std::fs::write(scene.file("lines"), lines).unwrap();
        let put =
            scene.command(&["put", "app", "-"]).stdin(File::open(scene.file("lines")).unwrap()).status();
        assert!(put.unwrap().success());
        let pairs: Vec<_> = (0..terminals).map(|_| nix::pty::openpty(None, None).unwrap()).collect();
        let names = pairs.iter().map(|pair| nix::unistd::ttyname(&pair.slave).unwrap().display().to_string());
        let mut config = "stop-timeout = \"1s\"\n[root]\nhandlers = [".to_owned();
        config.extend((0..terminals).map(|number| format!("\"t{number}\", ")));
        config.push_str("]\n");
        for (number, name) in names.enumerate() {
            config.push_str(&format!("[handlers.t{number}]\nkind = \"file\"\npath = \"{name}\"\n"));
        }
        std::fs::write(scene.file("app.toml"), config).unwrap();
        let said = Stdio::from(File::create(scene.file("said")).unwrap());
        let mut command = scene.command(&["writer", "app", "--config", "app.toml"]);
        let mut writer = Running::start(command.stderr(said));
        wait_until("a blocked output", || {
            scene.ringlog(&["stat", "app"]).ok().stdout.contains("blocked: it takes nothing")
        });
        for number in 0..signals {
            writer.signal(Signal::SIGTERM);
            if number == 0 {
                wait_until("the stop", || scene.ringlog(&["stat", "app"]).code == Some(0));
            }
        }
        // Far more than the second and a half that it takes.
        let ended = writer.0.wait_within(Duration::from_secs(20));
        assert_eq!(ended.and_then(|status| status.code()), Some(3), "{}", scene.read("said"));
        let left = number_before(&scene.ringlog(&["stat", "app"]).ok().stdout, " behind");
        assert_eq!(left, 3000);
    }
}
