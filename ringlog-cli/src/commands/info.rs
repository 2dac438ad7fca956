//! `ringlog info`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ringlog::admin::Clock;
use ringlog::admin::Shown;
use ringlog::reader::Observer;
use serde::Serialize;

use super::create::RingSizes;
use crate::{exit_code, humanize, option_values, terminal};

/// Show the facts in a ring's header: format, age, clock and sizes
#[derive(Args)]
pub struct Info {
    /// The ring to look at
    name: String,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct InfoReport {
    path: PathBuf,
    format: String,
    uuid: String,
    boot_id: String,
    is_of_this_boot: bool,
    created: String,
    created_unix_ns: u64,
    creator_pid: u32,
    clock: &'static str,
    overflow: String,
    retired: bool,
    #[serde(flatten)]
    sizes: RingSizes,
}

impl Info {
    pub fn run(self) -> exit_code::CommandResult {
        let observer = Observer::open(&self.name)?;
        terminal::print_text(show(&observer, self.json)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Formats a ring's header as the command prints it.
pub(crate) fn show(observer: &Observer, json: bool) -> anyhow::Result<String> {
    let facts = InfoReport::of(observer)?;
    Ok(if json { terminal::to_json(&facts)? } else { facts.text() })
}

impl InfoReport {
    fn of(observer: &Observer) -> Result<InfoReport, ringlog::Error> {
        let (info, stat) = (observer.info(), observer.stat()?);
        let (major, minor) = info.format();
        Ok(InfoReport {
            path: observer.path().to_owned(),
            format: format!("{major}.{minor}"),
            uuid: humanize::uuid(&info.uuid),
            boot_id: humanize::uuid(&info.boot_id),
            is_of_this_boot: info.is_of_this_boot(),
            created: humanize::time(info.created_unix_ns),
            created_unix_ns: info.created_unix_ns,
            creator_pid: info.creator_pid,
            clock: match info.clock {
                Clock::Tsc => "tsc",
                Clock::Monotonic => "monotonic",
            },
            overflow: option_values::overflow_text(stat.overflow),
            retired: stat.retired,
            sizes: RingSizes::of(info.geometry()),
        })
    }

    fn text(&self) -> String {
        let boot = if self.is_of_this_boot {
            "this one"
        } else {
            "an earlier one: every process that logged then has ended"
        };
        let lines = [
            ("ring", self.path.shown().to_string()),
            ("format", self.format.clone()),
            ("uuid", self.uuid.clone()),
            ("boot", format!("{} ({boot})", self.boot_id)),
            (
                "created",
                format!(
                    "{} ({}) by process {}",
                    self.created,
                    humanize::ago(self.created_unix_ns),
                    self.creator_pid
                ),
            ),
            ("clock", self.clock.to_owned()),
            ("overflow", self.overflow.clone()),
        ];
        let mut text = lines.map(|(what, value)| format!("  {what:<9} {value}")).join("\n");
        if self.retired {
            text.push_str("\n  retired   removed or replaced; producers get an error at their next block");
        }
        format!("{text}\n{}", self.sizes.arithmetic())
    }
}
