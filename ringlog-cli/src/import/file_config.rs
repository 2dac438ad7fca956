//! Reader for the files of `logging.config.fileConfig`: sections of keys whose arguments are Python expressions.

use super::expression::{self, PythonValue};
use super::ini::{Ini, SectionView};
use super::python_config::{PythonConfig, PythonFormatter, PythonHandler, PythonLogger, logger_name};
use super::{ConfigPlace, Notes, Unreadable};

/// Reads a file.
///
/// # Errors
/// The reason why Python would refuse it.
pub fn read(text: &str, defines: &[(String, String)], notes: &mut Notes) -> Result<PythonConfig, Unreadable> {
    let mut ini = Ini::parse(text)?;
    for (name, value) in defines {
        ini.define(name, value);
    }
    note_ignored(&ini, notes);
    let mut source = PythonConfig::default();
    for (name, line) in listed(&ini, "formatters")? {
        let section = ini.section(&format!("formatter_{name}"), Some(line))?;
        source.formatters.push(formatter(name, section, notes)?);
    }
    for (name, line) in listed(&ini, "handlers")? {
        let section = ini.section(&format!("handler_{name}"), Some(line))?;
        source.handlers.push(handler(name, section, &source.formatters, notes)?);
    }
    let loggers = listed(&ini, "loggers")?;
    if !loggers.iter().any(|(name, _)| name == "root") {
        let line = ini.section("loggers", None)?.line_of("keys");
        return Err(Unreadable::at(line, "the keys of [loggers] lack root, and Python refuses that"));
    }
    // Python applies the root first, wherever it stands.
    let (roots, others): (Vec<_>, Vec<_>) = loggers.into_iter().partition(|(name, _)| name == "root");
    for (name, line) in roots.into_iter().take(1).chain(others) {
        let section = ini.section(&format!("logger_{name}"), Some(line))?;
        source.loggers.push(logger(&name, section, &source.handlers)?);
    }
    Ok(source)
}

/// Notes keys and sections that Python ignores too. Sections of other names may be another program's.
fn note_ignored(ini: &Ini, notes: &mut Notes) {
    let kinds: [(&str, &str, &[&str]); 3] = [
        ("loggers", "logger_", &["level", "handlers", "propagate", "qualname", "channel", "parent"]),
        ("handlers", "handler_", &["class", "level", "formatter", "args", "kwargs", "target"]),
        ("formatters", "formatter_", &["format", "datefmt", "style", "class", "defaults"]),
    ];
    for section in ini.sections() {
        let name = section.name();
        let found =
            kinds.iter().find_map(|(list, prefix, keys)| Some((*list, name.strip_prefix(prefix)?, *keys)));
        let Some((list, name, keys)) = found else { continue };
        let names = ini.section(list, None).and_then(|list| list.names("keys")).unwrap_or_default();
        if !names.iter().any(|known| known == name) {
            notes.hint(
                &at(section, ""),
                format_args!("it is ignored, as Python does: [{list}] does not name it"),
            );
            continue;
        }
        for key in section.keys().filter(|key| !keys.contains(key)) {
            notes.hint(&at(section, key), format_args!("{key} is ignored, as Python does"));
        }
    }
}

/// Returns the names under `keys` in a section, with their line.
fn listed(ini: &Ini, name: &str) -> Result<Vec<(String, usize)>, Unreadable> {
    let section = ini.section(name, None)?;
    let line = section.line_of("keys");
    Ok(section.names("keys")?.into_iter().map(|name| (name, line)).collect())
}

fn at(section: SectionView<'_>, key: &str) -> ConfigPlace {
    ConfigPlace { line: Some(section.line_of(key)), place: format!("[{}]", section.name()) }
}

fn formatter(
    name: String,
    section: SectionView<'_>,
    notes: &mut Notes,
) -> Result<PythonFormatter, Unreadable> {
    if section.raw("defaults").is_some() {
        let what = "defaults of a formatter have no counterpart: a field that a record lacks is empty";
        notes.lost(&at(section, "defaults"), what);
    }
    let raw = |key| section.raw(key).map(str::to_owned);
    Ok(PythonFormatter {
        at: at(section, "format"),
        format: raw("format"),
        date: raw("datefmt"),
        style: raw("style"),
        is_validated: true,
        class: section.get("class")?.filter(|class| !class.is_empty()),
        name,
    })
}

fn handler(
    name: String,
    section: SectionView<'_>,
    formatters: &[PythonFormatter],
    notes: &mut Notes,
) -> Result<PythonHandler, Unreadable> {
    let mut handler = PythonHandler {
        at: ConfigPlace { line: Some(section.line()), place: format!("[{}]", section.name()) },
        class: section.need("class")?,
        level: section.get("level")?.map(PythonValue::Text),
        formatter: section.get("formatter")?.filter(|name| !name.is_empty()),
        args_at: at(section, if section.raw("args").is_some() { "args" } else { "kwargs" }),
        name,
        ..PythonHandler::default()
    };
    if let Some(name) = &handler.formatter
        && !formatters.iter().any(|formatter| formatter.name == *name)
    {
        let line = section.line_of("formatter");
        return Err(Unreadable::at(line, format!("the keys of [formatters] have no {name:?}")));
    }
    match arguments(section)? {
        Ok((args, kwargs)) => (handler.args, handler.kwargs) = (args, kwargs),
        Err(why) => handler.unknown_args = Some(why),
    }
    if let Some(target) = section.get("target")?.filter(|target| !target.is_empty()) {
        if handler.class.ends_with("MemoryHandler") {
            handler.kwargs.retain(|(name, _)| name != "target");
            handler.kwargs.push(("target".to_owned(), PythonValue::Text(target)));
        } else {
            notes.hint(&at(section, "target"), "target is ignored, as Python does: it is no MemoryHandler");
        }
    }
    Ok(handler)
}

type Arguments = (Vec<PythonValue>, Vec<(String, PythonValue)>);

/// Returns a handler's arguments, or the reason why the file alone does not tell them.
fn arguments(section: SectionView<'_>) -> Result<Result<Arguments, String>, Unreadable> {
    let args = section.get("args")?.unwrap_or_else(|| "()".to_owned());
    let kwargs = section.get("kwargs")?.unwrap_or_else(|| "{}".to_owned());
    Ok(expression::parse(&args).and_then(|args| {
        let args = match args {
            PythonValue::Items(args) => args,
            other => {
                return Err(format!(
                    "args is {}, which is not a tuple; a tuple of one has a comma: (…,)",
                    other.shown()
                ));
            }
        };
        match expression::parse(&kwargs)? {
            PythonValue::Pairs(kwargs) => Ok((args, kwargs)),
            other => Err(format!("kwargs is {}, which is not a dictionary", other.shown())),
        }
    }))
}

fn logger(
    name: &str,
    section: SectionView<'_>,
    handlers: &[PythonHandler],
) -> Result<PythonLogger, Unreadable> {
    let names = section.names("handlers")?;
    for wanted in &names {
        if !handlers.iter().any(|handler| handler.name == *wanted) {
            let line = section.line_of("handlers");
            return Err(Unreadable::at(line, format!("the keys of [handlers] have no {wanted:?}")));
        }
    }
    let is_root = name == "root";
    let propagate = match section.get("propagate")?.filter(|_| !is_root) {
        None => true,
        Some(word) => word.trim().parse::<i64>().map(|number| number != 0).map_err(|_| {
            let line = section.line_of("propagate");
            Unreadable::at(line, format!("propagate is {word:?}; Python takes 0 or 1 alone"))
        })?,
    };
    Ok(PythonLogger {
        name: if is_root { String::new() } else { logger_name(&section.need("qualname")?) },
        at: at(section, "level"),
        level: section.get("level")?.map(PythonValue::Text),
        handlers: names,
        propagate,
    })
}
