//! The demo's ring and its processes.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use ringlog::reader::Observer;
use ringlog::{Overflow, Ring};
use ringlog_writer::config::FileConfig;
use ringlog_writer::{Existing, Options, Out, spawn_program};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::terminal;

/// The size of the ring: far less than all records take, so every block is used many times.
pub const RING_SIZE: &str = "4MiB";
/// How long a producer waits for the writer.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);

/// A new ring and its writer, both removed when this is dropped.
pub struct Stage {
    name: String,
    ring: Option<Ring>,
    writer: Option<ringlog_writer::Child>,
    producers: Vec<Child>,
    interrupted: Arc<AtomicBool>,
}

impl Stage {
    /// Makes the ring and starts the writer.
    ///
    /// # Errors
    /// What went wrong.
    pub fn set(file: &Path) -> anyhow::Result<Stage> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, interrupted.clone())
                .context("cannot install signal handlers")?;
        }
        let name = format!("demo-{}", std::process::id());
        let ring = Ring::options().size(RING_SIZE).overflow(Overflow::Block(PATIENCE)).create(&name)?;
        let mut stage = Stage { name, ring: Some(ring), writer: None, producers: Vec::new(), interrupted };
        let mut options = Options::new(stage.name.clone());
        options.out = Out::File(FileConfig { existing: Existing::Truncate, ..FileConfig::new(file) });
        stage.writer = Some(spawn_program(&std::env::current_exe()?, &["writer"], &options)?);
        Ok(stage)
    }

    /// Runs the producers until the writer has written all their records. Returns how long that took.
    ///
    /// # Errors
    /// What went wrong.
    pub fn play(&mut self, producers: u32, records: u64) -> anyhow::Result<Duration> {
        let start = Instant::now();
        for producer in 0..producers {
            let child = Command::new(std::env::current_exe()?)
                .args(["demo-producer", &self.name])
                .args(["--producer", &producer.to_string(), "--records", &records.to_string()])
                .stdin(Stdio::null())
                .spawn()
                .context("cannot start a producer")?;
            self.producers.push(child);
        }
        self.watch(u64::from(producers) * records)?;
        if let Some(writer) = self.writer.take() {
            writer.stop()?;
        }
        Ok(start.elapsed())
    }

    /// Shows the progress until all producers have ended.
    fn watch(&mut self, total: u64) -> anyhow::Result<()> {
        let bar = progress_bar(total);
        let observer = Observer::open(&self.name)?;
        loop {
            std::thread::sleep(LOOK);
            bar.set_position(observer.stat()?.persisted);
            if self.interrupted.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            if let Some(writer) = &mut self.writer
                && let Some(status) = writer.try_wait()?
            {
                bail!("the writer has ended with {status}");
            }
            let mut is_running = false;
            for child in &mut self.producers {
                match child.try_wait().context("cannot wait for a producer")? {
                    None => is_running = true,
                    Some(status) if status.success() => {}
                    Some(status) => bail!("a producer has ended with {status}"),
                }
            }
            if !is_running {
                break;
            }
        }
        bar.finish_and_clear();
        Ok(())
    }
}

/// The progress bar, shown only if standard error is a terminal.
fn progress_bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let template = "  {bar:40} {human_pos} of {human_len} records written, {per_sec}";
    // If the template cannot be parsed, the default style is used.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

impl Drop for Stage {
    fn drop(&mut self) {
        for child in &mut self.producers {
            // Fails if the producer has ended; the wait reaps it either way.
            let _ = child.kill();
            let _ = child.wait();
        }
        self.ring = None;
        if let Some(writer) = self.writer.take() {
            // The error that ended the demo is reported instead.
            let _ = writer.stop();
        }
        if let Err(error) = ringlog::admin::remove(&self.name, true) {
            terminal::print_message(format_args!("cannot clean up: {error}"));
        }
    }
}
