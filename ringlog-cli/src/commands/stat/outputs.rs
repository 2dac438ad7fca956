//! The writer's outputs and configuration, as it has said itself.

use ringlog::reader::ConsumerStat;
use ringlog_writer::status::{Failure, OutputState, OutputStatus, WriterStatus};

use crate::{humanize, terminal};

/// The lines about the configuration and the outputs. `present`: the writer of the ring.
pub(super) fn lines(status: &WriterStatus, present: Option<&ConsumerStat>) -> Vec<String> {
    let mut lines = Vec::new();
    let is_present = present.is_some_and(|present| present.pid == status.pid);
    let when = humanize::ago(status.written_unix_ns);
    if is_present {
        // The counts of the ring are younger, and may seem to contradict it.
        lines.push(format!("outputs   as the writer said {when}; it reports changes once a second"));
    } else {
        let pid = status.pid;
        let ended = if status.ended_unix_ns.is_some() { "ended" } else { "did not end in order" };
        lines.push(format!("outputs   of the last writer (pid {pid}), which {ended}; as it said {when}"));
    }
    if let Some(error) = &status.error {
        lines.push(format!("error     {}", terminal::escape(error)));
    }
    if let Some(config) = &status.config {
        let (path, loaded) = (terminal::escape(&config.path), humanize::ago(config.loaded_unix_ns));
        lines.push(format!("config    {path}, loaded {loaded}"));
        if let Some(refused) = &config.refused {
            let (when, why) = (humanize::ago(refused.since_unix_ns), terminal::escape(&refused.error));
            lines.push(format!("config    a later one was refused {when}: {why}"));
        }
    }
    lines.extend(status.outputs.iter().map(|output| format!("output    {}", output_line(output))));
    lines
}

/// An output with its state and its counts.
pub(crate) fn output_line(output: &OutputStatus) -> String {
    let mut line = format!(
        "{}: {}, {}; {} written, {}",
        terminal::escape(&output.out),
        terminal::escape(&output.guarantee),
        state(output),
        humanize::records(output.records),
        humanize::bytes(output.bytes),
    );
    if output.queued > 0 {
        let since = output
            .oldest_unix_ns
            .map_or_else(String::new, |oldest| format!(", the oldest logged {}", humanize::ago(oldest)));
        line += &format!("; {} queued{since}", humanize::records(output.queued));
    }
    if output.left_out > 0 {
        line += &format!("; {} left out", humanize::records(output.left_out));
    }
    if output.late > 0 {
        line += &format!("; {} late", humanize::records(output.late));
    }
    if output.retries > 0 {
        line += &format!("; tried again {}", humanize::counted(output.retries, "time"));
    }
    line
}

/// The state in words, with the error if there is one.
fn state(output: &OutputStatus) -> String {
    let mut word = word(output.state).to_owned();
    if output.is_left_out && matches!(output.state, OutputState::Failing | OutputState::GivenUp) {
        word += " and left out";
    }
    match &output.failure {
        Some(Failure { error, since_unix_ns, .. }) => {
            format!("{word}, since {}: {}", humanize::ago(*since_unix_ns), terminal::escape(error))
        }
        None => word,
    }
}

/// What a state is called.
fn word(state: OutputState) -> &'static str {
    match state {
        OutputState::Ok => "ok",
        OutputState::Blocked => "blocked: it takes nothing",
        OutputState::Failing => "failing",
        OutputState::LeftOut => "left out: it does not keep up",
        OutputState::ReaderGone => "its reader has gone",
        OutputState::GivenUp => "given up",
        _ => "in a state that this version does not know",
    }
}
