//! The flags of settings, made from their declarations.

use clap::builder::{PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::flags::{OptionFlag, flags};
use crate::config::options::Options;
use crate::error::Error;
use crate::setting::{Flag, Form, Pattern, Switch, Syntax, plain_text};

/// The words that the command line gives for the flags of settings.
#[derive(Clone, Debug)]
pub(super) struct SettingArgs(Vec<(&'static str, String)>);

impl SettingArgs {
    /// Sets the values in options with the right output.
    ///
    /// # Errors
    /// [`Error::Options`] for a flag that does not go with the others.
    pub(super) fn apply(&self, options: &mut Options) -> Result<(), Error> {
        // In the order of the settings, because the kind of a formatter comes before what depends on it.
        for flag in flags() {
            for (_, word) in self.0.iter().filter(|(key, _)| *key == name(&flag.flag.form)) {
                flag.set(options, word).map_err(Error::Options)?;
            }
        }
        Ok(())
    }
}

impl Args for SettingArgs {
    fn augment_args(command: Command) -> Command {
        let arguments = flags().into_iter().flat_map(|flag| {
            let heading = flag.heading;
            arguments(flag).into_iter().map(move |argument| argument.help_heading(heading))
        });
        command.args(arguments)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = SettingArgs(Vec::new());
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for OptionFlag { flag, .. } in flags() {
            let words = given(flag, matches).into_iter();
            self.0.extend(words.map(|word| (name(&flag.form), word.to_owned())));
        }
        Ok(())
    }
}

/// The name of a flag; of several switches that of the first.
fn name(form: &Form) -> &'static str {
    match form {
        Form::Value { name, .. } => name,
        Form::Switches(switches) => switches.first().map_or("", |switch| switch.name),
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

fn arguments(flag: OptionFlag) -> Vec<Arg> {
    let about = flag.key.about;
    match &flag.flag.form {
        Form::Value { name, short, value_name } => {
            let default = flag.default().map(|word| format!("[default: {word}]"));
            let texts = [Some(about.doc), flag.flag.note, default.as_deref()];
            let doc = texts.into_iter().flatten().collect::<Vec<_>>().join(" ");
            let argument = argument(name, &doc).value_name(*value_name).short(*short);
            vec![match about.syntax {
                Syntax::String(Pattern::OneOf(words)) => {
                    argument.value_parser(PossibleValuesParser::new(words))
                }
                _ => {
                    let name = *name;
                    argument.value_parser(StringValueParser::new().try_map(move |word| checked(name, word)))
                }
            }]
        }
        Form::Switches(switches) => {
            let argument = |switch: &Switch| {
                let others = switches.iter().map(|other| other.name).filter(|name| *name != switch.name);
                argument(switch.name, switch.help.unwrap_or(about.doc))
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

/// The word, if the flag of this name takes it.
fn checked(of: &str, word: String) -> Result<String, String> {
    let flag = flags().into_iter().find(|flag| name(&flag.flag.form) == of);
    flag.map_or(Ok(()), |flag| flag.check(&word)).map(|()| word)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::WriterArgs;
    use super::*;
    use crate::config::options::Out;
    use crate::config::settings_tests::sample;
    use crate::sink::{Existing, FileConfig};

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        writer: WriterArgs,
    }

    fn parse(args: &[&str]) -> Result<WriterArgs, clap::Error> {
        let args = ["ringlog-writer", "app"].iter().chain(args);
        Program::try_parse_from(args).map(|program| program.writer)
    }

    fn options(args: &[&str]) -> Result<Options, String> {
        parse(args).unwrap().options().map_err(|error| error.to_string())
    }

    /// Options none of which has its default.
    fn every_option() -> Options {
        let mut options = Options::new("app");
        let mut file = FileConfig::new("a b.log");
        // Those whose syntax does not say what their words mean.
        file.mode = "0640".parse().ok();
        (file.owner, file.group) = ("root".parse().ok(), "0".parse().ok());
        file.rotation.keep = "7,30d,2GiB".parse().unwrap();
        file.rotation.zone = "Europe/Berlin".parse().unwrap();
        options.out = Out::File(file);
        options.until_idle = true;
        for flag in flags() {
            // Another kind than text has no further settings, and a file without a checkpoint no rotation.
            if let Some(word) = sample(&flag.key).filter(|_| !["kind", "checkpoint"].contains(&flag.key.name))
            {
                flag.set(&mut options, &word).unwrap();
            }
        }
        let Out::File(file) = &mut options.out else { unreachable!() };
        (file.rotation.every, file.rotation.at) = ("monday".parse().ok(), "02:30".parse().ok());
        options
    }

    #[test]
    fn arguments_give_the_options_that_they_were_made_of() {
        let mut other = Options::new("app");
        other.formatter = crate::config::Formatter::Json;
        other.out = Out::File(FileConfig { checkpoint: false, ..FileConfig::new("p") });
        for options in [Options::new("app"), every_option(), other] {
            let args = [vec!["ringlog-writer".into()], options.to_args()].concat();
            let parsed = Program::try_parse_from(&args).unwrap().writer.options().unwrap();
            assert_eq!(parsed, options, "{args:?}");
        }
        let (plain, changed) = (Options::new("app").to_args(), every_option().to_args());
        let common: Vec<_> = changed.iter().filter(|arg| plain.contains(arg)).collect();
        assert_eq!(common, ["--format=text", "--", "app"], "has its default");
    }

    #[test]
    fn the_last_of_contrary_flags_holds() {
        for (args, expected) in [
            (&["--append", "--truncate"][..], Existing::Truncate),
            (&["--truncate", "--append"], Existing::Append),
            (&["--truncate"], Existing::Truncate),
            (&[], Existing::Append),
        ] {
            let Out::File(file) = options(&[&["--out=p"], args].concat()).unwrap().out else {
                panic!("a file")
            };
            assert_eq!(file.existing, expected, "{args:?}");
        }
    }

    #[test]
    fn a_configuration_replaces_every_flag_of_a_setting() {
        let mut tried = 0;
        for flag in flags() {
            let args: Vec<String> = match &flag.flag.form {
                Form::Value { name, .. } => {
                    let word = flag.word(&every_option()).unwrap();
                    vec![format!("--{name}={word}")]
                }
                Form::Switches(all) => all.iter().map(|switch| format!("--{}", switch.name)).collect(),
            };
            for arg in args {
                let error = parse(&["--config=ringlog.toml", &arg]).unwrap_err();
                assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict, "{arg}: {error}");
                assert!(parse(&[&arg]).is_ok(), "{arg}");
                tried += 1;
            }
        }
        assert!(tried >= 20, "{tried}");
    }

    #[test]
    fn a_flag_that_would_have_no_effect_is_refused() {
        let not_a_file = "is for a file, not for standard output; name a file with --out FILE";
        for arg in
            ["--fsync=batch", "--truncate", "--no-checkpoint", "--mode=0640", "--keep=3", "--rotate-on-start"]
        {
            let name = arg.split('=').next().unwrap();
            assert_eq!(options(&[arg]), Err(format!("{name} {not_a_file}")));
        }
        for (args, refused) in [
            (["--format=json", "--ids"], "--ids does not go with --format json; leave it out"),
            (["--newlines=raw", "--format=raw"], "--newlines does not go with --format raw; leave it out"),
        ] {
            assert_eq!(options(&args), Err(refused.to_owned()));
        }
        assert!(options(&["--format=text", "--ids", "--newlines=raw"]).is_ok());
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
