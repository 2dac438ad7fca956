//! `--config`, `--check` and `ringlog reload` on the command line.

mod common;

use std::fs;

use common::{Scene, wait_until};

const GOOD: &str = r#"[handlers.file]
kind = "file"
path = "app.log"
formatter = "raw"
[root]
handlers = ["file"]
"#;

fn scene(config: &str) -> Scene {
    let scene = Scene::new();
    fs::write(scene.file("ringlog.toml"), config).unwrap();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    scene
}

fn check(scene: &Scene) -> (Option<i32>, String) {
    let ended = scene.ringlog(&["writer", "app", "--config", "ringlog.toml", "--check"]);
    assert_eq!(ended.stdout.is_empty(), ended.code != Some(0), "{ended:?}");
    (ended.code, ended.stderr)
}

#[test]
fn check_says_what_each_handler_guarantees() {
    let consoles = "[handlers.console]\nkind = \"console\"\n[root]\nhandlers = [\"console\"]\n";
    let scene = scene(consoles);
    let said = || scene.ringlog(&["writer", "app", "--config", "ringlog.toml", "--check"]).ok().stdout;
    let waits = "when it cannot be written, or is slow, its records wait in the rings";
    let full = "a full ring drops new ones, or its callers wait, as its policy says";
    let beside_others = "if all rings have the policy `drop` and one is nearly full, others go on without it, and it \
                         lacks records";
    let twice = "When the writer is killed and starts again, its last lines may be written twice";
    let alone = "handler \"console\" (standard error): at least once, console alone.";
    assert_eq!(said(), format!("{alone} {twice}; {waits}; {full}\n"));
    let files = "[handlers.plain]\nkind = \"file\"\npath = \"plain.log\"\ncheckpoint = false\n\
                 [handlers.null]\nkind = \"null\"\n[handlers.file]\nkind = \"file\"\npath = \"app.log\"\n";
    let root = |handlers: &str| {
        let config = consoles.replace("[\"console\"]", handlers);
        fs::write(scene.file("ringlog.toml"), format!("{config}{files}")).unwrap();
    };
    root("[\"console\", \"plain\", \"null\"]");
    let beside = "handler \"console\" (standard error): best effort, console beside a file or a pipe. When the writer \
                  is killed and starts again, lines queued for it are lost, or its last lines are written twice; when \
                  it cannot be written, or is slow, it is waited for until 1 MiB of lines is queued, then records are \
                  left out";
    let plain = format!(
        "handler \"plain\" (plain.log): at least once, file without a checkpoint. {twice}; {waits}; {beside_others}; \
         {full}"
    );
    let null = "handler \"null\": discards every record";
    let expected = |file: &str| format!("{beside}\n{plain}\n{null}\nhandler \"file\" (app.log): {file}\n");
    assert_eq!(said(), expected("no logger uses it"));
    root("[\"console\", \"plain\", \"null\", \"file\"]");
    let once = "When the writer is killed and starts again, every record that the rings keep for it is in it exactly \
                once";
    let once = format!("exactly once, file with a checkpoint. {once}; {waits}");
    assert_eq!(said(), expected(&format!("{once}; {beside_others}; {full}")));
    // Handlers of one file share it: there is no other output.
    let shared = "[handlers.one]\nkind = \"file\"\npath = \"app.log\"\n[handlers.two]\nkind = \"file\"\n\
                  path = \"app.log\"\n[root]\nhandlers = [\"one\", \"two\"]\n";
    fs::write(scene.file("ringlog.toml"), shared).unwrap();
    let lines = ["one", "two"].map(|name| format!("handler {name:?} (app.log): {once}; {full}\n"));
    assert_eq!(said(), lines.concat());
}

#[test]
fn check_reports_errors_and_creates_no_file() {
    let scene = scene(GOOD);
    assert_eq!(check(&scene), (Some(0), String::new()));
    let unused = format!("{GOOD}[handlers.other]\nkind = \"null\"\n");
    fs::write(scene.file("ringlog.toml"), unused).unwrap();
    let (code, said) = check(&scene);
    assert!(code == Some(0) && said.starts_with("ringlog.toml:7:"), "{said}");
    let rotated = GOOD.replace("formatter = \"raw\"", "rotate.size = \"1MiB\"");
    fs::write(scene.file("ringlog.toml"), rotated).unwrap();
    assert_eq!(check(&scene), (Some(0), String::new()));
    fs::write(scene.file("app.log.1"), "").unwrap();
    let (code, said) = check(&scene);
    let warning =
        "ringlog.toml:3:8: warning: 1 closed file of app.log is of another naming, such as app.log.1; ";
    assert!(code == Some(0) && said.starts_with(warning), "{said}");
    for (bad, expected) in [
        (GOOD.replace("path", "pth"), "ringlog.toml:3:1: unknown key \"pth\""),
        (
            GOOD.replace("app.log", "no/app.log"),
            "ringlog.toml:3:8: cannot open no/app.log for writing: there is no directory no",
        ),
    ] {
        fs::write(scene.file("ringlog.toml"), bad).unwrap();
        let (code, said) = check(&scene);
        assert!(code == Some(2) && said.contains(expected), "{said}");
        let ended = scene.ringlog(&["writer", "app", "--config", "ringlog.toml", "--until-idle"]);
        assert!(
            ended.code != Some(0) && ended.stderr.contains(expected.split(": ").last().unwrap()),
            "{ended:?}"
        );
    }
    assert!(!scene.file("app.log").exists() && !scene.file("app.log.checkpoint").exists());
}

#[test]
fn a_reload_takes_effect_or_is_refused_with_the_reason() {
    let scene = scene(GOOD);
    let writer = scene.writer("app", &["--config", "ringlog.toml"]);
    scene.ringlog(&["put", "app", "one"]).ok();
    wait_until("the first line", || scene.read("app.log") == "one\n");
    fs::write(scene.file("ringlog.toml"), GOOD.replace("app.log", "other.log")).unwrap();
    scene.ringlog(&["reload", "app"]).ok();
    scene.ringlog(&["put", "app", "two"]).ok();
    wait_until("the second line", || scene.read("other.log") == "two\n");
    fs::write(scene.file("ringlog.toml"), "[root]\nhandler = []\n").unwrap();
    let refused = scene.ringlog(&["reload", "app"]);
    assert!(
        refused.code == Some(1) && refused.stderr.contains("the previous one stays in force"),
        "{refused:?}"
    );
    scene.ringlog(&["put", "app", "three"]).ok();
    wait_until("the third line", || scene.read("other.log") == "two\nthree\n");
    assert_eq!(scene.read("app.log"), "one\n");
    scene.ringlog(&["stop", "app"]).ok();
    let said = writer.output().stderr;
    assert!(said.contains("ringlog.toml:2:1: unknown key \"handler\""), "{said}");
}

#[test]
fn flags_that_a_configuration_sets_are_refused_beside_it() {
    let scene = scene(GOOD);
    for option in
        [&["--out", "x.log"][..], &["--format", "json"], &["--rotate-size", "1MiB"], &["--grace", "5"]]
    {
        let ended = scene.ringlog(&[&["writer", "app", "--config", "ringlog.toml"], option].concat());
        assert!(ended.code == Some(2) && ended.stderr.contains("cannot be used with"), "{ended:?}");
    }
    let ended = scene.ringlog(&["writer", "--until-idle"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("RING"), "{ended:?}");
    let ended = scene.ringlog(&["writer", "app", "other"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("--config"), "{ended:?}");
    fs::write(scene.file("ringlog.toml"), GOOD).unwrap();
    let ended = scene.ringlog(&["writer", "--config", "ringlog.toml"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("names no ring"), "{ended:?}");
}

#[test]
fn a_reload_without_a_writer_is_refused() {
    let scene = scene(GOOD);
    let ended = scene.ringlog(&["reload", "app"]);
    let expected =
        format!("ringlog: no writer drains {}/app, so there is no configuration in force\n", scene.dir());
    assert_eq!((ended.code, ended.stderr), (Some(1), expected));
}
