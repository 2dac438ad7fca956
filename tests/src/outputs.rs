//! Every kind of output: how a writer is configured for it, and how a test reads what it has got.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use ringlog::reader::Observer;

use crate::{Again, Guarantee, Part, Writing};

/// The handler that writes the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handler {
    File,
    FileWithoutCheckpoint,
    StandardOutput,
}

/// What the output leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    File,
    /// A named pipe that holds so many bytes: a small one takes a batch in parts.
    Pipe(i32),
    Terminal,
}

/// An output of a writer.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    handler: Handler,
    target: Target,
    /// Its kind, in the words of docs/configuration.md.
    pub kind: &'static str,
    /// What it promises.
    pub guarantee: Guarantee,
}

/// The outputs of one writer.
pub type Outputs = &'static [Output];

const CHECKPOINTED: Output = Output {
    handler: Handler::File,
    target: Target::File,
    kind: "file with a checkpoint",
    guarantee: Guarantee::ExactlyOnce,
};
const PLAIN: Output = Output {
    handler: Handler::FileWithoutCheckpoint,
    target: Target::File,
    kind: "file without a checkpoint",
    guarantee: Guarantee::AtLeastOnce,
};
const PIPE: Output = Output {
    handler: Handler::File,
    target: Target::Pipe(64 << 10),
    kind: "pipe or device",
    guarantee: Guarantee::AtLeastOnce,
};
const SMALL_PIPE: Output = Output { target: Target::Pipe(4 << 10), ..PIPE };
const DEVICE: Output = Output { target: Target::Terminal, ..PIPE };

/// Standard output as the only output.
const fn console(target: Target) -> Output {
    let (kind, guarantee) = ("console alone", Guarantee::AtLeastOnce);
    Output { handler: Handler::StandardOutput, target, kind, guarantee }
}

/// Standard output beside an output with a better guarantee.
const fn beside(target: Target) -> Output {
    let (kind, guarantee) = ("console beside a file or a pipe", Guarantee::BestEffort);
    Output { handler: Handler::StandardOutput, target, kind, guarantee }
}

/// Each kind of output alone, and each that promises less beside better ones. A test checks that no kind is left out.
pub const EVERY_OUTPUT: [Outputs; 11] = [
    &[CHECKPOINTED],
    &[PLAIN],
    &[PIPE],
    &[SMALL_PIPE],
    &[DEVICE],
    &[console(Target::File)],
    &[console(Target::Pipe(64 << 10))],
    &[console(Target::Terminal)],
    &[CHECKPOINTED, beside(Target::Pipe(4 << 10))],
    &[PIPE, beside(Target::File)],
    &[CHECKPOINTED, PLAIN, SMALL_PIPE],
];

/// The end of an output from which a test reads.
#[derive(Debug)]
enum Receiver {
    File { path: PathBuf, read: u64 },
    Pipe { path: PathBuf, end: File },
    Terminal { path: PathBuf, end: File, _slave: File },
}

impl Receiver {
    /// Makes what the output leads to. A regular file is left to the writer.
    fn new(target: Target, path: PathBuf) -> Receiver {
        match target {
            Target::File => Receiver::File { path, read: 0 },
            Target::Pipe(bytes) => {
                nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
                // Open for writing as well: then neither the writer nor this end waits for the other, and a writer that
                // is killed is no end of file.
                let mut options = File::options();
                let end = options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
                nix::fcntl::fcntl(&end, nix::fcntl::FcntlArg::F_SETPIPE_SZ(bytes)).unwrap();
                Receiver::Pipe { path, end }
            }
            Target::Terminal => {
                let pair = nix::pty::openpty(None, None).unwrap();
                let mut settings = tcgetattr(&pair.slave).unwrap();
                // It changes no byte, such as the end of a line.
                cfmakeraw(&mut settings);
                tcsetattr(&pair.slave, SetArg::TCSANOW, &settings).unwrap();
                let path = fs::read_link(format!("/proc/self/fd/{}", pair.slave.as_raw_fd())).unwrap();
                Receiver::Terminal { path, end: pair.master.into(), _slave: pair.slave.into() }
            }
        }
    }

    fn path(&self) -> &PathBuf {
        let (Receiver::File { path, .. } | Receiver::Pipe { path, .. } | Receiver::Terminal { path, .. }) =
            self;
        path
    }

    /// The output as a shell opens it for standard output: `>> PATH`.
    fn as_standard_output(&self) -> Stdio {
        File::options().append(true).create(true).open(self.path()).unwrap().into()
    }

    /// What the output has got since the last time. Takes bytes until nothing is left after `is_over` was set.
    fn take(&mut self, is_over: &AtomicBool) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Receiver::File { path, read } => {
                while !is_over.load(Ordering::Acquire) {
                    std::thread::park();
                }
                if let Ok(mut file) = File::open(path) {
                    file.seek(SeekFrom::Start(*read)).unwrap();
                    *read += file.read_to_end(&mut bytes).unwrap() as u64;
                }
            }
            Receiver::Pipe { end, .. } | Receiver::Terminal { end, .. } => {
                let mut chunk = [0; 4096];
                loop {
                    let was_over = is_over.load(Ordering::Acquire);
                    let wait = if was_over { PollTimeout::ZERO } else { PollTimeout::from(5_u8) };
                    match poll(&mut [PollFd::new(end.as_fd(), PollFlags::POLLIN)], wait).unwrap() {
                        0 if was_over => break,
                        0 => continue,
                        _ => {}
                    }
                    match end.read(&mut chunk) {
                        Ok(count) => bytes.extend(&chunk[..count]),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
                    }
                }
            }
        }
        bytes
    }
}

/// The outputs of one writer, and of those that go on after it, with what each has got.
#[derive(Debug)]
pub struct Receivers<'a> {
    writing: &'a Writing,
    outputs: Outputs,
    ends: Vec<Receiver>,
    /// Of each output what it has got of each writer.
    parts: Vec<Vec<Part>>,
}

impl<'a> Receivers<'a> {
    /// Makes the pipes and terminals of these outputs.
    pub fn new(writing: &'a Writing, outputs: Outputs) -> Receivers<'a> {
        let file = |number: usize| writing.dir().join(format!("{number}.log"));
        let ends = outputs.iter().enumerate();
        let ends = ends.map(|(number, output)| Receiver::new(output.target, file(number))).collect();
        Receivers { writing, outputs, ends, parts: vec![Vec::new(); outputs.len()] }
    }

    /// A writer of these outputs.
    pub fn writer(&self) -> Command {
        let mut config =
            "grace = \"0ms\"\n[formatters.ids]\nkind = \"text\"\nids = true\n[root]\nhandlers = [".to_owned();
        (0..self.outputs.len()).for_each(|number| config += &format!("\"{number}\", "));
        config += "]\n";
        let mut standard_output = None;
        for (number, (output, end)) in self.outputs.iter().zip(&self.ends).enumerate() {
            let path = end.path().to_str().unwrap();
            let handler = match output.handler {
                Handler::File => format!("kind = \"file\"\npath = \"{path}\""),
                Handler::FileWithoutCheckpoint => {
                    format!("kind = \"file\"\npath = \"{path}\"\ncheckpoint = false")
                }
                Handler::StandardOutput => {
                    standard_output = Some(end.as_standard_output());
                    "kind = \"console\"\nstream = \"stdout\"\ncolor = \"never\"".to_owned()
                }
            };
            config += &format!("[handlers.{number}]\nformatter = \"ids\"\n{handler}\n");
        }
        let mut command = self.writing.configured(&config);
        standard_output.into_iter().for_each(|stream| _ = command.stdout(stream));
        command
    }

    /// Where the files, pipes and devices of these outputs are.
    pub fn places(&self) -> Vec<PathBuf> {
        let devices = self.ends.iter().filter(|end| matches!(end, Receiver::Terminal { .. }));
        let devices = devices.map(|end| end.path().clone());
        devices.chain([self.writing.dir()]).collect()
    }

    /// The path of each output.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.ends.iter().map(|end| end.path().clone()).collect()
    }

    /// Lets `run` run one writer to its end, and takes what the outputs get meanwhile. `run` also says whether it was
    /// killed.
    pub fn during<T>(&mut self, run: impl FnOnce(Command) -> (T, bool)) -> T {
        let (is_over, writer) = (AtomicBool::new(false), self.writer());
        std::thread::scope(|scope| {
            let is_over = &is_over;
            let ends = self.ends.iter_mut();
            let threads: Vec<_> = ends.map(|end| scope.spawn(move || end.take(is_over))).collect();
            let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(writer)));
            is_over.store(true, Ordering::Release);
            threads.iter().for_each(|thread| thread.thread().unpark());
            let (done, is_killed) = match ran {
                Ok(ran) => ran,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            let ring = Observer::open(self.writing.ring()).unwrap();
            let unacknowledged = ring.stat().unwrap().lag();
            for (thread, parts) in threads.into_iter().zip(&mut self.parts) {
                parts.push(Part { bytes: thread.join().unwrap(), is_killed, unacknowledged });
            }
            done
        })
    }

    /// Each output with what it has got of each writer. A file with a checkpoint is taken as a whole, because what a
    /// killed writer left in it may be cut off again.
    pub fn parts(&self) -> Vec<(Output, Vec<Part>)> {
        let parts = self.outputs.iter().zip(&self.ends).zip(&self.parts);
        parts
            .map(|((output, end), parts)| match output.guarantee {
                Guarantee::ExactlyOnce => {
                    let bytes = fs::read(end.path()).unwrap_or_default();
                    (*output, vec![Part { bytes, is_killed: false, unacknowledged: 0 }])
                }
                _ => (*output, parts.clone()),
            })
            .collect()
    }

    /// How much may come again after a kill in an output that is not exact.
    pub fn again(&self) -> Again {
        match self.outputs {
            // The length at which a batch of this ring is written.
            [_] => Again::Batch((fs::metadata(self.writing.ring()).unwrap().len() / 8).min(64 << 10)),
            _ => Again::Unacknowledged,
        }
    }
}
