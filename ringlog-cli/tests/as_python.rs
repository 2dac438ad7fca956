//! An imported logging.conf gives the same files as Python's own `logging`, for records of several processes.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{RINGLOG, Running, Scene, wait_until};

const LOGGING_CONF: &str = include_str!("import/logging.conf");

/// Passes every record that ringlog's writer has written to the loggers of Python's `fileConfig`.
const REPLAY: &str = r"
import calendar, json, logging, logging.config, os.path, time
logging.config.fileConfig('logging.conf', disable_existing_loggers=False)
# As the default formatter of Python's handlers has them.
names = {'WARN': 'WARNING'}
for line in open('../replay.json', encoding='utf-8'):
    it = json.loads(line)
    seconds, rest = it['time'].rstrip('Z').split('.')
    ns = calendar.timegm(time.strptime(seconds, '%Y-%m-%dT%H:%M:%S')) * 10**9 + int(rest.ljust(9, '0'))
    logger = logging.getLogger(it['logger'])
    if not logger.isEnabledFor(it['level_number']):
        continue
    base = os.path.basename(it['file'])
    logger.handle(logging.makeLogRecord({
        'name': it['logger'], 'levelno': it['level_number'], 'levelname': names.get(it['level'], it['level']),
        'pathname': it['file'], 'filename': base, 'module': os.path.splitext(base)[0], 'lineno': it['line'],
        'created': ns / 1e9, 'msecs': float(ns % 10**9 // 10**6), 'thread': it['tid'], 'threadName': it['thread'],
        'process': it['pid'], 'processName': it['process'], 'msg': it['message'], 'args': None,
    }))
logging.shutdown()
";

fn has_python() -> bool {
    let has =
        Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    if !has {
        eprintln!("SKIPPED: no python3, so its logging cannot be compared; apt-get install python3");
    }
    has
}

/// The files of a directory, by name, without checkpoints.
fn files(dir: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let mut files: Vec<_> = named
        .filter(|(name, _)| !name.ends_with(".checkpoint"))
        .map(|(name, path)| (name, fs::read_to_string(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Adds a JSON file that gets every record that the configuration's handlers get.
fn with_replay(config: &str) -> String {
    let replay =
        "[handlers.replay]\nkind = \"file\"\npath = \"replay.json\"\nformatter = \"json\"\n\n[root]\n";
    config.replace("handlers = [", "handlers = [\"replay\", ").replace("[root]\n", replay)
}

#[test]
fn a_logging_conf_makes_the_files_that_python_makes() {
    if !has_python() {
        return;
    }
    let scene = Scene::new();
    // Small enough that some are closed, and some deleted.
    let conf = LOGGING_CONF.replace("10*1024*1024, 5", "3000, 5");
    assert_ne!(conf, LOGGING_CONF);
    fs::write(scene.file("logging.conf"), &conf).unwrap();
    fs::create_dir(scene.file("log")).unwrap();
    scene.ringlog(&["import", "logging.conf", "-o", "imported.toml"]).ok();
    fs::write(scene.file("ringlog.toml"), with_replay(&scene.read("imported.toml"))).unwrap();

    scene.ringlog(&["create", "app", "--size", "4MiB"]).ok();
    let program = Path::new(RINGLOG).parent().unwrap().join("examples/loggers");
    assert!(program.exists(), "{} is missing: cargo build -p ringlog-cli --examples", program.display());
    let zone = [("TZ", "Europe/Berlin"), ("LC_ALL", "C.UTF-8")];
    let mut writer = scene.command(&["writer", "app", "--config", "ringlog.toml"]);
    writer.envs(zone).stderr(fs::File::create(scene.file("said")).unwrap());
    let writer = Running::start(&mut writer);
    let producer = |name: &&str| {
        let mut command = Command::new(&program);
        command.arg(name).env("RINGLOG", scene.ring("app")).env("RINGLOG_LEVEL", "debug");
        Running::start(&mut command)
    };
    let producers: Vec<Running> = ["one", "two", "three", "four"].iter().map(producer).collect();
    producers.into_iter().for_each(|producer| drop(producer.output().ok()));
    wait_until("the writer", || scene.ringlog(&["stat", "app"]).stdout.contains(" alive"));
    scene.ringlog(&["stop", "app"]).ok();
    writer.output().ok();

    let theirs = scene.file("theirs");
    fs::create_dir_all(theirs.join("log")).unwrap();
    fs::write(theirs.join("logging.conf"), &conf).unwrap();
    let python =
        Command::new("python3").args(["-c", REPLAY]).current_dir(&theirs).envs(zone).output().unwrap();
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));

    let (ours_said, theirs_said) = (scene.read("said"), String::from_utf8(python.stderr).unwrap());
    assert_eq!(ours_said, theirs_said, "the console");
    assert_eq!(ours_said.lines().count(), 4 * 40 * 6 + 4 * 40, "a message of two lines among them");
    let (ours, theirs) = (files(&scene.file("log")), files(&theirs.join("log")));
    let names: Vec<&str> = ours.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["default.log", "rt.log", "rt.log.1", "rt.log.2", "rt.log.3", "rt.log.4", "rt.log.5"]);
    assert!(ours == theirs, "ours: {ours:#?}\nPython's: {theirs:#?}");
}
