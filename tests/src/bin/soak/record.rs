//! The records of the soak, and the check of a line of the output.

use std::borrow::Cow;
use std::sync::LazyLock;

use ringlog::schema::{Definition, Field, Site, Type, Value};
use ringlog::{Level, Logger, PushError};
use ringlog_tests::{Alarm, Flood, Kind, Sequenced, checksum, note};
use serde::Deserialize;

use crate::ledger::Identity;

/// Sites made at run time, beside those of the three record types.
const SITES_MAX: u64 = 100;
const SITE_LEVELS: [Level; 5] = [Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR, Level::CRITICAL];

static SITES: LazyLock<Vec<Site>> = LazyLock::new(|| {
    (0..SITES_MAX)
        .map(|number| {
            let fields = vec![
                Field::new("producer", Type::U64),
                Field::new("sequence", Type::U64),
                Field::new("checksum", Type::U64),
                Field::new("note", Type::Str),
            ];
            let definition = Definition::new(SITE_LEVELS[number as usize % SITE_LEVELS.len()], "");
            let logger = Cow::Owned(site_logger(number));
            Site::new(Definition { logger, fields: fields.into(), ..definition })
        })
        .collect()
});

/// Initializes what is made on first use. If another thread forked meanwhile, the child would wait for ever.
pub(crate) fn prepare() {
    LazyLock::force(&SITES);
    note(0, 0);
}

/// The kind of record that a call makes. It follows from the call's number alone, so a definition that was mistaken
/// for another one is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Sequenced,
    Flood,
    Alarm,
    /// Of a site made at run time; later calls use new definitions.
    Site(u64),
}

impl Shape {
    /// `sites` bounds the definitions, which a process keeps in the ring as long as it lives.
    fn of(call: u64, sites: u64) -> Shape {
        match call % 16 {
            5 => Shape::Alarm,
            3 | 9 | 14 => Shape::Flood,
            7 => Shape::Site(call / 16 % sites.min(SITES_MAX)),
            _ => Shape::Sequenced,
        }
    }

    fn logger(self) -> Cow<'static, str> {
        match self {
            Shape::Sequenced => "test.sequenced".into(),
            Shape::Flood => "test.flood".into(),
            Shape::Alarm => "test.alarm".into(),
            Shape::Site(number) => site_logger(number).into(),
        }
    }

    fn level(self) -> Level {
        match self {
            Shape::Sequenced => Level::INFO,
            Shape::Flood => Level::DEBUG,
            Shape::Alarm => Level::WARN,
            Shape::Site(number) => SITE_LEVELS[number as usize % SITE_LEVELS.len()],
        }
    }
}

fn site_logger(number: u64) -> String {
    format!("soak.site.{number}")
}

/// Makes call `call` of voice `id`.
pub(crate) fn push(log: &Logger, id: u32, call: u64, long_every: u64, sites: u64) -> Result<(), PushError> {
    let note = note(call, long_every);
    match Shape::of(call, sites) {
        Shape::Sequenced => log.push(&Sequenced::new(id, call, note)),
        Shape::Flood => log.push(&Flood::new(id, call, note)),
        Shape::Alarm => log.push(&Alarm::new(id, call, note)),
        Shape::Site(number) => {
            let sum = checksum(id, call, note.as_bytes());
            let numbers = [id.into(), call, sum].map(Value::U64);
            let [producer, sequence, sum] = numbers;
            log.values(&SITES[number as usize], &[producer, sequence, sum, Value::Text(note.as_bytes())])
        }
    }
}

/// A line of JSON, as the writer and `tail` write it.
#[derive(Debug, Deserialize)]
pub(crate) struct Line<'a> {
    level_number: u8,
    #[serde(borrow)]
    logger: Cow<'a, str>,
    pid: Option<u32>,
    tid: Option<u32>,
    lane: Option<u32>,
    incarnation: Option<u32>,
    sequence: Option<u64>,
    gap: Option<GapLine<'a>>,
    died: Option<DiedLine>,
    #[serde(borrow)]
    fields: Option<Fields<'a>>,
}

#[derive(Debug, Deserialize)]
struct GapLine<'a> {
    count: u64,
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
struct DiedLine {
    lanes: Vec<LaneLine>,
}

#[derive(Debug, Deserialize)]
struct LaneLine {
    lane: u32,
    incarnation: u32,
    tid: u32,
    last_sequence: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Fields<'a> {
    producer: u32,
    sequence: u64,
    checksum: u64,
    #[serde(borrow)]
    note: Cow<'a, str>,
}

/// The meaning of a whole line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A record, the lane's `sequence`th: call `call` of voice `id`.
    Record { lane: u32, incarnation: u32, sequence: u64, pid: u32, tid: u32, id: u32, call: u64 },
    /// Records that were dropped here.
    Gap { lane: u32, count: u64 },
    /// An unclean exit of a process: the lanes that it left open, each with its last sequence.
    Died { pid: u32, lanes: Vec<(Identity, Option<u64>)> },
}

impl Said {
    /// Reads a line. The error names the fault and the line.
    pub(crate) fn of(line: &[u8], sites: u64) -> Result<Said, String> {
        let shown = || String::from_utf8_lossy(&line[..line.len().min(1000)]).into_owned();
        let parsed =
            serde_json::from_slice(line).map_err(|error| format!("not JSON ({error}): {}", shown()))?;
        check(parsed, sites).map_err(|what| format!("{what}: {}", shown()))
    }
}

fn check(line: Line<'_>, sites: u64) -> Result<Said, String> {
    let (Some(lane), Some(incarnation), Some(pid), Some(tid)) =
        (line.lane, line.incarnation, line.pid, line.tid)
    else {
        return Err("a line without pid, tid, lane and incarnation".to_owned());
    };
    if let Some(GapLine { count, reason }) = line.gap {
        // Nothing here may be overwritten or damaged.
        return if ["dropped", "nested"].contains(&&*reason) {
            Ok(Said::Gap { lane, count })
        } else {
            Err(format!("a gap: {reason}"))
        };
    }
    if let Some(DiedLine { lanes }) = line.died {
        let end = |LaneLine { lane, incarnation, tid, last_sequence }| {
            (Identity { pid, tid, lane, incarnation }, last_sequence)
        };
        return Ok(Said::Died { pid, lanes: lanes.into_iter().map(end).collect() });
    }
    let (Some(sequence), Some(fields)) = (line.sequence, line.fields) else {
        return Err("not a record of the soak, a gap or an unclean exit".to_owned());
    };
    let Fields { producer: id, sequence: call, checksum: sum, note } = fields;
    if sum != checksum(id, call, note.as_bytes()) {
        return Err("a damaged record".to_owned());
    }
    let shape = Shape::of(call, sites);
    if (line.level_number, &line.logger) != (shape.level().number(), &shape.logger()) {
        return Err(format!("a record of another definition than {shape:?}"));
    }
    Ok(Said::Record { lane, incarnation, sequence, pid, tid, id, call })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(logger: &str, sum: u64) -> Vec<u8> {
        format!(
            r#"{{"level_number":20,"logger":"{logger}","pid":1,"tid":2,"lane":3,"incarnation":4,"sequence":5,
            "fields":{{"producer":6,"sequence":0,"checksum":{sum},"note":""}}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn a_whole_record_is_understood() {
        let said = Said::of(&line("test.sequenced", checksum(6, 0, b"")), 1).unwrap();
        let record = Said::Record { lane: 3, incarnation: 4, sequence: 5, pid: 1, tid: 2, id: 6, call: 0 };
        assert_eq!(said, record);
    }

    #[test]
    fn damaged_records_wrong_definitions_and_torn_lines_are_found() {
        let error = |bytes: &[u8]| Said::of(bytes, 1).unwrap_err();
        assert!(error(&line("test.sequenced", 1)).starts_with("a damaged record"));
        let wrong = line("test.flood", checksum(6, 0, b""));
        assert!(error(&wrong).starts_with("a record of another definition than Sequenced"));
        assert!(error(&wrong[..50]).starts_with("not JSON"));
        assert!(
            error(br#"{"level_number":30,"logger":"ringlog","gap":{"count":1,"reason":"missing"}}"#)
                .starts_with("a line without pid, tid, lane and incarnation")
        );
    }
}
