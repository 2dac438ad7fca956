//! A ring as a queue, in one process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringlog::queue::{PutError, Queue};
use ringlog::{Error, Level, Ring};

const NOW: Duration = Duration::ZERO;
/// On a busy machine too.
const SOON: Duration = Duration::from_secs(30);

struct Scene {
    _dir: tempfile::TempDir,
    name: String,
    queue: Queue,
}

fn scene_of(options: ringlog::queue::QueueOptions) -> Scene {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let name = dir.path().join("queue").to_str().unwrap().to_owned();
    let queue = options.create(&name).unwrap();
    Scene { _dir: dir, name, queue }
}

fn scene() -> Scene {
    scene_of(Queue::options().size("1MiB"))
}

fn number(item: Option<Vec<u8>>) -> Option<u64> {
    item.map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
}

#[test]
fn items_come_out_in_order_and_are_counted() {
    let Scene { queue, _dir, .. } = scene();
    assert_eq!((queue.len().unwrap(), queue.get(NOW).unwrap()), (0, None));
    for n in 0..500_u64 {
        queue.put(&n.to_le_bytes(), NOW).unwrap();
        assert_eq!(queue.len().unwrap(), n + 1);
    }
    for n in 0..500 {
        assert_eq!(number(queue.get(NOW).unwrap()), Some(n));
        assert_eq!(queue.len().unwrap(), 499 - n);
    }
    assert!(queue.is_empty().unwrap() && queue.get(NOW).unwrap().is_none());
}

#[test]
fn any_bytes_are_an_item_up_to_the_longest() {
    let Scene { queue, _dir, .. } = scene();
    let limit = queue.ring().info().geometry().record_limit() - 4;
    let items = [vec![], vec![0], b"\xff\n\0".to_vec(), vec![7; 10_000], vec![9; limit]];
    for item in &items {
        queue.put(item, NOW).unwrap();
    }
    assert_eq!(queue.len().unwrap(), 5);
    for item in &items {
        assert!(queue.get(NOW).unwrap().as_ref() == Some(item));
    }
    assert_eq!(queue.len().unwrap(), 0);
    let error = queue.put(&vec![0; limit + 1], SOON).unwrap_err();
    let PutError::TooLong { bytes, limit: most, ring_bytes: Some(size) } = error else { panic!("{error}") };
    assert_eq!((bytes, most), (limit + 1, limit));
    let larger = scene_of(Queue::options().size(size));
    larger.queue.put(&vec![0; limit + 1], NOW).unwrap();
    let text = error.to_string();
    assert!(text.contains(&most.to_string()) && text.contains(&format!("{}MiB", size >> 20)), "{text}");
    let error = queue.put(&vec![0; 17 << 20], NOW).unwrap_err();
    assert!(matches!(error, PutError::TooLong { ring_bytes: None, .. }), "{error}");
}

#[test]
fn threads_share_a_getter_and_each_item_goes_to_one() {
    const EACH: u64 = 2_000;
    let Scene { queue, _dir, .. } = scene();
    let sum = AtomicU64::new(0);
    let count = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for putter in 0..3 {
            let queue = queue.clone();
            scope.spawn(move || {
                (0..EACH).for_each(|n| queue.put(&(putter * EACH + n).to_le_bytes(), SOON).unwrap());
            });
        }
        for _ in 0..4 {
            let (queue, sum, count) = (queue.clone(), &sum, &count);
            scope.spawn(move || {
                while count.load(Ordering::SeqCst) < 3 * EACH {
                    if let Some(n) = number(queue.get(Duration::from_millis(10)).unwrap()) {
                        sum.fetch_add(n, Ordering::SeqCst);
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!((count.into_inner(), sum.into_inner()), (3 * EACH, (0..3 * EACH).sum()));
    assert!(queue.is_empty().unwrap());
}

/// What a thread knows to be in the queue is before what it puts in.
#[test]
fn an_item_put_before_another_comes_out_before_it() {
    const ROUNDS: u64 = 20_000;
    let Scene { queue, _dir, .. } = scene_of(Queue::options().size("16MiB"));
    let turn = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for me in 0..2 {
            let (queue, turn) = (queue.clone(), &turn);
            scope.spawn(move || {
                for n in (me..ROUNDS).step_by(2) {
                    while turn.load(Ordering::Acquire) != n {
                        std::thread::yield_now();
                    }
                    queue.put(&n.to_le_bytes(), SOON).unwrap();
                    turn.store(n + 1, Ordering::Release);
                }
            });
        }
        for n in 0..ROUNDS {
            assert_eq!(number(queue.get(SOON).unwrap()), Some(n));
        }
    });
}

/// Each session is a process of its own to the others.
#[test]
fn getters_take_turns_without_a_gap() {
    const ITEMS: u64 = 100;
    let Scene { queue, name, _dir } = scene();
    let others = [Queue::open(&name).unwrap(), Queue::open(&name).unwrap()];
    for n in 0..ITEMS {
        let put = || queue.put(&n.to_le_bytes(), NOW).unwrap();
        // Two lanes.
        if n % 2 == 0 { put() } else { std::thread::scope(|scope| _ = scope.spawn(put)) }
    }
    for n in 0..ITEMS {
        let getter = [&queue, &others[0], &others[1], &others[0]][n as usize % 4];
        assert_eq!(number(getter.get(NOW).unwrap()), Some(n));
        assert_eq!(getter.len().unwrap(), ITEMS - n - 1);
    }
}

#[test]
fn a_writer_and_getters_exclude_each_other_and_are_named() {
    let Scene { queue, name, _dir } = scene();
    let ring = Ring::open(&name).unwrap();
    let me = format!("(pid {})", std::process::id());
    queue.put(b"first", NOW).unwrap();
    let consumer = ring.consumer().unwrap();
    let error = queue.get(NOW).unwrap_err();
    assert!(matches!(error, Error::ConsumerExists { .. }), "{error}");
    assert!(error.to_string().contains(&me), "{error}");
    assert_eq!(queue.len().unwrap(), 1, "counting disturbs no writer");
    drop(consumer);
    assert_eq!(queue.get(NOW).unwrap().as_deref(), Some(&b"first"[..]));
    let other = Queue::open(&name).unwrap();
    assert_eq!(other.get(NOW).unwrap(), None, "getters do not exclude each other");
    let error = ring.consumer().unwrap_err();
    assert!(matches!(error, Error::QueueInUse { .. }), "{error}");
    assert!(error.to_string().contains(&me), "{error}");
    drop(queue);
    assert!(ring.consumer().is_err(), "the other one is still there");
    drop(other);
    ring.consumer().unwrap();
}

#[test]
fn a_bounded_queue_takes_so_many_items() {
    let Scene { queue, _dir, .. } = scene_of(Queue::options().size("1MiB").bound(3));
    assert_eq!(queue.bound(), Some(3));
    for n in 0..3_u64 {
        queue.put(&n.to_le_bytes(), NOW).unwrap();
    }
    let error = queue.put(b"more", Duration::from_millis(5)).unwrap_err();
    assert_eq!(error.to_string(), "the queue is full: it has as many items as it takes, 3");
    assert_eq!(queue.len().unwrap(), 3);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.put(&3_u64.to_le_bytes(), SOON));
        assert_eq!(number(queue.get(NOW).unwrap()), Some(0));
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(queue.clear().unwrap(), 3);
    assert_eq!((queue.len().unwrap(), queue.clear().unwrap()), (0, 0));
}

#[test]
fn a_full_ring_refuses_and_counts() {
    let Scene { queue, _dir, .. } = scene_of(Queue::options().size("256KiB"));
    let mut taken = 0;
    let error = loop {
        match queue.put(&[0; 500], NOW) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, PutError::Full(_)), "{error}");
    assert_eq!(queue.len().unwrap(), taken);
    assert_eq!(queue.ring().observe().unwrap().stat().unwrap().refused.full, 1);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.put(&[1; 500], SOON));
        while !waiting.is_finished() {
            assert!(queue.get(SOON).unwrap().is_some());
        }
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn a_call_ends_when_its_caller_does_not_go_on() {
    let Scene { queue, _dir, .. } = scene();
    let asked = AtomicU64::new(0);
    let goes_on = || asked.fetch_add(1, Ordering::SeqCst) < 3;
    let begun = Instant::now();
    assert_eq!(queue.get_while(Duration::MAX, &goes_on).unwrap(), None);
    assert!(!queue.wait(Duration::MAX, &|| false).unwrap());
    assert!(begun.elapsed() < SOON);
    queue.put(b"item", NOW).unwrap();
    assert!(queue.wait(NOW, &|| true).unwrap() && queue.wait(NOW, &|| true).unwrap());
    assert_eq!(queue.get_while(NOW, &|| false).unwrap().as_deref(), Some(&b"item"[..]));
}

#[test]
fn records_that_were_logged_are_handed_out_by_their_message() {
    let Scene { queue, name, _dir } = scene();
    let ring = Ring::open(&name).unwrap();
    ring.logger().text(Level::WARN, "db", "disk 91%").unwrap();
    assert_eq!(queue.get(SOON).unwrap().as_deref(), Some(&b"disk 91%"[..]));
}

#[test]
fn a_sleeping_getter_is_woken_by_a_put() {
    let Scene { queue, _dir, .. } = scene();
    std::thread::scope(|scope| {
        for n in 0..200_u64 {
            let getter = scope.spawn(|| number(queue.get(SOON).unwrap()));
            queue.put(&n.to_le_bytes(), NOW).unwrap();
            assert_eq!(getter.join().unwrap(), Some(n));
        }
    });
}

#[test]
fn a_claim_counts_until_it_is_acknowledged() {
    let Scene { queue, name, _dir } = scene();
    let items = [b"first".to_vec(), vec![2; 50_000], vec![]];
    items.iter().for_each(|item| queue.put(item, NOW).unwrap());
    let claims: Vec<_> = items.iter().map(|_| queue.claim(NOW).unwrap().unwrap()).collect();
    assert!(claims.iter().map(|claim| claim.item()).eq(items.iter()));
    assert_eq!((queue.len().unwrap(), queue.unacked().unwrap(), queue.get(NOW).unwrap()), (0, 3, None));
    assert_eq!(queue.ring().observe().unwrap().stat().unwrap().claims, 3);
    let free = || queue.ring().observe().unwrap().stat().unwrap().free_blocks;
    let before = free();
    let [first, second, third] = claims.try_into().unwrap_or_else(|_| unreachable!());
    first.ack().unwrap();
    drop(second);
    // Another process gets it.
    let other = Queue::open(&name).unwrap();
    let again = other.claim(NOW).unwrap().unwrap();
    assert!(again.item() == items[1]);
    assert_eq!((queue.unacked().unwrap(), other.get(NOW).unwrap()), (2, None));
    again.ack().unwrap();
    third.ack().unwrap();
    assert_eq!((queue.unacked().unwrap(), queue.get(NOW).unwrap()), (0, None));
    assert!(free() > before + 6, "the blocks are free again: {before}, {}", free());
    // A ring with claims is not removed as if all were done.
    queue.put(b"last", NOW).unwrap();
    drop(other);
    let claim = queue.claim(NOW).unwrap().unwrap();
    drop(claim);
    drop(queue);
    let error = ringlog::admin::remove(&name, false).unwrap_err();
    assert!(matches!(error, Error::NotPersisted { records: 1, .. }), "{error}");
    let queue = Queue::open(&name).unwrap();
    assert_eq!(queue.get(NOW).unwrap().as_deref(), Some(&b"last"[..]), "its owner has ended in order");
}

#[test]
fn a_getter_that_waits_ends_when_the_queue_is_removed() {
    let Scene { queue, name, _dir } = scene();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| queue.get(Duration::from_secs(60)));
        let has_getter = || queue.ring().observe().unwrap().stat().unwrap().consumer.is_some();
        while !has_getter() {
            std::thread::yield_now();
        }
        ringlog::admin::remove(&name, true).unwrap();
        let error = waits.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::NoSuchRing { .. }), "{error}");
    });
}

#[test]
fn nothing_is_put_into_a_queue_that_was_removed() {
    let Scene { queue, name, _dir } = scene();
    queue.put(b"before", NOW).unwrap();
    ringlog::admin::remove(&name, true).unwrap();
    let error = queue.put(b"after", NOW).unwrap_err();
    assert!(matches!(error, PutError::Ring(Error::NoSuchRing { .. })), "{error}");
    let _anew = Queue::options().size("1MiB").create(&name).unwrap();
    // The path is not looked at each time.
    while queue.put(b"anew", NOW).is_err() {
        std::thread::yield_now();
    }
}

#[test]
fn a_getter_gives_up_a_replaced_ring_that_it_has_not_read() {
    let Scene { queue, name, _dir } = scene_of(Queue::options().size("1MiB").bound(8));
    queue.put(b"lost", NOW).unwrap();
    ringlog::admin::remove(&name, true).unwrap();
    let anew = Queue::options().size("1MiB").bound(8).create(&name).unwrap();
    anew.put(b"anew", NOW).unwrap();
    assert_eq!(queue.get(Duration::from_secs(60)).unwrap().as_deref(), Some(&b"anew"[..]));
}

#[test]
fn claims_that_fill_the_ring_can_be_taken_over() {
    let Scene { queue, name, _dir } = scene_of(Queue::options().size("1MiB"));
    while queue.put(&[7; 3000], NOW).is_ok() {}
    let mut claims = Vec::new();
    while let Ok(Some(claim)) = queue.claim(NOW) {
        claims.push(claim);
    }
    let count = claims.len() as u64;
    assert!(count > 3);
    drop(claims);
    let other = Queue::open(&name).unwrap();
    let again: Vec<_> = (0..count).map(|_| other.claim(NOW).unwrap().unwrap()).collect();
    assert_eq!(queue.unacked().unwrap(), count);
    again.into_iter().for_each(|claim| claim.ack().unwrap());
    assert_eq!(queue.unacked().unwrap(), 0);
}

#[test]
fn claims_come_back_in_the_order_in_which_they_were_made() {
    let Scene { queue, _dir, .. } = scene();
    let items: Vec<[u8; 1]> = (0..6).map(|number| [number]).collect();
    items.iter().for_each(|item| queue.put(item, NOW).unwrap());
    let claims: Vec<_> = (0..4).map(|_| queue.claim(NOW).unwrap().unwrap()).collect();
    drop(claims);
    let again: Vec<_> = items.iter().map(|_| queue.get(NOW).unwrap().unwrap()).collect();
    // They may come late.
    let claimed: Vec<_> = again.iter().filter(|item| item[0] < 4).collect();
    assert!(claimed.into_iter().eq(items.iter().take(4)), "{again:?}");
}

#[test]
fn a_full_ring_has_room_for_a_claim() {
    let Scene { queue, _dir, .. } = scene_of(Queue::options().size("256KiB"));
    while queue.put(&[7; 500], NOW).is_ok() {}
    let claim = queue.claim(NOW).unwrap().unwrap();
    assert_eq!((claim.item(), queue.unacked().unwrap()), (&[7; 500][..], 1));
    claim.ack().unwrap();
}

#[test]
fn too_many_claims_are_refused_and_lose_nothing() {
    let Scene { queue, _dir, .. } = scene_of(Queue::options().size("256KiB"));
    let mut claims = Vec::new();
    let error = loop {
        queue.put(b"item", NOW).unwrap();
        match queue.claim(NOW) {
            Ok(claim) => claims.push(claim.expect("an item")),
            Err(error) => break error,
        }
    };
    let put = claims.len() + 1;
    assert!(matches!(error, Error::ClaimsExhausted { .. }), "{error}");
    assert!(error.to_string().contains(&format!("beside {} that", claims.len())), "{error}");
    assert_eq!((queue.unacked().unwrap(), queue.len().unwrap()), (claims.len() as u64, 1));
    drop(claims);
    let got = std::iter::from_fn(|| queue.get(NOW).unwrap()).count();
    assert_eq!((got, queue.unacked().unwrap()), (put, 0));
}

#[test]
fn a_getter_follows_its_name_to_another_ring() {
    let Scene { queue, name, _dir } = scene();
    for n in 0..3_u64 {
        queue.put(&n.to_le_bytes(), NOW).unwrap();
    }
    assert_eq!(number(queue.get(NOW).unwrap()), Some(0));
    ringlog::admin::remove(&name, true).unwrap();
    let anew = Queue::options().size("2MiB").bound(7).create(&name).unwrap();
    for n in 3..5_u64 {
        anew.put(&n.to_le_bytes(), NOW).unwrap();
    }
    // What was left in the one before comes first.
    for n in 1..5 {
        assert_eq!(number(queue.get(SOON).unwrap()), Some(n));
    }
    assert_eq!((queue.len().unwrap(), queue.bound()), (0, Some(7)));
    // And while it waits.
    std::thread::scope(|scope| {
        let getter = scope.spawn(|| queue.get(SOON).unwrap());
        ringlog::admin::remove(&name, true).unwrap();
        let anew = Queue::options().size("1MiB").create(&name).unwrap();
        anew.put(b"there", NOW).unwrap();
        assert_eq!(getter.join().unwrap().as_deref(), Some(&b"there"[..]));
    });
}

#[test]
fn a_resized_queue_keeps_its_bound_and_loses_no_claim() {
    let Scene { queue, name, _dir } = scene_of(Queue::options().size("1MiB").bound(3));
    queue.put(b"item", NOW).unwrap();
    drop(queue.claim(NOW).unwrap().unwrap());
    drop(queue);
    let resize = || ringlog::admin::resize(&name, &ringlog::admin::Resize::to("2MiB"));
    let error = resize().unwrap_err();
    assert!(error.to_string().contains("1 record"), "{error}");
    let queue = Queue::open(&name).unwrap();
    assert_eq!(queue.get(NOW).unwrap().as_deref(), Some(&b"item"[..]));
    drop(queue);
    resize().unwrap();
    let queue = Queue::open(&name).unwrap();
    assert_eq!((queue.bound(), queue.ring().info().geometry().block_count() > 200), (Some(3), true));
}
