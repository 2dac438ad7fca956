//! The pipeline: drain, route, format, persist, acknowledge.

mod blocked;
mod context;
mod delivery;
mod deserted;
mod flags;
mod formatting;
mod health;
mod held;
mod leaving;
mod levels;
mod next_entry;
mod output;
mod outputs;
mod patience;
mod requests;
mod router;
mod run;
mod session;
mod source;
mod sources;
mod status_file;
mod stranded;
mod successor;
mod tick_clock;
mod worker;

pub use flags::Signals;
pub use session::{run, run_config, run_with};
