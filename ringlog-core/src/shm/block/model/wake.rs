//! Going to sleep and waking up: each side makes a store, a fence and a load.

use super::*;
use crate::shm::sync::fence;

const RECORD: u64 = 0xa1;

/// Values of the sleep word. The wait itself is the kernel's, which sleeps only while the word is ASLEEP.
const AWAKE: u64 = 0;
const ASLEEP: u64 = 1;

/// What the producer has done before it checks whether the consumer sleeps.
#[derive(Clone, Copy)]
enum News {
    Published,
    Sealed,
}

/// Whether the two sides have their fences.
#[derive(Clone, Copy)]
struct Fences {
    consumer: bool,
    producer: bool,
}

fn fence_if(fenced: bool) {
    if fenced {
        fence(Ordering::SeqCst);
    }
}

/// The consumer has found nothing, announces that it sleeps, checks again and sleeps. The producer makes
/// something visible, checks for a sleeper and wakes it. Each stores first and then loads. If each load
/// could miss the other's store, the consumer would sleep over a record and no producer would wake it.
fn sleeping(news: News, fences: Fences) -> &'static str {
    let ring = small_ring(1, 1);
    let block = ring.take(0, LANE, Kind::Records).expect("the block is free");
    let world = (ring, Arc::new(AtomicU64::new(AWAKE)));

    let consumer = role(&world, move |(ring, sleep)| {
        sleep.store(ASLEEP, Ordering::Relaxed);
        fence_if(fences.consumer);
        match news {
            News::Published => ring.committed(0, 0).is_some(),
            News::Sealed => ring.state(0).is_some_and(|state| state.phase == Phase::Sealed),
        }
    });
    let producer = role(&world, move |(ring, sleep)| {
        match news {
            News::Published => publish_record(ring, block, 0, RECORD),
            News::Sealed => ring.seal(block, LANE, Kind::Records),
        }
        fence_if(fences.producer);
        let asleep = sleep.load(Ordering::Relaxed) == ASLEEP;
        if asleep {
            sleep.store(AWAKE, Ordering::Relaxed);
        }
        asleep
    });
    match (consumer.join().unwrap(), producer.join().unwrap()) {
        (true, false) => "seen",
        (false, true) => "woken",
        (true, true) => "seen, and woken needlessly",
        (false, false) => panic!("asleep over a record"),
    }
}

#[test]
fn the_consumer_never_sleeps_over_a_record() {
    for news in [News::Published, News::Sealed] {
        allows(&["seen", "woken", "seen, and woken needlessly"], move || {
            sleeping(news, Fences { consumer: true, producer: true })
        });
    }
}

#[test]
fn the_consumer_sleeps_over_a_record_unless_both_have_a_fence() {
    for news in [News::Published, News::Sealed] {
        for (consumer, producer) in [(false, false), (false, true), (true, false)] {
            wrong_sequence_shows("asleep over a record", move || {
                sleeping(news, Fences { consumer, producer })
            });
        }
    }
}
