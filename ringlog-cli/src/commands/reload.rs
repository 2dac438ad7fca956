//! `ringlog reload`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::writer_request::WriterRequest;
use crate::{exit_code, option_values, terminal};

/// Make a ring's writer read its configuration file again
///
/// Returns when the new configuration is in force or refused, or with exit code 5 when --timeout is over. If the file
/// has an error, the previous configuration stays in force. The writer prints the error on its standard error;
/// `ringlog writer --config FILE --check` prints it too. A writer without a configuration reopens its
/// file if it was moved away.
#[derive(Args)]
pub struct Reload {
    /// The ring whose writer reloads
    name: String,
    /// How long to wait for the writer
    #[arg(long, default_value = "30s", value_parser = option_values::duration)]
    timeout: Duration,
}

impl Reload {
    pub fn run(self) -> exit_code::CommandResult {
        let request = WriterRequest {
            ask: |name| ringlog::admin::request(name, ringlog::admin::Request::Reload),
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
                "the writer has refused the configuration, and the previous one stays in force; the reason is on the \
                 writer's standard error, or run `ringlog writer {} --config FILE --check`",
                self.name
            ));
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }
}
