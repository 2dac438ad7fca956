//! A printed configuration reads back as the same configuration.

use std::path::Path;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use ringlog::Level;
use ringlog_writer::config::{
    Color, Config, ConsoleConfig, FileConfig, Formatter, General, HandlerConfig, LoggerConfig, NullConfig,
    SinkConfig, Stream,
};
use ringlog_writer::rotation::{Rotation, Zone};
use ringlog_writer::{Existing, Fsync, Newlines};

fn named<T: Copy + std::fmt::Debug + 'static>(
    names: &'static [(&'static str, T)],
) -> impl Strategy<Value = T> {
    select(names).prop_map(|(_, value)| value)
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug>(
    words: &'static [&'static str],
) -> impl Strategy<Value = T> {
    select(words).prop_map(|word| word.parse().unwrap())
}

fn zone() -> impl Strategy<Value = Zone> {
    parsed(&["utc", "local", "Europe/Berlin"])
}

/// Any text, with a preference for characters that TOML escapes.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        select(&["\"", "'", "\\", "\n", "\t", "\u{7f}", "\u{85}", "'''", "\"\"\"", "#", " ", "ä", "."][..])
            .prop_map(str::to_owned),
        "[a-z]{1,5}",
        "\\PC",
        any::<char>().prop_map(String::from),
    ];
    vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

fn formatter() -> impl Strategy<Value = Formatter> {
    let newlines = || named(Newlines::NAMES);
    let date = option::of(parsed::<String>(&["%H:%M", "%a, %d %b %Y %H:%M:%S", ""]));
    let pattern = (text(), date, zone(), newlines()).prop_map(|(text, date, zone, newlines)| {
        let pattern = format!("%(asctime)s {} %(levelname)-8s", text.replace('%', "%%"));
        Formatter::Pattern { pattern, date, zone, newlines }
    });
    prop_oneof![
        (newlines(), any::<bool>()).prop_map(|(newlines, ids)| Formatter::Text { newlines, ids }),
        Just(Formatter::Json),
        Just(Formatter::Raw),
        pattern,
    ]
}

fn fsync() -> impl Strategy<Value = Fsync> {
    let duration = (0..10_000_000_000_u64).prop_map(|ns| Fsync::Every(Duration::from_nanos(ns)));
    let level = (1..=255_u8).prop_map(|number| Fsync::Level(Level::from_number(number)));
    prop_oneof![Just(Fsync::Never), Just(Fsync::Batch), duration, level]
}

fn rotation() -> impl Strategy<Value = Rotation> {
    let times = (
        option::of(1..u64::MAX),
        option::of(parsed(&["30s", "15min", "6h", "1d", "midnight", "monday"])),
        option::of(parsed(&["02:30", "23:59:59", "00:00"])),
        zone(),
        any::<bool>(),
    );
    let files = (
        parsed(&["time", "number", "python"]),
        parsed(&["all", "7", "30d", "2GiB", "7,30d,5KiB", "1000"]),
        option::of(parsed(&["gzip", "zstd"])),
        parsed(&["wait", "drop-oldest-file"]),
        option::of(1..u64::MAX),
    );
    let rotation = (times, files).prop_map(
        |((size, every, at, zone, on_start), (naming, keep, compression, on_full, min_free))| Rotation {
            size,
            every,
            at,
            zone,
            on_start,
            naming,
            keep,
            compression,
            on_full,
            min_free,
        },
    );
    let checked = rotation.prop_filter("contradictory", |rotation| rotation.check().is_ok());
    prop_oneof![Just(Rotation::default()), checked]
}

/// An output; `handlers` makes the file names distinct.
fn output() -> impl Strategy<Value = SinkConfig> {
    let console = (named(Stream::NAMES), named(Color::NAMES))
        .prop_map(|(stream, color)| SinkConfig::Console(ConsoleConfig { stream, color }));
    let owners = (
        option::of(parsed(&["0600", "0664"])),
        option::of(parsed(&["root", "7"])),
        option::of(parsed(&["0"])),
    );
    let file = (text(), named(Existing::NAMES), any::<bool>(), owners, fsync(), rotation()).prop_map(
        |(path, existing, checkpoint, (mode, owner, group), fsync, rotation)| {
            let plain = fsync == Fsync::Never && rotation == Rotation::default();
            let path = path.replace(['\0', '/'], "_");
            let checkpoint = checkpoint || !plain;
            SinkConfig::File(FileConfig {
                existing,
                checkpoint,
                mode,
                owner,
                group,
                fsync,
                rotation,
                ..FileConfig::new(path)
            })
        },
    );
    prop_oneof![console, file, Just(SinkConfig::Null(NullConfig))]
}

fn handlers() -> impl Strategy<Value = Vec<HandlerConfig>> {
    let name =
        prop_oneof![text(), select(&["text", "json", "raw-format", "raw"][..]).prop_map(str::to_owned)];
    btree_map(name, (any::<u8>(), formatter(), output()), 1..6).prop_map(|handlers| {
        let handler = |(i, (name, (level, formatter, mut sink)))| {
            if let SinkConfig::File(file) = &mut sink {
                file.path = format!("no/such/directory/{i}{}", file.path.display()).into();
            }
            HandlerConfig { name, level: Level::from_number(level), formatter, sink }
        };
        handlers.into_iter().enumerate().map(handler).collect()
    })
}

prop_compose! {
    fn logger(name: String, handlers: usize)
        (level in option::of(1..=255_u8), mut places in vec(0..handlers, 0..4), propagate: bool) -> LoggerConfig
    {
        places.sort_unstable();
        places.dedup();
        let propagate = propagate || name.is_empty();
        LoggerConfig { name: name.clone(), level: level.map(Level::from_number), handlers: places, propagate }
    }
}

prop_compose! {
    fn loggers(handlers: usize)
        (names in btree_map("[a-z\"\\\\ ü]{1,3}(\\.[a-z_:]{1,3})?", Just(()), 0..4))
        (loggers in std::iter::once(String::new()).chain(names.into_keys())
            .filter(|name| name != "root" && !name.contains(':'))
            .map(|name| logger(name, handlers).boxed()).collect::<Vec<_>>()) -> Vec<LoggerConfig>
    {
        loggers
    }
}

prop_compose! {
    fn config()(handlers in handlers())
        (loggers in loggers(handlers.len()), handlers in Just(handlers),
         rings in btree_map(text(), Just(()), 0..4), grace in option::of(0..u64::MAX),
         stop in 0..u64::MAX, max_total_size in option::of(1..u64::MAX),
         exit_notices in any::<bool>(), remove_rings in any::<bool>()) -> Config
    {
        let (grace, stop_timeout) = (grace.map(Duration::from_nanos), Duration::from_nanos(stop));
        let rings = rings.into_keys().collect();
        let general = General { grace, stop_timeout, max_total_size, exit_notices, remove_rings };
        Config { rings, general, handlers, loggers }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_printed_configuration_reads_back_the_same(config in config()) {
        let text = config.to_string();
        let read = Config::parse(&text, Path::new("ringlog.toml")).map(|checked| checked.config);
        prop_assert_eq!(read.as_ref(), Ok(&config), "{}", text);
    }
}
