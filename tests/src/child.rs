//! Children: the helper program in one of its roles.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longer than anything here takes, also on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// Stands still: whoever does so is going to be killed, or ends with its process.
pub fn wait_for_end() {
    loop {
        std::thread::park();
    }
}

/// A running child. Killed when it is dropped, so that a failing test leaves nothing behind.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Child {
    /// Starts `program` with these arguments and pipes to talk to it.
    pub fn spawn(program: &str, arguments: &[&str]) -> Child {
        Self::start(Command::new(program).args(arguments))
    }

    /// Starts a prepared command.
    pub fn start(command: &mut Command) -> Child {
        Self::try_start(command).unwrap()
    }

    /// The same where it may not be permitted.
    pub fn try_start(command: &mut Command) -> io::Result<Child> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = process.stdin.take();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        Ok(Child { process, stdin, stdout })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The next line that the child prints; empty when it has ended.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits until the child says that it is ready.
    pub fn wait_ready(&mut self) {
        assert_eq!(self.line(), "ready");
    }

    /// Lets a child that is ready begin.
    pub fn go(&mut self) {
        self.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    /// Lets the child see the end of its input, which those that wait take as the word to end.
    pub fn release(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id() as i32), signal).unwrap();
    }

    /// Kills the child and waits until it is gone.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The next line that the child prints, as numbers.
    pub fn numbers(&mut self) -> Vec<u64> {
        self.line().split_whitespace().map(|word| word.parse().unwrap()).collect()
    }

    /// Waits for the child to end by itself, which it has to do without an error, and returns the rest
    /// of what it printed, as numbers.
    pub fn finish(&mut self) -> Vec<u64> {
        self.release();
        let mut numbers = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            numbers.extend(line.split_whitespace().map(|word| word.parse::<u64>().unwrap()));
        }
        let status = self.wait();
        assert!(status.success(), "{status}");
        numbers
    }

    /// Waits for the child to end, however it does.
    pub fn wait(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    /// Whether the child has ended.
    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
