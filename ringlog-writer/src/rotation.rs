//! Rotation: when a log file is closed, what it is named then, and how long it is kept.
//!
//! Decisions are pure: a [`Trigger`] decides before which entry a file is closed, a [`Plan`] is made from a listing of
//! the directory. Only carrying out a plan and compressing change files; both may be interrupted at any point.
//!
//! ```
//! use std::ffi::OsStr;
//!
//! use ringlog_writer::rotation::{Closing, Directory, Family, Plan, Rotation, Timestamp, Trigger, WallClock};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # std::fs::write(dir.path().join("app.log"), "first\n")?;
//! let rotation = Rotation { size: Some(8), naming: "number".parse()?, keep: "7".parse()?, ..Rotation::default() };
//! rotation.check()?;
//! let directory = Directory::new(dir.path());
//! let family = Family::new(OsStr::new("app.log"), &rotation);
//!
//! // The open file has 6 bytes; the next entry has 7.
//! let now_ns = 1_795_253_400_000_000_000;
//! let mut trigger = Trigger::new(&rotation, now_ns);
//! if trigger.before(6, 7, now_ns, || now_ns).is_some() {
//!     let names = directory.lock();
//!     let file = names.entry("app.log")?.ok_or("moved away")?.file;
//!     let now = Timestamp::from_nanosecond(now_ns.into())?;
//!     let clock = WallClock::at(now);
//!     let closing = Closing { file, now, due: trigger.due(), number_at_least: 1, clock };
//!     let plan = Plan::new(&family, &rotation, &names.list()?, &closing);
//!     // The writer saves the plan in the checkpoint here. After a crash it carries out the saved plan.
//!     plan.carry_out(&names)?;
//!     trigger.begin(now_ns);
//! }
//! assert!(dir.path().join("app.000001.log").exists());
//! # Ok(())
//! # }
//! ```

// In reading order: units, every, policy, schedule, trigger; files, names, step, plan, retention; attributes, compress.
mod attributes;
mod compress;
mod every;
mod files;
mod names;
mod plan;
mod policy;
mod retention;
mod schedule;
mod step;
mod total;
mod trigger;
mod units;
mod wall_clock;

pub(crate) use attributes::{Attributes, NewFile};
pub use compress::{Compressor, decompressed};
pub use every::{At, Every, Zone};
pub use files::{Directory, FileEntry, Identity, LockedDirectory};
pub use jiff::Timestamp;
pub use jiff::civil::Weekday;
pub use names::{Closing, Family, FileKey, Member};
pub(crate) use plan::without_replacing;
pub use plan::{Deletions, Plan, PlanError};
pub use policy::{Compression, Contradiction, Keep, MAX_SHIFTED, Naming, OnFull, Rotation};
pub(crate) use retention::closed_files;
pub use schedule::Schedule;
pub use step::PlanStep;
pub(crate) use total::{TotalShare, TotalSize};
pub use trigger::{Cause, Trigger};
pub(crate) use units::is_too_large;
pub use units::{Unit, parse_duration, parse_size};
pub use wall_clock::WallClock;
pub(crate) use wall_clock::{ClockWatch, Moment};
