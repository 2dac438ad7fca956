//! `ringlog create`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ringlog::admin::{Clock, Geometry, Shown, Size};
use ringlog::reader::Observer;
use ringlog::{Overflow, Ring};
use serde::Serialize;

use crate::{exit_code, humanize, option_values, terminal};

/// Create a ring, and show how its space is divided
#[derive(Args)]
pub struct Create {
    /// The ring to create: a name of at most 200 bytes without control characters, which does not start with a dot, or
    /// with a slash in it the path of its file
    name: String,
    /// Size of the ring's file without the area for definitions: 16MiB, 1GiB
    #[arg(long, default_value = "16MiB", value_parser = option_values::size)]
    size: Size,
    /// Size of the area for definitions, on top of the ring's size. Definitions describe the kinds of records, and
    /// readers decode by them. Each is stored once for all processes. When the area is full, records of further kinds
    /// carry their definitions, and take more space and time [default: an eighth of the size, 64KiB to 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = option_values::size)]
    definitions: Option<Size>,
    /// Number of lanes. A lane is the part of the ring that one logging thread uses; each process takes one more.
    /// Records of a thread that finds no free lane are dropped and counted [default:
    /// one for every four blocks, at most 1024]
    #[arg(long)]
    lanes: Option<u32>,
    /// Size of a block, a power of two. The ring's space is divided into blocks; a thread takes a free block and fills
    /// it alone [default: 8KiB; 16KiB in rings above 64 MiB]
    #[arg(long, value_name = "SIZE", value_parser = option_values::block_size)]
    block_size: Option<u32>,
    /// What a log call does when the ring is full. drop: it drops the record and counts the loss. block:TIME: it waits
    /// for space, at most TIME, and only then drops and counts. block alone means block:5s. A
    /// call does not wait where the ring was removed and nothing drains it: no writer could make space there
    #[arg(long, value_name = "drop|block[:TIME]", default_value = "drop", value_parser = option_values::overflow)]
    overflow: Overflow,
    /// Permissions of the file. A user who may write it can forge and erase records
    #[arg(long, default_value = "600", value_parser = option_values::mode)]
    mode: u32,
    /// Group of the file, by name or number
    #[arg(long, value_parser = option_values::group)]
    group: Option<u32>,
    /// The clock of time stamps. tsc: the processor's time-stamp counter, which is cheap to read; refused where it is
    /// not reliable. monotonic: the system's clock [default: tsc where it is reliable]
    #[arg(long, value_name = "tsc|monotonic", value_parser = option_values::clock)]
    clock: Option<Clock>,
    /// Succeed if the ring is there already, and leave it as it is, whatever the other options say
    #[arg(long)]
    if_missing: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Create {
    pub fn run(self) -> exit_code::CommandResult {
        let (ring, is_new) = match self.existing()? {
            Some(ring) => (ring, false),
            None => self.create()?,
        };
        let sizes = RingSizes::of(ring.info().geometry());
        let overflow = if is_new { self.overflow } else { Observer::open(&self.name)?.stat()?.overflow };
        if self.json {
            terminal::print_json(&CreateReport {
                path: ring.path().to_owned(),
                created: is_new,
                overflow: option_values::overflow_text(overflow),
                sizes,
            })?;
        } else {
            let what = if is_new { "created" } else { "there is already" };
            terminal::print_text(format_args!("{what} {}", ring.path().shown()))?;
            terminal::print_text(sizes.arithmetic())?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The ring that is there, if that is enough. Asked first: the other options do not matter then.
    fn existing(&self) -> Result<Option<Ring>, ringlog::Error> {
        if !self.if_missing {
            return Ok(None);
        }
        match Ring::open(&self.name) {
            Ok(ring) => Ok(Some(ring)),
            Err(ringlog::Error::NoSuchRing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the ring. False beside it if another process was first.
    fn create(&self) -> Result<(Ring, bool), ringlog::Error> {
        let mut options = Ring::options().size(self.size.clone()).overflow(self.overflow).mode(self.mode);
        if let Some(size) = &self.definitions {
            options = options.definitions(size.clone());
        }
        if let Some(lanes) = self.lanes {
            options = options.lanes(lanes);
        }
        if let Some(bytes) = self.block_size {
            options = options.block_bytes(bytes);
        }
        if let Some(clock) = self.clock {
            options = options.clock(clock);
        }
        if let Some(gid) = self.group {
            options = options.group(gid);
        }
        match options.create(&self.name) {
            Err(ringlog::Error::Exists { .. }) if self.if_missing => Ok((Ring::open(&self.name)?, false)),
            made => Ok((made?, true)),
        }
    }
}

#[derive(Serialize)]
struct CreateReport {
    path: PathBuf,
    /// False if the ring was there already.
    created: bool,
    overflow: String,
    #[serde(flatten)]
    sizes: RingSizes,
}

/// How the bytes of a ring's file are divided.
#[derive(Serialize)]
pub struct RingSizes {
    file_bytes: u64,
    tables_bytes: u64,
    block_bytes: u64,
    block_count: u64,
    reserved_blocks: u64,
    definition_bytes: u64,
    lane_count: u64,
    lane_bytes: u64,
    record_limit_bytes: u64,
}

impl RingSizes {
    pub fn of(geometry: &Geometry) -> RingSizes {
        let (block_bytes, block_count) =
            (u64::from(geometry.block_bytes()), u64::from(geometry.block_count()));
        let (reserved_blocks, lane_count) =
            (u64::from(geometry.reserved_blocks()), u64::from(geometry.lane_count()));
        RingSizes {
            file_bytes: geometry.file_bytes(),
            tables_bytes: geometry.file_bytes() - geometry.definition_bytes() - block_bytes * block_count,
            block_bytes,
            block_count,
            reserved_blocks,
            definition_bytes: geometry.definition_bytes(),
            lane_count,
            // A checked geometry has at least two lanes, so this never divides by zero.
            lane_bytes: (block_count - reserved_blocks) * block_bytes / lane_count,
            record_limit_bytes: geometry.record_limit() as u64,
        }
    }

    /// Formats the division of the file as lines of text.
    pub fn arithmetic(&self) -> String {
        let (count, bytes) = (humanize::count, |number| humanize::counted(number, "byte"));
        let lines = [
            (
                "size",
                format!(
                    "{} = {} of header and tables + {} of {}",
                    bytes(self.file_bytes - self.definition_bytes),
                    count(self.tables_bytes),
                    humanize::counted(self.block_count, "block"),
                    humanize::bytes(self.block_bytes)
                ),
            ),
            ("defined", format!("{} more, for definitions", bytes(self.definition_bytes))),
            ("reserved", format!("{}, for WARN and above", humanize::counted(self.reserved_blocks, "block"))),
            (
                "lanes",
                format!(
                    "{}: one for each thread that logs at the same time, and one for each process",
                    count(self.lane_count)
                ),
            ),
            ("per lane", format!("{}, if all are busy at the same time", bytes(self.lane_bytes))),
            ("longest", format!("a record of {}", bytes(self.record_limit_bytes))),
        ];
        lines.map(|(what, text)| format!("  {what:<9} {text}")).join("\n")
    }
}
