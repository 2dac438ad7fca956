//! Every option that takes a duration or a size takes it in the same notation.

use clap::error::ErrorKind;
use clap::{Command, CommandFactory, Parser};

use super::Arguments;

/// Whether an option takes this value, or the argument of `resize` does if the option has no name.
fn takes(command: &str, option: &str, value: &str) -> bool {
    let named = format!("--{option}={value}");
    let arguments = if option.is_empty() { ["app", value] } else { [&named, "app"] };
    let line = ["ringlog", command].into_iter().chain(arguments);
    let error = Arguments::try_parse_from(line).err().map(|error| error.kind());
    // Values are checked before it is known whether other arguments are missing.
    !matches!(error, Some(ErrorKind::ValueValidation | ErrorKind::InvalidValue))
}

/// The options of all commands that take values, as `command option`.
fn options(root: &Command) -> Vec<(String, String)> {
    let mut options = vec![("resize".to_owned(), String::new())];
    for command in root.get_subcommands() {
        let values = command.get_arguments().filter(|argument| argument.get_action().takes_values());
        let names = values.filter_map(|argument| argument.get_long());
        options.extend(names.map(|name| (command.get_name().to_owned(), name.to_owned())));
    }
    options
}

/// The options that take the first value, but not the second.
fn taking<'a>(options: &'a [(String, String)], value: &str, not: &str) -> Vec<(&'a str, &'a str)> {
    let options = options.iter().map(|(command, option)| (command.as_str(), option.as_str()));
    options
        .filter(|(command, option)| takes(command, option, value) && !takes(command, option, not))
        .collect()
}

#[test]
fn durations_and_sizes_are_written_alike_in_every_option() {
    let options = options(&Arguments::command());
    let durations = taking(&options, "2s", "no value");
    let expected = [
        ("put", "timeout"),
        ("stat", "watch"),
        ("level", "for"),
        ("writer", "grace"),
        ("writer", "fsync"),
        ("writer", "rotate-every"),
        ("writer", "keep"),
        ("rotate", "timeout"),
        ("reload", "timeout"),
        ("stop", "timeout"),
    ];
    assert!(expected.iter().all(|option| durations.contains(option)), "{durations:?}");
    for (command, option) in durations {
        for word in ["1h30m", "1.5s", "250ms", "1 h 5 min", "2 d"] {
            // Files are closed, and kept, by whole seconds.
            let is_in_range =
                !matches!(option, "rotate-every" | "keep") || !["1.5s", "250ms"].contains(&word);
            assert_eq!(takes(command, option, word), is_in_range, "{command} --{option} {word}");
        }
    }
    for (command, word) in [("create", "block:1h30m"), ("run", "block:1.5s"), ("create", "block:250ms")] {
        assert!(takes(command, "overflow", word), "{command} {word}");
    }

    let sizes = taking(&options, "2KiB", "no value");
    let expected = [
        ("resize", ""),
        ("run", "size"),
        ("run", "definitions"),
        ("create", "size"),
        ("create", "definitions"),
        ("create", "block-size"),
        ("resize", "definitions"),
        ("writer", "create"),
        ("writer", "rotate-size"),
        ("writer", "keep"),
    ];
    assert!(expected.iter().all(|option| sizes.contains(option)), "{sizes:?}");
    for (command, option) in sizes {
        for word in ["1.5MiB", "10MB", "64 k", "4096"] {
            assert!(takes(command, option, word), "{command} --{option} {word}");
        }
    }
}

/// An option that takes only numbers counts things; it is not a duration or a size without units.
#[test]
fn options_that_take_only_numbers_are_counts() {
    let options = options(&Arguments::command());
    let numbers = taking(&options, "10", "2s");
    let numbers: Vec<_> =
        numbers.into_iter().filter(|(command, option)| !takes(command, option, "2KiB")).collect();
    let expected = [
        ("demo", "producers"),
        ("demo", "records"),
        ("create", "lanes"),
        ("create", "mode"),
        ("create", "group"),
        ("resize", "lanes"),
        ("put", "level"),
        ("get", "count"),
        ("tail", "lines"),
        ("tail", "level"),
        ("level", "pid"),
        ("writer", "owner"),
        ("writer", "group"),
    ];
    let shown: Vec<_> = numbers.iter().filter(|(command, _)| *command != "demo-producer").copied().collect();
    assert_eq!(shown, expected);
}
