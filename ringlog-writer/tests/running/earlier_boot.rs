//! Rings on a disk after the machine was started again: a new ring takes the place of each, and the old one is drained
//! once, whatever the disk has kept of it.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use ringlog::admin::{LevelRule, Resize, change_levels, resize};
use ringlog::reader::Observer;
use ringlog::{Level, Overflow, PushError, Ring};
use ringlog_testkit::Scratch;
use ringlog_writer::config::Formatter;
use ringlog_writer::{Fsync, Options, Out, Signals, run_with};

use crate::common::{EventLog, eventually};

const PAGE: usize = 4096;
/// Where the header has the boot id, and from where on its checksum counts.
const BOOT_ID: Range<usize> = 80..96;
const COVERED_FROM: usize = 8;

struct Disk {
    dir: Scratch,
}

impl Disk {
    fn new() -> Disk {
        let disk = Disk { dir: Scratch::on_disk() };
        let options = Ring::options().size("128KiB").block_bytes(1024).lanes(4).mode(0o640);
        options.overflow(Overflow::Block(std::time::Duration::from_secs(3))).create(disk.name()).unwrap();
        disk
    }

    fn name(&self) -> &str {
        self.dir.name()
    }

    /// Logs lines with these numbers, each from a thread of its own.
    fn log(&self, numbers: Range<u64>) {
        let ring = Ring::open(self.name()).unwrap();
        for number in numbers {
            let log = ring.logger();
            let logging = std::thread::spawn(move || log.text(Level::INFO, "test", format!("{number}")));
            logging.join().unwrap().unwrap();
        }
    }

    fn image(&self) -> Vec<u8> {
        fs::read(self.name()).unwrap()
    }

    /// Starts the machine again, with these bytes on the disk.
    fn boot_with(&self, mut bytes: Vec<u8>) {
        let stored = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let is_checksum = |at: &usize| stored(&bytes, *at) == crc32fast::hash(&bytes[COVERED_FROM..*at]);
        let at = (128..256).step_by(8).find(is_checksum).expect("the header has a checksum");
        bytes[BOOT_ID].iter_mut().for_each(|byte| *byte ^= 0x5a);
        let checksum = crc32fast::hash(&bytes[COVERED_FROM..at]);
        bytes[at..at + 4].copy_from_slice(&checksum.to_le_bytes());
        fs::write(self.name(), bytes).unwrap();
    }

    fn waiting(&self) -> Vec<PathBuf> {
        Observer::open(self.name()).unwrap().of_earlier_boots()
    }

    fn options(&self) -> Options {
        let mut options = Options::new(self.name());
        options.out = Out::file(self.dir.file("app.log"));
        options.formatter = Formatter::Json;
        options.out.as_file_mut().unwrap().fsync = Fsync::Batch;
        options
    }

    /// Runs a writer that drains everything. Returns what it reported.
    fn drain(&self) -> Vec<String> {
        let mut options = self.options();
        options.until_idle = true;
        let mut events = EventLog::default();
        run_with(&options, &Signals::default(), &mut events).unwrap();
        events.messages()
    }

    /// The numbers of the lines in the output, and whether no id comes twice.
    fn written(&self) -> Vec<u64> {
        let text = fs::read_to_string(self.dir.file("app.log")).unwrap();
        let (mut numbers, mut ids) = (Vec::new(), BTreeSet::new());
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let Some(number) = line["message"].as_str().and_then(|text| text.parse().ok()) else { continue };
            numbers.push(number);
            let id = ["uuid", "lane", "incarnation", "sequence"].map(|key| line[key].to_string());
            assert!(!id.contains(&"null".to_owned()), "{line}");
            assert!(ids.insert(id), "the id of {line} comes twice in {text}");
        }
        numbers
    }
}

#[test]
fn a_ring_of_an_earlier_boot_gets_no_new_records() {
    let disk = Disk::new();
    disk.log(0..3);
    disk.boot_with(disk.image());
    let (before, inode) = (disk.image(), fs::metadata(disk.name()).unwrap().ino());
    let old = *Observer::open(disk.name()).unwrap().info();
    assert!(old.is_of_earlier_boot());

    disk.log(3..6);
    let ring = Ring::open(disk.name()).unwrap();
    assert!(!ring.info().is_of_earlier_boot() && ring.info().uuid != old.uuid);
    assert_eq!(ring.info().geometry(), old.geometry());
    assert_eq!(fs::metadata(disk.name()).unwrap().mode() & 0o777, 0o640);
    let stat = ring.observe().unwrap().stat().unwrap();
    assert_eq!((stat.published, stat.overflow), (3, Overflow::Block(std::time::Duration::from_secs(3))));

    let waiting = ring.of_earlier_boots();
    let digits: String = old.uuid[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(waiting, [PathBuf::from(format!("{}.boot-{digits}", disk.name()))]);
    assert_eq!(fs::metadata(&waiting[0]).unwrap().ino(), inode, "it is the old file");
    assert_eq!(fs::read(&waiting[0]).unwrap(), before);

    // Nor does it get any under its other name.
    let opened = Ring::open(waiting[0].to_str().unwrap()).unwrap();
    assert_eq!(opened.info().uuid, old.uuid);
    let error = opened.logger().open_lane().unwrap_err().to_string();
    assert!(error.ends_with("so it takes no new records: it waits to be drained"), "{error}");
    let refused = opened.logger().text(Level::ERROR, "test", "no");
    assert!(matches!(refused, Err(PushError::Gone)), "{refused:?}");
    assert_eq!(opened.observe().unwrap().stat().unwrap().published, 3);
}

#[test]
fn nothing_is_left_out_or_doubled_after_a_power_cut() {
    // The disk has the ring as it was before the last records, or after them, or any mixture of pages.
    for seed in 0..12_usize {
        let disk = Disk::new();
        disk.log(0..6);
        let older = disk.image();
        assert_eq!(disk.drain(), [""; 0]);
        assert_eq!(disk.written(), (0..6).collect::<Vec<_>>());
        disk.log(6..9);
        let mut bytes = disk.image();
        for (number, page) in older.chunks(PAGE).enumerate() {
            let is_older = match seed {
                0 => false,
                1 => true,
                _ => (number * 7 + seed * seed) % (seed + 1) < seed.div_ceil(2),
            };
            if is_older && number > 0 {
                bytes[number * PAGE..][..page.len()].copy_from_slice(page);
            }
        }
        disk.boot_with(bytes);
        disk.log(100..103);
        assert_eq!(disk.waiting().len(), 1);
        disk.drain();
        assert_eq!(disk.waiting(), [""; 0].map(PathBuf::from), "it is removed once it is drained");
        let written = disk.written();
        let count = |number| written.iter().filter(|other| **other == number).count();
        assert!((0..6).chain(100..103).all(|number| count(number) == 1), "{seed}: {written:?}");
        assert!((6..9).all(|number| count(number) <= 1), "{seed}: {written:?}");
        if seed == 0 {
            assert_eq!(written.len(), 12, "the disk had everything: {written:?}");
        }
        // A second boot finds the ring drained.
        disk.boot_with(disk.image());
        disk.log(200..201);
        disk.drain();
        assert_eq!(disk.written().len(), written.len() + 1);
    }
}

#[test]
fn a_writer_that_starts_first_drains_the_old_ring_too() {
    let disk = Disk::new();
    disk.log(0..3);
    disk.boot_with(disk.image());
    let said = disk.drain();
    assert_eq!((disk.written(), disk.waiting().len(), said), (vec![0, 1, 2], 0, vec![]));
    let names = fs::read_dir(disk.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let rings = names.filter(|name| name.to_str().is_some_and(|name| name.contains("ring"))).count();
    assert_eq!(rings, 3, "a ring, its lock file, and the status of its writer");
}

#[test]
fn each_boot_leaves_a_ring_until_a_writer_runs() {
    let disk = Disk::new();
    let rule = |logger: &str, pid| LevelRule {
        logger: logger.to_owned(),
        level: Level::DEBUG,
        pid,
        until_unix: None,
    };
    for rule in [rule("db", None), rule("web", Some(7))] {
        change_levels(disk.name(), |rules| rules.set(rule.clone())).unwrap();
    }
    for boot in 0..3 {
        disk.log(3 * boot..3 * (boot + 1));
        disk.boot_with(disk.image());
    }
    disk.log(9..12);
    assert_eq!(disk.waiting().len(), 3);
    // What was set for a process has ended with it.
    let rules = Observer::open(disk.name()).unwrap().levels().unwrap().rules;
    assert_eq!(rules[..], [rule("db", None)]);
    assert_eq!(disk.drain(), [""; 0]);
    assert_eq!((disk.written(), disk.waiting().len()), ((0..12).collect(), 0));
}

#[test]
fn a_writer_goes_on_once_the_old_ring_is_drained() {
    let disk = Disk::new();
    disk.log(0..3);
    disk.boot_with(disk.image());
    let (signals, mut events) = (Signals::default(), EventLog::default());
    let log = Ring::open(disk.name()).unwrap().logger();
    let mut next = 3..;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| run_with(&disk.options(), &signals, &mut events));
        eventually("the old ring is removed, while others log", || {
            log.text(Level::INFO, "test", format!("{}", next.next().unwrap())).unwrap();
            disk.waiting().is_empty()
        });
        for number in next.by_ref().take(50) {
            log.text(Level::INFO, "test", format!("{number}")).unwrap();
        }
        signals.stop.store(true, Ordering::Relaxed);
        writer.join().unwrap().unwrap();
    });
    let mut written = disk.written();
    written.sort_unstable();
    assert_eq!(written, (0..next.start).collect::<Vec<u64>>());
    assert_eq!(events.messages(), [""; 0]);
}

#[test]
fn a_replacement_that_was_interrupted_is_done_again() {
    let disk = Disk::new();
    disk.log(0..3);
    disk.boot_with(disk.image());
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let uuid = Observer::open(disk.name()).unwrap().info().uuid;
    // A new ring that has not got the name, and the old one under both names.
    let draft = disk.dir.text(".ring.new");
    Ring::options().size("128KiB").create(&draft).unwrap();
    fs::hard_link(disk.name(), format!("{}.boot-{}", disk.name(), digits(&uuid[..4]))).unwrap();
    disk.log(3..6);
    assert_eq!((disk.waiting().len(), fs::exists(&draft).unwrap()), (1, false));
    disk.drain();
    assert_eq!(disk.written(), (0..6).collect::<Vec<_>>());
}

#[test]
fn other_files_with_the_name_of_the_old_ring_are_kept() {
    let disk = Disk::new();
    disk.log(0..3);
    disk.boot_with(disk.image());
    let uuid = Observer::open(disk.name()).unwrap().info().uuid;
    let digits: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    let other = |count: usize| format!("{}.boot-{}", disk.name(), &digits[..count]);
    fs::write(other(8), "another's").unwrap();
    let before = disk.image();
    fs::write(other(16), "another's").unwrap();
    fs::write(other(32), "another's").unwrap();
    let error = Ring::open(disk.name()).unwrap_err().to_string();
    assert!(error.contains("was made before the machine was started, so it takes no new records"), "{error}");
    assert!(error.contains("other files have that name"), "{error}");
    assert_eq!(disk.image(), before, "it keeps its name");
    fs::remove_file(other(16)).unwrap();
    disk.drain();
    assert_eq!(disk.written(), [0, 1, 2]);
    assert_eq!([8, 32].map(|count| fs::read_to_string(other(count)).unwrap()), ["another's", "another's"]);
}

#[test]
fn processes_that_start_together_agree_on_one_new_ring() {
    let disk = Disk::new();
    disk.log(0..3);
    disk.boot_with(disk.image());
    let name = disk.name();
    let uuids: BTreeSet<[u8; 16]> = std::thread::scope(|scope| {
        let open = |_| scope.spawn(|| Ring::open(name).unwrap().info().uuid);
        let opening: Vec<_> = (0..8).map(open).collect();
        opening.into_iter().map(|opened| opened.join().unwrap()).collect()
    });
    assert_eq!((uuids.len(), disk.waiting().len()), (1, 1));
}

#[test]
fn a_ring_that_was_never_used_leaves_nothing_behind() {
    let disk = Disk::new();
    disk.boot_with(disk.image());
    disk.log(0..1);
    assert_eq!(disk.waiting().len(), 0);
}

/// A ring of the present boot takes its place first, so nothing in it is lost.
#[test]
fn a_ring_of_an_earlier_boot_is_resized_and_still_drained() {
    let disk = Disk::new();
    disk.log(0..3);
    disk.boot_with(disk.image());
    let done = resize(disk.name(), &Resize::to("256KiB")).unwrap();
    assert_eq!(done.lost, 0, "what was left of the earlier boot is still there");
    assert!(done.after.file_bytes() > done.before.file_bytes());
    disk.log(3..5);
    disk.drain();
    assert_eq!(disk.written(), [0, 1, 2, 3, 4]);
    assert!(disk.waiting().is_empty());
}
