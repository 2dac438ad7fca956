//! `ringlog ls`

use std::process::ExitCode;

use clap::Args;
use ringlog::admin::Listed;
use ringlog::reader::{Observer, RingStat};
use serde::Serialize;

use crate::{exit, output};

/// List the rings of this user, or those in $RINGLOG_DIR
#[derive(Args)]
pub struct Ls {
    /// Print as JSON: an array with an object for each ring
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Found {
    name: String,
    #[serde(flatten)]
    what: What,
}

#[derive(Serialize)]
#[serde(untagged)]
enum What {
    Ring {
        file_bytes: u64,
        lanes_in_use: usize,
        lane_count: u32,
        published: u64,
        persisted: u64,
        dropped: u64,
        writer: Option<String>,
    },
    Broken {
        error: String,
    },
}

impl Ls {
    pub fn run(self) -> exit::Result {
        let listed = ringlog::admin::list()?;
        if listed.is_empty() && !self.json {
            let dir = ringlog::admin::directory();
            output::say(format_args!("no rings in {}; make one with `ringlog create NAME`", dir.display()));
        } else {
            output::print(show(listed, self.json)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What is printed.
pub(crate) fn show(listed: Vec<Listed>, json: bool) -> serde_json::Result<String> {
    let of = |(name, opened)| Found { name, what: What::of(opened) };
    let found: Vec<Found> = listed.into_iter().map(of).collect();
    if json { output::json(&found) } else { Ok(text(&found)) }
}

impl What {
    fn of(opened: Result<Observer, ringlog::Error>) -> What {
        let looked = opened.and_then(|observer| {
            let RingStat { lanes, published, persisted, dropped, consumer, .. } = observer.stat()?;
            let geometry = observer.info().geometry();
            Ok(What::Ring {
                file_bytes: geometry.file_bytes(),
                lanes_in_use: lanes.iter().filter(|lane| lane.alive).count(),
                lane_count: geometry.lane_count(),
                published,
                persisted,
                dropped,
                writer: consumer.map(|consumer| consumer.holder),
            })
        });
        looked.unwrap_or_else(|error| What::Broken { error: error.to_string() })
    }
}

fn text(found: &[Found]) -> String {
    let mut table =
        output::table(&["NAME", ">SIZE", ">LANES", ">PUBLISHED", ">PERSISTED", ">DROPPED", "WRITER"]);
    for Found { name, what } in found {
        if let What::Ring { file_bytes, lanes_in_use, lane_count, published, persisted, dropped, writer } =
            what
        {
            table.add_row([
                output::harmless(name),
                output::bytes(*file_bytes),
                format!("{lanes_in_use}/{lane_count}"),
                output::count(*published),
                output::count(*persisted),
                output::count(*dropped),
                writer.as_deref().map_or("none".to_owned(), output::harmless),
            ]);
        }
    }
    let broken = found.iter().filter_map(|Found { what, .. }| match what {
        What::Broken { error } => Some(format!("broken: {}", output::harmless(error))),
        What::Ring { .. } => None,
    });
    let rings = (!table.is_empty()).then(|| output::show(&table));
    rings.into_iter().chain(broken).collect::<Vec<_>>().join("\n")
}
