//! The numbers of a ring. Each is declared once: JSON, the conditions of --fail-if and their help are made from the
//! declaration, and so is its line of text, if it has one of its own.

use std::time::Duration;

use ringlog_writer::status::OutputStatus;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::reading::Reading;
use crate::humanize;

/// A number of a ring.
pub(super) struct Number {
    /// Its name in conditions and in JSON.
    pub(super) name: &'static str,
    pub(super) value: Value,
    /// What the help says of it behind its name.
    help: &'static str,
    /// Its line of text, shown if the count is above 0; without one, other lines show it.
    line: Option<Line>,
}

/// A line of text: its first word, and what follows.
struct Line {
    word: &'static str,
    text: fn(u64) -> String,
}

/// How a number is read.
pub(super) enum Value {
    Count(fn(&Reading) -> u64),
    /// A count that the writer's status tells.
    Said(fn(&Reading) -> u64),
    /// A time; the longest possible one means never. In JSON the name of its report, which has the point in time.
    Age(fn(&Reading) -> Duration),
    /// Records, or the age of the oldest of them, by the unit of the limit.
    Either(fn(&Reading) -> u64, fn(&Reading) -> Duration),
}

/// The numbers, in the order of the help.
pub(super) const NUMBERS: &[Number] = &[
    number("behind", Value::Either(|now| now.stat.lag(), Reading::behind))
        .help("records, or the age of the oldest: 10s"),
    number("published", Value::Count(|now| now.stat.published)),
    number("persisted", Value::Count(|now| now.stat.persisted)),
    number("dropped", Value::Count(|now| now.stat.dropped)),
    number("damaged", Value::Count(|now| now.stat.damaged)).line("damaged", |count| {
        format!("{} skipped, where bytes are not valid", humanize::counted(count, "place"))
    }),
    number("failing", Value::Said(failing)).help("outputs that are not ok"),
    number("left_out", Value::Said(|now| sum(now, |output| output.left_out))),
    number("late", Value::Said(|now| sum(now, |output| output.late))),
    number("retries", Value::Said(|now| sum(now, |output| output.retries)))
        .help("attempts to write after a failed one"),
    number("polled", Value::Age(polled)).help("the time since the writer last looked into the ring: 10s"),
    number("writers", Value::Count(|now| now.stat.consumer.is_some().into())),
    number("free_blocks", Value::Count(|now| now.stat.free_blocks.into())),
    number("lanes_in_use", Value::Count(lanes_in_use))
        .help("lanes that are open, also of killed owners")
        .line("lanes", |count| format!("{} in use", humanize::count(count))),
];

const fn number(name: &'static str, value: Value) -> Number {
    Number { name, value, help: "", line: None }
}

impl Number {
    const fn help(mut self, help: &'static str) -> Number {
        self.help = help;
        self
    }

    const fn line(mut self, word: &'static str, text: fn(u64) -> String) -> Number {
        self.line = Some(Line { word, text });
        self
    }

    /// The count; `None` for a time, or if the writer has not said it.
    fn count(&self, now: &Reading) -> Option<u64> {
        match self.value {
            Value::Count(read) | Value::Either(read, _) => Some(read(now)),
            Value::Said(read) => now.status.as_ref().map(|_| read(now)),
            Value::Age(_) => None,
        }
    }
}

/// The lanes that are open.
fn lanes_in_use(now: &Reading) -> u64 {
    now.stat.lanes.iter().filter(|lane| lane.open).count() as u64
}

/// The outputs that are in trouble.
fn failing(now: &Reading) -> u64 {
    now.outputs().iter().filter(|output| output.state.is_trouble()).count() as u64
}

fn sum(now: &Reading, count: fn(&OutputStatus) -> u64) -> u64 {
    now.outputs().iter().map(count).fold(0, u64::saturating_add)
}

/// The time since the writer last looked into the ring; without a writer, longer than any.
fn polled(now: &Reading) -> Duration {
    let beat = now.stat.consumer.as_ref().map(|writer| writer.beat_unix_ns).filter(|beat| *beat != 0);
    beat.map_or(Duration::MAX, humanize::age)
}

/// The lines of the numbers that have one of their own.
pub(super) fn lines(now: &Reading) -> impl Iterator<Item = String> {
    NUMBERS.iter().filter_map(|number| {
        let count = number.count(now).filter(|count| *count > 0)?;
        let Line { word, text } = number.line.as_ref()?;
        Some(format!("{word:<9} {}", text(count)))
    })
}

/// What the help says about conditions.
pub(crate) fn help() -> String {
    let number = |number: &Number| match number.help {
        "" => number.name.to_owned(),
        help => format!("{} ({help})", number.name),
    };
    let numbers: Vec<String> = NUMBERS.iter().map(number).collect();
    format!(
        "A condition of --fail-if compares a number of the ring with a limit:\n{}.\nOne about outputs holds too where \
         a writer runs whose status cannot be read.",
        numbers.join(",\n").lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
    )
}

/// The counts as members of a JSON object; null where the writer has not said them.
pub(super) struct Counts<'a>(pub(super) &'a Reading);

impl Serialize for Counts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for number in NUMBERS.iter().filter(|number| !matches!(number.value, Value::Age(_))) {
            map.serialize_entry(number.name, &number.count(self.0))?;
        }
        map.end()
    }
}
