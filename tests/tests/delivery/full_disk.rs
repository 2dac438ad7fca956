//! A small file system of its own fills up under load, and is freed again: nothing is missing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use ringlog::{Level, Ring};
use ringlog_testkit::{SOON, Scratch};
use ringlog_tests::{CreateRing, program};

/// A writer whose files are on a tmpfs that only it sees, of 256 KiB, of which something else has a part.
struct OnTmpfs {
    at: Scratch,
    ring: Ring,
    writer: Child,
}

impl OnTmpfs {
    /// `None` where a file system cannot be mounted.
    fn start(options: &[&str]) -> Option<OnTmpfs> {
        OnTmpfs::start_after("head -c 131072 /dev/zero > \"$0/filler\"", options)
    }

    /// After these shell commands have made files in the directory `$0`.
    fn start_after(commands: &str, options: &[&str]) -> Option<OnTmpfs> {
        OnTmpfs::start_on("size=256k", commands, options)
    }

    /// With these options of the mount.
    fn start_on(size: &str, commands: &str, options: &[&str]) -> Option<OnTmpfs> {
        let at = Scratch::new();
        let ring = at.create(Ring::options().size("4MiB"));
        let out = at.file("out");
        fs::create_dir(&out).unwrap();
        let said = File::create(at.file("said")).unwrap();
        let mount = format!("mount -t tmpfs -o {size} none \"$0\"");
        let script = format!("{mount} && {{ {commands}; }} && exec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]).arg(&out).arg(program("ringlog-writer"));
        command.args([at.name(), "--format=raw", "--out"]).arg(out.join("app.log")).args(options);
        let mut writer = command.stderr(said).spawn().ok()?;
        let begun = Instant::now();
        while ring.observe().unwrap().stat().unwrap().consumer.is_none() {
            if writer.try_wait().unwrap().is_some() || begun.elapsed() > SOON {
                let said = fs::read_to_string(at.file("said")).unwrap();
                assert!(!said.contains("ringlog-writer"), "the writer has ended: {said}");
                eprintln!("SKIPPED: nothing can be mounted here, so no disk can be filled");
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Some(OnTmpfs { at, ring, writer })
    }

    /// The directory of the files, as the writer sees it.
    fn dir(&self) -> PathBuf {
        let out = self.at.file("out");
        Path::new(&format!("/proc/{}/root", self.writer.id())).join(out.strip_prefix("/").unwrap())
    }

    fn said(&self) -> String {
        fs::read_to_string(self.at.file("said")).unwrap()
    }

    /// Lines of 64 bytes.
    fn log(&self, numbers: std::ops::Range<u32>) {
        let log = self.ring.logger();
        numbers.for_each(|number| log.text(Level::INFO, "test", format!("{number:063}")).unwrap());
    }

    fn eventually(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < SOON, "not within {SOON:?}: {what}; {}", self.said());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The numbers in the closed files and then in the open one.
    fn numbers(&self) -> Vec<u32> {
        let entries = fs::read_dir(self.dir()).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        // `app.000001.log` and so on, and then `app.log`.
        paths.sort();
        let lines = paths.iter().flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            assert!(text.is_empty() || text.ends_with('\n'), "{}: a torn line", path.display());
            text.lines().map(|line| line.parse().unwrap()).collect::<Vec<u32>>()
        });
        lines.collect()
    }
}

impl Drop for OnTmpfs {
    fn drop(&mut self) {
        let _ = self.writer.kill();
        let _ = self.writer.wait();
    }
}

#[test]
fn records_wait_in_the_ring_while_the_disk_is_full() {
    let Some(on) = OnTmpfs::start(&[]) else { return };
    on.log(0..3000);
    on.eventually("the disk is full", || on.said().contains("records wait in the ring"));
    on.log(3000..3500);
    fs::remove_file(on.dir().join("filler")).unwrap();
    on.ring.logger().flush(SOON).unwrap();
    assert_eq!(on.numbers(), (0..3500).collect::<Vec<_>>());
    // The writer prints in a thread of its own.
    on.eventually("it is reported that there is room", || on.said().contains("again; no record was lost\n"));
    let said = on.said();
    assert_eq!(said.lines().count(), 2, "once that it is full, and once that it is not: {said}");
}

#[test]
fn a_writer_that_starts_on_a_full_disk_waits_for_space() {
    for options in [&["--rotate-on-start", "--naming=number"][..], &[]] {
        let files =
            "printf '%063d\\n' 777 > \"$0/app.log\"; head -c 262144 /dev/zero > \"$0/filler\" 2>&- || true";
        let Some(on) = OnTmpfs::start_after(files, options) else { return };
        on.eventually("the disk is full", || {
            on.said().contains("cannot write its checkpoint: No space left")
        });
        on.log(0..100);
        on.eventually("it tries again", || on.said().contains("trying again, records wait in the ring"));
        fs::remove_file(on.dir().join("filler")).unwrap();
        on.ring.logger().flush(SOON).unwrap();
        assert_eq!(on.numbers(), [&[777], &(0..100).collect::<Vec<_>>()[..]].concat());
        assert_eq!(on.dir().join("app.000001.log").exists(), !options.is_empty());
    }
}

#[test]
fn a_writer_that_finds_no_inode_waits_for_one() {
    // The file or its checkpoint cannot be made.
    for (inodes, existing) in [(4, ""), (5, "printf '%063d\\n' 777 > \"$0/app.log\"; ")] {
        let files = format!("{existing}: > \"$0/filler1\"; : > \"$0/filler2\"; : > \"$0/filler3\"");
        let Some(on) = OnTmpfs::start_on(&format!("nr_inodes={inodes}"), &files, &[]) else { return };
        on.eventually("it is reported", || {
            on.said().contains(
                "No space left on device (os error 28); trying again, its records wait in the rings",
            )
        });
        on.log(0..100);
        on.eventually("it tries again", || on.said().contains("trying again, records wait in the ring\n"));
        (1..=3).for_each(|number| fs::remove_file(on.dir().join(format!("filler{number}"))).unwrap());
        on.ring.logger().flush(SOON).unwrap();
        let before = if existing.is_empty() { vec![] } else { vec![777] };
        assert_eq!(on.numbers(), [before, (0..100).collect()].concat(), "{}", on.said());
    }
}

#[test]
fn the_oldest_file_makes_room_for_an_inode() {
    let options = ["--rotate-size=1KiB", "--naming=number", "--on-full=drop-oldest-file"];
    let Some(on) = OnTmpfs::start_on("nr_inodes=9", "true", &options) else { return };
    on.log(0..1000);
    on.ring.logger().flush(SOON).unwrap();
    let numbers = on.numbers();
    assert_eq!(
        numbers,
        (1000 - numbers.len() as u32..1000).collect::<Vec<_>>(),
        "the youngest, without a hole"
    );
    assert!((50..=120).contains(&numbers.len()), "{}", numbers.len());
    assert!(
        on.said().lines().all(|line| line.contains("the disk is full: deleted the oldest file")),
        "{}",
        on.said()
    );
}

#[test]
fn closed_files_make_room_before_the_disk_is_full() {
    let options = ["--rotate-size=20KiB", "--naming=number", "--min-free=100KiB"];
    let Some(on) = OnTmpfs::start_after("true", &options) else { return };
    for part in 0..20 {
        on.log(part * 400..(part + 1) * 400);
        on.ring.logger().flush(SOON).unwrap();
        on.eventually("there is room again", || {
            let stat = nix::sys::statvfs::statvfs(&on.dir()).unwrap();
            stat.blocks_available() * stat.fragment_size() >= 100 << 10
        });
    }
    let numbers = on.numbers();
    assert_eq!(
        numbers,
        (8000 - numbers.len() as u32..8000).collect::<Vec<_>>(),
        "the youngest, without a hole"
    );
    assert!(numbers.len() > 500 && on.dir().join("app.log").exists(), "{}", numbers.len());
    let said = on.said();
    let expected = "less than 100KiB is free: deleted the oldest file, ";
    assert!(!said.is_empty() && said.lines().all(|line| line.contains(expected)), "{said}");
}

#[test]
fn the_oldest_file_makes_room_where_configured() {
    let options = ["--rotate-size=20KiB", "--naming=number", "--on-full=drop-oldest-file"];
    let Some(on) = OnTmpfs::start(&options) else { return };
    on.log(0..6000);
    on.ring.logger().flush(SOON).unwrap();
    let numbers = on.numbers();
    assert!(numbers.len() < 6000 && numbers.len() > 500, "{}", numbers.len());
    assert_eq!(
        numbers,
        (6000 - numbers.len() as u32..6000).collect::<Vec<_>>(),
        "the youngest, without a hole"
    );
    assert!(on.said().lines().all(|line| line.contains("deleted the oldest file")), "{}", on.said());
    assert!(on.dir().join("filler").exists());
}
