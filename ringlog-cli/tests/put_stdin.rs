//! `ringlog put -`: a whole log from standard input reaches the file byte for byte.

mod common;

use common::Scene;

/// A log like a server's: with empty lines, very long lines, bytes that are not UTF-8, and control characters.
fn log() -> Vec<u8> {
    let mut log = Vec::new();
    for number in 0..12_000_u32 {
        let method = ["GET", "POST", "PUT", "DELETE"][number as usize % 4];
        let path = "/item/".repeat(number as usize % 23);
        let line = format!("10.0.{}.{} {method} {path}{number} 200 äöü\ttab\n", number % 7, number % 251);
        log.extend_from_slice(line.as_bytes());
        match number {
            2_000 => log.extend_from_slice(b"\n\n\n"),
            4_000 => long(&mut log, 100 << 10),
            6_000 => long(&mut log, 3 << 20),
            8_000 => log.extend_from_slice(b"\xff\xfe not UTF-8 \x80\0\x1b[31m\r\n"),
            10_000 => long(&mut log, 3_000_000),
            _ => {}
        }
    }
    log
}

fn long(log: &mut Vec<u8>, bytes: usize) {
    log.extend((0..bytes).map(|at| b"0123456789abcdefghijklmnopqrstuvwxyz"[at * 7 % 36]));
    log.push(b'\n');
}

#[test]
fn a_real_log_comes_out_byte_for_byte_and_in_order() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app"]).ok();
    let writer = scene.writer("app", &["--out", "raw.log", "--format", "raw"]);
    let log = log();
    assert!(log.len() > 6 << 20);
    scene.ringlog_with(&["put", "app", "-"], &log).ok();
    scene.ringlog(&["stop", "app"]).ok();
    writer.output().ok();
    let written = std::fs::read(scene.file("raw.log")).unwrap();
    let differs = written.iter().zip(&log).position(|(a, b)| a != b);
    assert_eq!((written.len(), differs), (log.len(), None));
}

#[test]
fn a_last_line_without_a_newline_counts() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    scene.ringlog_with(&["put", "app", "-"], b"one\n\ntwo").ok();
    let tail = scene.ringlog(&["tail", "app", "--format", "raw"]).ok();
    assert_eq!(tail.stdout, "one\n\ntwo\n");
}

#[test]
fn a_full_ring_without_a_writer_reports_how_much_was_put() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "128KiB", "--lanes", "2"]).ok();
    let log = b"a line of some length\n".repeat(20_000);
    let full = scene.ringlog_with(&["put", "app", "--timeout", "100ms", "-"], &log);
    assert_eq!(full.code, Some(5), "{full:#?}");
    let stat = scene.ringlog(&["stat", "app", "--json"]).ok();
    let stat: serde_json::Value = serde_json::from_str(&stat.stdout).unwrap();
    let put = stat["published"].as_u64().unwrap();
    let dotted = format!("{},{:03}", put / 1000, put % 1000);
    let shown = if put < 1000 { put.to_string() } else { dotted };
    let expected = format!(
        "ringlog: the ring was full for 100ms: no writer drains it; start one with `ringlog writer app`; \
         {shown} lines were put, the next was dropped and counted\n"
    );
    assert_eq!(full.stderr, expected);
    assert_eq!((stat["dropped"].as_u64(), stat["writer"].is_null()), (Some(1), true));
}

#[test]
fn a_line_too_long_is_cut_and_reported() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "128KiB", "--lanes", "2"]).ok();
    let mut log = b"short\n".to_vec();
    long(&mut log, 100_000);
    let info = scene.ringlog(&["info", "app", "--json"]).ok();
    let info: serde_json::Value = serde_json::from_str(&info.stdout).unwrap();
    // A text record's other fields: level, line, five lengths, and the logger's name, "put".
    let limit = info["record_limit_bytes"].as_u64().unwrap() - 28;
    let put = scene.ringlog_with(&["put", "app", "-"], &log);
    put.fails(
        3,
        &format!("ringlog: line 2 was cut from 100000 bytes to {limit}, the most that this ring takes"),
    );
    let tail = scene.ringlog(&["tail", "app", "--format", "raw"]).ok();
    let lines: Vec<&str> = tail.stdout.lines().collect();
    assert_eq!((lines[0], lines[1].len() as u64), ("short", limit));
}
