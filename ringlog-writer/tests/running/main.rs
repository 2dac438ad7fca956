//! The writer in a thread of the test, on real rings and files.

mod attributes;
mod clocks;
mod common;
mod configured;
mod earlier_boot;
mod failing_outputs;
mod files;
mod one_output;
mod pipes;
mod readers;
mod replaced;
mod scene;
mod shared_file;
mod slow_outputs;
mod stopping;
