//! The commands of this repository, as `cargo x COMMAND`.
//!
//! Continuous integration runs the same commands (`.ci/run`). They need a Rust toolchain and nothing else.

mod bench;
mod check;
mod fuzz;
mod metadata;
mod model;
mod programs;
mod prove;
mod python;
mod races;
mod shell;
mod soak;
mod steps;
mod test;
mod tidy;
mod unused;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The commands of the ringlog workspace.
#[derive(Parser)]
#[command(name = "cargo x", bin_name = "cargo x")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What must hold before a commit: format, lints, docs, dependencies, other targets, tidy
    Check {
        /// Run this step alone
        #[arg(long, value_name = "STEP", value_parser = steps::names(check::STEPS))]
        only: Option<String>,
    },
    /// Build everything and run the unit, process and documentation tests, in a few minutes
    Test {
        /// Run this step alone
        #[arg(long, value_name = "STEP", value_parser = steps::names(test::STEPS))]
        only: Option<String>,
    },
    /// The exhaustive proofs: every instruction and call, loom, ThreadSanitizer, a minute of soak, fuzzing
    Prove {
        /// Run this step alone
        #[arg(long, value_name = "STEP", value_parser = steps::names(prove::STEPS))]
        only: Option<String>,
    },
    /// Check the lock-free protocol under every interleaving, with loom
    ///
    /// LOOM_MAX_PREEMPTIONS bounds the search and is 3 unless it is set.
    Model,
    /// Run the threads of one process under ThreadSanitizer, with the nightly toolchain
    Races,
    /// Let processes log while they are killed, stopped and forked at random
    ///
    /// Every record is checked meanwhile. A seed gives the same decisions again; it is printed.
    Soak {
        /// How long
        #[arg(long, value_name = "N", default_value_t = 60)]
        seconds: u64,
        /// The seed of all decisions; random if absent
        #[arg(long, value_name = "S")]
        seed: Option<u64>,
    },
    /// Fuzz the readers and producers with any bytes in a ring, under AddressSanitizer
    ///
    /// Needs the nightly toolchain; cargo-fuzz is installed if it is missing.
    Fuzz {
        /// The target to run; all of them, one after the other, if absent
        target: Option<String>,
        /// How long each target runs
        #[arg(long, value_name = "N", default_value_t = 60, conflicts_with = "runs")]
        seconds: u64,
        /// How many inputs each target tries
        #[arg(long, value_name = "N")]
        runs: Option<u64>,
    },
    /// Run the benchmarks
    Bench {
        /// The bench target to run; all of them if absent
        name: Option<String>,
    },
    /// Build the Python wheel into `dist`: the module, the command and the writer
    ///
    /// maturin is installed into an environment under `target/python`.
    Wheel,
    /// Build the Python wheel, install it into an environment under `target/python`, and run its demo or its tests
    Python {
        /// What to run
        what: python::What,
        /// With this version alone, such as 3.12
        #[arg(long, value_name = "VERSION")]
        version: Option<String>,
    },
    /// Check the repository's own rules: sizes, line ends, links, test names, directions, circles
    Tidy,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Check { only } => steps::run("check", check::STEPS, only.as_deref()),
        Command::Test { only } => steps::run("test", test::STEPS, only.as_deref()),
        Command::Prove { only } => steps::run("prove", prove::STEPS, only.as_deref()),
        Command::Model => model::run(),
        Command::Races => races::run(),
        Command::Soak { seconds, seed } => soak::run(seconds, seed),
        Command::Fuzz { target, seconds, runs } => {
            let limit = runs.map_or(fuzz::Limit::Seconds(seconds), fuzz::Limit::Runs);
            fuzz::run(target.as_deref(), limit)
        }
        Command::Bench { name } => bench::run(name.as_deref()),
        Command::Wheel => python::wheel().map(drop),
        Command::Python { what, version } => python::run(what, version.as_deref()),
        Command::Tidy => tidy::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Returned from main it would bring a backtrace along, and hide the message.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
