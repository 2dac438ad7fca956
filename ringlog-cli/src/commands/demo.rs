//! `ringlog demo`

mod producer;
mod proof;
mod stage;

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use ringlog::admin::Shown;

use crate::{exit_code, humanize, terminal};
pub use producer::Producer;
use proof::Proof;
use stage::Stage;

/// Run a demonstration: producers, a writer, and a check that no record was lost
///
/// Several processes log typed records through one small ring, and a writer writes them to a file. Then the
/// file is read: it must hold every record exactly once, whole, and in its producer's order.
#[derive(Args)]
pub struct Demo {
    /// How many processes log
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    producers: u32,
    /// How many records each of them logs
    #[arg(long, default_value_t = 250_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// Keep the output file
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub fn run(self) -> exit_code::CommandResult {
        let mut dir =
            tempfile::Builder::new().prefix("ringlog-demo-").tempdir().context("cannot make a directory")?;
        let file = dir.path().join("demo.log");
        let total = self.records * u64::from(self.producers);
        terminal::print_text(format_args!(
            "{} {} {} each into one ring of {}; another one writes them to a file.",
            humanize::count(self.producers.into()),
            humanize::verb(self.producers.into(), "process logs", "processes log"),
            humanize::counted(self.records, "typed record"),
            stage::RING_SIZE
        ))?;

        let mut stage = Stage::set(&file)?;
        let time = stage.play(self.producers, self.records)?;
        drop(stage);
        print_rates(total, time, &file)?;

        let reader = File::open(&file).with_context(|| format!("cannot open {}", file.shown()))?;
        let proof = Proof::of(reader, self.producers, self.records)
            .with_context(|| format!("cannot read {}", file.shown()))?;
        terminal::print_text(&proof)?;
        terminal::print_text("")?;
        for line in proof.samples() {
            terminal::print_text(format_args!("  {}", terminal::escape(line)))?;
        }
        if self.keep {
            dir.disable_cleanup(true);
            terminal::print_text(format_args!("\nkept: {}", file.shown()))?;
        }
        if !proof.is_complete() {
            return Ok(ExitCode::from(exit_code::INCOMPLETE));
        }
        terminal::print_text(what_next()?)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn print_rates(records: u64, time: Duration, file: &Path) -> anyhow::Result<()> {
    let bytes = file.metadata().with_context(|| format!("cannot read the size of {}", file.shown()))?.len();
    let seconds = time.as_secs_f64();
    if seconds == 0.0 {
        bail!("the clock did not advance during the demo");
    }
    terminal::print_text(format_args!(
        "from the first record to the last written line: {seconds:.2} s, {} records/s, {:.0} MB/s of text",
        humanize::count((records as f64 / seconds) as u64),
        bytes as f64 / 1e6 / seconds
    ))?;
    Ok(())
}

/// Commands for the user to run next; they work in this order.
fn what_next() -> anyhow::Result<String> {
    let mut text = "\nTry next:\n".to_owned();
    let program = std::env::current_exe().context("cannot find this program")?;
    if !is_found_in_path(&program) {
        let dir = program.parent().unwrap_or(Path::new("/")).shown();
        text.push_str(&format!("  export PATH=\"$PATH:{dir}\"\n"));
    }
    text.push_str(
        "  ringlog run --out app.log -- sh -c 'ringlog put . hello; ringlog put . --level warn \"disk 91%\"'
  cat app.log
  ringlog create app            # a ring of your own
  ringlog put app hi            # stays in the ring until a writer runs
  ringlog tail app
  ringlog writer app --out app.log --until-idle
  ringlog stat app
  ringlog rm app",
    );
    Ok(text)
}

fn is_found_in_path(program: &Path) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|dir| dir.join("ringlog")).filter(|file| file.is_file());
    found.next().and_then(|first| first.canonicalize().ok()) == program.canonicalize().ok()
}
