//! What the tests of the command line share: a directory of rings of their own, and the real binary.

#![allow(dead_code, missing_docs)]

use std::io::{BufRead, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use ringlog_testkit::{Child, Scratch};

pub const RINGLOG: &str = env!("CARGO_BIN_EXE_ringlog");

/// A fresh directory of rings in shared memory, and one for files.
pub struct Scene {
    rings: Scratch,
    files: Scratch,
}

impl Scene {
    pub fn new() -> Scene {
        let rings = Scratch::new();
        Scene { rings, files: Scratch::on_disk() }
    }

    /// The directory of rings, as messages name it.
    pub fn dir(&self) -> &str {
        self.rings.path().to_str().unwrap()
    }

    pub fn ring(&self, name: &str) -> PathBuf {
        self.rings.file(name)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.files.file(name)
    }

    /// The text of a file; nothing as long as it is not there, as while a writer opens its outputs.
    pub fn read(&self, name: &str) -> String {
        match std::fs::read_to_string(self.file(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.unwrap(),
        }
    }

    /// `ringlog ARGS`, in the directory of files, with `ringlog` in PATH.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.program(RINGLOG, &[]);
        command.args(args);
        command
    }

    /// A script of the shell, in the same place, with the programs of one more directory.
    pub fn shell(&self, script: &str, programs: &Path) -> Command {
        let mut command = self.program("sh", &[programs]);
        command.args(["-c", script]);
        command
    }

    fn program(&self, program: &str, more_programs: &[&Path]) -> Command {
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        for directory in Path::new(RINGLOG).parent().iter().chain(more_programs) {
            path.push(":");
            path.push(directory);
        }
        let mut command = Command::new(program);
        command.current_dir(&self.files).env("RINGLOG_DIR", self.rings.path()).env("PATH", path);
        command.env_remove("RINGLOG").env_remove("RINGLOG_LEVEL").stdin(Stdio::null());
        command
    }

    /// Runs `ringlog ARGS` to its end.
    pub fn ringlog(&self, args: &[&str]) -> Ended {
        Ended::of(args, self.command(args).output().unwrap())
    }

    /// Runs it with bytes on standard input, of which it need not read all.
    pub fn ringlog_with(&self, args: &[&str], input: &[u8]) -> Ended {
        let mut command = self.command(args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        match child.stdin.take().unwrap().write_all(input) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            other => other.unwrap(),
        }
        Ended::of(args, child.wait_with_output().unwrap())
    }

    /// Starts a writer and waits until it drains the ring.
    pub fn writer(&self, ring: &str, args: &[&str]) -> Running {
        let mut command = self.command(&[&["writer", ring], args].concat());
        let running = Running::start(command.stderr(Stdio::piped()));
        wait_until("a writer", || self.ringlog(&["stat", ring]).stdout.contains(&running.holder()));
        running
    }
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ended {
    pub args: String,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(args: &[&str], output: Output) -> Ended {
        Ended {
            args: args.join(" "),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub fn ok(self) -> Ended {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Failed with this code and this one line of message, and nothing else.
    #[track_caller]
    pub fn fails(self, code: i32, message: &str) {
        assert_eq!(
            (self.code, self.stderr.as_str()),
            (Some(code), format!("{message}\n").as_str()),
            "{self:#?}"
        );
        assert_eq!(self.stdout, "", "{self:#?}");
    }
}

/// A command that runs.
pub struct Running(pub Child);

impl Running {
    pub fn start(command: &mut Command) -> Running {
        Running(Child::start_as_is(command))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Its name in the output of ringlog.
    pub fn holder(&self) -> String {
        format!("ringlog (pid {})", self.id())
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        self.0.signal(signal);
    }

    /// Waits for its end.
    pub fn output(self) -> Ended {
        Ended::of(&["(a child)"], self.0.output())
    }

    /// The lines of its standard output.
    pub fn lines(&mut self) -> impl Iterator<Item = String> + use<> {
        self.0.take_stdout().lines().map(Result::unwrap)
    }
}

/// Waits for something that another process does.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
