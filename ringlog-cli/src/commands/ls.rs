//! `ringlog ls`

use std::process::ExitCode;

use clap::Args;
use ringlog::{Observer, RingStat};
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
        let found: Vec<Found> = ringlog::list()?
            .into_iter()
            .map(|(name, opened)| Found { name, what: What::of(opened) })
            .collect();
        if self.json {
            output::print_json(&found)?;
        } else if found.is_empty() {
            let dir = ringlog::directory();
            output::say(format_args!("no rings in {}; make one with `ringlog create NAME`", dir.display()));
        } else {
            print(&found)?;
        }
        Ok(ExitCode::SUCCESS)
    }
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

fn print(found: &[Found]) -> std::io::Result<()> {
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
    if !table.is_empty() {
        output::print(output::show(&table))?;
    }
    for Found { what, .. } in found {
        if let What::Broken { error } = what {
            output::print(format_args!("broken: {}", output::harmless(error)))?;
        }
    }
    Ok(())
}
