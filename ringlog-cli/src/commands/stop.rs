//! `ringlog stop`

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use ringlog::admin::Shown;
use ringlog::reader::{ConsumerStat, Observer, RingStat};
use ringlog_writer::status::{OutputState, OutputStatus, WriterStatus};

use super::stat;
use crate::{exit_code, humanize, option_values, terminal};

/// Stop a ring's writer, after it has written all records logged so far
///
/// Returns when the writer has ended, or with exit code 5 when --timeout is over. In that case the writer
/// still ends once it has written the records. If records are left in the ring, the exit code is 3: the command says
/// how many were logged after the request, which are the next writer's, and how many the writer has not written. It is
/// 3 as well if the writer ended with an error, or if an output was given up or lacks records because it did not keep
/// up: the command names it. Without a writer it is 3 if the ring has records that no writer has written.
#[derive(Args)]
pub struct Stop {
    /// The ring whose writer stops
    name: String,
    /// How long to wait until the writer has ended
    #[arg(long, default_value = "30s", value_parser = option_values::duration)]
    timeout: Duration,
}

impl Stop {
    pub fn run(self) -> exit_code::CommandResult {
        let observer = Observer::open(&self.name)?;
        let path = observer.path().shown();
        let before = observer.stat()?;
        let Some(asked) = &before.consumer else {
            return Ok(without_writer(&path.to_string(), before.lag()));
        };
        ringlog::admin::request(&self.name, ringlog::admin::Request::Stop)?;
        let start = Instant::now();
        loop {
            let stat = observer.stat()?;
            match &stat.consumer {
                // The same process: a reload starts a new consumer in it.
                Some(now) if now.pid == asked.pid => {}
                // The writer has ended; another one may drain the ring by now.
                _ => {
                    let left = Left::of(&before, &stat);
                    terminal::print_message(format_args!(
                        "{} has ended; {} left in {path}{}",
                        terminal::escape(&asked.holder),
                        humanize::records(left.count),
                        left.why()
                    ));
                    let is_complete = !report_failures(&observer, asked) && left.count == 0;
                    let code = if is_complete { exit_code::SUCCESS } else { exit_code::INCOMPLETE };
                    return Ok(ExitCode::from(code));
                }
            }
            if start.elapsed() >= self.timeout {
                terminal::print_message(format_args!(
                    "{} still drains {path} after {:?}: {} behind; it ends when that is written",
                    terminal::escape(&asked.holder),
                    self.timeout,
                    humanize::records(stat.lag())
                ));
                return Ok(ExitCode::from(exit_code::TIMED_OUT_OR_EMPTY));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Reports that there is no writer to stop, and how many records wait for one.
fn without_writer(path: &str, left: u64) -> ExitCode {
    if left == 0 {
        terminal::print_message(format_args!("no writer drains {path}"));
        return ExitCode::SUCCESS;
    }
    let (records, verb) = (humanize::records(left), humanize::verb(left, "is", "are"));
    terminal::print_message(format_args!(
        "no writer drains {path}; {records} {verb} left in it for the next writer"
    ));
    ExitCode::from(exit_code::INCOMPLETE)
}

/// Reports the error with which the writer ended and the outputs that lack records. Returns whether there are any.
/// A writer leaves its last status before it gives up the ring.
fn report_failures(observer: &Observer, writer: &ConsumerStat) -> bool {
    let status = match WriterStatus::read(&observer.status_path()) {
        Ok(Some(status)) if status.pid == writer.pid => status,
        _ => return false,
    };
    let lacking: Vec<&OutputStatus> = status.outputs.iter().filter(|output| lacks_records(output)).collect();
    for output in &lacking {
        terminal::print_message(format_args!("output {}", stat::output_line(output)));
    }
    // The error of an output that is named already says nothing more.
    let error = status.error.filter(|error| !lacking.iter().any(|output| error.contains(&output.out)));
    if let Some(error) = &error {
        terminal::print_message(format_args!("it ended with an error: {}", terminal::escape(error)));
    }
    !lacking.is_empty() || error.is_some()
}

fn lacks_records(output: &OutputStatus) -> bool {
    output.state == OutputState::GivenUp || output.is_left_out || output.left_out > 0
}

/// The records that are left in a ring after its writer has ended.
struct Left {
    count: u64,
    /// How many of them were logged before the writer was asked to end.
    from_before: u64,
}

impl Left {
    /// `before`: the counters when the writer was asked to end.
    fn of(before: &RingStat, now: &RingStat) -> Left {
        let persisted = |lane: u32| {
            let mut lanes = now.lanes.iter();
            lanes.find(|known| known.lane == lane).map_or(0, |known| known.persisted)
        };
        let from_before =
            before.lanes.iter().map(|lane| lane.published.saturating_sub(persisted(lane.lane))).sum::<u64>();
        let count = now.lag();
        Left { count, from_before: from_before.min(count) }
    }

    fn why(&self) -> String {
        let later = self.count - self.from_before;
        match (self.from_before, later) {
            (0, 0) => String::new(),
            (0, _) => ": logged after it was asked to end".to_owned(),
            (_, 0) => "; its messages say why it has not written them".to_owned(),
            (before, later) => format!(
                ": {} logged after it was asked to end, and {} that it has not written; its messages say why",
                humanize::records(later),
                humanize::records(before)
            ),
        }
    }
}
