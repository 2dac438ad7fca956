//! `ringlog reload`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::writer_request::WriterRequest;
use crate::{exit_code, option_values, terminal};

/// Ask a ring's writer to read its configuration anew, and wait until that is in force
///
/// A configuration that is no good leaves the one in force as it is; the writer says on its standard error what is
/// wrong, and so does `ringlog writer --config FILE --check`. A writer without a configuration opens its file anew.
#[derive(Args)]
pub struct Reload {
    /// The ring whose writer is to read it
    name: String,
    /// How long to wait for it
    #[arg(long, default_value = "30s", value_parser = option_values::duration)]
    timeout: Duration,
}

impl Reload {
    pub fn run(self) -> exit_code::CommandResult {
        let request = WriterRequest {
            ask: ringlog::admin::request_reload,
            answered: |stat| stat.reloads.0,
            nothing: "no configuration in force",
            later: "the next writer will read it",
        };
        let stat = match request.send(&self.name, self.timeout)? {
            Ok(stat) => stat,
            Err(code) => return Ok(code),
        };
        let (_, is_taken) = stat.reloads;
        if !is_taken {
            terminal::print_message(format_args!(
                "the configuration is no good, and the one that was read before stays in force; see what the writer \
                 has said, or run `ringlog writer --config FILE --check`"
            ));
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }
}
