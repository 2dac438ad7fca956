//! `ringlog get`, `ringlog size` and `ringlog clear`: a ring as a queue.

mod common;

use std::time::Duration;

use common::{Scene, wait_until};
use ringlog::queue::Queue;

fn queue(scene: &Scene) -> Queue {
    Queue::options().size("1MiB").create(scene.ring("jobs").to_str().unwrap()).unwrap()
}

fn put(queue: &Queue, items: &[&[u8]]) {
    items.iter().for_each(|item| queue.put(item, Duration::ZERO).unwrap());
}

#[test]
fn items_are_printed_in_order_and_counted() {
    let scene = Scene::new();
    let queue = queue(&scene);
    put(&queue, &[b"one", b"two", b"three", b"four"]);
    assert_eq!(scene.ringlog(&["size", "jobs"]).ok().stdout, "4\n");
    assert_eq!(scene.ringlog(&["get", "jobs"]).ok().stdout, "one\n");
    assert_eq!(scene.ringlog(&["get", "jobs", "-n", "2"]).ok().stdout, "two\nthree\n");
    // The ones that are there are printed, and the exit code says that not all have come.
    let ended = scene.ringlog(&["get", "jobs", "-n", "3", "--no-wait"]);
    assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (Some(5), "four\n", ""));
    assert_eq!(scene.ringlog(&["get", "jobs", "--timeout", "10ms"]).code, Some(5));
    put(&queue, &[b"five", b"six"]);
    assert_eq!(scene.ringlog(&["clear", "jobs"]).ok().stdout, "2\n");
    assert_eq!(scene.ringlog(&["size", "jobs"]).ok().stdout, "0\n");
    scene
        .ringlog(&["get", "job", "--no-wait"])
        .fails(4, &format!("ringlog: no ring \"job\" in {}; did you mean \"jobs\"?", scene.dir()));
}

#[test]
fn a_zero_byte_ends_items_that_contain_newlines() {
    let scene = Scene::new();
    put(&queue(&scene), &[b"a\nb", b"", b"\xff\xfe"]);
    let ended = scene.command(&["get", "jobs", "-0", "-n3"]).output().unwrap();
    assert_eq!((ended.status.code(), &*ended.stdout), (Some(0), &b"a\nb\0\0\xff\xfe\0"[..]));
}

#[test]
fn a_waiting_get_is_woken_by_an_item() {
    let scene = Scene::new();
    let queue = queue(&scene);
    let mut command = scene.command(&["get", "jobs"]);
    let waiting = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let consumer = || queue.ring().observe().unwrap().stat().unwrap().consumer;
    wait_until("a getter", || consumer().is_some_and(|consumer| consumer.pid == waiting.id()));
    put(&queue, &[b"for it"]);
    let ended = waiting.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), &*ended.stdout), (Some(0), &b"for it\n"[..]));
}

#[test]
fn an_item_that_cannot_be_printed_stays() {
    let scene = Scene::new();
    let queue = queue(&scene);
    put(&queue, &[b"kept"]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ended = scene.command(&["get", "jobs"]).stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(scene.ringlog(&["get", "jobs", "--no-wait"]).ok().stdout, "kept\n");
}

#[test]
fn a_claimed_item_is_counted_apart() {
    let scene = Scene::new();
    let queue = queue(&scene);
    put(&queue, &[b"item"]);
    let claim = queue.claim(Duration::ZERO).unwrap().unwrap();
    assert_eq!(scene.ringlog(&["size", "jobs"]).ok().stdout, "0\n");
    assert_eq!(scene.ringlog(&["size", "jobs", "--unacked"]).ok().stdout, "1\n");
    claim.ack().unwrap();
    assert_eq!(scene.ringlog(&["size", "jobs", "--unacked"]).ok().stdout, "0\n");
}

#[test]
fn a_ring_with_a_writer_has_no_getters() {
    let scene = Scene::new();
    drop(queue(&scene));
    let writer = scene.writer("jobs", &["--out", "app.log"]);
    for command in ["get", "clear"] {
        let ended = scene.ringlog(&[command, "jobs"]);
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains(&writer.holder()), "{}", ended.stderr);
    }
    scene.ringlog(&["size", "jobs"]).ok();
    scene.ringlog(&["stop", "jobs"]).ok();
    writer.output().ok();
    // And the other way round.
    let queue = Queue::open(scene.ring("jobs").to_str().unwrap()).unwrap();
    queue.get(Duration::ZERO).unwrap();
    let ended = scene.ringlog(&["writer", "jobs", "--out", "app.log"]);
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains("is read as a queue, last by"), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("(pid {})", std::process::id())), "{}", ended.stderr);
}
