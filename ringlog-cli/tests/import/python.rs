//! Comparison with Python: which handlers a record reaches, its line there, and when files are rotated.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ringlog::reader::{Body, Entry};
use ringlog::{Level, Ring};
use ringlog_testkit::Scratch;
use ringlog_writer::Existing;
use ringlog_writer::config::{Config, ConsoleConfig, Formatter, HandlerConfig, SinkConfig};
use ringlog_writer::format::{Format, Pattern};
use ringlog_writer::rotation::Schedule;
use serde_json::{Value as Json, json};

use super::{TYPICAL, import};

const ZONE: &str = "Europe/Berlin";

/// Configures logging, and prints for each logger and level what gets a record.
const SCRIPT: &str = r#"
import json, logging, logging.config, logging.handlers, os, sys
given = json.load(sys.stdin)
os.mkdir("log")
if given["text"].lstrip().startswith("{"):
    logging.config.dictConfig(json.loads(given["text"]))
else:
    open("logging.conf", "w").write(given["text"])
    logging.config.fileConfig("logging.conf", defaults=given["defaults"])
record = logging.makeLogRecord(given["record"])

def shown(handler):
    if isinstance(handler, logging.handlers.MemoryHandler):
        return shown(handler.target)
    line = handler.format(record)
    if isinstance(handler, logging.NullHandler):
        return {"kind": "null"}
    if isinstance(handler, logging.FileHandler):
        said = {"kind": "file", "path": os.path.relpath(handler.baseFilename), "line": line}
        said["truncates"] = handler.mode == "w"
        count = getattr(handler, "backupCount", 0)
        if isinstance(handler, logging.handlers.RotatingFileHandler) and count and handler.maxBytes:
            said["size"], said["keep"] = handler.maxBytes, count
        if isinstance(handler, logging.handlers.TimedRotatingFileHandler):
            said["keep"] = count or None
            # Intervals count from the file's start; the others from one to the next.
            said["next"] = [handler.computeRollover(at) for at in given["times"]]
        return said
    return {"kind": "console", "stream": handler.stream.name.strip("<>"), "line": line}

def reached(name, level):
    logger = logging.getLogger(name)
    if not logger.isEnabledFor(level):
        return []
    handlers = []
    while logger:
        handlers += [shown(each) for each in logger.handlers if level >= each.level]
        logger = logger.parent if logger.propagate else None
    return handlers

print(json.dumps([[name, level, reached(name, level)] for name in given["names"] for level in given["levels"]]))
"#;

const NAMES: &[&str] =
    &["", "root", "a", "a.b", "a.b.c", "ab", "fileLogger", "fileLogger.x", "rtLogger", "other"];
const LEVELS: &[u8] = &[5, 10, 15, 20, 30, 35, 40, 50];

/// Seconds in the summer, in the winter, and around the days on which clocks are changed.
fn times() -> Vec<i64> {
    let spring = 1_774_746_000;
    let autumn = 1_792_890_000;
    let days = (0..9).flat_map(move |day| [spring, autumn, 1_795_256_130].map(|at| at + (day - 4) * 86_400));
    days.flat_map(|at| [at, at + 4 * 3600 + 1]).collect()
}

const MESSAGE: &str = "100% grüße";
const NS: u64 = 1_795_256_130_123_000_000;

/// Python's answer; `None`, with a message, if there is no Python.
fn python(text: &str) -> Option<Vec<(String, u8, Vec<Json>)>> {
    if !Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success()) {
        eprintln!("SKIPPED: no python3, so its logging cannot be compared; apt-get install python3 tzdata");
        return None;
    }
    let record = json!({
        "name": "a.b", "levelno": 30, "levelname": "WARNING", "pathname": "/srv/db.py", "filename": "db.py",
        "module": "db", "lineno": 42, "funcName": "fill", "msg": MESSAGE, "created": NS as f64 / 1e9,
        "msecs": 123.0, "user": "",
    });
    let input = json!({
        "text": text, "defaults": { "logdir": "log" }, "record": record, "names": NAMES, "levels": LEVELS,
        "times": times(),
    });
    let dir = Scratch::on_disk();
    fs::write(dir.file("script.py"), SCRIPT).unwrap();
    let mut python = Command::new("python3")
        .arg("script.py")
        .current_dir(&dir)
        .envs([("TZ", ZONE), ("LC_ALL", "C.UTF-8")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "Python takes this:\n{text}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The handlers that get a record, by the rules of docs/configuration.md.
fn reached<'a>(config: &'a Config, name: &str, level: Level) -> Vec<&'a HandlerConfig> {
    let mut above: Vec<&str> = name.match_indices('.').map(|(at, _)| &name[..at]).collect();
    above.push(name);
    let chain: Vec<_> = [""]
        .iter()
        .chain(&above)
        .filter_map(|name| config.loggers.iter().find(|l| l.name == **name))
        .collect();
    let mut chain: Vec<_> = chain.into_iter().rev().collect();
    chain.dedup_by_key(|logger| &logger.name);
    if chain.iter().find_map(|logger| logger.level).is_some_and(|least| level < least) {
        return Vec::new();
    }
    let mut handlers = Vec::new();
    for logger in chain {
        handlers.extend(logger.handlers.iter().map(|place| &config.handlers[*place]));
        if !logger.propagate {
            break;
        }
    }
    handlers.retain(|handler| level >= handler.level);
    handlers
}

/// The line of the record by this formatter.
fn line(formatter: &Formatter) -> String {
    let Formatter::Pattern { pattern, date, newlines, .. } = formatter else { panic!("{formatter:?}") };
    let zone = TimeZone::get(ZONE).unwrap();
    let mut format = Pattern::new(pattern, date.as_deref(), zone, *newlines).unwrap();
    let dir = Scratch::new();
    let ring = Ring::options().size("256KiB").create(&dir.text("r")).unwrap();
    ring.logger().text(Level::WARN, "a.b", MESSAGE).unwrap();
    let entries = ring.observe().unwrap().poll().unwrap();
    let entry = entries[0].entry();
    let mut record = *entry.record().unwrap();
    (record.file, record.line, record.function) = ("/srv/db.py", 42, "fill");
    let mut line = Vec::new();
    format.entry(&Entry { unix_ns: NS, origin: entry.origin, body: Body::Record(record) }, &mut line);
    String::from_utf8(line).unwrap().trim_end_matches('\n').to_owned()
}

/// The handler in the form that the script prints.
fn shown(handler: &HandlerConfig) -> Json {
    let line = || line(&handler.formatter);
    match &handler.sink {
        SinkConfig::Null(_) => json!({ "kind": "null" }),
        SinkConfig::Console(ConsoleConfig { stream, .. }) => {
            json!({ "kind": "console", "stream": stream.to_string(), "line": line() })
        }
        SinkConfig::File(file) => {
            let path = file.path.to_str().unwrap().trim_start_matches("./");
            let truncates = file.existing == Existing::Truncate;
            let mut said = json!({ "kind": "file", "path": path, "line": line(), "truncates": truncates });
            let mut rotation = file.rotation.clone();
            if let Some(size) = rotation.size {
                (said["size"], said["keep"]) = (size.into(), rotation.keep.count.into());
            }
            if rotation.every.is_some() {
                if rotation.zone.to_string() == "local" {
                    rotation.zone = ZONE.parse().unwrap();
                }
                let schedule = Schedule::of(&rotation).unwrap();
                let next = |at: i64| schedule.next(Timestamp::from_second(at).unwrap()).unwrap().as_second();
                said["next"] = times().into_iter().map(next).collect();
                said["keep"] = rotation.keep.count.into();
            }
            said
        }
    }
}

/// Asserts that records reach the same handlers with the same lines as in Python.
fn same(text: &str) {
    let Some(answer) = python(text) else { return };
    assert_eq!(answer.len(), NAMES.len() * LEVELS.len());
    let defines = [("logdir".to_owned(), "log".to_owned())];
    let imported = import(text.as_bytes(), &defines).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    let mut count = 0;
    for (name, level, theirs) in answer {
        // In Python `getLogger("root")` is the root logger.
        let ours =
            reached(&imported.config, if name == "root" { "" } else { &name }, Level::from_number(level));
        let ours: Vec<Json> = ours.into_iter().map(shown).collect();
        assert_eq!(ours, theirs, "{name:?} at {level}, {:?}, in\n{text}", imported.notes);
        count += theirs.len();
    }
    println!("{count} records are where Python has them");
    assert!(count > 0, "some records go somewhere");
}

#[test]
fn the_typical_configuration_is_the_same() {
    same(TYPICAL);
}

/// Levels, propagation, names that are given twice, defaults of the program, handlers that are given twice.
#[test]
fn files_are_the_same() {
    let head = "[DEFAULT]\nlevel=INFO\ndir=%(logdir)s\n[formatters]\nkeys=f\n[formatter_f]\n\
                format=%(levelname)s 100%% %(message)s\n[handlers]\nkeys=con, file,null,mem\n[handler_con]\n\
                class=StreamHandler\nlevel=NOTSET\nformatter=f\nargs=(sys.stdout,)\n[handler_file]\n\
                class=logging.FileHandler\nlevel=ERROR\nargs=('%(dir)s/x.log', 'w', 'utf-8')\n[handler_null]\n\
                class=NullHandler\nlevel=NOTSET\nformatter=\n[handler_mem]\nclass=handlers.MemoryHandler\n\
                args=(1,)\nlevel=ERROR\ntarget=file\n";
    for loggers in [
        "[loggers]\nkeys=root\n[logger_root]\nhandlers=con,file\n",
        "[loggers]\nkeys=x, root\n[logger_root]\nlevel=NOTSET\nhandlers=con,null\n[logger_x]\nqualname=a\n\
         handlers=file\nlevel=DEBUG\n",
        "[loggers]\nkeys=root,x,y,z\n[logger_root]\nlevel=ERROR\nhandlers=con\n[logger_x]\nqualname=a.b\n\
         handlers=con,con,file\npropagate=0\n[logger_y]\nqualname=a\nhandlers=mem\nlevel=NOTSET\n[logger_z]\n\
         qualname=a.b\nhandlers=\nlevel=WARN\n",
        "[loggers]\nkeys=root,x\n[logger_root]\nlevel=ERROR\nhandlers=con\n[logger_x]\nqualname=root\n\
         handlers=file\nlevel=CRITICAL\npropagate=0\n",
    ] {
        same(&format!("{head}{loggers}"));
    }
    // A root without a level has Python's default.
    same(&TYPICAL.replacen("[logger_root]\nlevel=INFO\n", "[logger_root]\n", 1));
}

#[test]
fn dictionaries_are_the_same() {
    for loggers in [
        r#""root": {"handlers": ["con", "file"]}"#,
        r#""loggers": {"": {"level": "DEBUG", "handlers": ["con"]}, "a": {"handlers": ["file"], "level": 35}}"#,
        r#""loggers": {"root": {"level": 10, "handlers": ["con"]}, "a.b": {"handlers": ["con"], "propagate": false}},
           "root": {"handlers": ["file", "con"]}"#,
        r#""loggers": {"a": {"level": "NOTSET", "propagate": null}, "a.b": {"level": 50, "handlers": ["sized"]}},
           "root": {"level": "INFO", "handlers": ["file", "mem"]}, "disable_existing_loggers": false"#,
    ] {
        same(&format!(
            r#"{{"version": 1, "formatters": {{"f": {{"format": "%(name)s %(message)s"}}}}, "handlers": {{
                "con": {{"class": "logging.StreamHandler", "formatter": "f", "level": 15}},
                "file": {{"class": "logging.handlers.WatchedFileHandler", "filename": "log/f", "level": "ERROR"}},
                "mem": {{"class": "logging.handlers.MemoryHandler", "capacity": 1, "target": "con", "level": 15}},
                "sized": {{"class": "logging.handlers.RotatingFileHandler", "filename": "log/s", "maxBytes": 1000,
                    "backupCount": 3, "mode": "w", "delay": true}}}}, {loggers}}}"#
        ));
    }
}

#[test]
fn files_are_rotated_at_the_same_times() {
    let whens = ["'S', 5", "'m'", "'H', 6", "'D'", "'midnight', 1, 5", "'W0'", "'W3', 1, 2", "'w6'"];
    for when in whens {
        for utc in ["", "\nkwargs={'utc': True}"] {
            same(&format!(
                "[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nhandlers=h\n\
                 [handler_h]\nclass=handlers.TimedRotatingFileHandler\nargs=('log/t.log', {when}){utc}\n"
            ));
        }
    }
}

#[test]
fn styles_give_the_same_lines() {
    let braces = [
        "{asctime} {levelname:<8}|{name:>5}|{name:3}|{message} 100% {{x}}",
        "{levelname:.4}{name:6.1}|{lineno:5}|{lineno:05d}|{lineno:<5}|{lineno:>+5d}|{levelno:x}",
        "{msecs:03.0f} {msecs} {created:.3f} {created:>20.2f} {levelno: d} {filename:15s}|",
        "{levelname: >10}|{levelname: <10}|{funcName}:{module}",
    ];
    let dollars = ["$asctime ${levelname}x $$5 100% $message!", "$name:${lineno} $msecs $funcName"];
    let all = braces.map(|pattern| (pattern, '{')).into_iter().chain(dollars.map(|pattern| (pattern, '$')));
    for (pattern, style) in all {
        let formatter =
            json!({ "format": pattern, "style": style.to_string(), "datefmt": "%d.%m.%y %H:%M:%S %Z" });
        let handler = json!({ "class": "logging.StreamHandler", "formatter": "f" });
        let text = json!({
            "version": 1, "formatters": { "f": formatter }, "handlers": { "h": handler },
            "root": { "handlers": ["h"] },
        });
        same(&text.to_string());
    }
}
