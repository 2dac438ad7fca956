//! A process stores random words into the ring while a writer drains it and other commands read it: none of them
//! crashes, and they report the damage.

mod common;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal::SIGTERM;
use ringlog::schema::{Definition, Field, Site, Type, Value};
use ringlog::{Level, Logger, Overflow, Ring};
use ringlog_testkit::Random;

use common::{Ended, Running, Scene, wait_until};

/// How long each seed overwrites the ring.
const RUN_TIME: Duration = Duration::from_millis(1500);
/// Upper bound for the memory of a reader of a ring of 256 KiB, whatever its bytes are.
const MEMORY_KIB: u64 = 128 << 10;

/// Which words are overwritten.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Where {
    /// All but the first page, which holds the geometry and the request to stop.
    Behind,
    /// Lanes, state words, progress words and the headers of blocks.
    Tables,
    /// All words.
    Everywhere,
}

/// Stores random words at random places until `done`. Returns how many.
fn scribble(ring: &File, place: Where, seed: u64, done: &AtomicBool) -> u64 {
    let mut random = Random::new(seed);
    let words = ring.metadata().unwrap().len() / 8;
    let mut stored = 0;
    while !done.load(Ordering::Relaxed) {
        for _ in 0..64 {
            let at = match place {
                Where::Everywhere => random.number() % words,
                Where::Behind => 512 + random.number() % (words - 512),
                // Eight lanes, the words of 240 blocks; then blocks of 1 KiB.
                Where::Tables if random.number().is_multiple_of(2) => {
                    512 + random.number() % (8 * 32 + 2 * 240)
                }
                Where::Tables => words - (1 + random.number() % 240) * 128 + random.number() % 24,
            };
            let mut old = [0; 8];
            ring.read_exact_at(&mut old, at * 8).unwrap();
            let old = u64::from_le_bytes(old);
            let new = match random.number() % 6 {
                0 => random.number(),
                1 => old ^ 1 << (random.number() % 64),
                2 => old.wrapping_add(random.number() % 5).wrapping_sub(2),
                3 => old.wrapping_add(1 << 32),
                4 => random.number() % 300,
                _ => u64::MAX >> (random.number() % 64),
            };
            ring.write_all_at(&new.to_le_bytes(), at * 8).unwrap();
            stored += 1;
        }
        // Alternates between running with pauses, in which the readers see stable bytes, and running without.
        if stored / 16_384 % 2 == 0 {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
    stored
}

/// Logs all kinds of records until `done`. Refused records are fine.
fn produce(log: &Logger, done: &AtomicBool) -> u64 {
    static SITE: Site = Site::new(Definition::new(Level::WARN, "hostile.site"));
    let fields = vec![Field::new("number", Type::U64), Field::new("note", Type::Str)].into();
    let typed = Site::new(Definition { fields, ..Definition::new(Level::INFO, "hostile.typed") });
    let long = "long ".repeat(1000);
    let mut published = 0;
    for number in 0_u64.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let pushed = match number % 64 {
            0 => log.text(Level::INFO, "hostile", &long),
            1 => log.values(&SITE, &[]),
            2..32 => log.values(&typed, &[Value::U64(number), Value::Text(b"note")]),
            _ => log.text(Level::ERROR, "hostile", "text"),
        };
        published += u64::from(pushed.is_ok());
        if number % 64 == 0 {
            std::thread::sleep(Duration::from_micros(500));
        }
    }
    published
}

/// The peak memory of a process, in KiB.
fn peak_kib(process: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse().unwrap())
}

/// Asserts that a command ended by itself, without a panic, and that its error names the damage.
#[track_caller]
fn survived(ended: &Ended) {
    assert!(matches!(ended.code, Some(0 | 1 | 5)), "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    assert_eq!(
        ended.code == Some(1),
        ended.stderr.contains("is damaged: ") || ended.is_no_ring(),
        "{ended:?}"
    );
}

impl Ended {
    /// Whether the error says that the file is not a ring or has another version: the header was overwritten.
    fn is_no_ring(&self) -> bool {
        ["is not a ring", "is a ring of format"].iter().any(|words| self.stderr.contains(words))
    }
}

/// Starts a command with files for its output, which may be more than a pipe holds.
fn start(scene: &Scene, args: &[&str]) -> Running {
    let file = |name| File::create(scene.file(&format!("{}.{name}", args[0]))).unwrap();
    Running::start(scene.command(args).stdout(file("out")).stderr(file("err")))
}

/// Sends SIGTERM to a command and waits for its end.
#[track_caller]
fn end(scene: &Scene, what: &str, mut running: Running) -> Ended {
    running.signal(SIGTERM);
    wait_until(what, || running.0.has_ended());
    Ended { stderr: scene.read(&format!("{what}.err")), ..running.output() }
}

/// Sets the flag when it is dropped, so that the threads end also if the test fails.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn hostile(seed: u64, place: Where, format: &str) {
    let scene = Scene::new();
    let create = ["create", "app", "--size", "256KiB", "--block-size", "1024", "--lanes", "8"];
    scene.ringlog(&create).ok();
    let name = scene.ring("app");
    let file = File::options().read(true).write(true).open(&name).unwrap();
    let writer = start(&scene, &["writer", "app", "--format", format]);
    wait_until("a writer", || scene.ringlog(&["stat", "app"]).stdout.contains(&writer.holder()));
    let tail = start(&scene, &["tail", "app", "--follow", "--format", format]);
    let (done, all_done) = (AtomicBool::new(false), AtomicBool::new(false));
    // The ring's own overflow policy may be overwritten by any deadline, even years.
    let log = Ring::open(name.to_str().unwrap()).unwrap().logger().with_overflow(Overflow::Drop);
    let published = AtomicU64::new(0);
    let (looks, stored, peaks) = std::thread::scope(|scope| {
        let [end_of_producers, end_of_scribbling] = [&done, &all_done].map(SetAtEnd);
        for _ in 0..2 {
            scope.spawn(|| published.fetch_add(produce(&log, &done), Ordering::Relaxed));
        }
        std::thread::sleep(Duration::from_millis(100));
        let scribbler = scope.spawn(|| scribble(&file, place, seed, &all_done));
        let began = Instant::now();
        let mut looks = 0;
        while began.elapsed() < RUN_TIME || looks < 2 {
            for look in [
                &["stat", "app"][..],
                &["stat", "app", "--json"],
                &["info", "app"],
                &["ls"],
                &["ls", "--json"],
                &["tail", "app", "--format", "json"],
                &["tail", "app", "-n", "1000"],
            ] {
                survived(&scene.ringlog(look));
            }
            looks += 1;
        }
        drop(end_of_producers);
        let peaks = [&writer, &tail].map(peak_kib);
        // The random stores still go on.
        survived(&end(&scene, "writer", writer));
        survived(&end(&scene, "tail", tail));
        drop(end_of_scribbling);
        (looks, scribbler.join().unwrap(), peaks)
    });
    let stat = scene.ringlog(&["stat", "app"]);
    survived(&stat);
    let damaged =
        stat.stdout.lines().find(|line| line.starts_with("damaged")).unwrap_or("damaged   nothing reported");
    println!(
        "seed {seed}, {place:?}, {format}: {stored} words scribbled, {} records published, {looks} times 7 looks; \
         writer {} lines, {} KiB, tail {} lines, {} KiB; {damaged}",
        published.into_inner(),
        lines(&scene, "writer.out"),
        peaks[0],
        lines(&scene, "tail.out"),
        peaks[1],
    );
    assert!(peaks.iter().all(|peak| *peak < MEMORY_KIB), "{peaks:?} KiB");
    // Damage has to be reported, unless the header's damage makes the ring unreadable for `stat` too.
    assert!(place == Where::Everywhere || damaged.contains("are not valid"), "{stat:?}");
}

fn lines(scene: &Scene, name: &str) -> usize {
    std::fs::read(scene.file(name)).map_or(0, |bytes| bytes.split(|byte| *byte == b'\n').count())
}

#[test]
fn commands_survive_random_stores_into_the_ring() {
    for (seed, format) in [(1, "text"), (2, "json"), (3, "raw")] {
        hostile(seed, Where::Behind, format);
    }
}

#[test]
fn commands_survive_random_stores_into_its_tables() {
    for (seed, format) in [(4, "text"), (5, "json"), (6, "raw")] {
        hostile(seed, Where::Tables, format);
    }
}

#[test]
fn commands_survive_random_stores_into_the_header_too() {
    for (seed, format) in [(7, "text"), (8, "json")] {
        hostile(seed, Where::Everywhere, format);
    }
}
