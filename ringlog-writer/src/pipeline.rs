//! The pipeline: drain, route, format, persist, acknowledge.

mod active_handler;
mod batch;
mod context;
mod delivery;
mod flags;
mod formatting;
mod handlers;
mod held;
mod leaving;
mod levels;
mod next_entry;
mod requests;
mod router;
mod run;
mod session;
mod source;
mod sources;
mod successor;
mod summary;
mod tick_clock;
mod worker;

pub use flags::Signals;
pub use session::{run, run_config, run_with};
pub use summary::Summary;
