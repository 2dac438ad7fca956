//! More definitions than a process has numbers for, or than the ring has room for.

use std::time::Duration;

use ringlog::schema::{Definition, Field, Site, Type, Value};
use ringlog::{Level, Ring};
use ringlog_testkit::Scratch;
use ringlog_tests::{CreateRing, stat};

/// A site made at run time.
fn site(number: u64) -> Site {
    let fields = vec![Field::new("order", Type::U64)].into();
    let text = format!("text {number} {{0}}");
    Site::new(Definition {
        text: text.into(),
        template: true,
        fields,
        ..Definition::new(Level::INFO, "made")
    })
}

/// How many records the consumer gives out; each has to be that of its site.
fn drain(consumer: &mut ringlog::reader::Consumer, next: &mut u64) {
    while let Some(entry) = consumer.next(Duration::ZERO).unwrap() {
        let record = entry.record().expect("nothing is lost");
        assert_eq!(record.to_string(), format!("text {next} {next}"));
        assert_eq!(record.fields().collect::<Vec<_>>(), [("order", Value::U64(*next))]);
        *next += 1;
    }
    consumer.ack().unwrap();
}

#[test]
fn sites_without_a_number_are_logged() {
    let at = Scratch::new();
    let ring = at.create(Ring::options().size("32MiB"));
    let (log, mut consumer) = (ring.logger(), ring.consumer().unwrap());
    let (sites, mut read) = (66_000, 0);
    for number in 0..sites {
        log.values(&site(number), &[Value::U64(number)]).unwrap();
        if number % 1000 == 0 {
            drain(&mut consumer, &mut read);
        }
    }
    while !consumer.is_drained().unwrap() {
        drain(&mut consumer, &mut read);
    }
    assert_eq!((read, stat(&ring).dropped), (sites, 0));
    assert!(stat(&ring).described >= sites - 65_535);
    assert!(stat(&ring).definitions.limits.sites);
}
