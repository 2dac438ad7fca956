//! A producer in a ring that another process damages. Its records may be lost; it itself may not
//! come to harm, nor wait for what never comes.

use std::time::Duration;

use ringlog::admin::LevelRule;
use ringlog::reader::Consumer;
use ringlog::schema::{Definition, Field, Site, Type, Value};
use ringlog::{Error, Level, Logger, Overflow, Record, Ring};

use crate::scene;
use crate::script::Script;

#[derive(Record)]
#[record(level = "info", logger = "fuzz.push")]
struct Pushed<'a> {
    number: u64,
    note: &'a str,
}

/// What `ringlog put` does.
pub(crate) fn put(name: &str) -> Result<String, Error> {
    let ring = Ring::open(name)?;
    let log = ring.logger().with_overflow(Overflow::Drop);
    log.open_lane()?;
    let put = log.text(Level::INFO, "put", "a line");
    Ok(put.map_or_else(|error| error.to_string(), |()| "put".to_owned()))
}

/// What `ringlog level` does to change one.
pub(crate) fn change_levels(name: &str) -> Result<String, Error> {
    let rule = LevelRule { logger: "fuzz".to_owned(), level: Level::DEBUG, pid: None, until_unix: Some(1) };
    let rules = ringlog::admin::change_levels(name, |rules| rules.set(rule.clone()))?;
    Ok(format!("{} rules", rules.len()))
}

/// Pushes records of all kinds, drains some, with the ring changed in between.
pub fn producer(data: &[u8]) {
    let mut script = Script::new(data);
    scene::with(script.byte().unwrap_or(0), |scene| {
        let mut step = script.next_step(&scene.words);
        // Anew for each run, so that it does not depend on the one before.
        let Ok(ring) = Ring::open(&scene.name) else { return };
        let log = ring.logger().with_overflow(Overflow::Drop);
        let mut consumer = None;
        while let Some(how) = step {
            push(&log, how, &ring, &mut consumer);
            step = script.next_step(&scene.words);
        }
        push(&log, 0, &ring, &mut consumer);
    });
}

/// One step. A refusal is an answer; the record then is counted.
fn push(log: &Logger, how: u8, ring: &Ring, consumer: &mut Option<Consumer>) {
    let long = "z".repeat(3000);
    let times = 1 + usize::from(how >> 3) * 8;
    match how & 7 {
        0 => (0..times).for_each(|number| _ = log.push(&Pushed { number: number as u64, note: "n" })),
        1 => (0..times).for_each(|_| _ = log.text(Level::INFO, "fuzz", "text")),
        2 => (0..times).for_each(|_| _ = log.text(Level::ERROR, "fuzz", "urgent")),
        3 => _ = log.push(&Pushed { number: 1, note: &long }),
        4 => {
            let fields = vec![Field::new("a", Type::U64), Field::new("b", Type::Str)];
            let site =
                Site::new(Definition { fields: fields.into(), ..Definition::new(Level::WARN, "fuzz.site") });
            _ = log.values(&site, &[Value::U64(1), Value::Text(b"x")]);
        }
        5 => _ = log.flush(Duration::ZERO),
        6 => std::thread::scope(|scope| {
            let other = log.clone();
            scope.spawn(move || _ = other.text(Level::INFO, "fuzz", "another thread's"));
        }),
        _ => {
            let Ok(consumer) =
                consumer.take().map_or_else(|| ring.consumer(), Ok).map(|c| consumer.insert(c))
            else {
                return;
            };
            (0..times).for_each(|_| _ = consumer.next(Duration::ZERO).unwrap());
            consumer.ack().unwrap();
        }
    }
}
