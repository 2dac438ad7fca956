//! The inspector's program; everything is in its library, where the fuzz targets reach it too.

use std::process::ExitCode;

fn main() -> ExitCode {
    ringlog_cli::main()
}
