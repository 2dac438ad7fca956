//! The options of a writer as arguments of its command line.

use std::ffi::OsString;

use super::options::{Options, Out};
use super::setting::{Flag, Form};
use super::settings;

impl Options {
    /// The options as arguments of `ringlog-writer`. Defaults are spelled out.
    pub fn to_args(&self) -> Vec<OsString> {
        let mut out = OsString::from("--out=");
        match &self.out {
            Out::Stdout => out.push("-"),
            Out::File(path) => out.push(path),
        }
        let mut args = vec![out];
        let keys = settings::tables().into_iter().flat_map(|table| table.keys);
        args.extend(keys.filter_map(|key| argument(key.about.flag.as_ref()?, self)).map(OsString::from));
        if self.until_idle {
            args.push("--until-idle".into());
        }
        args.extend(["--".into(), OsString::from(&self.ring)]);
        args
    }
}

/// The argument for the present value of a flag, if one is needed.
fn argument(flag: &Flag, options: &Options) -> Option<String> {
    let word = (flag.word.get)(options)?;
    match &flag.form {
        Form::Value { name, .. } => Some(format!("--{name}={word}")),
        Form::Switches(switches) => {
            let switch = switches.iter().find(|switch| switch.word == word)?;
            Some(format!("--{}", switch.name))
        }
    }
}
