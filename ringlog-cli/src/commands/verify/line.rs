//! The id in a line of an output: the owner and the sequence.

use std::borrow::Cow;

use ringlog_ledger::{Entry, LaneEnd, What};
use serde::Deserialize;

/// The length of the longest line that is read. A record of 16 MiB whose every byte is escaped is shorter.
pub const LINE_MAX: usize = 128 << 20;

/// A line of an output.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// An entry with an id.
    Entry(Entry<'a>),
    /// An entry without an id: the output was written without ids.
    WithoutId(&'static str),
    /// A further line of a message.
    Continuation,
    /// A line that no writer writes.
    Unreadable(String),
}

/// The members of a JSON line that make its id.
#[derive(Deserialize)]
struct Json<'a> {
    #[serde(borrow)]
    uuid: Option<Cow<'a, str>>,
    lane: Option<u32>,
    incarnation: Option<u32>,
    sequence: Option<u64>,
    #[serde(borrow)]
    gap: Option<JsonGap<'a>>,
    died: Option<JsonDied>,
}

#[derive(Deserialize)]
struct JsonGap<'a> {
    #[serde(borrow)]
    reason: Cow<'a, str>,
    count: u64,
}

#[derive(Deserialize)]
struct JsonDied {
    lanes: Vec<JsonLane>,
}

#[derive(Deserialize)]
struct JsonLane {
    lane: u32,
    incarnation: u32,
    last_sequence: Option<u64>,
}

/// Reads a line in either format.
pub fn read(line: &[u8]) -> Line<'_> {
    match line {
        [b'{', ..] => json(line),
        [b' ', b' ', b' ', b' ', ..] => Line::Continuation,
        _ => text(line),
    }
}

fn json(line: &[u8]) -> Line<'_> {
    let json: Json<'_> = match serde_json::from_slice(line) {
        Ok(json) => json,
        Err(error) => return Line::Unreadable(format!("not JSON: {error}")),
    };
    let what = match (json.sequence, json.gap, json.died) {
        (Some(sequence), None, None) => What::Record(sequence),
        (None, Some(gap), None) => What::Gap { reason: gap.reason, count: gap.count },
        (None, None, Some(died)) => {
            let end =
                |JsonLane { lane, incarnation, last_sequence: last }| LaneEnd { lane, incarnation, last };
            What::Died(died.lanes.into_iter().map(end).collect())
        }
        _ => What::Other,
    };
    match (json.uuid, json.lane.zip(json.incarnation), what) {
        (None, _, _) => Line::WithoutId("JSON without a \"uuid\""),
        (Some(_), None, What::Record(_) | What::Died(_)) => {
            Line::WithoutId("JSON without \"lane\" and \"incarnation\"")
        }
        (Some(uuid), lane, what) => Line::Entry(Entry { uuid, lane, what }),
    }
}

fn text(line: &[u8]) -> Line<'_> {
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let time = words.next().unwrap_or_default();
    if !is_time(time) {
        return Line::Unreadable("it starts neither with a time nor with a JSON object".to_owned());
    }
    let id = words.next().and_then(|word| str::from_utf8(word).ok()).and_then(id);
    id.map_or(Line::WithoutId("text without ids"), Line::Entry)
}

/// `2026-11-21T10:15:30.123456789Z`
fn is_time(word: &[u8]) -> bool {
    word.len() >= 20
        && word.ends_with(b"Z")
        && word.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            10 => *byte == b'T',
            13 | 16 => *byte == b':',
            _ => byte.is_ascii_digit() || (at >= 19 && matches!(byte, b'.' | b'Z')),
        })
}

/// `UUID/LANE/INCARNATION/SEQUENCE`, as the writer's `--ids` puts it there.
fn id(word: &str) -> Option<Entry<'_>> {
    let mut parts = word.splitn(4, '/');
    let (uuid, lane, incarnation, what) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_uuid = uuid.len() == 36 && uuid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let lane = match (lane, incarnation) {
        ("-", "-") => None,
        _ => Some((lane.parse().ok()?, incarnation.parse().ok()?)),
    };
    let what = match what.split_once(':') {
        None if what == "-" => What::Other,
        None => What::Record(what.parse().ok()?),
        Some(("died", "-")) => What::Died(Vec::new()),
        Some(("died", lanes)) => What::Died(lanes.split(',').map(lane_end).collect::<Option<_>>()?),
        Some(("gap", gap)) => {
            let (reason, count) = gap.split_once(':')?;
            What::Gap { reason: reason.into(), count: count.parse().ok()? }
        }
        Some(_) => What::Other,
    };
    let has_a_lane = lane.is_some() || !matches!(what, What::Record(_) | What::Died(_));
    (is_uuid && has_a_lane).then_some(Entry { uuid: uuid.into(), lane, what })
}

/// `LANE/INCARNATION:LAST`, with `-` for an owner that published nothing.
fn lane_end(text: &str) -> Option<LaneEnd> {
    let (owner, last) = text.split_once(':')?;
    let (lane, incarnation) = owner.split_once('/')?;
    let last = if last == "-" { None } else { Some(last.parse().ok()?) };
    Some(LaneEnd { lane: lane.parse().ok()?, incarnation: incarnation.parse().ok()?, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "6f1c0a52-0000-4000-8000-00000000cafe";

    fn text(id: &str) -> String {
        format!("2026-11-21T10:15:30.123456789Z {UUID}/{id} INFO  orders[4711/worker-2] late")
    }

    #[test]
    fn both_formats_say_the_same() {
        let gap = || What::Gap { reason: "dropped".into(), count: 7 };
        let end = |lane, incarnation, last| LaneEnd { lane, incarnation, last };
        for (id, fields, lane, what) in [
            ("3/2/9", r#""lane":3,"incarnation":2,"sequence":9"#, Some((3, 2)), What::Record(9)),
            (
                "3/2/gap:dropped:7",
                r#""lane":3,"incarnation":2,"gap":{"count":7,"reason":"dropped"}"#,
                Some((3, 2)),
                gap(),
            ),
            ("-/-/gap:dropped:7", r#""gap":{"count":7,"reason":"dropped"}"#, None, gap()),
            (
                "3/2/died:3/2:-,5/1:8",
                r#""lane":3,"incarnation":2,"died":{"cause":"signal","signal":9,"lanes":[
                    {"lane":3,"incarnation":2,"last_sequence":null},
                    {"lane":5,"incarnation":1,"tid":7,"thread":"x","last_sequence":8}]}"#,
                Some((3, 2)),
                What::Died(vec![end(3, 2, None), end(5, 1, Some(8))]),
            ),
            (
                "3/2/died:-",
                r#""lane":3,"incarnation":2,"died":{"cause":"unknown","lanes":[]}"#,
                Some((3, 2)),
                What::Died(vec![]),
            ),
            ("3/2/-", r#""lane":3,"incarnation":2,"message":"new""#, Some((3, 2)), What::Other),
        ] {
            let json =
                format!(r#"{{"time":"x","uuid":"{UUID}",{fields},"message":"\n","fields":{{"lane":"x"}}}}"#);
            let expected = Line::Entry(Entry { uuid: UUID.into(), lane, what });
            assert_eq!(read(json.as_bytes()), expected, "{json}");
            assert_eq!(read(text(id).as_bytes()), expected, "{id}");
        }
    }

    #[test]
    fn what_has_no_id_is_not_taken_for_one() {
        let plain = "2026-11-21T10:15:30.123456789Z INFO  orders[4711/worker-2] late";
        assert_eq!(read(plain.as_bytes()), Line::WithoutId("text without ids"));
        for id in [
            "-/-/9",
            "-/-/died:3/2:3",
            "3/2/died:3",
            "3/2/died:3/2:x",
            "3/2/died:3:3",
            "3/x/9",
            "3/2/x",
            "3/2/gap:dropped",
            "3/2",
            "",
        ] {
            assert_eq!(read(text(id).as_bytes()), Line::WithoutId("text without ids"), "{id}");
        }
        assert_eq!(read(b"{}"), Line::WithoutId("JSON without a \"uuid\""));
        let lane = format!(r#"{{"uuid":"{UUID}","sequence":3}}"#);
        assert_eq!(read(lane.as_bytes()), Line::WithoutId("JSON without \"lane\" and \"incarnation\""));
        assert_eq!(read(b"    at main.rs:7"), Line::Continuation);
        for damaged in
            [&b"{\"uuid\":"[..], b"", b"\xff\xff", b"late", b"2026-11-21", b"2026-11-21Tlate:15:30Z x"]
        {
            assert!(matches!(read(damaged), Line::Unreadable(_)), "{damaged:?}");
        }
    }
}
