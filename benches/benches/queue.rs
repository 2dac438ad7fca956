//! A ring as a queue: the cost of an item that is put in and taken out, and how soon a sleeping getter has it.

use std::hint::black_box;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ringlog::queue::Queue;

/// Items of one round.
const ITEMS: u64 = 20_000;
const ROUNDS: usize = 15;
/// Items for which a getter sleeps.
const WAKE_UPS: usize = 2_000;
const ITEM: [u8; 100] = [7; 100];
const SOON: Duration = Duration::from_secs(30);

/// Tells a child of this program what it is.
const ROLE: &str = "RINGLOG_BENCH_QUEUE_ROLE";

fn start(role: &str, name: &str) -> Child {
    let program = std::env::current_exe().expect("it is running");
    let mut command = Command::new(program);
    command.arg(name).env(ROLE, role).stdin(Stdio::null()).spawn().expect("it is executable")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(name: &str, value: f64, unit: &str) {
    println!("{name:<58} {value:>10.2} {unit}");
}

/// Puts items in and takes them out in this process, in turns.
fn in_turns(queue: &Queue) -> f64 {
    let round = |_| {
        let begun = Instant::now();
        for _ in 0..ITEMS {
            queue.put(black_box(&ITEM), SOON).expect("there is room");
            black_box(queue.get(Duration::ZERO).expect("the ring is there"));
        }
        begun.elapsed().as_nanos() as f64 / ITEMS as f64
    };
    median((0..ROUNDS).map(round).collect())
}

/// As `in_turns`, and two getters take turns too: each reads the ring's progress anew. To the ring, each session is a
/// process of its own.
fn by_two_getters(queue: &Queue, name: &str) -> f64 {
    let others = [Queue::open(name).expect("just made"), Queue::open(name).expect("just made")];
    let round = |_| {
        let begun = Instant::now();
        for n in 0..ITEMS as usize / 10 {
            queue.put(black_box(&ITEM), SOON).expect("there is room");
            black_box(others[n % 2].get(SOON).expect("the ring is there"));
        }
        begun.elapsed().as_nanos() as f64 / 1e3 / (ITEMS / 10) as f64
    };
    median((0..ROUNDS).map(round).collect())
}

/// Items through the queue per second, from this process to so many others.
fn to_getters(queue: &Queue, name: &str, getters: usize) -> f64 {
    let mut children: Vec<Child> = (0..getters).map(|_| start("get", name)).collect();
    let round = |_| {
        let begun = Instant::now();
        (0..ITEMS).for_each(|_| queue.put(&ITEM, SOON).expect("getters make room"));
        while !queue.is_empty().expect("the ring is there") {
            std::thread::sleep(Duration::from_micros(50));
        }
        ITEMS as f64 / begun.elapsed().as_secs_f64()
    };
    round(0);
    let items = median((0..ROUNDS).map(round).collect());
    for child in &mut children {
        child.kill().and_then(|()| child.wait()).expect("it runs");
    }
    items
}

/// The time from before an item is put in until a process that slept for it has answered.
fn wake_up(there: &Queue, back: &Queue, name: &str) -> f64 {
    let mut child = start("echo", name);
    let round = |_| {
        // The other process sleeps by then.
        std::thread::sleep(Duration::from_micros(300));
        let begun = Instant::now();
        there.put(&ITEM, SOON).expect("there is room");
        black_box(back.get(SOON).expect("the ring is there").expect("an answer"));
        begun.elapsed().as_nanos() as f64 / 1e3
    };
    (0..100).map(round).for_each(drop);
    let both_ways = median((0..WAKE_UPS).map(round).collect());
    child.kill().and_then(|()| child.wait()).expect("it runs");
    // Each of the two has slept.
    both_ways / 2.0
}

fn other(role: &str, name: &str) {
    let queue = Queue::open(name).expect("the parent has made it");
    let answers = (role == "echo").then(|| Queue::open(&format!("{name}-back")).expect("made as well"));
    while let Some(item) = queue.get(SOON).expect("the ring is there") {
        if let Some(answers) = &answers {
            answers.put(&item, SOON).expect("there is room");
        }
    }
}

fn main() {
    if let (Ok(role), Some(name)) = (std::env::var(ROLE), std::env::args().nth(1)) {
        return other(&role, &name);
    }
    let dir = tempfile::tempdir_in("/dev/shm").expect("there is shared memory");
    let make = |name: &str| {
        let name = dir.path().join(name).to_string_lossy().into_owned();
        (Queue::options().size("16MiB").create(&name).expect("a fresh name"), name)
    };
    println!("medians, items of {} bytes, ring of 16 MiB", ITEM.len());
    print("put and get in turns, in one process", in_turns(&make("turns").0), "ns");
    let (queue, name) = make("two");
    print("the same, by two getters in turns", by_two_getters(&queue, &name), "us");
    for getters in [1, 3] {
        let (queue, name) = make(&format!("getters-{getters}"));
        let plural = if getters == 1 { "another process" } else { "three other processes" };
        let name_of_row = format!("from one process to {plural}, in bursts");
        print(&name_of_row, to_getters(&queue, &name, getters) / 1e3, "thousand items/s");
    }
    let ((there, name), (back, _)) = (make("there"), make("there-back"));
    print("from a put to the sleeping getter, and it has the item", wake_up(&there, &back, &name), "us");
}
