//! The ring and the writer of one `ringlog run`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use ringlog::admin::Shown;
use ringlog::reader::Observer;
use ringlog::{Error, Ring};
use ringlog_writer::{Child, Options, spawn_program};

use super::Run;
use crate::commands::stat::refusals;
use crate::{humanize, terminal};

/// A ring for one command, and the writer that drains it.
pub struct PrivateRing {
    path: PathBuf,
    /// The path as text, the form that the functions of `ringlog` take.
    name: String,
    /// Held open, so that `ringlog rm` refuses to remove the ring during the run.
    ring: Option<Ring>,
    writer: Option<Child>,
    writer_has_ended: bool,
}

impl PrivateRing {
    /// Creates the ring and starts the writer. If the writer does not start, the ring is removed again.
    ///
    /// # Errors
    /// The error of the creation or of the start.
    pub fn new(run: &Run) -> anyhow::Result<PrivateRing> {
        let name = new_path()?;
        let mut options = Ring::options().size(run.size.clone()).overflow(run.overflow);
        if let Some(size) = &run.definitions {
            options = options.definitions(size.clone());
        }
        let ring = options.create(&name)?;
        let path = ring.path().to_owned();
        let mut this = PrivateRing { path, name, ring: Some(ring), writer: None, writer_has_ended: false };
        match this.start_writer(run) {
            Ok(writer) => this.writer = Some(writer),
            Err(error) => {
                this.remove()?;
                return Err(error);
            }
        }
        Ok(this)
    }

    fn start_writer(&self, run: &Run) -> anyhow::Result<Child> {
        let program = std::env::current_exe().context("cannot find this program to run it as the writer")?;
        let mut options = Options::new(self.name.clone());
        options.out = run.out.clone().into();
        options.formatter = run.format.into();
        Ok(spawn_program(&program, &["writer"], &options)?)
    }

    /// Makes the command, with `RINGLOG` set to the ring's path.
    pub fn command(&self, words: &[OsString]) -> Command {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("RINGLOG", &self.path);
        command
    }

    /// Prints a message if the writer has ended before the command: from then on no record is written.
    pub fn check_writer(&mut self) {
        if self.writer_has_ended {
            return;
        }
        if let Some(Ok(Some(status))) = self.writer.as_mut().map(Child::try_wait) {
            self.writer_has_ended = true;
            let path = self.path.shown();
            terminal::print_message(format_args!(
                "the writer has ended with {status}; records now stay in {path}"
            ));
        }
    }

    /// Stops the writer, which writes all records first, and removes the ring. If records are left the ring stays.
    ///
    /// # Errors
    /// The number of records left, and the command that writes them.
    pub fn drain(mut self, out: &Path) -> anyhow::Result<()> {
        let stopped = self.writer.take().map_or(Ok(()), Child::stop);
        let stat = Observer::open(&self.name).and_then(|observer| observer.stat())?;
        if let Err(error) = stopped
            && stat.lag() > 0
        {
            let left = humanize::records(stat.lag());
            let (ring, out) = (&self.name, out.shown());
            return Err(anyhow!(
                "{error}; {left} left: `ringlog writer {ring} --until-idle --out {out}` writes them"
            ));
        }
        for (_, refused) in refusals(&stat.refused) {
            terminal::print_message(format_args!("{refused}"));
        }
        self.remove()
    }

    /// Removes the ring, also if processes that the command has left running still use it. Without a writer their
    /// records would be lost silently; in a removed ring their log calls return an error.
    fn remove(&mut self) -> anyhow::Result<()> {
        self.ring = None;
        match ringlog::admin::remove(&self.name, false) {
            Err(error @ Error::InUse { .. }) => {
                terminal::print_message(format_args!(
                    "{error}; it is removed nevertheless, and records that they log from now on are lost"
                ));
                ringlog::admin::remove(&self.name, true)?;
            }
            other => drop(other?),
        }
        Ok(())
    }
}

/// Chooses a path for the ring that no other run uses.
fn new_path() -> anyhow::Result<String> {
    // If the clock is before 1970 the process id alone has to be unique.
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    let file = format!("run-{}-{nanos:08x}", std::process::id());
    let path = std::path::absolute(ringlog::admin::directory().join(file))
        .context("cannot find the current directory")?;
    path.into_os_string().into_string().map_err(|path| anyhow!("{} is not UTF-8", path.shown()))
}
