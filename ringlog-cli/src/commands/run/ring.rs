//! The ring and the writer of one run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use ringlog::reader::Observer;
use ringlog::{Error, Ring};
use ringlog_writer::{Child, Options, spawn_program};

use super::Run;
use crate::{humanize, terminal};

/// A ring for one command, and the writer that drains it.
pub struct PrivateRing {
    path: PathBuf,
    /// Its path as text, as the ring's functions take it.
    name: String,
    /// Held so that nobody removes it in between.
    ring: Option<Ring>,
    writer: Option<Child>,
    writer_has_ended: bool,
}

impl PrivateRing {
    /// Makes the ring and starts the writer. Leaves nothing behind if that fails.
    ///
    /// # Errors
    /// What went wrong.
    pub fn new(run: &Run) -> anyhow::Result<PrivateRing> {
        let name = new_path()?;
        let ring = Ring::options().size(run.size.as_str()).overflow(run.overflow).create(&name)?;
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
        options.format = run.format;
        Ok(spawn_program(&program, &["writer"], &options)?)
    }

    /// The command, told where the ring is.
    pub fn command(&self, words: &[OsString]) -> Command {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("RINGLOG", &self.path);
        command
    }

    /// Says at once when the writer has ended before its time: nothing is persisted any more.
    pub fn look_after_writer(&mut self) {
        if self.writer_has_ended {
            return;
        }
        if let Some(Ok(Some(status))) = self.writer.as_mut().map(Child::try_wait) {
            self.writer_has_ended = true;
            let path = self.path.display();
            terminal::print_message(format_args!(
                "the writer has ended with {status}; records now stay in {path}"
            ));
        }
    }

    /// Has everything persisted and removes the ring. If something was not persisted the ring stays.
    ///
    /// # Errors
    /// What was not persisted, and how to get it.
    pub fn drain(mut self, out: &Path) -> anyhow::Result<()> {
        let stopped = self.writer.take().map_or(Ok(()), Child::stop);
        let stat = Observer::open(&self.name).and_then(|observer| observer.stat())?;
        if let Err(error) = stopped
            && stat.lag() > 0
        {
            let left = humanize::records(stat.lag());
            let (ring, out) = (&self.name, out.display());
            return Err(anyhow!(
                "{error}; {left} left: `ringlog writer {ring} --until-idle --out {out}` writes them"
            ));
        }
        if stat.dropped > 0 {
            terminal::print_message(format_args!(
                "{} dropped: the ring was full",
                humanize::records(stat.dropped)
            ));
        }
        self.remove()
    }

    /// Removes the ring. What the command has left running may still be attached; it would log into a
    /// ring that nobody reads, so it is told that the ring is gone.
    fn remove(&mut self) -> anyhow::Result<()> {
        self.ring = None;
        match ringlog::admin::remove(&self.name, false) {
            Err(error @ Error::InUse { .. }) => {
                terminal::print_message(format_args!(
                    "{error}; it is removed all the same, and what they log from here on is lost"
                ));
                ringlog::admin::remove(&self.name, true)?;
            }
            other => drop(other?),
        }
        Ok(())
    }
}

/// A path for a new ring that no other run uses.
fn new_path() -> anyhow::Result<String> {
    // The clock may stand before 1970; the process's number alone is then distinct enough.
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    let file = format!("run-{}-{nanos:08x}", std::process::id());
    let path = std::path::absolute(ringlog::admin::directory().join(file))
        .context("cannot find the current directory")?;
    path.into_os_string().into_string().map_err(|path| anyhow!("{} is not UTF-8", path.display()))
}
