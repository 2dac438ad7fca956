//! `ringlog verify` finds every change to a real output, and reports nothing about an unchanged one.

mod common;

use std::process::Stdio;

use common::{Running, Scene, wait_until};

/// Lines that a real writer has written: 20 records of one process, 10 of another one that was killed, and the
/// notice of its unclean exit.
fn output(scene: &Scene, format: &[&str]) -> Vec<String> {
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let writer = scene.writer("app", &[&["--out", "app.log"], format].concat());
    let input = |count: u32| (0..count).map(|n| format!("line {n}, \"sequence\":0\n")).collect::<String>();
    scene.ringlog_with(&["put", "app", "-"], input(20).as_bytes()).ok();
    let mut killed = Running::start(scene.command(&["put", "app", "-"]).stdin(Stdio::piped()));
    killed.0.write(input(10).as_bytes());
    wait_until("its lines", || scene.read("app.log").lines().count() == 30);
    drop(killed);
    wait_until("the unclean exit", || scene.read("app.log").lines().count() == 31);
    scene.ringlog(&["stop", "app"]).ok();
    drop(writer);
    let lines: Vec<String> = scene.read("app.log").lines().map(str::to_owned).collect();
    assert!(lines[30].contains("process ringlog (pid "), "{}", lines[30]);
    let has_ids = FORMATS.contains(&format);
    assert!(
        !has_ids || lines[30].contains(":9 WARN") || lines[30].contains("\"last_sequence\":9}"),
        "{}",
        lines[30]
    );
    lines
}

const FORMATS: [&[&str]; 2] = [&["--format", "json"], &["--ids"]];

/// The report on these lines, without the ring's UUID.
#[track_caller]
fn verify(scene: &Scene, lines: &[String], code: i32) -> Vec<String> {
    std::fs::write(
        scene.file("changed.log"),
        lines.iter().map(|line| format!("{line}\n")).collect::<String>(),
    )
    .unwrap();
    report(scene, &["changed.log"], code)
}

#[track_caller]
fn report(scene: &Scene, files: &[&str], code: i32) -> Vec<String> {
    let ended = scene.ringlog(&[&["verify"], files].concat());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(code), ""), "{ended:#?}");
    let lines = ended.stdout.lines().map(|line| line.split(", ring ").next().unwrap().to_owned());
    lines.collect()
}

/// The line before the sums where records are missing.
const HINT: &str = "an output with a level, or with some of the loggers, has gaps by design: only one that takes every \
                    record can be complete";

#[test]
fn the_output_of_a_writer_is_complete() {
    for format in FORMATS {
        let scene = Scene::new();
        let lines = output(&scene, format);
        assert_eq!(
            report(&scene, &["app.log"], 0),
            ["complete: 30 records of 1 lane in 1 file; 1 unclean exit"],
            "{format:?}"
        );
        // As parts of one output, in the right order and in the wrong one.
        let part = |name: &str, lines: &[String]| {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            std::fs::write(scene.file(name), text).unwrap();
        };
        part("app.log.1", &lines[..12]);
        part("app.log.2", &lines[12..]);
        let complete = ["complete: 30 records of 1 lane in 2 files; 1 unclean exit"];
        assert_eq!(report(&scene, &["app.log.1", "app.log.2"], 0), complete);
        assert_eq!(report(&scene, &["app.log.2", "app.log.1"], 3).len(), 12 + 1);
        assert_eq!(report(&scene, &["--partial", "app.log.2"], 0).len(), 1);
        assert_eq!(
            report(&scene, &["app.log.2"], 3)[0],
            "app.log.2:1: missing before this: sequences 0 to 11 (12 records), lane 1, incarnation 1"
        );
    }
}

#[test]
fn each_line_that_is_removed_is_named() {
    for format in FORMATS {
        let scene = Scene::new();
        let lines = output(&scene, format);
        for at in 0..30 {
            let (sequence, incarnation) = if at < 20 { (at, 1) } else { (at - 20, 2) };
            let without = [&lines[..at], &lines[at + 1..]].concat();
            if at == 19 {
                // The last record of an owner that has closed its lane: no later sequence shows the loss.
                assert_eq!(verify(&scene, &without, 0).len(), 1);
                continue;
            }
            let report = verify(&scene, &without, 3);
            assert_eq!(
                report,
                [
                    format!(
                        "changed.log:{}: missing before this: sequence {sequence} (1 record), lane 1, incarnation \
                         {incarnation}",
                        at + 1
                    ),
                    HINT.to_owned(),
                    "incomplete: 29 records of 1 lane in 1 file; 1 missing; 1 unclean exit".to_owned(),
                ]
            );
        }
        let without = [&lines[..3], &lines[8..]].concat();
        assert_eq!(
            verify(&scene, &without, 3)[0],
            "changed.log:4: missing before this: sequences 3 to 7 (5 records), lane 1, incarnation 1"
        );
    }
}

#[test]
fn lines_that_are_doubled_or_swapped_are_named() {
    for format in FORMATS {
        let scene = Scene::new();
        let lines = output(&scene, format);
        let doubled = [&lines[..6], &lines[2..]].concat();
        let report = verify(&scene, &doubled, 3);
        assert_eq!(report[0], "changed.log:7: doubled: sequence 2 is there already, lane 1, incarnation 1");
        assert_eq!(report[4], "incomplete: 34 records of 1 lane in 1 file; 4 doubled; 1 unclean exit");
        assert_eq!(report.len(), 5);
        let mut swapped = lines.clone();
        swapped.swap(22, 24);
        assert_eq!(
            verify(&scene, &swapped, 3),
            [
                "changed.log:24: out of order: sequence 3 comes after 4, lane 1, incarnation 2",
                "changed.log:25: out of order: sequence 2 comes after 4, lane 1, incarnation 2",
                "incomplete: 30 records of 1 lane in 1 file; 2 out of order; 1 unclean exit",
            ]
        );
        // Two incarnations of one lane.
        let mut swapped = lines.clone();
        swapped.swap(19, 20);
        assert_eq!(
            verify(&scene, &swapped, 3)[0],
            "changed.log:21: out of order: sequence 19 comes after incarnation 2, lane 1, incarnation 1"
        );
        let mut dead_too_early = lines.clone();
        dead_too_early.swap(29, 30);
        assert_eq!(
            verify(&scene, &dead_too_early, 3)[0],
            "changed.log:31: out of order: sequence 9 comes after 9, lane 1, incarnation 2"
        );
    }
}

#[test]
fn damaged_and_torn_lines_are_named_and_the_rest_is_read() {
    for format in FORMATS {
        let scene = Scene::new();
        let lines = output(&scene, format);
        let mut damaged = lines.clone();
        damaged[4].replace_range(..20, "");
        let report = verify(&scene, &damaged, 3);
        assert_eq!(
            report[0],
            "changed.log:5: damaged line: it starts neither with a time nor with a JSON object"
        );
        assert_eq!(
            report[1..],
            [
                "changed.log:6: missing before this: sequence 4 (1 record), lane 1, incarnation 1",
                HINT,
                "incomplete: 29 records of 1 lane in 1 file; 1 missing, 1 line damaged; 1 unclean exit",
            ]
        );
        // Only the last newline is missing.
        std::fs::write(scene.file("torn.log"), lines.join("\n")).unwrap();
        assert_eq!(
            self::report(&scene, &["torn.log"], 3),
            [
                "torn.log:31: torn last line: it has no newline, so its end may be missing",
                "incomplete: 30 records of 1 lane in 1 file; 1 line damaged; 1 unclean exit",
            ]
        );
        // A line that cannot be read for it is the same line.
        std::fs::write(scene.file("torn.log"), format!("{}\n{}", lines[0], &lines[1][..9])).unwrap();
        assert_eq!(
            self::report(&scene, &["torn.log"], 3),
            [
                "torn.log:2: torn last line: it has no newline, so its end may be missing",
                "incomplete: 1 record of 1 lane in 1 file; 1 line damaged",
            ]
        );
    }
}

#[test]
fn losses_that_the_output_reports_are_listed() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "64KiB", "--block-size", "1024", "--lanes", "2"]).ok();
    let input: String = (0..2_000).map(|n| format!("line {n} of a flood that does not fit\n")).collect();
    let put = scene.ringlog_with(&["put", "app", "-", "--timeout", "0s"], input.as_bytes());
    assert_eq!(put.code, Some(5), "{put:#?}");
    scene.ringlog(&["writer", "app", "--out", "app.log", "--format", "json", "--until-idle"]).ok();
    let report = report(&scene, &["app.log"], 0);
    assert!(report[0].ends_with(": reported: 1 record dropped, lane 1, incarnation 1"), "{report:?}");
    assert!(
        report[1].starts_with("complete: ") && report[1].ends_with("; reported as lost: 1 dropped"),
        "{report:?}"
    );
    let strict = self::report(&scene, &["--strict", "app.log"], 3);
    assert!(strict[1].starts_with("incomplete: "), "{strict:?}");
}

#[test]
fn closed_and_compressed_files_are_parts_of_one_output() {
    for (compress, suffix) in [("gzip", "gz"), ("zstd", "zst")] {
        let scene = Scene::new();
        scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
        let input = (0..60).map(|n| format!("line {n}\n")).collect::<String>();
        scene.ringlog_with(&["put", "app", "-"], input.as_bytes()).ok();
        let rotation = ["--rotate-size", "5KiB", "--naming", "number", "--compress", compress];
        let write = ["writer", "app", "--out", "app.log", "--format", "json", "--until-idle"];
        scene.ringlog(&[&write[..], &rotation[..]].concat()).ok();
        let name = |number: u32| format!("app.{number:06}.log.{suffix}");
        let mut files: Vec<String> = (1..).map(name).take_while(|name| scene.file(name).exists()).collect();
        assert!(files.len() > 1);
        files.push("app.log".to_owned());
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let complete = format!("complete: 60 records of 1 lane in {} files", files.len());
        assert_eq!(report(&scene, &files, 0), [complete]);
        let found = report(&scene, &[&files[..1], &files[2..]].concat(), 3);
        assert!(found.iter().any(|line| line.contains("missing")), "{found:?}");
    }
}

/// Files in the wrong order do not give a line for each record.
#[test]
fn many_records_out_of_order_are_counted() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let input = (0..60).map(|n| format!("line {n}\n")).collect::<String>();
    scene.ringlog_with(&["put", "app", "-"], input.as_bytes()).ok();
    scene.ringlog(&["writer", "app", "--out", "app.log", "--ids", "--until-idle"]).ok();
    let lines: Vec<String> = scene.read("app.log").lines().map(str::to_owned).collect();
    let found = verify(&scene, &[&lines[30..], &lines[..30]].concat(), 3);
    let one_by_one = found.iter().filter(|line| line.contains(": out of order: ")).count();
    assert_eq!(one_by_one, 20, "{found:#?}");
    let more = "10 records more out of order, not listed; were the files given with the oldest first?";
    assert!(found.iter().any(|line| line == more), "{found:#?}");
    assert!(found.last().unwrap().contains("; 30 out of order"), "{found:#?}");
}

#[test]
fn an_output_without_ids_is_refused() {
    let scene = Scene::new();
    let lines = output(&scene, &["--format", "text"]);
    assert_eq!(lines.len(), 31);
    let refused = |line: u64, what: &str| {
        scene.ringlog(&["verify", "app.log"]).fails(
            2,
            &format!(
                "ringlog: app.log:{line}: {what}, in which missing records cannot be found; let the writer write with \
                 --format json, or as text with --ids (in a configuration: kind = \"json\", or ids = true)"
            ),
        );
    };
    refused(1, "text without ids");
    std::fs::write(scene.file("app.log"), "{\"time\":\"x\",\"sequence\":3}\n").unwrap();
    refused(1, "JSON without a \"uuid\"");
    std::fs::write(scene.file("app.log"), "just text\n".repeat(200)).unwrap();
    refused(100, "lines without ids of records, as a pattern or the format raw writes them");
    std::fs::write(scene.file("app.log"), "just text\n").unwrap();
    refused(1, "lines without ids of records, as a pattern or the format raw writes them");
    std::fs::write(scene.file("empty.log"), "").unwrap();
    let other = scene.ringlog(&["verify", "empty.log", "app.log"]);
    assert!(other.stderr.starts_with("ringlog: app.log:1: lines without ids"), "{other:#?}");
    std::fs::write(scene.file("app.log"), b"\x1f\x8b\x08\x00").unwrap();
    let cut = scene.ringlog(&["verify", "app.log"]);
    assert!(cut.code == Some(1) && cut.stderr.starts_with("ringlog: cannot read app.log: "), "{cut:#?}");
    scene
        .ringlog(&["verify", "nowhere.log"])
        .fails(1, "ringlog: cannot read nowhere.log: No such file or directory (os error 2)");
    std::fs::write(scene.file("app.log"), "").unwrap();
    assert_eq!(report(&scene, &["app.log"], 0), ["complete: 0 records of 0 lanes in 1 file"]);
}
