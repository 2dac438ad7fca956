//! Parser for files in the form of Python's `configparser`, with the line of each entry.

use super::Unreadable;

/// The sections of a file, and the values that apply to all of them.
#[derive(Debug, Default)]
pub struct Ini {
    defaults: Vec<IniEntry>,
    sections: Vec<IniSection>,
}

#[derive(Debug)]
struct IniSection {
    name: String,
    line: usize,
    entries: Vec<IniEntry>,
}

/// `key = value`. Indented lines after it continue the value.
#[derive(Debug)]
struct IniEntry {
    key: String,
    value: String,
    line: usize,
}

const DEFAULT: &str = "DEFAULT";
/// Depth of references to other values, as in `configparser`.
const INTERPOLATIONS_MAX: usize = 10;
/// Bound for the length of a value, so that a few lines of references cannot fill the memory.
const VALUE_MAX_BYTES: usize = 1 << 20;

impl Ini {
    /// Reads a file.
    pub fn parse(text: &str) -> Result<Ini, Unreadable> {
        let mut ini = Ini::default();
        // `place` is the section that takes entries. A line indented more than `indent` continues the last entry.
        let mut place: Option<Option<usize>> = None;
        let (mut indent, mut goes_on) = (0, false);
        for (index, raw) in text.lines().enumerate() {
            let (line, value) = (index + 1, raw.trim());
            let is_comment = value.starts_with(['#', ';']);
            if is_comment || value.is_empty() {
                if let (false, true, Some(entry)) = (is_comment, goes_on, ini.last(place)) {
                    entry.value.push('\n');
                }
                continue;
            }
            let found = raw.chars().take_while(|c| c.is_whitespace()).count();
            if let (true, Some(entry)) = (goes_on && found > indent, ini.last(place)) {
                entry.value.push('\n');
                entry.value.push_str(value);
                continue;
            }
            indent = found;
            if let Some(name) = header(value) {
                place = Some(ini.open(name, line)?);
                goes_on = false;
            } else if place.is_none() {
                return Err(Unreadable::at(line, no_section(value)));
            } else {
                ini.add(place, value, line)?;
                goes_on = true;
            }
        }
        let all = ini.sections.iter_mut().map(|section| &mut section.entries);
        for entry in all.chain([&mut ini.defaults]).flatten() {
            entry.value.truncate(entry.value.trim_end().len());
        }
        Ok(ini)
    }

    /// Sets a value for all sections, as the `defaults` of `fileConfig` do. Values in the file take precedence.
    pub fn define(&mut self, name: &str, value: &str) {
        let key = name.to_lowercase();
        if self.defaults.iter().all(|entry| entry.key != key) {
            self.defaults.push(IniEntry { key, value: value.to_owned(), line: 0 });
        }
    }

    fn entries(&mut self, place: Option<usize>) -> &mut Vec<IniEntry> {
        match place.and_then(|at| self.sections.get_mut(at)) {
            Some(section) => &mut section.entries,
            None => &mut self.defaults,
        }
    }

    fn last(&mut self, place: Option<Option<usize>>) -> Option<&mut IniEntry> {
        self.entries(place?).last_mut()
    }

    fn open(&mut self, name: &str, line: usize) -> Result<Option<usize>, Unreadable> {
        if name == DEFAULT {
            return Ok(None);
        }
        if let Some(other) = self.sections.iter().find(|section| section.name == name) {
            return Err(Unreadable::at(
                line,
                format!("the section [{name}] is given twice, first in line {}", other.line),
            ));
        }
        self.sections.push(IniSection { name: name.to_owned(), line, entries: Vec::new() });
        Ok(Some(self.sections.len() - 1))
    }

    fn add(&mut self, place: Option<Option<usize>>, text: &str, line: usize) -> Result<(), Unreadable> {
        let parts = text.split_once(['=', ':']);
        let Some((key, value)) = parts.filter(|(key, _)| !key.trim().is_empty()) else {
            return Err(Unreadable::at(
                line,
                format!("expected `key = value` or `[section]`, found {text:?}"),
            ));
        };
        let (key, value) = (key.trim().to_lowercase(), value.trim().to_owned());
        let entries = self.entries(place.flatten());
        if let Some(other) = entries.iter().find(|entry| entry.key == key) {
            return Err(Unreadable::at(
                line,
                format!("{key:?} is given twice, first in line {}", other.line),
            ));
        }
        entries.push(IniEntry { key, value, line });
        Ok(())
    }

    /// The sections, in the order of the file.
    pub fn sections(&self) -> impl Iterator<Item = SectionView<'_>> {
        self.sections.iter().map(|section| SectionView { section, defaults: &self.defaults })
    }

    /// Returns a required section.
    pub fn section(&self, name: &str, wanted_in: Option<usize>) -> Result<SectionView<'_>, Unreadable> {
        let section = self.sections.iter().find(|section| section.name == name).ok_or_else(|| {
            let why = if wanted_in.is_some() { ", which is named here" } else { "" };
            Unreadable { line: wanted_in, what: format!("there is no section [{name}]{why}") }
        })?;
        Ok(SectionView { section, defaults: &self.defaults })
    }
}

/// The keys with which a dictionary begins.
const YAML_KEYS: &[&str] = &[
    "version",
    "disable_existing_loggers",
    "incremental",
    "formatters",
    "filters",
    "handlers",
    "loggers",
    "root",
    "logging",
];

/// The name in a section header.
fn header(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?;
    inner.rfind(']').map(|end| &inner[..end]).filter(|name| !name.is_empty())
}

fn no_section(text: &str) -> String {
    let key = text.split_once(':').map_or("", |(key, _)| key);
    let yaml = if YAML_KEYS.contains(&key) || text.starts_with("---") || text.starts_with("%YAML") {
        "; this looks like YAML, convert it with `python3 -c 'import json, sys, yaml; \
         json.dump(yaml.safe_load(sys.stdin), sys.stdout)'`"
    } else {
        ""
    };
    format!("expected a [section], or JSON that begins with an opening brace, found {text:?}{yaml}")
}

/// A section together with the values that apply to all sections.
#[derive(Clone, Copy)]
pub struct SectionView<'a> {
    section: &'a IniSection,
    defaults: &'a [IniEntry],
}

impl<'a> SectionView<'a> {
    /// The line of the header.
    pub fn line(&self) -> usize {
        self.section.line
    }

    /// The keys that are given in the section itself.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.section.entries.iter().map(|entry| entry.key.as_str())
    }

    /// The section's name.
    pub fn name(&self) -> &'a str {
        &self.section.name
    }

    fn entry(&self, key: &str) -> Option<&'a IniEntry> {
        self.section.entries.iter().chain(self.defaults).find(|entry| entry.key == key)
    }

    /// The line of an entry; the header's line if the entry is not in the file.
    pub fn line_of(&self, key: &str) -> usize {
        self.entry(key).map(|entry| entry.line).filter(|line| *line > 0).unwrap_or(self.section.line)
    }

    /// A value as written, without interpolation.
    pub fn raw(&self, key: &str) -> Option<&'a str> {
        self.entry(key).map(|entry| entry.value.as_str())
    }

    /// A value with its references to other values replaced.
    pub fn get(&self, key: &str) -> Result<Option<String>, Unreadable> {
        let Some(raw) = self.raw(key) else { return Ok(None) };
        let mut value = String::new();
        match self.interpolate(raw, 1, &mut value) {
            Ok(()) => Ok(Some(value)),
            Err(what) => Err(Unreadable::at(self.line_of(key), format!("{key}: {what}"))),
        }
    }

    /// A required value.
    pub fn need(&self, key: &str) -> Result<String, Unreadable> {
        self.get(key)?.ok_or_else(|| {
            Unreadable::at(self.line(), format!("[{}] has no {key:?}, and Python refuses that", self.name()))
        })
    }

    /// The names in a required list, which may be empty.
    pub fn names(&self, key: &str) -> Result<Vec<String>, Unreadable> {
        let list = self.need(key)?;
        if list.is_empty() {
            return Ok(Vec::new());
        }
        Ok(list.split(',').map(|name| name.trim().to_owned()).collect())
    }

    fn interpolate(&self, raw: &str, depth: usize, value: &mut String) -> Result<(), String> {
        if depth > INTERPOLATIONS_MAX || value.len() + raw.len() > VALUE_MAX_BYTES {
            return Err("its references never end".to_owned());
        }
        let mut rest = raw;
        while let Some(at) = rest.find('%') {
            value.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            if let Some(behind) = behind.strip_prefix('%') {
                value.push('%');
                rest = behind;
                continue;
            }
            let reference = behind.strip_prefix('(').and_then(|inner| inner.split_once(")s"));
            let Some((name, behind)) = reference.filter(|(name, _)| !name.is_empty() && !name.contains(')'))
            else {
                return Err("`%` refers to another value, as %(name)s; write %% for itself".to_owned());
            };
            let Some(entry) = self.entry(&name.to_lowercase()) else {
                return Err(format!(
                    "it refers to %({name})s, which the program provides; give it with --define {name}=VALUE"
                ));
            };
            self.interpolate(&entry.value, depth + 1, value)?;
            rest = behind;
        }
        value.push_str(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, key: &str) -> String {
        Ini::parse(text).unwrap().section("s", None).unwrap().get(key).unwrap().unwrap()
    }

    fn refused(text: &str) -> String {
        let ini = Ini::parse(text);
        let said = ini.and_then(|ini| ini.section("s", None)?.get("a").map(|_| ()));
        said.unwrap_err().to_string()
    }

    #[test]
    fn values_are_parsed_as_configparser_does() {
        let text = "; comment\n[DEFAULT]\nb: base\n[s]\n  A = one\n    two # no comment\n\n    # comment\n    three\n\n\
                    \nc=%(B)s/%(d)s%%\nd = x = y\ne=\n[t]\na=1\n";
        assert_eq!(value(text, "a"), "one\ntwo # no comment\n\nthree");
        assert_eq!([value(text, "b"), value(text, "c"), value(text, "d")], ["base", "base/x = y%", "x = y"]);
        let ini = Ini::parse(text).unwrap();
        let section = ini.section("s", None).unwrap();
        assert_eq!((section.line(), section.line_of("c"), section.names("e").unwrap()), (4, 12, vec![]));
    }

    #[test]
    fn only_indented_lines_continue_a_value() {
        let text = "[s]\n  a = 1\n  b = 2\n   3\n c = 4\n";
        assert_eq!([value(text, "a"), value(text, "b"), value(text, "c")], ["1", "2\n3", "4"]);
    }

    #[test]
    fn errors_name_their_line() {
        assert!(refused("a = 1\n").starts_with("line 1: expected a [section]"));
        assert!(refused("version: 1\n").contains("looks like YAML"));
        assert!(refused("[s]\njunk\n").starts_with("line 2: expected `key = value`"));
        assert!(refused("[s]\n= 1\n").starts_with("line 2: expected `key = value`"));
        assert!(refused("[s]\na=1\nA=2\n").starts_with("line 3: \"a\" is given twice, first in line 2"));
        assert!(refused("[s]\n[s]\n").starts_with("line 2: the section [s] is given twice, first in line 1"));
        assert!(refused("[s]\na=%(dir)s\n").contains("line 2: a: it refers to %(dir)s, which the program"));
        assert!(refused("[s]\na=5%\n").contains("write %% for itself"));
        assert!(refused("[s]\na=%(a)s\n").contains("never end"));
        assert!(refused("[t]\n").contains("there is no section [s]"));
    }

    #[test]
    fn values_in_the_file_precede_those_of_the_program() {
        let mut ini = Ini::parse("[DEFAULT]\nx = file\n[s]\na=%(Dir)s/%(x)s\n").unwrap();
        ini.define("DIR", "/var/log");
        ini.define("x", "program");
        assert_eq!(ini.section("s", None).unwrap().get("a").unwrap().unwrap(), "/var/log/file");
    }
}
