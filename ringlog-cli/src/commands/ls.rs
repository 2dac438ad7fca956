//! `ringlog ls`

use std::process::ExitCode;

use clap::Args;
use ringlog::Error;
use ringlog::admin::Listed;
use ringlog::admin::Shown;
use ringlog::reader::{Observer, RingStat};
use ringlog_writer::status::{OutputStatus, WriterStatus};
use serde::Serialize;

use crate::{exit_code, humanize, terminal};

/// List the rings of this user and those in /run/ringlog, or those in $RINGLOG_DIR
///
/// `ringlog stat` says what trouble the outputs of a writer are in.
///
/// Of a ring that this user may only read, a `?` behind the lanes in use and the writer says that they are what the
/// ring says: whether they are alive is seen only by users who may write the ring.
#[derive(Args)]
pub struct Ls {
    /// Print as JSON, an array with an object for each ring
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct ListedRing {
    name: String,
    #[serde(flatten)]
    what: RingSummary,
}

#[derive(Serialize)]
#[serde(untagged)]
enum RingSummary {
    Ring {
        file_bytes: u64,
        lanes_in_use: usize,
        lane_count: u32,
        published: u64,
        persisted: u64,
        dropped: u64,
        /// Whether the locks could be read. If not, the lanes in use and the writer are what the ring says.
        owners_known: bool,
        writer: Option<String>,
        /// The writer's outputs, as it has said; null without a writer that has.
        outputs: Option<Vec<OutputStatus>>,
    },
    Broken {
        error: String,
    },
}

impl Ls {
    pub fn run(self) -> exit_code::CommandResult {
        let is_closed = |(_, opened): &Listed| matches!(opened, Err(Error::Closed { .. }));
        let (closed, listed): (Vec<_>, Vec<_>) = ringlog::admin::list()?.into_iter().partition(is_closed);
        // A message, because it is no ring.
        closed.iter().filter_map(|(_, opened)| opened.as_ref().err()).for_each(terminal::print_message);
        if listed.is_empty() && !self.json {
            print_no_rings(closed.is_empty());
        } else {
            terminal::print_text(show(listed, self.json)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Says that there are no rings. `are_seen`: every directory of rings can be listed.
pub(super) fn print_no_rings(are_seen: bool) {
    let dir = ringlog::admin::directory();
    let shared = match are_seen && ringlog::admin::variable("RINGLOG_DIR").is_none() {
        true => " and in /run/ringlog",
        false => "",
    };
    terminal::print_message(format_args!(
        "no rings in {}{shared}; make one with `ringlog create NAME`",
        dir.shown()
    ));
}

/// Formats the list as the command prints it.
pub(crate) fn show(listed: Vec<Listed>, json: bool) -> serde_json::Result<String> {
    let of = |(name, opened)| ListedRing { name, what: RingSummary::of(opened) };
    let found: Vec<ListedRing> = listed.into_iter().map(of).collect();
    if json { terminal::to_json(&found) } else { Ok(text(&found)) }
}

impl RingSummary {
    fn of(opened: Result<Observer, ringlog::Error>) -> RingSummary {
        let looked = opened.and_then(|observer| {
            let RingStat { lanes, published, persisted, dropped, owners_known, consumer, .. } =
                observer.stat()?;
            let geometry = observer.info().geometry();
            let status = WriterStatus::read(&observer.status_path()).ok().flatten();
            let status =
                status.filter(|status| consumer.as_ref().is_some_and(|writer| writer.pid == status.pid));
            Ok(RingSummary::Ring {
                file_bytes: geometry.file_bytes(),
                lanes_in_use: lanes.iter().filter(|lane| lane.alive).count(),
                lane_count: geometry.lane_count(),
                published,
                persisted,
                dropped,
                owners_known,
                writer: consumer.map(|consumer| consumer.holder),
                outputs: status.map(|status| status.outputs),
            })
        });
        looked.unwrap_or_else(|error| RingSummary::Broken { error: error.to_string() })
    }
}

fn text(found: &[ListedRing]) -> String {
    let mut table = terminal::table(&[
        "NAME",
        ">SIZE",
        ">LANES",
        ">PUBLISHED",
        ">PERSISTED",
        ">DROPPED",
        "WRITER",
        "OUTPUTS",
    ]);
    for ListedRing { name, what } in found {
        if let RingSummary::Ring {
            file_bytes,
            lanes_in_use,
            lane_count,
            published,
            persisted,
            dropped,
            owners_known,
            writer,
            outputs,
        } = what
        {
            table.add_row([
                terminal::escape(name),
                humanize::bytes(*file_bytes),
                format!("{lanes_in_use}/{lane_count}{}", if *owners_known { "" } else { "?" }),
                humanize::count(*published),
                humanize::count(*persisted),
                humanize::count(*dropped),
                match writer.as_deref().map(terminal::escape) {
                    None => "none".to_owned(),
                    Some(writer) if *owners_known => writer,
                    Some(writer) => format!("{writer}?"),
                },
                match outputs {
                    Some(outputs) => outputs_word(outputs),
                    // It has not said, or that cannot be read.
                    None if writer.is_some() => "?".to_owned(),
                    None => "-".to_owned(),
                },
            ]);
        }
    }
    let broken = found.iter().filter_map(|ListedRing { what, .. }| match what {
        RingSummary::Broken { error } => Some(format!("broken: {}", terminal::escape(error))),
        RingSummary::Ring { .. } => None,
    });
    let rings = (!table.is_empty()).then(|| terminal::table_text(&table));
    rings.into_iter().chain(broken).collect::<Vec<_>>().join("\n")
}

/// How many outputs there are, and how many of them are in trouble.
fn outputs_word(outputs: &[OutputStatus]) -> String {
    let all = outputs.len();
    match outputs.iter().filter(|output| output.state.is_trouble()).count() {
        0 => format!("{all} ok"),
        trouble => format!("{trouble} of {all} in trouble"),
    }
}
