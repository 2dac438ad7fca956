//! A ring that cannot be drained, because another process damages it faster than the writer reads it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use ringlog::{Level, Ring};
use ringlog_testkit::Scratch;
use ringlog_writer::config::Formatter;
use ringlog_writer::rotation::Rotation;
use ringlog_writer::{ConfigFile, Events, Options, Out, Signals, StandardError, run_config, run_with};

const SOON: Duration = Duration::from_secs(30);
const BLOCK_BYTES: u64 = 1024;
/// A state word: sealed, records, lane 1, as FORMAT.md has it.
const SEALED: u64 = 1 << 8 | 0x02;

/// Damages the ring again each time the writer reports damage.
struct Scribbler {
    file: File,
    state_at: u64,
    block_at: u64,
    generation: u64,
    began: Instant,
    said: Vec<String>,
}

impl Scribbler {
    fn put(&self, at: u64, word: u64) {
        self.file.write_all_at(&word.to_le_bytes(), at).unwrap();
    }
}

impl Events for Scribbler {
    fn report(&mut self, message: &str) {
        assert!(self.began.elapsed() < SOON, "the writer does not end");
        self.said.push(message.to_owned());
        self.generation += 1;
        // All its slots are published, and the first record in it is longer than the block.
        self.put(self.block_at, (self.generation << 32) | (BLOCK_BYTES / 64));
        self.put(self.block_at + 3 * 64, 0xff_ffff << 32);
        self.put(self.state_at, self.generation << 32 | SEALED);
    }
}

/// Two outputs. The raw format has no lines for gaps, so the writer reports them as messages.
const TWO_OUTPUTS: &str = r#"
rings = ["DIR/app"]
[handlers.one]
kind = "file"
path = "DIR/ONE"
formatter = "FORMAT"
[handlers.two]
kind = "file"
path = "DIR/two.log"
formatter = "raw"
[root]
handlers = ["one", "two"]
"#;

#[test]
fn a_stopped_writer_ends_although_its_ring_is_damaged() {
    let dir = Scratch::new();
    let mut scribbler = scribbled_ring(&dir);
    // The raw format has no lines for gaps, so the writer reports them as messages.
    let mut options = Options::new(dir.file("app").to_str().unwrap());
    (options.out, options.formatter) = (Out::file(dir.file("app.log")), Formatter::Raw);
    let signals = Signals { stop: Arc::new(AtomicBool::new(true)), ..Signals::default() };
    let summary = run_with(&options, &signals, &mut scribbler).unwrap();
    println!("{summary:?} in {:?}", scribbler.began.elapsed());
    let said = scribbler.said.last().unwrap();
    assert!(said.starts_with("the ring is being damaged and cannot be drained"), "{said}");
    assert!(summary.gaps > 100, "{summary:?}");
}

/// Batches are always in flight; and an output that has failed, a pipe without a reader, keeps the ring from being
/// drained.
#[test]
fn so_it_does_with_several_outputs() {
    for (one, format) in [("one.log", "raw"), ("pipe", "text")] {
        let dir = Scratch::new();
        let mut scribbler = scribbled_ring(&dir);
        nix::unistd::mkfifo(&dir.file("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let config = TWO_OUTPUTS.replace("DIR", dir.path().to_str().unwrap());
        std::fs::write(dir.file("ringlog.toml"), config.replace("ONE", one).replace("FORMAT", format))
            .unwrap();
        let (path, rings) = (dir.file("ringlog.toml"), Vec::new());
        let file = ConfigFile { path, rings, until_idle: false, makes_anew: false };
        let signals = Signals { stop: Arc::new(AtomicBool::new(true)), ..Signals::default() };
        let ended = run_config(&file, &signals, &mut scribbler);
        assert_eq!(ended.is_err(), one == "pipe", "{ended:?}");
        let is_left = |said: &String| said.starts_with("the ring is being damaged and cannot be drained");
        assert!(scribbler.said.iter().any(is_left), "{:?}", scribbler.said.last());
    }
}

/// A ring of which a block is made anew, and damaged, with each message of the writer.
fn scribbled_ring(dir: &Scratch) -> Scribbler {
    let path = dir.file("app");
    let options = Ring::options().size("64KiB").block_bytes(BLOCK_BYTES as u32).lanes(3);
    let ring = options.create(path.to_str().unwrap()).unwrap();
    let log = ring.logger();
    std::thread::spawn(move || log.text(Level::INFO, "test", "text").unwrap()).join().unwrap();
    let geometry = *ring.info().geometry();
    let count = u64::from(geometry.block_count());
    let states_at = 4096 + 384 * u64::from(geometry.lane_count());
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let is_sealed = |block: &u64| {
        let mut word = [0; 8];
        file.read_exact_at(&mut word, states_at + block * 8).unwrap();
        u64::from_le_bytes(word) == SEALED
    };
    let block = (0..count).find(is_sealed).unwrap();
    let mut scribbler = Scribbler {
        state_at: states_at + block * 8,
        block_at: geometry.file_bytes() - geometry.definition_bytes() - (count - block) * BLOCK_BYTES,
        generation: 0,
        began: Instant::now(),
        said: Vec::new(),
        file,
    };
    scribbler.report("at first");
    scribbler
}

/// Offset of the time at which a block was begun: word 9 of its header, as FORMAT.md has it.
const BEGUN_AT: u64 = 9 * 8;
const YEAR_2100_NS: u64 = 4_102_444_800 * 1_000_000_000;

#[test]
fn a_record_from_the_future_makes_no_closed_file_old() {
    let dir = Scratch::new();
    let path = dir.file("app");
    let ring =
        Ring::options().size("64KiB").block_bytes(BLOCK_BYTES as u32).create(path.to_str().unwrap()).unwrap();
    let log = ring.logger();
    (0..30).for_each(|i| log.text(Level::INFO, "test", format!("{i:09}")).unwrap());
    let geometry = *ring.info().geometry();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    for block in 1..=u64::from(geometry.block_count()) {
        let at = geometry.file_bytes() - geometry.definition_bytes() - block * BLOCK_BYTES + BEGUN_AT;
        file.write_all_at(&YEAR_2100_NS.to_le_bytes(), at).unwrap();
    }
    let mut options = Options::new(path.to_str().unwrap());
    (options.out, options.formatter) = (Out::file(dir.file("app.log")), Formatter::default());
    let (naming, keep) = ("time".parse().unwrap(), "30d".parse().unwrap());
    options.out.as_file_mut().unwrap().rotation =
        Rotation { size: Some(1000), naming, keep, ..Rotation::default() };
    let signals = Signals { stop: Arc::new(AtomicBool::new(true)), ..Signals::default() };
    // A stopped writer leaves the records behind one from the future to the next writer.
    for _ in 0..30 {
        run_with(&options, &signals, &mut StandardError).unwrap();
    }

    let files = || std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let logs: Vec<_> = files().filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    let text: String = logs.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert!(text.contains("2100-01-01T"), "the time was forged: {text}");
    assert_eq!((text.lines().count(), logs.len() > 2), (30, true), "{logs:?}");
    assert!(logs.iter().all(|path| !path.to_str().unwrap().contains("app-21")), "{logs:?}");
}
