//! What `ringlog stat` says of a writer that has not looked yet, and of definitions without room.

mod common;

use std::time::Duration;

use common::Scene;
use ringlog::schema::{Definition, Field, Site, Type, Value};
use ringlog::{Level, Ring};

fn ring(scene: &Scene) -> Ring {
    Ring::options().size("1MiB").create(scene.ring("app").to_str().unwrap()).unwrap()
}

/// Reads and acknowledges every record in the ring.
fn drain(ring: &Ring) {
    let mut consumer = ring.consumer().unwrap();
    while consumer.next(Duration::from_millis(20)).unwrap().is_some() {}
    consumer.ack().unwrap();
}

#[test]
fn a_writer_that_has_not_looked_yet_has_polled_never() {
    let scene = Scene::new();
    let ring = ring(&scene);
    // Also where an earlier one has.
    for _ in 0..2 {
        let mut consumer = ring.consumer().unwrap();
        let stat = scene.ringlog(&["stat", "app"]).ok().stdout;
        assert!(stat.contains(", last polled never\n"), "{stat}");
        consumer.next(Duration::ZERO).unwrap();
        let stat = scene.ringlog(&["stat", "app"]).ok().stdout;
        assert!(stat.contains(" ms ago), last polled "), "{stat}");
    }
}

#[test]
fn lanes_in_use_are_counted_as_long_as_they_are_open() {
    let scene = Scene::new();
    let ring = ring(&scene);
    let in_use = || {
        let json = scene.ringlog(&["stat", "app", "--json"]).ok().stdout;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let open = json["lanes"].as_array().unwrap().iter().filter(|lane| lane["state"] != "closed").count();
        assert_eq!(json["lanes_in_use"], open);
        let text = scene.ringlog(&["stat", "app"]).ok().stdout;
        let line = text.lines().find(|line| line.starts_with("lanes ") && line.ends_with(" in use"));
        (open, line.map(str::to_owned))
    };
    assert_eq!(in_use(), (0, None));
    let log = ring.logger();
    let own = std::thread::spawn(move || {
        log.text(Level::INFO, "x", "one").unwrap();
        log
    });
    // The thread has closed its lane; that of the process is open.
    let log = own.join().unwrap();
    assert_eq!(in_use(), (1, Some("lanes     1 in use".to_owned())));
    log.text(Level::INFO, "x", "two").unwrap();
    assert_eq!(in_use(), (2, Some("lanes     2 in use".to_owned())));
    let fails = |condition| scene.ringlog(&["stat", "app", "--fail-if", condition]).code;
    assert_eq!((fails("lanes_in_use > 1"), fails("lanes_in_use > 2")), (Some(1), Some(0)));
    drop(log);
    drop(ring);
    assert_eq!(in_use(), (0, None));
}

#[test]
fn definitions_without_room_get_the_remedy_of_their_limit() {
    let scene = Scene::new();
    let ring = ring(&scene);
    let log = ring.logger();
    let put = |text: String| {
        let fields = vec![Field::new("number", Type::U64)].into();
        let site = Site::new(Definition { text: text.into(), fields, ..Definition::new(Level::INFO, "x") });
        log.values(&site, &[Value::U64(7)]).unwrap();
    };
    let described = || {
        drain(&ring);
        let stat = scene.ringlog(&["stat", "app"]).ok().stdout;
        let lines: Vec<String> = stat.lines().map(str::to_owned).collect();
        let from = lines.iter().position(|line| line.starts_with("described"));
        from.map_or_else(Vec::new, |from| {
            let rest = lines[from..].iter().enumerate();
            let own = rest.take_while(|(at, line)| *at == 0 || line.starts_with("          "));
            own.map(|(_, line)| line.trim_start().to_owned()).collect()
        })
    };
    put("x".repeat(20_000));
    let length = "a definition was longer than the area takes; shorten its texts or give it fewer fields";
    let said = described();
    assert!(said[0].starts_with("described 1 record carried its definition"), "{said:#?}");
    assert_eq!(said[1..], [length]);
    for number in 0..2000 {
        put(format!("number {number}"));
        if number % 500 == 0 {
            drain(&ring);
        }
    }
    let run_time = "what a process defined at run time had used a quarter of the area, the most for such definitions; \
                    define each kind of record once and use it again";
    let said = described();
    assert!(said[0].contains(" records carried their definition"), "{said:#?}");
    assert_eq!(said[1..], [run_time, length]);
}
