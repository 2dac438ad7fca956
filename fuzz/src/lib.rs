//! Any bytes in a ring, and never a panic: what the fuzz targets do, and the tests that replay their corpus.
//!
//! Four targets, [`header`], [`records`], [`checkpoint`] and [`rules`], feed raw bytes to the parsers. The others
//! take a valid ring and their input as a script: edits of its words, and steps between them at which a reader or a
//! producer goes on. So every word of the ring can be what it likes, at any moment that a reader has between two calls.
//!
//! A target panics where a promise is broken: by a panic of the library, by a call that gives out more than the
//! ring can hold (a step budget; one that never returns is libFuzzer's to find), by a line that is no line.

mod lines;
mod parsers;
mod readers;
mod scene;
mod script;
mod steering;
mod writers;

pub use parsers::{checkpoint, header, records};
pub use readers::{consumer, observer, verbs};
pub use steering::rules;
pub use writers::producer;

/// A target: takes any bytes.
pub type Target = fn(&[u8]);

/// Every target and its name, which is also that of its corpus.
pub const TARGETS: [(&str, Target); 8] = [
    ("checkpoint", checkpoint),
    ("header", header),
    ("records", records),
    ("rules", rules),
    ("consumer", consumer),
    ("observer", observer),
    ("verbs", verbs),
    ("producer", producer),
];
