//! A ring, and the processes and threads that are attached to it.

pub(crate) mod by_name;
pub(crate) mod create;
pub(crate) mod definition_reclaim;
pub(crate) mod definition_state;
pub(crate) mod draft;
pub(crate) mod exit;
pub(crate) mod exit_history;
pub(crate) mod file;
pub(crate) mod follow;
pub(crate) mod handle;
pub(crate) mod header;
pub(crate) mod header_page;
pub(crate) mod lane;
pub(crate) mod lane_close;
pub(crate) mod left;
pub(crate) mod lock_file;
pub(crate) mod name;
pub(crate) mod named;
pub(crate) mod options;
pub(crate) mod private;
pub(crate) mod reclaim;
pub(crate) mod renewal;
pub(crate) mod replacement;
pub(crate) mod session;
pub(crate) mod slot;
pub(crate) mod thread_lanes;
