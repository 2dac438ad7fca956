//! Many log statements in one process, and the same ones in many processes.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringlog::Ring;
use ringlog::reader::{Observer, Received};
use ringlog::schema::Value;
use ringlog_testkit::{Child, SOON, Scratch};
use ringlog_tests::{CreateRing, stat};
use ringlog_writer::config::Formatter;
use ringlog_writer::{Options, Out};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ringlog-test-sites");
const SITES: u64 = 10_000;

fn start(at: &Scratch, first: u64, count: u64, rounds: u64) -> Child {
    let [first, count, rounds] = [first, count, rounds].map(|number| number.to_string());
    let mut child = Child::spawn(PROGRAM, &[at.name(), &first, &count, &rounds]);
    child.wait_ready();
    child
}

/// The number of the statement that a message names, after a look at all that its definition says.
#[track_caller]
fn site_of(message: &str, line: u64, pid: u64) -> u64 {
    let mut words = message.split(' ');
    let site = words.nth(1).and_then(|number| number.parse().ok()).expect("the number of a site");
    assert_eq!(message, format!("site {site} said {pid}"));
    assert_eq!(line, site + 1, "each statement is on the line that its number says");
    site
}

fn site_of_record(record: &Received<'_>, pid: u64) -> u64 {
    assert_eq!(record.fields().collect::<Vec<_>>(), [("n", Value::U64(pid))]);
    assert!(record.file.ends_with("sites.rs") && record.logger == "ringlog_test_sites", "{record:?}");
    site_of(&String::from_utf8_lossy(&record.text().unwrap_or_default()), record.line.into(), pid)
}

#[test]
fn ten_thousand_statements_of_one_process_keep_their_texts() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("32MiB"));
    let mut child = start(&at, 0, SITES, 2);
    let pid = child.id().into();
    child.go();
    assert_eq!(child.finish(), [2 * SITES]);
    assert_eq!(stat(&ring).published, 2 * SITES);
    let expected: Vec<u64> = (0..SITES).chain(0..SITES).collect();

    // An observer that is opened when the process has gone finds all of its definitions.
    let seen = Observer::open(at.name()).unwrap().poll().unwrap();
    let seen = seen.iter().map(|entry| site_of_record(entry.entry().record().expect("no gap"), pid));
    assert!(seen.eq(expected.iter().copied()), "what an observer sees");

    let mut consumer = ring.consumer().unwrap();
    consumer.set_grace(Duration::ZERO);
    let mut drained = Vec::new();
    while drained.len() < expected.len() {
        let entry = consumer.next(SOON).unwrap().expect("more was logged");
        drained.push(site_of_record(entry.record().expect("no gap"), pid));
    }
    assert!(drained == expected, "what the consumer gets");
    consumer.ack().unwrap();
    assert!(consumer.is_drained().unwrap());
}

#[test]
fn one_program_in_fifty_processes_logs_by_the_same_statements() {
    const PROCESSES: u64 = 50;
    const COUNT: u64 = 400;
    const ROUNDS: u64 = 3;
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("64MiB").lanes(128));
    let file = at.file("lines.json");
    let mut options = Options::new(at.name());
    options.out = Out::file(file.clone());
    options.formatter = Formatter::Json;
    // Each process begins elsewhere, so that one statement has another id in each; all of them have half in common
    // with the next.
    let first = |process: u64| process * COUNT / 2;
    let stop = AtomicBool::new(false);
    let mut pids = HashMap::new();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| ringlog_writer::run(&options, &stop));
        let mut children: Vec<_> = (0..PROCESSES).map(|n| start(&at, first(n), COUNT, ROUNDS)).collect();
        pids.extend(children.iter().map(|child| u64::from(child.id())).zip(0..));
        children.iter_mut().for_each(Child::go);
        for child in &mut children {
            assert_eq!(child.finish(), [COUNT * ROUNDS]);
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap().unwrap();
    });
    assert_eq!(stat(&ring).dropped, 0);

    let mut lines = BTreeMap::<u64, Vec<u64>>::new();
    for line in std::fs::read_to_string(&file).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let number = |name: &str| line[name].as_u64().unwrap_or_else(|| panic!("no {name}: {line}"));
        let pid = number("pid");
        assert_eq!(line["fields"], serde_json::json!({ "n": pid }), "{line}");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["logger"], "ringlog_test_sites");
        let site = site_of(line["message"].as_str().unwrap(), number("line"), pid);
        lines.entry(pids[&pid]).or_default().push(site);
    }
    let expected = (0..PROCESSES).map(|n| {
        (n, (0..ROUNDS).flat_map(|_| first(n)..first(n) + COUNT).map(|site| site % SITES).collect())
    });
    assert!(
        lines == expected.collect::<BTreeMap<_, Vec<u64>>>(),
        "each line once, in the order of its process"
    );
}
