//! The subcommands of `ringlog`.

mod absence;
mod clear;
mod create;
mod demo;
mod get;
mod import;
pub(crate) mod info;
pub(crate) mod level;
pub(crate) mod ls;
mod put;
mod reload;
mod resize;
mod rm;
mod rotate;
mod run;
mod size;
pub(crate) mod stat;
mod stop;
mod stop_signals;
pub(crate) mod tail;
mod verify;
mod writer_request;

use clap::Subcommand;
use ringlog_writer::cli::{HandledSignals, handle_signals};

use crate::exit_code;

/// The subcommands, in the order of `--help`: first those that a newcomer needs.
#[derive(Subcommand)]
pub enum Command {
    Demo(demo::Demo),
    Run(run::Run),
    Create(create::Create),
    Resize(resize::Resize),
    Put(put::Put),
    Get(get::Get),
    Size(size::SizeArgs),
    Clear(clear::Clear),
    Tail(tail::Tail),
    Ls(ls::Ls),
    Info(info::Info),
    Stat(stat::Stat),
    Level(level::LevelArgs),
    Verify(verify::Verify),
    Writer(ringlog_writer::cli::WriterArgs),
    Import(import::Import),
    Rotate(rotate::Rotate),
    Reload(reload::Reload),
    Stop(stop::Stop),
    Rm(rm::Rm),
    #[command(hide = true)]
    DemoProducer(demo::Producer),
}

impl Command {
    /// Runs the command and returns its exit code. `signals`: those of a writer, if they are handled already.
    ///
    /// # Errors
    /// An error whose text is meant for the user.
    pub fn run(self, signals: Option<HandledSignals>) -> exit_code::CommandResult {
        match self {
            Command::Demo(command) => command.run(),
            Command::Run(command) => command.run(),
            Command::Create(command) => command.run(),
            Command::Resize(command) => command.run(),
            Command::Put(command) => command.run(),
            Command::Get(command) => command.run(),
            Command::Size(command) => command.run(),
            Command::Clear(command) => command.run(),
            Command::Tail(command) => command.run(),
            Command::Ls(command) => command.run(),
            Command::Info(command) => command.run(),
            Command::Stat(command) => command.run(),
            Command::Level(command) => command.run(),
            Command::Verify(command) => command.run(),
            Command::Writer(command) => {
                Ok(ringlog_writer::cli::main(command, signals.unwrap_or_else(handle_signals)))
            }
            Command::Import(command) => command.run(),
            Command::Rotate(command) => command.run(),
            Command::Reload(command) => command.run(),
            Command::Stop(command) => command.run(),
            Command::Rm(command) => command.run(),
            Command::DemoProducer(command) => command.run(),
        }
    }
}
