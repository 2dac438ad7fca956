//! Printing a configuration as a TOML file. Defaults are left out.

use std::fmt::{self, Display, Formatter as Out, Write};

use super::formatter_settings::FORMATTER;
use super::formatters::{BUILT_IN, built_in};
use super::general::{GENERAL, General};
use super::model::{Config, Formatter, HandlerConfig, LoggerConfig};
use super::settings::{HANDLER, LOGGER, RINGS, ROOT};
use crate::format::FormatKind;
use crate::setting::put_settings;
use crate::setting::quote::{key, string};

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", texts.map(string).collect::<Vec<_>>().join(", "))
}

/// A file from which [`Config::parse`] makes an equal configuration. A formatter gets the name of its first handler.
impl Display for Config {
    fn fmt(&self, f: &mut Out<'_>) -> fmt::Result {
        put_settings(f, RINGS, self, &Config::empty(), |_| {
            (!self.rings.is_empty()).then(|| list(self.rings.iter().map(String::as_str)))
        })?;
        put_settings(f, GENERAL, &self.general, &General::default(), |_| None)?;
        if !self.rings.is_empty() || self.general != General::default() {
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
    put_settings(f, FORMATTER, formatter, &Formatter::from(kind), |key| {
        (key == "kind").then(|| string(&kind.to_string()))
    })
}

fn put_handler(f: &mut Out<'_>, handler: &HandlerConfig, formatter: &str) -> fmt::Result {
    let HandlerConfig { name, sink, .. } = handler;
    let header = format!("handlers.{}", key(name));
    writeln!(f, "[{header}]")?;
    put_settings(f, HANDLER, handler, &HandlerConfig::plain(sink.clone()), |key| match key {
        "kind" => Some(string(sink.word())),
        "formatter" if formatter != "text" => Some(string(formatter)),
        _ => None,
    })?;
    sink.kind().print(f, &header)
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
