//! A command as a list of named steps, each printed under a heading with the time it took. The first failure stops the
//! command, with the line that runs the failed step alone.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;

/// One step of a command.
pub struct Step {
    /// What `--only` takes.
    pub name: &'static str,
    /// What the heading says.
    pub about: &'static str,
    pub run: fn() -> Result<()>,
}

/// The parser for `--only`: it accepts the names of the steps.
pub fn names(steps: &[Step]) -> PossibleValuesParser {
    PossibleValuesParser::new(steps.iter().map(|step| step.name))
}

/// Runs the steps in order, or `only` one of them.
///
/// # Errors
///
/// The first failure, with the command that runs its step alone and the steps
/// that were not reached.
pub fn run(command: &str, steps: &[Step], only: Option<&str>) -> Result<()> {
    let chosen: Vec<&Step> = steps.iter().filter(|step| only.is_none_or(|name| name == step.name)).collect();
    if chosen.is_empty() {
        bail!("cargo x {command} has no step `{}`", only.unwrap_or_default());
    }
    let started = Instant::now();
    let mut took = Vec::new();
    for (position, step) in chosen.iter().enumerate() {
        println!("\n=== {}: {} ===", step.name, step.about);
        let step_started = Instant::now();
        let result = (step.run)();
        let time = seconds(step_started.elapsed());
        if let Err(error) = result {
            bail!("{error:#}\n{}", failure(command, step, &time, &chosen[position + 1..]));
        }
        println!("=== {}: ok in {time} ===", step.name);
        took.push(format!("{} {time}", step.name));
    }
    let total = seconds(started.elapsed());
    println!("\ncargo x {command}: ok in {total} ({})", took.join(", "));
    Ok(())
}

fn failure(command: &str, step: &Step, time: &str, not_run: &[&Step]) -> String {
    let name = step.name;
    let mut text = format!("cargo x {command}: step `{name}` failed after {time}");
    if !not_run.is_empty() {
        let names: Vec<_> = not_run.iter().map(|step| step.name).collect();
        text += &format!("; not run: {}", names.join(", "));
    }
    text + &format!("\nto run just this step: cargo x {command} --only {name}")
}

/// A duration in the usual units: `0.4 s`, `2 min 05 s`.
pub fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(60) {
        return format!("{:.1} s", time.as_secs_f64());
    }
    format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASS: Step = Step { name: "pass", about: "passes", run: || Ok(()) };
    const FAIL: Step = Step { name: "fail", about: "fails", run: || bail!("the reason") };
    const LATER: Step = Step { name: "later", about: "is never reached", run: || panic!("reached") };

    #[test]
    fn the_first_failure_stops_the_run_and_says_how_to_repeat_it() {
        let error = run("test", &[PASS, FAIL, LATER], None).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("step `fail` failed"), "{text}");
        assert!(text.contains("not run: later"), "{text}");
        assert!(text.contains("cargo x test --only fail"), "{text}");
        assert!(text.contains("the reason"), "{text}");
    }

    #[test]
    fn only_runs_one_step() {
        assert!(run("test", &[PASS, FAIL], Some("pass")).is_ok());
        assert!(run("test", &[PASS, FAIL], Some("fail")).is_err());
        assert!(run("test", &[PASS, FAIL], Some("none")).is_err());
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(440)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
