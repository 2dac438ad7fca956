//! The same records through Python's `logging.Formatter`: equal, byte for byte.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use ringlog::Level;
use ringlog::reader::{Body, Entry, OwnedEntry};
use ringlog::schema::{Type, Value};
use serde_json::json;

use super::super::samples::{UNIX_NS, origin, statement};
use super::*;

/// Reads records and formatters, and prints each record by each formatter.
const SCRIPT: &str = r#"
import json, logging, os, sys, time
logging.addLevelName(5, "TRACE")
given = json.load(sys.stdin)

def record(given):
    ns = given.pop("ns")
    given["created"] = ns / 1e9
    # As Python has it since 3.13: exact.
    given["msecs"] = (ns % 1_000_000_000) // 1_000_000 + 0.0
    given["relativeCreated"] = (ns - given.pop("start")) / 1e6
    given["levelname"] = logging.getLevelName(given["levelno"])
    given["filename"] = os.path.basename(given["pathname"])
    given["module"] = os.path.splitext(given["filename"])[0]
    return logging.makeLogRecord(given)

records = [record(each) for each in given["records"]]
lines = []
for pattern, datefmt in given["formats"]:
    formatter = logging.Formatter(pattern, datefmt, validate=False)
    lines.append([formatter.format(each) + "\n" for each in records])
print(json.dumps(lines))
"#;

/// What `relativeCreated` counts from.
const START: u64 = UNIX_NS - 7_000_250_000;

struct Sample {
    level: u8,
    logger: &'static str,
    file: &'static str,
    line: u32,
    function: &'static str,
    message: &'static str,
    error: Option<&'static str>,
    ns: u64,
}

const SAMPLE: Sample = Sample {
    level: 20,
    logger: "orders",
    file: "/srv/shop/db.py",
    line: 42,
    function: "fill",
    message: "fill of 7 came late",
    error: None,
    ns: UNIX_NS,
};

const TRACEBACK: &str = "Traceback (most recent call last):\n  File \"/srv/shop/db.py\", line 42, in fill\n    \
                         1 / 0\n    ~~^~~\nZeroDivisionError: division by zero";

/// What the `extra=` of each record says.
const EXTRA: [(&str, Type, Value<'_>); 5] = [
    ("user", Type::Str, Value::Text("Jörg 世界".as_bytes())),
    ("count", Type::U64, Value::U64(u64::MAX)),
    ("delta", Type::I64, Value::I64(-5)),
    ("price", Type::F64, Value::F64(9.5)),
    ("ok", Type::Bool, Value::Bool(true)),
];

impl Sample {
    fn python(&self) -> serde_json::Value {
        let origin = origin();
        json!({
            "ns": self.ns, "start": START, "levelno": self.level, "name": self.logger, "pathname": self.file,
            "lineno": self.line, "funcName": self.function, "msg": self.message, "exc_text": self.error,
            "thread": origin.tid, "threadName": origin.thread, "process": origin.pid,
            "processName": origin.process,
            "user": "Jörg 世界", "count": u64::MAX, "delta": -5, "price": 9.5, "ok": true,
        })
    }

    /// As a statement with a message, the extra fields and perhaps an error.
    fn entry(&self) -> OwnedEntry {
        let mut fields = vec![("", Type::Str, Value::Text(self.message.as_bytes()))];
        fields.extend(EXTRA);
        fields.extend(self.error.map(|text| ("err", Type::Error, Value::Error(text.as_bytes()))));
        statement("{0}", &fields)
    }

    fn line(&self, format: &mut Pattern, entry: &OwnedEntry) -> String {
        let entry = entry.entry();
        let mut record = *entry.record().unwrap();
        record.level = Level::from_number(self.level);
        (record.logger, record.file, record.line) = (self.logger, self.file, self.line);
        record.function = self.function;
        let mut out = Vec::new();
        let entry = Entry { unix_ns: self.ns, origin: &origin(), body: Body::Record(record) };
        format.entry(&entry, &mut out);
        String::from_utf8(out).unwrap()
    }
}

/// Compares each sample by each pattern and date format. Returns how many lines were equal.
fn compare(samples: &[Sample], formats: &[(&str, Option<&str>)], zone: &str) -> usize {
    let records: Vec<_> = samples.iter().map(Sample::python).collect();
    let input = json!({ "records": records, "formats": formats }).to_string();
    let Some(said) = super::python::says(SCRIPT, &input, zone) else { return 0 };
    let lines: Vec<Vec<String>> = serde_json::from_str(&said).unwrap();
    assert_eq!(lines.len(), formats.len());
    // Each comes out of a ring of its own, so those that differ in nothing else share one.
    let mut entries = HashMap::new();
    for sample in samples {
        entries.entry((sample.message, sample.error)).or_insert_with(|| sample.entry());
    }
    for ((pattern, date), theirs) in formats.iter().zip(&lines) {
        let tz = TimeZone::get(zone).unwrap();
        let format = Pattern::new(pattern, *date, tz, Newlines::Raw);
        let mut format =
            format.unwrap_or_else(|problem| panic!("{pattern} {date:?}: {problem}")).of_ring(&ring());
        assert_eq!(theirs.len(), samples.len());
        for (sample, theirs) in samples.iter().zip(theirs) {
            let ours = sample.line(&mut format, &entries[&(sample.message, sample.error)]);
            assert_eq!(&ours, theirs, "{pattern:?} with {date:?} in {zone} at {}", sample.ns);
        }
    }
    println!("{} equal lines in {zone}", samples.len() * formats.len());
    samples.len() * formats.len()
}

fn samples() -> Vec<Sample> {
    vec![
        SAMPLE,
        Sample { level: 30, logger: "a.b.Ärger", message: "100% grüße 😀", ..SAMPLE },
        Sample { level: 40, error: Some(TRACEBACK), message: "no fill", ..SAMPLE },
        Sample { level: 50, error: Some(TRACEBACK), message: "ends itself\n", ..SAMPLE },
        Sample { level: 10, error: Some("E: \tx\n\nend\n"), message: "", ..SAMPLE },
        Sample { level: 35, message: "two\nlines,\ta tab", file: "db.py", line: 0, ..SAMPLE },
        Sample { level: 5, file: "/srv/.hidden", function: "<module>", ..SAMPLE },
        Sample { level: 1, file: "..a.b.c", ns: UNIX_NS / 1_000_000_000 * 1_000_000_000, ..SAMPLE },
        Sample { level: 0, file: "/srv/dir.d/", line: u32::MAX, ns: UNIX_NS + 700_000_000, ..SAMPLE },
        Sample { level: 255, file: "plain", ns: START, ..SAMPLE },
    ]
}

/// Each attribute, and fields, alone and as people put them together.
#[test]
fn each_attribute_is_as_python_writes_it() {
    let texts =
        "name levelname pathname filename module funcName asctime threadName processName message user";
    let numbers =
        "levelno lineno created msecs relativeCreated thread process count delta price ok".split(' ');
    let mut patterns: Vec<String> = Vec::new();
    for spec in ["s", "12s", "-12s", ".3s", "-9.5s", "40s", "010s", ".0s"] {
        patterns.extend(texts.split(' ').map(|name| format!("[%({name}){spec}]")));
    }
    for name in numbers {
        let specs = ["s", "d", "i", "03d", "-8d", "+d", "f", ".3f", "015.3f", "g", "e", "8s", ".2s", "5.1f"];
        patterns.extend(specs.map(|spec| format!("[%({name}){spec}]")));
    }
    patterns.extend(
        [
            "",
            "%%",
            "literal ü only",
            "%(message)s",
            "%(levelname)s:%(name)s:%(message)s",
            "%(name)-12s: %(levelname)-8s %(message)s",
            "%(asctime)s %(filename)s[line:%(lineno)d] %(levelname)s %(message)s",
            "%(asctime)s,%(msecs)03d | %(levelname)-8s | %(name).5s | 100%% | %(message)s\n",
            "%(asctime)s.%(msecs)03d - %(process)d/%(processName)s - %(thread)d/%(threadName)s - %(message)s",
            "%(asctime)s %(asctime)s %(created).6f %(relativeCreated)6d %(message)s",
            "%(levelname)s %(pathname)s:%(lineno)5d %(module)s.%(funcName)s() %(user)10s %(message)s",
            "%(message)s %(levelno)#x %(levelno)o %(lineno)X",
        ]
        .map(str::to_owned),
    );
    let mut formats: Vec<(&str, Option<&str>)> =
        patterns.iter().map(|pattern| (pattern.as_str(), None)).collect();
    formats.extend(patterns.iter().map(|pattern| (pattern.as_str(), Some("%a, %d %b %Y %H:%M:%S"))));
    formats.push(("%(asctime)s", Some("")));
    compare(&samples(), &formats, "Europe/Berlin");
}

/// Seconds since 1970 at which a calendar has something to say.
fn moments() -> Vec<u64> {
    let mut moments =
        vec![0, 1, 951_782_400, 4_107_542_399, 1_774_746_000 - 1, 1_774_746_000, u64::MAX / NS_PER_S];
    // Each quarter of an hour in which the clocks of Berlin go back, and noon and midnight of some zones.
    moments.extend((0..20).map(|quarter| 1_792_886_400 - 9_000 + 900 * quarter));
    moments.extend((0..24).map(|hour| UNIX_NS / NS_PER_S + 3_600 * hour));
    // Each day of the years that begin with each weekday, leap years among them.
    moments.extend((0..12 * 366).map(|day| 1_230_764_400 + 86_400 * day));
    moments
}

#[test]
fn dates_are_as_python_writes_them() {
    let single: Vec<String> = "aAbBcCdDeFgGhHIjklmMnpPrRSsTtuUVwWxXyYzZ%"
        .chars()
        .map(|letter| format!("%{letter}"))
        .chain("CdegGHIjklmMSuUVwWyY".chars().flat_map(|c| ["-", "_", "0"].map(|flag| format!("%{flag}{c}"))))
        .chain("aAbBhZ".chars().map(|letter| format!("%^{letter}")))
        .collect();
    let all = single.join("|");
    let usual = ["%a, %d %b %Y %H:%M:%S", "%d.%m.%Y ü %I:%M %p%%", "%Y-%m-%dT%H:%M:%S%z", "%c"];
    let formats: Vec<(&str, Option<&str>)> =
        [all.as_str()].into_iter().chain(usual).map(|date| ("%(asctime)s", Some(date))).collect();
    let samples: Vec<Sample> =
        moments().into_iter().map(|second| Sample { ns: second * NS_PER_S, ..SAMPLE }).collect();
    for zone in ["Europe/Berlin", "UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"] {
        compare(&samples, &formats, zone);
    }
}

fn ring() -> RingIdentity {
    RingIdentity { name: "app".to_owned(), uuid: String::new(), created_unix_ns: START }
}
