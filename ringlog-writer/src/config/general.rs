//! The settings that hold for the whole writer.

use std::time::Duration;

use ringlog::admin;

use crate::rotation::{parse_duration, parse_size};
use crate::setting::words::NUMBER_MAX;
use crate::setting::{Flag, Pattern, Setting, Switch, Syntax, optional, word};

/// What holds for the whole writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct General {
    /// How long the writer holds back a record, because a thread that is suspended in the middle of a log call may
    /// still publish an older one. An older record that comes later than that is written out of order and counted as
    /// late. The wait shrinks to nothing as the ring fills. `None` is the consumer's default, 10 ms.
    pub grace: Option<Duration>,
    /// When the writer stops, how long an output that takes nothing, such as a pipe that is not read, is waited for;
    /// 5 s by default. With zero it gets what it takes at once.
    pub stop_timeout: Duration,
    /// The largest size of the closed files of all handlers together, in bytes; unlimited by default.
    pub max_total_size: Option<u64>,
    /// Whether a process that ends without closing its lanes has a line; it has by default. `ringlog stat` counts it
    /// in any case.
    pub exit_notices: bool,
    /// Whether the writer removes its rings when it ends because no process logs any more, except those that somebody
    /// [holds](ringlog::Ring::hold) or uses; it does not by default.
    pub remove_rings: bool,
}

impl Default for General {
    fn default() -> General {
        General {
            grace: None,
            stop_timeout: Duration::from_secs(5),
            max_total_size: None,
            exit_notices: true,
            remove_rings: false,
        }
    }
}

/// A duration; a bare number means milliseconds.
fn duration_or_milliseconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_millis).or_else(|_| parse_duration(text))
}

/// Their keys in the file.
pub(crate) const GENERAL: &[Setting<General>] = &[
    Setting::<General>::word(
        "grace",
        Syntax::String(Pattern::Duration),
        optional!(grace, parse_duration, admin::duration_word),
        "How long the writer holds back a record, for example `25ms`, because a thread that is suspended in \
         the middle of a log call may still publish an older one. An older record that comes later than that \
         is written out of order and counted as late. The wait shrinks to nothing as the ring fills. Without \
         it 10 ms.",
    )
    .flag_as(
        Flag::value("grace", "TIME").note("A bare number means milliseconds."),
        optional!(grace, duration_or_milliseconds, admin::duration_word),
    ),
    Setting::<General>::word(
        "stop-timeout",
        Syntax::String(Pattern::Duration),
        word!(stop_timeout, parse_duration, admin::duration_word),
        "When the writer stops, how long an output that takes nothing, such as a pipe that is not read, is waited \
         for. `0s`: it gets what it takes at once. A file is written to its end, unless it has taken nothing for \
         this time and at least a second. What an output has not got by then waits in the ring for the next writer.",
    )
    .flag(Flag::value("stop-timeout", "TIME")),
    Setting::<General>::word(
        "max-total-size",
        Syntax::StringOrNumber(Pattern::Size, 1..=NUMBER_MAX),
        optional!(max_total_size, parse_size, admin::size_word),
        "The size of the closed files of all handlers together, compressed or not, for example `10GiB`. Beyond it the \
         oldest of all are deleted, whatever their handler's `keep` says. Another writer counts its own files.",
    )
    .flag(Flag::value("max-total-size", "SIZE")),
    Setting::<General>::word(
        "exit-notices",
        Syntax::Boolean,
        word!(exit_notices),
        "Write a line for each process that ends without closing its lanes: WARNING where a signal killed it or \
         the cause is not known, INFO where it called `_exit` or exec. `ringlog stat` counts them in any case.",
    )
    .flag(Flag::switches(
        &[Switch {
            name: "no-exit-notices",
            word: "false",
            help: Some(
                "Write no lines for processes that end without closing their lanes. `ringlog stat` counts them in \
                 any case.",
            ),
        }],
    )),
    Setting::<General>::word(
        "remove-rings",
        Syntax::Boolean,
        word!(remove_rings),
        "Remove the rings when the writer ends because no process logs any more, except those that a process holds \
         or uses. For rings whose users hold them, as `ringlog.basicConfig` of Python does.",
    )
    .flag(Flag::switches(&[Switch { name: "remove-rings", word: "true", help: None }])),
];
