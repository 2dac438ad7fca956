//! A configuration file becomes the data that the writer works with.

use std::path::Path;
use std::time::Duration;

use ringlog::Level;
use ringlog_writer::config::{
    Color, Config, ConsoleConfig, FileConfig, Formatter, General, HandlerConfig, LoggerConfig, NullConfig,
    SinkConfig, Stream,
};
use ringlog_writer::rotation::{Compression, Every, Keep, Naming, OnFull, Rotation, Zone};
use ringlog_writer::{Existing, Fsync, Newlines};

fn parse(text: &str) -> Config {
    Config::parse(text, Path::new("app.toml")).unwrap().config
}

fn handler(name: &str, level: u8, formatter: Formatter, sink: SinkConfig) -> HandlerConfig {
    HandlerConfig { name: name.to_owned(), level: Level::from_number(level), formatter, sink }
}

fn logger(name: &str, level: Option<u8>, handlers: &[usize], propagate: bool) -> LoggerConfig {
    let level = level.map(Level::from_number);
    LoggerConfig { name: name.to_owned(), level, handlers: handlers.to_vec(), propagate }
}

#[test]
fn every_key_has_its_meaning() {
    let brief = Formatter::Pattern {
        pattern: "%(asctime)s %(levelname)-8s %(name)s: %(message)s".to_owned(),
        date: Some("%a, %d %b %Y %H:%M:%S".to_owned()),
        zone: "Europe/Berlin".parse().unwrap(),
        newlines: Newlines::Indent,
    };
    let file = FileConfig {
        existing: Existing::Truncate,
        checkpoint: true,
        mode: "0640".parse().ok(),
        owner: "root".parse().ok(),
        group: "7".parse().ok(),
        fsync: Fsync::Every(Duration::from_secs(5)),
        rotation: Rotation {
            size: Some(10 << 20),
            every: Some(Every::Midnight),
            at: "02:30".parse().ok(),
            zone: Zone::local(),
            on_start: true,
            naming: Naming::Python,
            keep: Keep { count: Some(5), ..Keep::default() },
            compression: Some(Compression::Gzip),
            on_full: OnFull::DropOldestFile,
            min_free: Some(1 << 30),
        },
        ..FileConfig::new("log/app.log")
    };
    let console = SinkConfig::Console(ConsoleConfig { stream: Stream::Stdout, color: Color::Never });
    let ids = Formatter::Text { newlines: Newlines::Escape, ids: true };
    let expected = Config {
        rings: vec!["app".to_owned(), "./ring".to_owned()],
        general: General {
            grace: Some(Duration::from_millis(20)),
            stop_timeout: Duration::from_millis(1500),
            max_total_size: Some(10 << 30),
            exit_notices: false,
            remove_rings: true,
        },
        handlers: vec![
            handler("console", 30, brief, console),
            handler("file", 0, ids, SinkConfig::File(file)),
            handler("nowhere", 35, Formatter::default(), SinkConfig::Null(NullConfig)),
        ],
        loggers: vec![
            logger("", Some(20), &[0], true),
            logger("db.pool", Some(10), &[1, 2], false),
            logger("http", None, &[], true),
        ],
    };
    assert_eq!(parse(include_str!("valid.toml")), expected);
}

#[test]
fn keys_that_are_left_out_have_their_defaults() {
    let config = parse("handlers.f = { kind = 'file', path = 'f.log' }\nhandlers.c = { kind = 'console' }\n");
    let console = SinkConfig::Console(ConsoleConfig { stream: Stream::Stderr, color: Color::Auto });
    let expected = Config {
        rings: Vec::new(),
        general: General {
            grace: None,
            stop_timeout: Duration::from_secs(5),
            max_total_size: None,
            exit_notices: true,
            remove_rings: false,
        },
        handlers: vec![
            handler("f", 0, Formatter::default(), SinkConfig::File(FileConfig::new("f.log"))),
            handler("c", 0, Formatter::default(), console),
        ],
        loggers: vec![LoggerConfig::root(Vec::new())],
    };
    assert_eq!(config, expected);
}

#[test]
fn levels_by_name_in_any_case_and_by_number() {
    let level = |word: &str| {
        let config = parse(&format!("handlers.h.kind = 'null'\n[root]\nlevel = {word}"));
        config.loggers[0].level.map(Level::number)
    };
    let words = ["'Trace'", "'debug'", "'INFO'", "'WARN'", "'Warning'", "'error'", "'CRITICAL'", "'fatal'"];
    assert_eq!(words.map(level), [5, 10, 20, 30, 30, 40, 50, 50].map(Some));
    assert_eq!(["25", "'25'", "0x19", "255"].map(level), [25, 25, 25, 255].map(Some));
    assert_eq!(["'NotSet'", "0", "'0'"].map(level), [None; 3]);
}

#[test]
fn names_and_places() {
    let config = parse(
        "[loggers.'shop::db']\nhandlers = ['b', 'a']\n[handlers]\nb = { kind = 'null', formatter = 'json' }\n\
         a = { kind = 'null', formatter = 'raw' }\n",
    );
    assert_eq!(config.loggers[1], logger("shop.db", None, &[0, 1], true));
    let formatters: Vec<_> = config.handlers.iter().map(|handler| &handler.formatter).collect();
    assert_eq!(formatters, [&Formatter::Json, &Formatter::Raw]);
}

#[test]
fn durations_and_sizes_are_written_alike_in_every_key() {
    let file = |key: &str, word: &str| {
        let text = format!("[handlers.h]\nkind = 'file'\npath = 'p'\n{key} = '{word}'\n");
        match &parse(&text).handlers[0].sink {
            SinkConfig::File(file) => file.clone(),
            other => panic!("{other:?}"),
        }
    };
    for (word, milliseconds) in
        [("1h30m", 5_400_000), ("1.5s", 1500), ("250ms", 250), ("1 h 5 min", 3_900_000)]
    {
        let span = Duration::from_millis(milliseconds);
        let grace = parse(&format!("grace = '{word}'\nhandlers.h.kind = 'null'\n")).general.grace;
        assert_eq!((grace, file("fsync", word).fsync), (Some(span), Fsync::Every(span)), "{word}");
        // Files are closed, and kept, by whole seconds.
        if span.subsec_nanos() == 0 {
            let every = file("rotate.every", word).rotation.every.unwrap();
            assert_eq!(every.to_string().parse::<Fsync>(), Ok(Fsync::Every(span)), "{word}");
            assert_eq!(file("rotate.keep", word).rotation.keep.age, Some(span), "{word}");
        }
    }
    for (word, bytes) in [("1.5MiB", 3 << 19), ("10MB", 10 << 20), ("64 k", 64 << 10), ("4096B", 4096)] {
        assert_eq!(file("rotate.size", word).rotation.size, Some(bytes), "{word}");
        assert_eq!(file("rotate.keep", word).rotation.keep.bytes, Some(bytes), "{word}");
    }
}
