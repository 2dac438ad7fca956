//! Paths and names with control characters: no command prints them as they are.

mod common;

use std::os::unix::fs::PermissionsExt;

use common::{Ended, Scene};

const EVIL: &str = "a\nb\x1b[31m\u{202e}\u{200f}";

/// Standard error without its own ends of lines, and standard output, hold nothing that a terminal acts on.
#[track_caller]
fn is_clean(ended: Ended) -> Ended {
    for text in [&ended.stdout, &ended.stderr] {
        let harmful = text.lines().any(|line| line.contains(ringlog::admin::is_harmful) || line == "b");
        assert!(!harmful && !text.contains("a\nb"), "{ended:#?}");
    }
    ended
}

#[test]
fn no_command_prints_control_characters_of_paths() {
    let scene = Scene::new();
    let dir = scene.ring(EVIL);
    std::fs::create_dir(&dir).unwrap();
    let (ring, none) = (dir.join(EVIL), dir.join("none"));
    let (ring, none) = (ring.to_str().unwrap(), none.to_str().unwrap());
    let file = scene.file(EVIL);
    let file = file.to_str().unwrap();
    let no_directory = format!("{file}/x/y");
    std::fs::write(dir.join("no ring"), "\x1b[31mno ring").unwrap();
    let no_ring = dir.join("no ring");
    let no_ring = no_ring.to_str().unwrap();
    let run = |args: &[&str]| is_clean(scene.ringlog(args));
    run(&["create", ring, "--size", "1MiB"]).ok();
    run(&["put", ring, "hello"]).ok();
    for with in [ring, none, no_ring] {
        let all: [&[&str]; 14] = [
            &["create", with],
            &["info", with],
            &["stat", with],
            &["stat", with, "--json"],
            &["tail", with, "--lines", "1"],
            &["level", with],
            &["level", with, "debug", "--pid", "1"],
            &["rotate", with],
            &["reload", with],
            &["stop", with],
            &["put", with, "hello"],
            &["writer", with, "--out", &no_directory, "--until-idle"],
            &["writer", with, "--config", &no_directory],
            &["writer", with, "--out", file, "--until-idle"],
        ];
        for args in all {
            if (with, args[0]) != (none, "create") {
                run(args);
            }
        }
    }
    run(&["verify", file]);
    run(&["verify", &no_directory]);
    run(&["import", &no_directory]);
    run(&["run", "--out", &no_directory, "--", "true"]);
    run(&["run", "--", file]);
    std::fs::write(scene.file("config"), format!("rings = [{none:?}]\n[x\x1b]\n")).unwrap();
    run(&["writer", "--config", scene.file("config").to_str().unwrap()]);
    // A directory of rings with such a name, and one that cannot be read.
    let in_dir = |args: &[&str]| {
        is_clean(Ended::of(args, scene.command(args).env("RINGLOG_DIR", &dir).output().unwrap()))
    };
    in_dir(&["ls"]).ok();
    in_dir(&["ls", "--json"]).ok();
    in_dir(&["stat", "rin"]);
    std::fs::set_permissions(ring, std::fs::Permissions::from_mode(0o644)).unwrap();
    run(&["rm", ring]).ok();
    run(&["rm", ring]);
    in_dir(&["ls"]).ok();
}

/// clap would show them as they are.
#[test]
fn errors_in_arguments_are_harmless() {
    let scene = Scene::new();
    let hostile = "a\u{202e}b\nringlog: all is well\u{1b}[31m";
    for arguments in [
        &["info", "app", hostile][..],
        &["stat", "app", "--fail-if", hostile],
        &["create", "app", "--group", hostile],
        &["create", "app", "--size", hostile],
        &["writer", "app", "--zone", hostile],
        &["level", "app", hostile],
        &[hostile],
    ] {
        let ended = scene.ringlog(arguments);
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(!ended.stderr.contains(['\u{202e}', '\u{1b}']), "{ended:#?}");
        assert!(!ended.stderr.lines().any(|line| line.starts_with("ringlog: all is well")), "{ended:#?}");
        assert!(ended.stderr.contains("all is well"), "it is shown: {ended:#?}");
    }
}
