//! Commands that read a ring: each has to succeed and to show only whole records. They may miss some.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::findings::Findings;
use crate::process::Process;
use crate::record::Said;

/// What the output of a command must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// Lines of records.
    Records,
    /// One JSON value.
    Json,
    Text,
}

/// A command that reads once. `{}` stands for the ring's name.
const LOOKS: [(&[&str], Output, &[i32]); 8] = [
    (&["tail", "{}", "-n", "5000", "--format", "json"], Output::Records, &[0, 5]),
    (&["tail", "{}", "-n", "100", "--level", "warn"], Output::Text, &[0, 5]),
    (&["stat", "{}"], Output::Text, &[0]),
    (&["stat", "{}", "--json"], Output::Json, &[0]),
    (&["info", "{}"], Output::Text, &[0]),
    (&["info", "{}", "--json"], Output::Json, &[0]),
    (&["ls"], Output::Text, &[0]),
    (&["ls", "--json"], Output::Json, &[0]),
];

const FOLLOW: &[&str] = &["tail", "{}", "--follow", "-n", "5000", "--format", "json"];

/// A command that runs, and the thread that reads what it prints.
pub(crate) struct Reader {
    pub(crate) process: Process,
    reading: Option<JoinHandle<()>>,
}

/// What readers of one arena have in common.
pub(crate) struct Looking<'a> {
    pub(crate) program: &'a Path,
    pub(crate) ring: &'a str,
    /// The directory of the ring, for `ls`.
    pub(crate) rings: &'a Path,
    /// Where errors go.
    pub(crate) dir: &'a Path,
    pub(crate) sites: u64,
    pub(crate) shown: &'a Arc<AtomicU64>,
    pub(crate) findings: &'a Findings,
}

impl Looking<'_> {
    /// Starts the command of this number.
    pub(crate) fn once(&self, number: u64, command: u32) -> Reader {
        let (arguments, output, allowed) = LOOKS[command as usize % LOOKS.len()];
        self.start(&format!("look-{number}"), arguments, output, allowed)
    }

    /// Starts `tail --follow`.
    pub(crate) fn follow(&self, number: u64) -> Reader {
        self.start(&format!("follower-{number}"), FOLLOW, Output::Records, &[0])
    }

    fn start(&self, what: &str, arguments: &[&str], output: Output, allowed: &'static [i32]) -> Reader {
        let what = format!("{}-{what}-{}", self.ring, arguments[0]);
        let mut command = Command::new(self.program);
        command.args(arguments.iter().map(|word| if *word == "{}" { self.ring } else { word }));
        command.env("RINGLOG_DIR", self.rings);
        let mut process =
            Process::start(what.clone(), &mut command, Stdio::piped(), self.dir).allowing(allowed);
        let stdout = process.take_stdout();
        let (findings, shown, sites) = (self.findings.clone(), self.shown.clone(), self.sites);
        let reading = stdout.map(|stdout| {
            std::thread::spawn(move || {
                if let Err(wrong) = check(stdout, output, sites, &shown) {
                    findings.report(format_args!("{what} shows {wrong}"));
                }
            })
        });
        Reader { process, reading }
    }
}

impl Reader {
    /// Checks whether it has ended, and if so whether as expected.
    pub(crate) fn poll(&mut self) -> Option<Result<(), String>> {
        let outcome = self.process.poll()?;
        self.join();
        Some(outcome)
    }

    /// Waits for the end of its output. The process has ended, so the output ends too.
    pub(crate) fn join(&mut self) {
        if let Some(reading) = self.reading.take() {
            reading.join().unwrap();
        }
    }
}

fn check(stdout: ChildStdout, output: Output, sites: u64, shown: &AtomicU64) -> Result<(), String> {
    let mut stdout = BufReader::new(stdout);
    if output != Output::Records {
        let mut all = Vec::new();
        stdout.read_to_end(&mut all).map_err(|error| error.to_string())?;
        let is_json = || serde_json::from_slice::<serde_json::Value>(&all).map(|_| ());
        return match output {
            Output::Json => is_json().map_err(|error| format!("not JSON: {error}")),
            _ => Ok(()),
        };
    }
    let mut line = Vec::new();
    loop {
        line.clear();
        stdout.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        if line.last() != Some(&b'\n') {
            // The end, or what a killed one left of a line; how it ended is checked elsewhere.
            return Ok(());
        }
        if let Said::Record { .. } = Said::of(&line, sites)? {
            shown.fetch_add(1, Ordering::Relaxed);
        }
    }
}
