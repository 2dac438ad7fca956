//! Child processes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process that takes longer, also on a busy machine, never ends.
pub const ENDLESS: Duration = Duration::from_secs(120);

/// Between two looks at whether a process has ended.
const PAUSE: Duration = Duration::from_micros(500);

/// Parks this thread until it is killed or its process ends.
pub fn wait_for_end() {
    loop {
        std::thread::park();
    }
}

/// A running child process. Killed when it is dropped, so that a failing test leaves nothing behind.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts `program` with these arguments and with pipes for its standard input and output.
    pub fn spawn(program: &str, arguments: &[&str]) -> Child {
        Self::start(Command::new(program).args(arguments))
    }

    /// Starts a prepared command with pipes for its standard input and output.
    pub fn start(command: &mut Command) -> Child {
        Self::try_start(command).unwrap()
    }

    /// The same where it may not be permitted.
    pub fn try_start(command: &mut Command) -> io::Result<Child> {
        Self::try_start_as_is(command.stdin(Stdio::piped()).stdout(Stdio::piped()))
    }

    /// Starts a prepared command with the standard streams that it says.
    pub fn start_as_is(command: &mut Command) -> Child {
        Self::try_start_as_is(command).unwrap()
    }

    /// The same where it may not be permitted.
    pub fn try_start_as_is(command: &mut Command) -> io::Result<Child> {
        let mut process = command.spawn()?;
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take().map(BufReader::new));
        Ok(Child { process, stdin, stdout })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The next line that the child prints; empty when it has ended.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The pipe from its standard output, which [`Child::line`] cannot read any more then.
    pub fn take_stdout(&mut self) -> BufReader<ChildStdout> {
        self.stdout.take().unwrap()
    }

    /// The pipe to its standard input, which [`Child::write`] cannot use any more then.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().unwrap()
    }

    /// Waits until the child prints that it is ready.
    pub fn wait_ready(&mut self) {
        assert_eq!(self.line(), "ready");
    }

    /// Writes to its standard input.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Lets a child begin that is ready.
    pub fn go(&mut self) {
        self.write(b"go\n");
    }

    /// Closes the child's standard input, at which a child that waits ends.
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

    /// Waits for the child to end, in whatever way. Panics if it does not.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        self.wait_within(ENDLESS).unwrap_or_else(|| panic!("process {} does not end", self.id()))
    }

    /// Waits so long for the child to end; `None` if it has not.
    pub fn wait_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        loop {
            let status = self.process.try_wait().unwrap();
            if status.is_some() || begun.elapsed() > time {
                return status;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits for the child to end, and returns what is left in its pipes.
    pub fn output(mut self) -> Output {
        self.release();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let pipe = self.process.stderr.take();
        std::thread::scope(|scope| {
            scope.spawn(|| pipe.map(|mut pipe| pipe.read_to_end(&mut stderr).unwrap()));
            if let Some(pipe) = &mut self.stdout {
                pipe.read_to_end(&mut stdout).unwrap();
            }
        });
        Output { status: self.wait(), stdout, stderr }
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
