//! The program `ringlog`. All of its code is in the library, so that the fuzz targets can call it.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use std::process::ExitCode;

fn main() -> ExitCode {
    ringlog_cli::main()
}
