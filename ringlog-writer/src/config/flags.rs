//! The flags of settings, and their values in the options of a writer.

use std::ffi::OsString;

use super::formatter_settings::FORMATTER;
use super::general::{GENERAL, General};
use super::model::Formatter;
use super::options::{Options, Out};
use crate::rotation::Rotation;
use crate::setting::{Flag, Form, Key, Setting, Word};
use crate::sink::{FILE, FileConfig, ROTATION};

/// A flag of the command line.
pub(crate) struct OptionFlag {
    /// The setting.
    pub(crate) key: Key,
    pub(crate) flag: &'static Flag,
    /// What it is listed under in the help; `None` for the general heading.
    pub(crate) heading: Option<&'static str>,
    value: Box<dyn Value>,
}

/// Every flag of a setting, in the order of the help.
pub(crate) fn flags() -> Vec<OptionFlag> {
    let all = [of(GENERAL, None), of(FORMATTER, None), of(FILE, None), of(ROTATION, Some("Rotation"))];
    all.into_iter().flatten().collect()
}

fn of<T: Part>(settings: &'static [Setting<T>], heading: Option<&'static str>) -> Vec<OptionFlag> {
    let flag = |setting: &'static Setting<T>| {
        let (flag, word) = setting.about().flag.as_ref().zip(setting.as_flag())?;
        Some(OptionFlag {
            key: setting.describe(&[T::plain()]),
            flag,
            heading,
            value: Box::new(OfPart(word)),
        })
    };
    settings.iter().filter_map(flag).collect()
}

impl OptionFlag {
    /// The present value as a word; `None` if the options have no such value.
    pub(crate) fn word(&self, options: &Options) -> Option<String> {
        self.value.word(options)
    }

    /// The word for the default.
    pub(crate) fn default(&self) -> Option<String> {
        self.value.default()
    }

    /// Checks a word, whatever the other options are.
    ///
    /// # Errors
    /// What was expected.
    pub(crate) fn check(&self, word: &str) -> Result<(), String> {
        self.value.check(word)
    }

    /// Sets the value to a word.
    ///
    /// # Errors
    /// What was expected, or with which other option it does not go.
    pub(crate) fn set(&self, options: &mut Options, word: &str) -> Result<(), String> {
        self.check(word)?;
        self.value.set(options, word).map_err(|why| format!("{} {why}", self.written(word)))
    }

    /// The flag for a word, without its value.
    fn written(&self, word: &str) -> String {
        match &self.flag.form {
            Form::Value { name, .. } => format!("--{name}"),
            Form::Switches(switches) => {
                let name =
                    switches.iter().find(|switch| switch.word == word).map_or("", |switch| switch.name);
                format!("--{name}")
            }
        }
    }

    /// The argument for the present value, if one is needed.
    fn argument(&self, options: &Options) -> Option<OsString> {
        let word = self.word(options)?;
        match &self.flag.form {
            Form::Value { name, .. } => Some(format!("--{name}={word}").into()),
            Form::Switches(switches) => {
                let switch = switches.iter().find(|switch| switch.word == word)?;
                Some(format!("--{}", switch.name).into())
            }
        }
    }
}

impl Options {
    /// The options as arguments of `ringlog-writer`. Defaults are spelled out.
    pub fn to_args(&self) -> Vec<OsString> {
        let mut out = OsString::from("--out=");
        match &self.out {
            Out::Stdout => out.push("-"),
            Out::File(file) => out.push(&file.path),
        }
        let mut args = vec![out];
        args.extend(flags().iter().filter_map(|flag| flag.argument(self)));
        if self.until_idle {
            args.push("--until-idle".into());
        }
        args.extend(["--".into(), OsString::from(&self.ring)]);
        args
    }
}

/// A part of the options that has settings.
trait Part: Sized + 'static {
    fn plain() -> Self;

    /// `None` if the options have no such part.
    fn of(options: &Options) -> Option<&Self>;

    fn of_mut(options: &mut Options) -> Option<&mut Self>;

    /// Why the options have no such part, or one of another kind.
    fn why_not(options: &Options) -> String;
}

impl Part for General {
    fn plain() -> General {
        General::default()
    }

    fn of(options: &Options) -> Option<&General> {
        Some(&options.general)
    }

    fn of_mut(options: &mut Options) -> Option<&mut General> {
        Some(&mut options.general)
    }

    fn why_not(_options: &Options) -> String {
        "cannot be set".to_owned()
    }
}

impl Part for Formatter {
    fn plain() -> Formatter {
        Formatter::default()
    }

    fn of(options: &Options) -> Option<&Formatter> {
        Some(&options.formatter)
    }

    fn of_mut(options: &mut Options) -> Option<&mut Formatter> {
        Some(&mut options.formatter)
    }

    fn why_not(options: &Options) -> String {
        let kind = options.formatter.kind().map_or("a pattern".to_owned(), |kind| format!("--format {kind}"));
        format!("does not go with {kind}; leave it out")
    }
}

impl Part for FileConfig {
    fn plain() -> FileConfig {
        FileConfig::new("")
    }

    fn of(options: &Options) -> Option<&FileConfig> {
        options.out.as_file()
    }

    fn of_mut(options: &mut Options) -> Option<&mut FileConfig> {
        options.out.as_file_mut()
    }

    fn why_not(_options: &Options) -> String {
        "is for a file, not for standard output; name a file with --out FILE".to_owned()
    }
}

impl Part for Rotation {
    fn plain() -> Rotation {
        Rotation::default()
    }

    fn of(options: &Options) -> Option<&Rotation> {
        FileConfig::of(options).map(|file| &file.rotation)
    }

    fn of_mut(options: &mut Options) -> Option<&mut Rotation> {
        FileConfig::of_mut(options).map(|file| &mut file.rotation)
    }

    fn why_not(options: &Options) -> String {
        FileConfig::why_not(options)
    }
}

/// The value of a flag, of whatever part.
trait Value {
    fn word(&self, options: &Options) -> Option<String>;
    fn default(&self) -> Option<String>;
    fn check(&self, word: &str) -> Result<(), String>;
    fn set(&self, options: &mut Options, word: &str) -> Result<(), String>;
}

struct OfPart<T: 'static>(&'static Word<T>);

impl<T: Part> Value for OfPart<T> {
    fn word(&self, options: &Options) -> Option<String> {
        T::of(options).and_then(self.0.get)
    }

    fn default(&self) -> Option<String> {
        (self.0.get)(&T::plain())
    }

    fn check(&self, word: &str) -> Result<(), String> {
        (self.0.set)(&mut T::plain(), word)
    }

    fn set(&self, options: &mut Options, word: &str) -> Result<(), String> {
        let is_set = T::of_mut(options).is_some_and(|part| (self.0.set)(part, word).is_ok());
        if is_set { Ok(()) } else { Err(T::why_not(options)) }
    }
}
