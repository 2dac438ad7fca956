//! `ringlog level`: rules are shown, changed, and undone when they end.

mod common;

use std::process::Stdio;

use common::{Running, Scene, wait_until};
use nix::sys::signal::Signal;
use ringlog::schema::{Definition, Site};
use ringlog::{Level, Ring};

fn with_ring() -> Scene {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    scene
}

fn rules(scene: &Scene) -> String {
    scene.ringlog(&["level", "app"]).ok().stdout
}

const NONE: &str = "no rules are in force\n";

#[test]
fn rules_are_set_replaced_and_removed() {
    let scene = with_ring();
    assert_eq!(rules(&scene), NONE);
    let shown = scene.ringlog(&["level", "app", "warn", "db.pool=trace", "http=35"]).ok();
    let expected = "\
RULE FOR  LEVEL   PID  ENDS
(all)     WARN    all  never
db.pool   TRACE   all  never
http      WARN+5  all  never
";
    assert_eq!((shown.stdout.as_str(), shown.stderr.as_str()), (expected, ""));
    assert_eq!(rules(&scene), expected, "they stay");
    let shown = scene.ringlog(&["level", "app", "default", "db.pool=error", "http=default"]).ok();
    assert_eq!(shown.stdout, "RULE FOR  LEVEL  PID  ENDS\ndb.pool   ERROR  all  never\n");

    let shown = scene.ringlog(&["level", "app", "db=debug", "--pid", "999999999"]).ok();
    assert!(shown.stdout.ends_with("db        DEBUG  999999999  never\n"), "{shown:#?}");
    let note = format!("ringlog: no process 999999999 logs into {}/app at the moment\n", scene.dir());
    assert_eq!(shown.stderr, note, "a mistyped number is noticed");
    let shown = scene.ringlog(&["level", "app", "--reset", "--pid", "999999999"]).ok();
    assert_eq!(shown.stdout, "RULE FOR  LEVEL  PID  ENDS\ndb.pool   ERROR  all  never\n");
    let json = scene.ringlog(&["level", "app", "--json"]).ok().stdout;
    let rule = r#"{"logger":"db.pool","level":"ERROR","level_number":40,"pid":null,"until_unix":null}"#;
    assert_eq!(json, format!("{{\"path\":\"{}/app\",\"rules\":[{rule}],\"processes\":[]}}\n", scene.dir()));
    let shown = scene.ringlog(&["level", "app", "--reset", "db=info"]).ok();
    assert_eq!(shown.stdout, "RULE FOR  LEVEL  PID  ENDS\ndb        INFO   all  never\n");
    assert_eq!(scene.ringlog(&["level", "app", "--reset"]).ok().stdout, NONE);
}

#[test]
fn invalid_rules_are_refused_with_a_message() {
    let scene = with_ring();
    let refused = |args: &[&str], expected: &str| {
        let ended = scene.ringlog(args);
        assert!(ended.code == Some(2) && ended.stderr.contains(expected), "{ended:#?}");
    };
    refused(&["level", "app", "db=loud"], "\"loud\" is not a level; expected trace, debug");
    refused(&["level", "app", "=info"], "there is no logger before the `=`");
    refused(&["level", "app", "info", "--for", "soon"], "\"soon\" is not a duration");
    refused(&["level", "app", "--for", "1m"], "required arguments were not provided");
    refused(&["level", "app", "info", "--pid", "0"], "0 is not in 1..");
    let message = "ringlog: --for needs a level to set; `default` only removes rules, and that is not undone";
    scene.ringlog(&["level", "app", "default", "--for", "1m"]).fails(1, message);
    let message = format!("ringlog: no ring \"ap\" in {}; did you mean \"app\"?", scene.dir());
    scene.ringlog(&["level", "ap"]).fails(4, &message);
    scene.ringlog(&["level", "ap", "info", "--for", "1s"]).fails(4, &message);
    let many: Vec<String> = (0..100).map(|n| format!("logger.{n}=info")).collect();
    let arguments: Vec<&str> = ["level", "app"].into_iter().chain(many.iter().map(String::as_str)).collect();
    scene.ringlog(&arguments).fails(
        1,
        "ringlog: cannot steer levels: 100 rules take 1690 bytes, a ring keeps 1016: remove some with LOGGER=default",
    );
    let message =
        "ringlog: cannot steer levels: \"a\\tb\" is not a logger's name: it holds a control character";
    scene.ringlog(&["level", "app", "a\tb=info"]).fails(1, message);
    assert_eq!(rules(&scene), NONE, "nothing was changed");
}

/// Starts a command that keeps running to undo its rules.
fn staying(scene: &Scene, args: &[&str]) -> Running {
    let mut command = scene.command(&[&["level", "app"], args].concat());
    Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
}

#[test]
fn without_a_writer_the_command_undoes_the_rule_in_time() {
    let scene = with_ring();
    scene.ringlog(&["level", "app", "db=error"]).ok();
    let before = rules(&scene);
    let ended = staying(&scene, &["db=debug", "http=debug", "--for", "1s"]).output().ok();
    assert!(ended.stdout.contains("db        ERROR  all  never\ndb        DEBUG  all  in "), "{ended:#?}");
    let expected =
        format!("ringlog: no writer drains {}/app: this command keeps running to undo this at ", scene.dir());
    assert!(
        ended.stderr.starts_with(&expected) && ended.stderr.ends_with("\nringlog: undone\n"),
        "{ended:#?}"
    );
    assert_eq!(rules(&scene), before, "the earlier rule is in force again");
}

#[test]
fn a_signal_undoes_a_rule_at_once() {
    let scene = with_ring();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let command = staying(&scene, &["debug", "--for", "1h"]);
        wait_until("the rule", || rules(&scene).contains("DEBUG"));
        command.signal(signal);
        let ended = command.output().ok();
        assert!(ended.stderr.ends_with("ringlog: undone\n"), "{ended:#?}");
        assert_eq!(rules(&scene), NONE);
    }
    let command = staying(&scene, &["debug", "--for", "1h"]);
    wait_until("the rule", || rules(&scene).contains("DEBUG"));
    scene.ringlog(&["level", "app", "error"]).ok();
    let ended = command.output().ok();
    assert!(ended.stderr.ends_with("nothing is left to undo\n"), "{ended:#?}");
    assert!(rules(&scene).contains("ERROR"), "what another command has set stays");
}

#[test]
fn the_writer_undoes_expired_rules() {
    let scene = with_ring();
    let writer = scene.writer("app", &["--out", "app.log"]);
    let shown = scene.ringlog(&["level", "app", "db=debug", "--for", "1s"]).ok();
    let expected = format!("ringlog: the writer {} undoes this at ", writer.holder());
    assert!(shown.stderr.starts_with(&expected), "{shown:#?}");
    wait_until("the end of the rule", || rules(&scene) == NONE);
    scene.ringlog(&["stop", "app"]).ok();
    // If the command is killed before it can undo its rule, the next writer removes it.
    let mut command = staying(&scene, &["db=debug", "--for", "1s"]);
    wait_until("the rule", || rules(&scene).contains("DEBUG"));
    command.0.kill();
    wait_until("the time", || rules(&scene).contains("ago"));
    let _writer = scene.writer("app", &["--out", "app.log"]);
    wait_until("the end of the rule", || rules(&scene) == NONE);
}

#[test]
fn processes_are_shown_with_their_filters_and_levels() {
    let scene = with_ring();
    let ring = Ring::open(scene.ring("app").to_str().unwrap()).unwrap();
    let log = ring.logger();
    for logger in ["db.pool", "http"] {
        log.values(&Site::new(Definition::new(Level::INFO, logger)), &[]).unwrap();
    }
    let pid = std::process::id();
    let name = std::env::current_exe().unwrap().file_name().unwrap().to_str().unwrap()[..].to_owned();
    let name = &name[..name.len().min(32)];
    let shown = scene.ringlog(&["level", "app", "db=debug"]).ok().stdout;
    let rows = |filter: &str, http: &str| {
        [
            format!("{name}  {pid}  {filter}\n"),
            format!("db.pool  DEBUG  {name}  {pid}\nhttp     {http}  {name}  {pid}\n"),
        ]
    };
    for row in rows("none", "all  ") {
        assert!(shown.contains(&row), "{shown}\n{row}");
    }
    // A filter that is set after the process's lane was opened is shown too.
    ringlog::set_default(log, "error,db=warn".parse().unwrap()).unwrap();
    let shown = scene.ringlog(&["level", "app"]).ok().stdout;
    for row in rows("error,db=warn", "ERROR") {
        assert!(shown.contains(&row), "{shown}\n{row}");
    }
    let json = scene.ringlog(&["level", "app", "--json"]).ok().stdout;
    let logger = |name: &str, level: &str, number: u8| {
        format!("{{\"logger\":\"{name}\",\"level\":\"{level}\",\"level_number\":{number}}}")
    };
    let loggers = [logger("db.pool", "DEBUG", 10), logger("http", "ERROR", 40)].join(",");
    assert!(json.contains(&format!("\"filter\":\"error,db=warn\",\"loggers\":[{loggers}]")), "{json}");
}
