//! A ring with records, the real writer, and the files that it has to make of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use jiff::{SignedDuration, Timestamp};
use ringlog::{Options, Overflow, Ring};

use ringlog_testkit::{Child, ENDLESS, Scratch};

use crate::CreateRing;

/// A program of the workspace, beside the test's own.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.exists(), "there is no {}: build it with `cargo build --workspace --bins`", path.display());
    path
}

/// A ring, and the files that a writer makes of it, in a directory of their own.
#[derive(Debug)]
pub struct Writing {
    at: Scratch,
    options: Vec<String>,
}

impl Writing {
    /// A small ring with records of several threads in it, one of them killed; a writer with these options needs
    /// several batches for it.
    pub fn new(producer: &str, options: &[&str]) -> Writing {
        // Where producers wait for room, no output is ever left behind because the machine is slow.
        let small = Ring::options().size("96KiB").block_bytes(1024).lanes(6);
        let writing = Writing::empty(options, small.overflow(Overflow::Block(ENDLESS)));
        let ring = writing.at.name();
        for (threads, how) in [("threads=2", "return"), ("threads=1", "wait")] {
            let how = format!("how={how}");
            let mut child = Child::spawn(producer, &["end", ring, threads, "count=90", &how]);
            while child.line() != "ready" {}
            if how.ends_with("wait") {
                child.kill();
            } else {
                child.finish();
            }
        }
        writing
    }

    /// An empty ring.
    pub fn empty(options: &[&str], ring: Options) -> Writing {
        let writing =
            Writing::without_ring(Scratch::new(), options.iter().map(|o| (*o).to_owned()).collect());
        writing.at.create(ring);
        writing
    }

    fn without_ring(at: Scratch, options: Vec<String>) -> Writing {
        fs::create_dir(at.file("out")).unwrap();
        Writing { at, options }
    }

    /// The same ring once more, without files.
    pub fn copy(&self) -> Writing {
        let copy = Writing::without_ring(Scratch::new(), self.options.clone());
        fs::copy(self.ring(), copy.ring()).unwrap();
        copy
    }

    /// The ring's name.
    pub fn ring(&self) -> &str {
        self.at.name()
    }

    /// The directory of the output's files and of nothing else.
    pub fn dir(&self) -> PathBuf {
        self.at.file("out")
    }

    /// The output.
    pub fn out(&self) -> PathBuf {
        self.dir().join("app.log")
    }

    /// Its checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.dir().join("app.log.checkpoint")
    }

    /// The writer that ends when all is written. Its messages are kept.
    pub fn writer(&self) -> Command {
        let mut command = self.daemon();
        command.arg("--until-idle");
        command
    }

    /// The writer that stays.
    pub fn daemon(&self) -> Command {
        let said = File::options().create(true).append(true).open(self.at.file("said")).unwrap();
        let mut command = Command::new(program("ringlog-writer"));
        command.args([self.ring(), "--ids", "--grace=0", "--out"]).arg(self.out()).args(&self.options);
        command.stderr(said);
        command
    }

    /// A writer with this configuration, in which `DIR` stands for the directory of the files. Its messages are kept.
    pub fn configured(&self, config: &str) -> Command {
        let path = self.at.file("ringlog.toml");
        fs::write(&path, config.replace("DIR", self.dir().to_str().unwrap())).unwrap();
        let said = File::options().create(true).append(true).open(self.at.file("said")).unwrap();
        let mut command = Command::new(program("ringlog-writer"));
        command.arg(self.ring()).arg("--config").arg(path).stderr(said);
        command
    }

    /// Lets a writer write what is left.
    #[track_caller]
    pub fn finish(&self) {
        let status = self.try_finish();
        assert!(status.success(), "{status}: {}", self.said());
    }

    /// The same where it may fail.
    pub fn try_finish(&self) -> ExitStatus {
        let mut child = Child::start_as_is(&mut self.writer());
        let status = child.wait_within(ENDLESS);
        status.unwrap_or_else(|| panic!("the writer does not end: {}", self.said()))
    }

    /// The messages of all writers.
    pub fn said(&self) -> String {
        fs::read_to_string(self.at.file("said")).unwrap_or_default()
    }

    /// Names of the files that there are, in order.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir()).into_iter().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The lines of the output itself.
    pub fn lines(&self) -> Lines {
        Lines::of(&fs::read(self.out()).unwrap_or_default())
    }

    /// The lines of all files together, the older ones first.
    pub fn all_lines(&self) -> Lines {
        let mut all = Vec::new();
        // `app.log` is the youngest, and the first in the alphabet.
        let mut names: Vec<_> =
            self.files().into_iter().filter(|name| !name.contains("checkpoint")).collect();
        let has_output = names.first().is_some_and(|name| name == "app.log");
        names.rotate_left(usize::from(has_output));
        names.iter().for_each(|name| all.extend(fs::read(self.dir().join(name)).unwrap()));
        Lines::of(&all)
    }
}

/// Lines as the writer writes them, with ids. Those of two writers are the same if their times are within
/// a microsecond.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Records, in their order, without their times.
    pub records: Vec<String>,
    times: Vec<Option<Timestamp>>,
    /// Reported deaths. Their places and times depend on when the consumer notices them.
    pub deaths: usize,
}

/// Between two lanes the noise of the clocks is smoothed by what was given out before, which a new writer cannot
/// know.
const SMOOTHED: SignedDuration = SignedDuration::from_micros(1);

impl PartialEq for Lines {
    fn eq(&self, other: &Lines) -> bool {
        let same_time = |pair: (&Option<Timestamp>, &Option<Timestamp>)| match pair {
            (Some(a), Some(b)) => a.duration_since(*b).abs() < SMOOTHED,
            (a, b) => a == b,
        };
        (&self.records, self.deaths) == (&other.records, other.deaths)
            && self.times.iter().zip(&other.times).all(same_time)
    }
}

impl Lines {
    /// Reads the bytes of files. Each line has to be whole.
    pub fn of(bytes: &[u8]) -> Lines {
        assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "a torn line is left at the end");
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (deaths, records) = text.lines().partition::<Vec<_>, _>(|line| line.contains("/died:"));
        let mut lines = Lines { records: Vec::new(), times: Vec::new(), deaths: deaths.len() };
        for line in records {
            // Lines of others need not have a time.
            let time = line.split_once(' ').and_then(|(time, record)| Some((time.parse().ok()?, record)));
            lines.times.push(time.map(|(time, _)| time));
            lines.records.push(time.map_or(line, |(_, record)| record).to_owned());
        }
        lines
    }
}
