//! Debian's logrotate on the writer's file: nothing is lost, with a signal and without.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringlog::{Level, Ring};
use ringlog_testkit::Scratch;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ringlog-writer");
const SOON: Duration = Duration::from_secs(20);
const ROTATIONS: usize = 6;

/// Finds logrotate, or installs it if that needs no password.
fn logrotate() -> Option<&'static str> {
    let works = || Command::new("logrotate").arg("--version").stderr(Stdio::null()).status().is_ok();
    if !works() {
        let mut install = Command::new("apt-get");
        install.args(["install", "--yes", "logrotate"]).env("DEBIAN_FRONTEND", "noninteractive");
        let _ = install.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
    works().then_some("logrotate")
}

fn numbers(path: &Path) -> Vec<u64> {
    let mut text = String::new();
    let mut file = fs::File::open(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        file.read_to_string(&mut text).unwrap();
    }
    assert!(text.is_empty() || text.ends_with('\n'), "{}: no line is torn", path.display());
    text.lines().map(|line| line.parse().unwrap()).collect()
}

/// Rotates under load; `signals` says whether logrotate signals the writer.
fn rotates(program: &str, signals: bool) {
    let dir = Scratch::new();
    let at = |name: &str| dir.text(name);
    let ring = Ring::options().size("4MiB").create(&at("ring")).unwrap();
    let mut writer = Command::new(PROGRAM);
    writer.args([at("ring"), "--format=raw".into(), format!("--out={}", at("app.log"))]);
    let mut writer = writer.spawn().unwrap();
    let postrotate =
        if signals { format!("postrotate\nkill -HUP {}\nendscript\n", writer.id()) } else { String::new() };
    let config = format!(
        "{} {{\nrotate 100\nmissingok\nifempty\ncompress\ndelaycompress\nsu root root\n{postrotate}}}\n",
        at("app.log")
    );
    fs::write(at("logrotate.conf"), config).unwrap();
    let wait_for_lines = || {
        let begun = Instant::now();
        while fs::metadata(at("app.log")).map_or(0, |meta| meta.len()) == 0 {
            assert!(begun.elapsed() < SOON, "no line comes into a file of that name");
            thread::sleep(Duration::from_millis(1));
        }
    };
    let (done, logged) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let log = ring.logger();
            while !done.load(Ordering::Relaxed) {
                let number = logged.load(Ordering::Relaxed);
                log.text(Level::INFO, "test", number.to_string()).unwrap();
                logged.store(number + 1, Ordering::Relaxed);
                thread::sleep(Duration::from_micros(50));
            }
            log.flush(SOON).unwrap();
        });
        // Without a file logrotate rotates nothing.
        wait_for_lines();
        for _ in 0..ROTATIONS {
            let output = Command::new(program)
                .args(["--force", "--state", &at("state"), &at("logrotate.conf")])
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            // The next rotation compresses the file renamed by this one, so the writer must have noticed the rename.
            wait_for_lines();
        }
        done.store(true, Ordering::Relaxed);
    });
    Command::new("kill").args(["-TERM", &writer.id().to_string()]).status().unwrap();
    assert!(writer.wait().unwrap().success());
    let rotated = (2..=ROTATIONS).rev().map(|number| at(&format!("app.log.{number}.gz")));
    let names = rotated.chain([at("app.log.1"), at("app.log")]);
    let all: Vec<u64> = names.flat_map(|name| numbers(Path::new(&name))).collect();
    println!("{ROTATIONS} rotations, {} lines, signals: {signals}", all.len());
    assert_eq!(all, (0..logged.load(Ordering::Relaxed)).collect::<Vec<_>>());
}

#[test]
fn logrotate_loses_nothing_with_a_signal_and_without() {
    let Some(program) = logrotate() else {
        eprintln!("SKIPPED: no logrotate, and apt-get cannot install it; external rotation is not tested");
        return;
    };
    rotates(program, true);
    rotates(program, false);
}
