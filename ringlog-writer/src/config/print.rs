//! Printing a configuration as a TOML file. Defaults are left out.

use std::fmt::{self, Display, Formatter as Out, Write};

use super::formatters::{BUILT_IN, built_in};
use super::model::{Config, Formatter, HandlerConfig, LoggerConfig, SinkConfig};
use super::options::FileConfig;
use super::quote::{key, string};
use super::setting::Setting;
use super::settings::{CONSOLE_HANDLER, FILE_HANDLER, FORMATTER, HANDLER, LOGGER, ROOT, ROTATION, TOP};
use crate::format::FormatKind;
use crate::rotation::Rotation;

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", texts.map(string).collect::<Vec<_>>().join(", "))
}

/// Writes the settings that differ from those of `plain`. `own` gives the values of those that are no words.
fn put_settings<T>(
    f: &mut Out<'_>,
    settings: &[Setting<T>],
    it: &T,
    plain: &T,
    own: impl Fn(&str) -> Option<String>,
) -> fmt::Result {
    for setting in settings {
        let value = match setting.as_word() {
            None => own(setting.key()),
            Some(word) => {
                let changed = (word.get)(it).filter(|value| Some(value) != (word.get)(plain).as_ref());
                changed.map(|word| setting.about().syntax.value_of_word(&word))
            }
        };
        if let Some(value) = value {
            writeln!(f, "{} = {value}", setting.key())?;
        }
    }
    Ok(())
}

/// A file from which [`Config::parse`] makes an equal configuration. A formatter gets the name of its first handler.
impl Display for Config {
    fn fmt(&self, f: &mut Out<'_>) -> fmt::Result {
        put_settings(f, TOP, self, &Config::empty(), |key| {
            let has_rings = key == "rings" && !self.rings.is_empty();
            has_rings.then(|| list(self.rings.iter().map(String::as_str)))
        })?;
        let own = Config { handlers: Vec::new(), loggers: Vec::new(), ..self.clone() };
        if own != Config::empty() {
            f.write_char('\n')?;
        }
        let formatters = named_formatters(&self.handlers);
        for (name, formatter) in formatters.iter().filter(|(name, _)| built_in(name).is_none()) {
            writeln!(f, "[formatters.{}]", key(name))?;
            put_formatter(f, formatter)?;
            f.write_char('\n')?;
        }
        for handler in &self.handlers {
            let formatter = formatters.iter().find(|(_, formatter)| **formatter == handler.formatter);
            put_handler(f, handler, formatter.map_or("text", |(name, _)| name))?;
            f.write_char('\n')?;
        }
        for (i, logger) in self.loggers.iter().enumerate() {
            if i > 0 {
                f.write_char('\n')?;
            }
            put_logger(f, logger, &self.handlers)?;
        }
        Ok(())
    }
}

/// Each distinct formatter once, with the name that it gets.
fn named_formatters(handlers: &[HandlerConfig]) -> Vec<(String, &Formatter)> {
    let built_in = BUILT_IN.iter().map(|(name, formatter)| ((*name).to_owned(), formatter));
    let mut named: Vec<(String, &Formatter)> = built_in.collect();
    for handler in handlers {
        if named.iter().any(|(_, formatter)| **formatter == handler.formatter) {
            continue;
        }
        let mut name = handler.name.clone();
        while named.iter().any(|(taken, _)| *taken == name) {
            name.push_str("-format");
        }
        named.push((name, &handler.formatter));
    }
    named
}

fn put_formatter(f: &mut Out<'_>, formatter: &Formatter) -> fmt::Result {
    match formatter {
        Formatter::Pattern { pattern, date, .. } => {
            let plain = Formatter::pattern(String::new(), None);
            put_settings(f, FORMATTER, formatter, &plain, |key| match key {
                "format" => Some(string(pattern)),
                "datefmt" => date.as_deref().map(string),
                _ => None,
            })
        }
        Formatter::Text { .. } => put_formatter_of_kind(f, formatter, FormatKind::Text),
        Formatter::Json => put_formatter_of_kind(f, formatter, FormatKind::Json),
        Formatter::Raw => put_formatter_of_kind(f, formatter, FormatKind::Raw),
    }
}

fn put_formatter_of_kind(f: &mut Out<'_>, formatter: &Formatter, kind: FormatKind) -> fmt::Result {
    put_settings(f, FORMATTER, formatter, &Formatter::of_kind(kind), |key| {
        (key == "kind").then(|| string(&kind.to_string()))
    })
}

fn put_handler(f: &mut Out<'_>, handler: &HandlerConfig, formatter: &str) -> fmt::Result {
    let HandlerConfig { name, sink, .. } = handler;
    let kind = sink.kind();
    let plain = HandlerConfig::plain(kind);
    writeln!(f, "[handlers.{}]", key(name))?;
    put_settings(f, HANDLER, handler, &plain, |key| match key {
        "kind" => Some(string(&kind.to_string())),
        "formatter" if formatter != "text" => Some(string(formatter)),
        _ => None,
    })?;
    match sink {
        SinkConfig::File(file) => put_file(f, name, file),
        sink => put_settings(f, CONSOLE_HANDLER, sink, &plain.sink, |_| None),
    }
}

fn put_file(f: &mut Out<'_>, name: &str, file: &FileConfig) -> fmt::Result {
    put_settings(f, FILE_HANDLER, file, &FileConfig::new(""), |key| {
        (key == "path").then(|| string(&file.path.to_string_lossy()))
    })?;
    let plain = Rotation::default();
    if file.rotation == plain {
        return Ok(());
    }
    writeln!(f, "\n[handlers.{}.rotate]", key(name))?;
    put_settings(f, ROTATION, &file.rotation, &plain, |_| None)
}

fn put_logger(f: &mut Out<'_>, logger: &LoggerConfig, handlers: &[HandlerConfig]) -> fmt::Result {
    let LoggerConfig { name, handlers: places, .. } = logger;
    let settings = if name.is_empty() {
        f.write_str("[root]\n")?;
        ROOT
    } else {
        writeln!(f, "[loggers.{}]", key(name))?;
        LOGGER
    };
    let names = places.iter().filter_map(|place| handlers.get(*place)).map(|handler| handler.name.as_str());
    put_settings(f, settings, logger, &LoggerConfig::root(Vec::new()), |key| {
        (key == "handlers").then(|| list(names.clone()))
    })
}
