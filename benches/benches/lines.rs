//! Lines a second from two producer processes through the ring and the writer into a file; compared with one `write(2)`
//! for each line by the producers themselves.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringlog::{Overflow, Record, Ring};
use ringlog_writer::config::{FileConfig, Formatter};
use ringlog_writer::rotation::Zone;
use ringlog_writer::{Newlines, Options, Out};

const PRODUCERS: u64 = 2;
const LINES_EACH: u64 = 2_000_000;
const ROUNDS: usize = 5;

#[derive(Record)]
#[record(level = "info", logger = "orders")]
struct Fill {
    order: u64,
    price: f64,
    venue: [u8; 4],
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[..] {
        [_, role, target] if role == "through-the-ring" => return log_through(target),
        [_, role, target] if role == "by-write" => return write_each(target),
        _ => {}
    }
    let plain =
        Case { name: "ringlog, text", formatter: Formatter::default(), checkpoint: true, rotates: false };
    let pattern = Formatter::Pattern {
        pattern: "%(asctime)s %(levelname)-8s %(name)s %(lineno)d: %(message)s".to_owned(),
        date: None,
        zone: Zone::local(),
        newlines: Newlines::default(),
    };
    let cases = [
        plain.clone(),
        Case { name: "ringlog, text, no checkpoint", checkpoint: false, ..plain.clone() },
        Case { name: "ringlog, text, files of 64 MiB", rotates: true, ..plain.clone() },
        Case { name: "ringlog, json", formatter: Formatter::Json, ..plain.clone() },
        Case { name: "ringlog, pattern", formatter: pattern, ..plain.clone() },
        Case { name: "ringlog, raw", formatter: Formatter::Raw, ..plain.clone() },
    ];
    let mut rates = vec![Vec::new(); cases.len() + 1];
    for _ in 0..ROUNDS {
        for (case, rates) in cases.iter().zip(&mut rates) {
            rates.push(through_the_ring(case));
        }
        rates[cases.len()].push(by_write());
    }
    println!(
        "million lines a second, median of {ROUNDS} rounds, {PRODUCERS} producers, typed record of 3 fields"
    );
    let names = cases.iter().map(|case| case.name).chain(["one write(2) for each line"]);
    for (name, mut rates) in names.zip(rates) {
        rates.sort_by(f64::total_cmp);
        println!("{name:<32} {:>6.2}", rates[ROUNDS / 2]);
    }
}

/// One way of writing.
#[derive(Clone)]
struct Case {
    name: &'static str,
    formatter: Formatter,
    checkpoint: bool,
    rotates: bool,
}

fn through_the_ring(case: &Case) -> f64 {
    let dir = tempfile::tempdir_in("/dev/shm").expect("/dev/shm is there");
    let path = dir.path().join("ring");
    let name = path.to_str().expect("a path made of letters");
    let patience = Overflow::Block(Duration::from_secs(60));
    let ring =
        Ring::options().size("16MiB").overflow(patience).create_or_open(name).expect("room for a ring");
    let mut options = Options::new(name);
    let mut file = FileConfig { checkpoint: case.checkpoint, ..FileConfig::new(dir.path().join("log")) };
    options.formatter = case.formatter.clone();
    if case.rotates {
        file.rotation.size = Some(64 << 20);
        file.rotation.keep.count = Some(1);
    }
    options.out = Out::File(file);
    let stop = AtomicBool::new(false);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| ringlog_writer::run(&options, &stop));
        wait(producers("through-the-ring", name));
        stop.store(true, Ordering::Relaxed);
        let summary = writer.join().expect("the writer does not panic").expect("the writer can write");
        assert_eq!(summary.records, PRODUCERS * LINES_EACH);
    });
    drop(ring);
    (PRODUCERS * LINES_EACH) as f64 / start.elapsed().as_secs_f64() / 1e6
}

fn by_write() -> f64 {
    let dir = tempfile::tempdir_in("/dev/shm").expect("/dev/shm is there");
    let path = dir.path().join("log");
    let start = Instant::now();
    wait(producers("by-write", path.to_str().expect("a path made of letters")));
    (PRODUCERS * LINES_EACH) as f64 / start.elapsed().as_secs_f64() / 1e6
}

fn producers(role: &str, target: &str) -> Vec<Child> {
    let program = std::env::current_exe().expect("a benchmark knows its own path");
    let start = || Command::new(&program).args([role, target]).spawn().expect("the benchmark starts itself");
    (0..PRODUCERS).map(|_| start()).collect()
}

fn wait(children: Vec<Child>) {
    for mut child in children {
        assert!(child.wait().expect("our own child").success());
    }
}

fn log_through(ring: &str) {
    let log = Ring::open(ring).expect("the ring has been made").logger();
    for order in 0..LINES_EACH {
        log.push(&Fill { order, price: 9.5, venue: *b"XETR" }).expect("the writer drains");
    }
}

fn write_each(path: &str) {
    let mut file =
        std::fs::File::options().append(true).create(true).open(Path::new(path)).expect("can be opened");
    let mut line = Vec::new();
    for order in 0..LINES_EACH {
        line.clear();
        let stamp = "2026-11-21T10:15:30.123456789Z INFO  orders[4711/main]";
        writeln!(line, "{stamp} lines.rs:17 order={order} price=9.5 venue=XETR")
            .expect("memory takes everything");
        file.write_all(&line).expect("the file can be written");
    }
}
