//! The flags of settings, made from their declarations.

use clap::builder::{PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::options::Options;
use crate::config::setting::{Flag, Form, Key, Pattern, Switch, Syntax, plain_text};
use crate::config::settings;

/// The options that the flags of settings give, without a ring.
#[derive(Clone, Debug)]
pub(super) struct SettingArgs(pub(super) Options);

impl Args for SettingArgs {
    fn augment_args(command: Command) -> Command {
        let mut command = command;
        for table in settings::tables() {
            let heading = table.header.ends_with(".rotate").then_some("Rotation");
            for key in &table.keys {
                let flag = key.about.flag.iter();
                let arguments = flag.flat_map(|flag| arguments(key, flag));
                command = command.args(arguments.map(|argument| argument.help_heading(heading)));
            }
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = SettingArgs(Options::new(""));
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for key in settings::tables().iter().flat_map(|table| &table.keys) {
            let Some(flag) = &key.about.flag else { continue };
            for word in given(flag, matches) {
                (flag.word.set)(&mut self.0, word)
                    .map_err(|error| clap::Error::raw(clap::error::ErrorKind::ValueValidation, error))?;
            }
        }
        Ok(())
    }
}

/// The words that the command line gives for a flag.
fn given<'a>(flag: &'a Flag, matches: &'a ArgMatches) -> Vec<&'a str> {
    let is_given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
    match &flag.form {
        Form::Value { name, .. } if is_given(name) => {
            matches.get_one::<String>(name).map(String::as_str).into_iter().collect()
        }
        Form::Value { .. } => Vec::new(),
        Form::Switches(switches) => {
            switches.iter().filter(|switch| is_given(switch.name)).map(|switch| switch.word).collect()
        }
    }
}

fn arguments(key: &Key, flag: &'static Flag) -> Vec<Arg> {
    match &flag.form {
        Form::Value { name, short, value_name } => {
            let default = (flag.word.get)(&Options::new("")).map(|word| format!("[default: {word}]"));
            let texts = [Some(key.about.doc), flag.note, default.as_deref()];
            let doc = texts.into_iter().flatten().collect::<Vec<_>>().join(" ");
            let argument = argument(name, &doc).value_name(*value_name).short(*short);
            vec![match key.about.syntax {
                Syntax::String(Pattern::OneOf(words)) => {
                    argument.value_parser(PossibleValuesParser::new(words))
                }
                _ => argument.value_parser(StringValueParser::new().try_map(|word| checked(flag, word))),
            }]
        }
        Form::Switches(switches) => {
            let argument = |switch: &Switch| {
                let others = switches.iter().map(|other| other.name).filter(|name| *name != switch.name);
                argument(switch.name, switch.help.unwrap_or(key.about.doc))
                    .action(ArgAction::SetTrue)
                    .overrides_with_all(others)
            };
            switches.iter().map(argument).collect()
        }
    }
}

fn argument(name: &'static str, doc: &str) -> Arg {
    let help = plain_text(doc);
    Arg::new(name).long(name).help(help.trim().trim_end_matches('.').to_owned()).conflicts_with("config")
}

/// The word, if the flag takes it.
fn checked(flag: &Flag, word: String) -> Result<String, String> {
    (flag.word.set)(&mut Options::new(""), &word).map(|()| word)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::WriterArgs;
    use super::*;
    use crate::config::options::{Existing, Out};
    use crate::config::settings::tests::sample;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        writer: WriterArgs,
    }

    fn parse(args: &[&str]) -> Result<Options, clap::Error> {
        let args = ["ringlog-writer", "app"].iter().chain(args);
        Program::try_parse_from(args).map(|program| program.writer.into())
    }

    /// Options none of which has its default.
    fn every_option() -> Options {
        let mut options = Options::new("app");
        options.out = Out::File("a b.log".into());
        options.until_idle = true;
        for key in settings::tables().iter().flat_map(|table| &table.keys) {
            if let (Some(flag), Some(word)) = (&key.about.flag, sample(key)) {
                (flag.word.set)(&mut options, &word).unwrap();
            }
        }
        // Those whose syntax does not say what their words mean.
        options.mode = "0640".parse().ok();
        (options.owner, options.group) = ("root".parse().ok(), "0".parse().ok());
        options.rotation.at = "02:30".parse().ok();
        options.rotation.zone = "Europe/Berlin".parse().unwrap();
        options.rotation.keep = "7,30d,2GiB".parse().unwrap();
        options
    }

    #[test]
    fn arguments_give_the_options_that_they_were_made_of() {
        for options in [Options::new("app"), every_option()] {
            let args = [vec!["ringlog-writer".into()], options.to_args()].concat();
            let parsed: Options = Program::try_parse_from(&args).unwrap().writer.into();
            assert_eq!(parsed, options, "{args:?}");
        }
        let (plain, changed) = (Options::new("app").to_args(), every_option().to_args());
        let common: Vec<_> = changed.iter().filter(|arg| plain.contains(arg)).collect();
        assert_eq!(common, ["--", "app"], "has its default");
    }

    #[test]
    fn the_last_of_contrary_flags_holds() {
        for (args, expected) in [
            (&["--append", "--truncate"][..], Existing::Truncate),
            (&["--truncate", "--append"], Existing::Append),
            (&["--truncate"], Existing::Truncate),
            (&[], Existing::Append),
        ] {
            assert_eq!(parse(args).unwrap().existing, expected, "{args:?}");
        }
    }

    #[test]
    fn a_configuration_replaces_every_flag_of_a_setting() {
        let keys = settings::tables().into_iter().flat_map(|table| table.keys);
        let mut flags = 0;
        for flag in keys.filter_map(|key| key.about.flag.as_ref()) {
            let args: Vec<String> = match &flag.form {
                Form::Value { name, .. } => {
                    let word = (flag.word.get)(&every_option()).unwrap();
                    vec![format!("--{name}={word}")]
                }
                Form::Switches(all) => all.iter().map(|switch| format!("--{}", switch.name)).collect(),
            };
            for arg in args {
                let error = parse(&["--config=ringlog.toml", &arg]).unwrap_err();
                assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict, "{arg}: {error}");
                assert!(parse(&[&arg]).is_ok(), "{arg}");
                flags += 1;
            }
        }
        assert!(flags >= 17, "{flags}");
    }

    #[test]
    fn help_is_the_text_of_the_setting_without_markup() {
        let help = Program::command().render_long_help().to_string();
        for text in [
            "Close a file before it reaches this size, for example 10MiB\n",
            "(monday)\n",
            "docs/durability.md",
        ] {
            assert_eq!(help.contains(text), text != "docs/durability.md", "{text}: {help}");
        }
        assert!(!help.contains("]("), "{help}");
    }
}
