//! `ringlog resize`: a ring of another size takes the place of a ring.

mod common;

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use common::{Scene, wait_until};
use ringlog::Level;
use ringlog::admin::{LevelRule, change_levels};

fn with_ring() -> Scene {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB", "--lanes", "20"]).ok();
    scene
}

fn info(scene: &Scene) -> serde_json::Value {
    serde_json::from_str(&scene.ringlog(&["info", "app", "--json"]).ok().stdout).unwrap()
}

fn stat(scene: &Scene) -> serde_json::Value {
    serde_json::from_str(&scene.ringlog(&["stat", "app", "--json"]).ok().stdout).unwrap()
}

/// The names in the directory of rings: one ring and its lock file, if nothing was left behind.
fn files(scene: &Scene) -> Vec<String> {
    let entries = std::fs::read_dir(scene.dir()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Logs lines that tell this producer from others, until it is dropped.
struct Producer {
    child: Child,
    name: u32,
    lines: u32,
}

impl Producer {
    fn start(scene: &Scene, name: u32) -> Producer {
        let mut command = scene.command(&["put", "app", "-"]);
        let child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Producer { child, name, lines: 0 }
    }

    fn log(&mut self) {
        let line = format!("{} {} {}\n", self.name, self.lines, "x".repeat(200));
        self.child.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        self.lines += 1;
    }

    fn end(mut self) -> u32 {
        drop(self.child.stdin.take());
        let output = self.child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.lines
    }
}

/// How often each line of each producer is in the output, and the lines that are none.
fn arrived(json: &str) -> (BTreeMap<(u32, u32), u32>, Vec<String>) {
    let (mut found, mut others) = (BTreeMap::new(), Vec::new());
    for line in json.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = value["message"].as_str().unwrap_or_default();
        let mut words = text.split(' ').map_while(|word| word.parse::<u32>().ok());
        match words.next().zip(words.next()) {
            Some(key) => *found.entry(key).or_insert(0) += 1,
            None => others.push(line.to_owned()),
        }
    }
    (found, others)
}

#[test]
fn nothing_is_lost_while_a_writer_runs() {
    let scene = with_ring();
    let writer = scene.writer("app", &["--out", "app.json", "--format", "json"]);
    let mut producers: Vec<_> = (0..4).map(|name| Producer::start(&scene, name)).collect();
    for size in ["4MiB", "512KiB", "2MiB"] {
        let mut resizing = scene.command(&["resize", "app", size, "--lanes", "12"]).spawn().unwrap();
        // A thread moves with a record, so all go on until the writer has moved too.
        wait_until("the writer", || {
            for _ in 0..100 {
                producers.iter_mut().for_each(Producer::log);
                std::thread::sleep(Duration::from_millis(1));
            }
            resizing.try_wait().unwrap().is_some()
                && scene.ringlog(&["stat", "app"]).stdout.contains(&writer.holder())
        });
        assert!(resizing.wait().unwrap().success());
    }
    assert_eq!(info(&scene)["lane_count"], 12);
    let lines: Vec<_> = producers.into_iter().map(Producer::end).collect();
    scene.ringlog(&["stop", "app"]).ok();
    writer.output().ok();
    let (found, others) = arrived(&scene.read("app.json"));
    let expected = (0..4).flat_map(|name| (0..lines[name as usize]).map(move |line| ((name, line), 1)));
    assert_eq!(others, [""; 0]);
    assert_eq!(found, expected.collect());
    let verified = scene.ringlog(&["verify", "app.json"]).ok().stdout;
    assert!(verified.starts_with("complete: "), "{verified}");
}

#[test]
fn without_a_writer_it_is_refused_unless_forced() {
    let scene = with_ring();
    scene.ringlog(&["put", "app", "kept"]).ok();
    let resize = |more: &[&str]| scene.ringlog(&[&["resize", "app", "2MiB"], more].concat());
    let before = files(&scene);
    let message = |lost| {
        format!(
            "ringlog: cannot resize {}/app: no writer drains it, so {lost} would be lost; start its writer, or lose \
             them with --force",
            scene.dir()
        )
    };
    resize(&[]).fails(1, &message("1 record in it"));
    let mut producer = Producer::start(&scene, 0);
    producer.log();
    wait_until("its record", || stat(&scene)["published"] == 2);
    resize(&[]).fails(1, &message("2 records in it"));
    assert_eq!(files(&scene), before, "nothing is left behind");
    let forced = resize(&["--force"]).ok();
    assert_eq!(forced.stderr, "ringlog: 2 records in the old ring had not been persisted\n");
    // Those of the process that has ended are counted at once; those of the other one when it has moved.
    std::thread::sleep(Duration::from_millis(1_200));
    (0..100).for_each(|_| producer.log());
    producer.end();
    scene.ringlog(&["writer", "app", "--out", "app.json", "--format", "json", "--until-idle"]).ok();
    let (found, others) = arrived(&scene.read("app.json"));
    let left: u64 = others.iter().map(|line| left_in(line)).sum();
    assert_eq!((left + found.len() as u64, others.is_empty()), (102, false), "{others:?}");
}

/// No process that logs is there to count them.
#[test]
fn what_ended_processes_have_left_is_counted() {
    let scene = with_ring();
    (0..3).for_each(|_| _ = scene.ringlog(&["put", "app", "left"]).ok());
    scene.ringlog(&["resize", "app", "2MiB", "--force"]).ok();
    let writer = scene.writer("app", &["--out", "app.json", "--format", "json"]);
    wait_until("the gap", || !scene.read("app.json").is_empty());
    scene.ringlog(&["stop", "app"]).ok();
    writer.output().ok();
    let (found, others) = arrived(&scene.read("app.json"));
    assert_eq!((found.len(), others.iter().map(|line| left_in(line)).sum::<u64>()), (0, 3), "{others:?}");
}

/// The number of records that a line reports as left in a ring before.
fn left_in(line: &str) -> u64 {
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(value["gap"]["reason"], "left", "{line}");
    value["gap"]["count"].as_u64().unwrap()
}

#[test]
fn processes_that_may_still_log_count_as_well() {
    let scene = with_ring();
    let mut producer = Producer::start(&scene, 0);
    wait_until("its lane", || scene.ringlog(&["stat", "app"]).stdout.contains("alive"));
    let refused = scene.ringlog(&["resize", "app", "2MiB"]);
    assert!(
        refused.code == Some(1)
            && refused
                .stderr
                .contains("records that processes log until they find the new ring would be lost"),
        "{refused:#?}"
    );
    producer.log();
    producer.end();
}

#[test]
fn the_options_stay() {
    let scene = Scene::new();
    let create = [
        "create",
        "app",
        "--size",
        "1MiB",
        "--lanes",
        "20",
        "--block-size",
        "4096",
        "--definitions",
        "128KiB",
    ];
    let more = ["--overflow", "block:3s", "--mode", "640", "--clock", "monotonic"];
    scene.ringlog(&[&create[..], &more].concat()).ok();
    let ring = scene.ring("app");
    let rule = |pid, until_unix| LevelRule { logger: "db".to_owned(), level: Level::DEBUG, pid, until_unix };
    change_levels(ring.to_str().unwrap(), |rules| {
        rules.set(rule(None, Some(1 << 40)));
        rules.set(rule(Some(1), None));
    })
    .unwrap();
    let rules = scene.ringlog(&["level", "app", "--json"]).ok().stdout;
    let (before, overflow) = (info(&scene), stat(&scene)["overflow"].clone());
    let file = || std::fs::metadata(scene.ring("app")).unwrap();
    let old = file();
    let resized = scene.ringlog(&["resize", "app", "2MiB"]).ok().stdout;
    assert!(resized.starts_with(&format!("resized {}/app\n", scene.dir())), "{resized}");
    let after = info(&scene);
    for kept in ["lane_count", "block_bytes", "definition_bytes", "clock"] {
        assert_eq!(before[kept], after[kept], "{kept}");
        assert!(!after[kept].is_null(), "{kept}: {after}");
    }
    assert!(after["file_bytes"].as_u64() > before["file_bytes"].as_u64());
    assert_eq!(stat(&scene)["overflow"], overflow);
    let new = file();
    assert_eq!((new.mode(), new.uid(), new.gid()), (old.mode(), old.uid(), old.gid()));
    assert_ne!(new.ino(), old.ino());
    assert_eq!(scene.ringlog(&["level", "app", "--json"]).ok().stdout, rules);
    assert_eq!(files(&scene).len(), 2, "the old lock file is gone: {:?}", files(&scene));
    let changed = scene.ringlog(&["resize", "app", "2MiB", "--lanes", "10", "--definitions", "256KiB"]).ok();
    assert!(changed.stdout.contains("10: one for each thread"), "{changed:#?}");
}

/// 510 lanes are those of 16 MiB, and too many for 4 MiB.
#[test]
fn lanes_that_nobody_chose_are_those_of_the_new_size() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app"]).ok();
    let lanes = || info(&scene)["lane_count"].as_u64().unwrap();
    let resize = |size: &str| scene.ringlog(&["resize", "app", size]);
    for size in ["4MiB", "1MiB", "17MiB", "1000000", "16MiB"] {
        resize(size).ok();
        scene.ringlog(&["create", "fresh", "--size", size]).ok();
        let fresh = scene.ringlog(&["info", "fresh", "--json"]).ok().stdout;
        let fresh: serde_json::Value = serde_json::from_str(&fresh).unwrap();
        assert_eq!(lanes(), fresh["lane_count"], "{size}");
        scene.ringlog(&["rm", "fresh"]).ok();
    }
    // Those that somebody chose stay, or the error says how many fit.
    scene.ringlog(&["resize", "app", "16MiB", "--lanes", "400"]).ok();
    resize("15MiB").ok();
    assert_eq!(lanes(), 400);
    let refused = resize("1MiB");
    assert!(
        refused.code == Some(2) && refused.stderr.ends_with(", with --lanes 54 at most\n"),
        "{refused:#?}"
    );
}

#[test]
fn a_resized_ring_has_a_lane_for_each_that_is_in_use() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let in_use: Vec<_> = (0..5).map(|name| Producer::start(&scene, name)).collect();
    wait_until("their lanes", || scene.ringlog(&["ls"]).stdout.contains("10/"));
    // By its size it would have 4 lanes.
    scene.ringlog(&["resize", "app", "256KiB", "--force"]).ok();
    assert_eq!(info(&scene)["lane_count"], 10);
    in_use.into_iter().for_each(|producer| _ = producer.end());
}

/// Requests go to the new ring.
#[test]
fn the_writer_is_there_when_the_command_ends() {
    let scene = with_ring();
    for _ in 0..5 {
        let writer = scene.writer("app", &["--out", "app.log"]);
        for size in ["2MiB", "1MiB"] {
            scene.ringlog(&["resize", "app", size]).ok();
            scene.ringlog(&["rotate", "app"]).ok();
        }
        scene.ringlog(&["resize", "app", "3MiB"]).ok();
        let stopped = scene.ringlog(&["stop", "app"]).ok();
        assert!(!stopped.stderr.contains("no writer"), "{stopped:#?}");
        writer.output().ok();
    }
}

#[test]
fn the_same_size_changes_nothing() {
    let scene = with_ring();
    let inode = || std::fs::metadata(scene.ring("app")).unwrap().ino();
    let before = inode();
    let said = scene.ringlog(&["resize", "app", "1MiB"]).ok().stdout;
    assert!(said.starts_with(&format!("{}/app has these sizes already\n", scene.dir())), "{said}");
    assert_eq!(inode(), before);
}

#[test]
fn what_cannot_be_resized_stays_as_it_is() {
    let scene = with_ring();
    let before = (files(&scene), info(&scene));
    let missing = format!("ringlog: no ring \"ap\" in {}; did you mean \"app\"?", scene.dir());
    scene.ringlog(&["resize", "ap", "2MiB"]).fails(4, &missing);
    let small = scene.ringlog(&["resize", "app", "64KiB"]);
    assert!(
        small.code == Some(2) && small.stderr.contains("enlarge the ring or ask for fewer lanes"),
        "{small:#?}"
    );
    let large = scene.ringlog(&["resize", "app", "28GiB"]);
    assert!(
        large.code == Some(1)
            && large.stderr.starts_with(&format!("ringlog: no space for {}/app of ", scene.dir())),
        "{large:#?}"
    );
    std::fs::write(scene.ring("other"), "no ring").unwrap();
    assert!(scene.ringlog(&["resize", "other", "2MiB"]).stderr.contains("is not a ring"));
    std::fs::remove_file(scene.ring("other")).unwrap();
    assert_eq!((files(&scene), info(&scene)), before);
}

#[test]
fn only_the_owner_resizes() {
    if !nix::unistd::Uid::effective().is_root() {
        println!("SKIPPED: only root can act as another user");
        return;
    }
    let scene = with_ring();
    let everybody = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    everybody(Path::new(scene.dir()), 0o777);
    everybody(&scene.file(""), 0o755);
    everybody(&scene.ring("app"), 0o666);
    let mut command = scene.command(&["resize", "app", "2MiB"]);
    let output = command.current_dir("/").uid(65534).gid(65534).output().unwrap();
    let ended = common::Ended::of(&["resize"], output);
    ended.fails(
        1,
        &format!(
            "ringlog: no permission to replace {}/app; it belongs to uid 0, you are uid 65534",
            scene.dir()
        ),
    );
}

/// The link stays a link, and what it leads to is replaced.
#[test]
fn a_ring_behind_a_symbolic_link_is_resized_where_it_lies() {
    let scene = with_ring();
    std::fs::create_dir(scene.file("elsewhere")).unwrap();
    let target = scene.file("elsewhere/ring");
    scene.ringlog(&["create", target.to_str().unwrap(), "--size", "1MiB"]).ok();
    let link = scene.ring("link");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let writer = scene.writer("link", &["--out", "link.json", "--format", "json"]);
    scene.ringlog(&["put", "link", "0 0"]).ok();
    scene.ringlog(&["resize", "link", "2MiB"]).ok();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    let size = |name: &str| -> serde_json::Value {
        serde_json::from_str(&scene.ringlog(&["info", name, "--json"]).ok().stdout).unwrap()
    };
    assert_eq!(size("link")["uuid"], size(target.to_str().unwrap())["uuid"]);
    assert!(std::fs::metadata(&target).unwrap().len() > 2 << 20);
    scene.ringlog(&["put", "link", "0 1"]).ok();
    wait_until("both lines", || scene.read("link.json").lines().count() == 2);
    scene.ringlog(&["stop", "link"]).ok();
    writer.output().ok();
}

#[test]
fn a_limit_of_file_sizes_leaves_the_ring_as_it_is() {
    let scene = with_ring();
    let before = (files(&scene), info(&scene));
    // POSIX counts in units of 512 bytes. `ringlog` is in PATH.
    let mut shell = scene.shell("ulimit -f 3000; exec ringlog resize app 2MiB", Path::new("."));
    let ended = common::Ended::of(&["resize"], shell.output().unwrap());
    let place = format!("{}/app", scene.dir());
    assert!(
        ended.code == Some(1)
            && ended.stderr.contains(&place)
            && ended.stderr.contains("limited to 1536000 bytes")
            && !ended.stderr.contains(".new"),
        "{ended:#?}"
    );
    assert_eq!((files(&scene), info(&scene)), before);
}

#[test]
fn several_at_once_come_one_after_the_other() {
    let scene = with_ring();
    let start =
        |size: u32| scene.command(&["resize", "app", &format!("{size}MiB")]).stdout(Stdio::null()).spawn();
    let resizing: Vec<_> = (2..10).map(|size| start(size).unwrap()).collect();
    for mut child in resizing {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(files(&scene).len(), 2, "{:?}", files(&scene));
    scene.ringlog(&["put", "app", "works"]).ok();
}
