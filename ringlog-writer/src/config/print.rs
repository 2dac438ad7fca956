//! Printing a configuration as a TOML file. Defaults are left out.

use std::fmt::{self, Display, Formatter as Out, Write};

use ringlog::admin;

use super::formatters::{BUILT_IN, built_in};
use super::model::{Color, Config, FileConfig, Formatter, HandlerConfig, LoggerConfig, SinkConfig, Stream};
use super::options::{Existing, Fsync, level_word};
use super::quote::{key, string};
use crate::format::Newlines;
use crate::rotation::{Rotation, Zone};

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", texts.map(string).collect::<Vec<_>>().join(", "))
}

/// Writes `key = value`.
fn put(f: &mut Out<'_>, key: &str, value: impl Display) -> fmt::Result {
    writeln!(f, "{key} = {value}")
}

/// Writes `key = "word"` unless the value is the default.
fn put_word<T: Display + PartialEq>(f: &mut Out<'_>, key: &str, value: &T, default: &T) -> fmt::Result {
    if value == default { Ok(()) } else { put(f, key, string(&value.to_string())) }
}

/// Writes `key = "word"` if there is a value.
fn put_some(f: &mut Out<'_>, key: &str, value: Option<impl Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| put(f, key, string(&value.to_string())))
}

/// A file from which [`Config::parse`] makes an equal configuration. A formatter gets the name of its first handler.
impl Display for Config {
    fn fmt(&self, f: &mut Out<'_>) -> fmt::Result {
        if !self.rings.is_empty() {
            put(f, "rings", list(self.rings.iter().map(String::as_str)))?;
        }
        put_some(f, "grace", self.grace.map(admin::duration_word))?;
        if !self.rings.is_empty() || self.grace.is_some() {
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
        Formatter::Text { newlines, ids } => {
            put(f, "kind", "\"text\"")?;
            put_word(f, "newlines", newlines, &Newlines::default())?;
            if *ids { put(f, "ids", true) } else { Ok(()) }
        }
        Formatter::Json => put(f, "kind", "\"json\""),
        Formatter::Raw => put(f, "kind", "\"raw\""),
        Formatter::Pattern { pattern, date, zone, newlines } => {
            put(f, "format", string(pattern))?;
            put_some(f, "datefmt", date.as_deref())?;
            put_word(f, "zone", zone, &Zone::local())?;
            put_word(f, "newlines", newlines, &Newlines::default())
        }
    }
}

fn put_handler(f: &mut Out<'_>, handler: &HandlerConfig, formatter: &str) -> fmt::Result {
    let HandlerConfig { name, level, sink, .. } = handler;
    writeln!(f, "[handlers.{}]", key(name))?;
    match sink {
        SinkConfig::Console { stream, color } => {
            put(f, "kind", "\"console\"")?;
            put_word(f, "stream", stream, &Stream::default())?;
            put_word(f, "color", color, &Color::default())?;
        }
        SinkConfig::File(file) => {
            put(f, "kind", "\"file\"")?;
            put(f, "path", string(&file.path.to_string_lossy()))?;
        }
        SinkConfig::Null => put(f, "kind", "\"null\"")?,
    }
    if level.number() > 0 {
        put(f, "level", string(&level_word(*level)))?;
    }
    if formatter != "text" {
        put(f, "formatter", string(formatter))?;
    }
    if let SinkConfig::File(file) = sink { put_file(f, name, file) } else { Ok(()) }
}

fn put_file(f: &mut Out<'_>, name: &str, file: &FileConfig) -> fmt::Result {
    let FileConfig { path: _, existing, checkpoint, fsync, rotation } = file;
    put_word(f, "existing", existing, &Existing::default())?;
    if !checkpoint {
        put(f, "checkpoint", false)?;
    }
    put_word(f, "fsync", fsync, &Fsync::default())?;
    let plain = Rotation::default();
    if *rotation == plain {
        return Ok(());
    }
    let Rotation { size, every, at, zone, on_start, naming, keep, compression, on_full } = rotation;
    writeln!(f, "\n[handlers.{}.rotate]", key(name))?;
    put_some(f, "size", size.map(admin::size_word))?;
    put_some(f, "every", *every)?;
    put_some(f, "at", *at)?;
    put_word(f, "zone", zone, &plain.zone)?;
    if *on_start {
        put(f, "on-start", true)?;
    }
    put_word(f, "naming", naming, &plain.naming)?;
    put_word(f, "keep", keep, &plain.keep)?;
    put_some(f, "compress", *compression)?;
    put_word(f, "on-full", on_full, &plain.on_full)
}

fn put_logger(f: &mut Out<'_>, logger: &LoggerConfig, handlers: &[HandlerConfig]) -> fmt::Result {
    let LoggerConfig { name, level, handlers: places, propagate } = logger;
    if name.is_empty() {
        f.write_str("[root]\n")?;
    } else {
        writeln!(f, "[loggers.{}]", key(name))?;
    }
    put_some(f, "level", level.map(level_word))?;
    let names = places.iter().filter_map(|place| handlers.get(*place)).map(|handler| handler.name.as_str());
    put(f, "handlers", list(names))?;
    if *propagate || name.is_empty() { Ok(()) } else { put(f, "propagate", false) }
}
