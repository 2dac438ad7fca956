//! The inspector's program; everything is in its library, where the fuzz targets reach it too.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use std::process::ExitCode;

fn main() -> ExitCode {
    ringlog_cli::main()
}
