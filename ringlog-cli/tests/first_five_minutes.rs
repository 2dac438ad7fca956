//! The commands of a newcomer's first five minutes, word for word.

mod common;

use common::{Scene, wait_until};

#[test]
fn the_first_five_minutes() {
    let scene = Scene::new();

    let demo = scene.ringlog(&["demo", "--records", "5000"]).ok();
    let proved =
        "PROVED: all 20,000 records arrived exactly once, each of the 4 lanes in order, every checksum right";
    assert!(demo.stdout.contains(proved), "{demo:#?}");
    assert!(demo.stdout.contains("Try next:"), "{demo:#?}");

    let script = "ringlog put . hello; ringlog put . --level warn \"disk 91%\"";
    scene.ringlog(&["run", "--out", "app.log", "--", "sh", "-c", script]).ok();
    let log = scene.read("app.log");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains(" INFO  put[") && lines[0].ends_with(" hello"), "{log}");
    assert!(lines[1].contains(" WARN  put[") && lines[1].ends_with(" disk 91%"), "{log}");
    let left: Vec<_> = std::fs::read_dir(scene.dir()).unwrap().collect();
    assert!(left.is_empty(), "demo and run clean up: {left:?}");

    let created = scene.ringlog(&["create", "app"]).ok();
    assert!(
        created.stdout.starts_with(&format!("created {}/app\n  size      16,773,120 bytes = ", scene.dir()))
    );

    scene.ringlog(&["put", "app", "hi"]).ok();
    let tail = scene.ringlog(&["tail", "app"]).ok();
    assert!(tail.stdout.ends_with(" hi\n") && tail.stdout.lines().count() == 1, "{tail:#?}");

    let writer = scene.writer("app", &["--out", "app2.log"]);
    wait_until("the line", || scene.file("app2.log").exists() && scene.read("app2.log").ends_with(" hi\n"));

    let stat = scene.ringlog(&["stat", "app"]).ok();
    assert!(stat.stdout.contains("records   1 published, 1 persisted, 0 behind, 0 dropped"), "{stat:#?}");
    assert!(stat.stdout.contains(&format!("writer    {} alive", writer.holder())), "{stat:#?}");

    let message = format!("ringlog: no ring \"ap\" in {}; did you mean \"app\"?", scene.dir());
    scene.ringlog(&["stat", "ap"]).fails(4, &message);

    let message = format!("ringlog: {}/app is in use by its writer {}", scene.dir(), writer.holder());
    scene.ringlog(&["rm", "app"]).fails(1, &message);

    let stopped = scene.ringlog(&["stop", "app"]).ok();
    let message = format!("ringlog: {} has ended; 0 records left in {}/app\n", writer.holder(), scene.dir());
    assert_eq!(stopped.stderr, message);
    writer.output().ok();

    let removed = scene.ringlog(&["rm", "app"]).ok();
    assert_eq!(removed.stderr, format!("ringlog: removed {}/app\n", scene.dir()));
}

#[test]
fn a_ring_with_records_not_persisted_is_removed_only_by_force() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    scene.ringlog(&["put", "app", "hi"]).ok();
    let expected = "ringlog: DIR/app has 1 record not marked as persisted; run its writer again, `ringlog writer RING \
                    --out FILE --until-idle`, or lose what it has not written with `ringlog rm --force`";
    scene.ringlog(&["rm", "app"]).fails(1, &expected.replace("DIR", scene.dir()));
    assert!(scene.ringlog(&["tail", "app"]).ok().stdout.ends_with(" hi\n"), "it is there as before");
    let removed = scene.ringlog(&["rm", "app", "--force"]).ok();
    let expected = "ringlog: removed DIR/app\nringlog: 1 record in it had not been persisted so far; what programs \
                    still log until they notice is counted in the next ring of this name, if there is one\n";
    assert_eq!(removed.stderr, expected.replace("DIR", scene.dir()));
    // Once they are written, nothing is in the way.
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    scene.ringlog(&["put", "app", "hi"]).ok();
    scene.ringlog(&["writer", "app", "--out", "app.log", "--until-idle"]).ok();
    scene.ringlog(&["rm", "app"]).ok();
}
