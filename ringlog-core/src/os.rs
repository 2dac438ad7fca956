//! What Linux gives: files, mappings, kernel locks, futexes, memory that a fork wipes, signals, threads.

pub(crate) mod boot;
pub(crate) mod environment;
pub(crate) mod file;
pub(crate) mod fork_guard;
pub(crate) mod fork_local;
pub(crate) mod futex;
pub(crate) mod inline_path;
pub(crate) mod mapping;
pub(crate) mod mappings;
pub(crate) mod ofd_lock;
pub(crate) mod owner_lock;
pub(crate) mod pages;
pub(crate) mod pidfd;
pub(crate) mod probe;
pub(crate) mod sigbus;
pub(crate) mod stderr;
pub(crate) mod thread;
pub(crate) mod zero_on_fork;
