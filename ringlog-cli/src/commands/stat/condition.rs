//! Conditions for health checks: `behind > 10s`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ringlog::admin;

use super::numbers::{NUMBERS, Value};
use super::reading::Reading;
use crate::{humanize, terminal};

/// A condition: a number, a comparison, and a limit.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// The index of the number.
    number: usize,
    operator: &'static str,
    limit: Limit,
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    Count(u64),
    Age(Duration),
}

/// Whether a comparison holds for an order.
type Comparison = fn(Ordering) -> bool;

/// The comparisons. A longer one comes before its beginning.
const OPERATORS: [(&str, Comparison); 6] = [
    (">=", Ordering::is_ge),
    ("<=", Ordering::is_le),
    ("==", Ordering::is_eq),
    ("!=", Ordering::is_ne),
    (">", Ordering::is_gt),
    ("<", Ordering::is_lt),
];

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Condition, String> {
        let wrong =
            |what: String| format!("{what}; expected a condition such as `behind > 10s` or `failing > 0`");
        let start =
            text.find(['<', '>', '=', '!']).ok_or_else(|| wrong(format!("{text:?} compares nothing")))?;
        let (name, rest) = (text[..start].trim(), &text[start..]);
        let number = NUMBERS.iter().position(|number| number.name == name).ok_or_else(|| {
            let names: Vec<&str> = NUMBERS.iter().map(|number| number.name).collect();
            format!("{name:?} is not a number of a ring; expected one of {}", names.join(", "))
        })?;
        let found = OPERATORS.into_iter().find(|(operator, _)| rest.starts_with(operator));
        let (operator, _) = found.ok_or_else(|| wrong(format!("{text:?} has no known comparison")))?;
        let limit = rest[operator.len()..].trim();
        let age = || admin::parse_duration(limit).map(Limit::Age);
        let limit = match (limit.replace([',', '_'], "").parse().map(Limit::Count), &NUMBERS[number].value) {
            (Ok(count), Value::Count(_) | Value::Said(_) | Value::Either(..)) => count,
            (Err(_), Value::Count(_) | Value::Said(_)) => {
                return Err(format!("{name} is compared with a number, not with {limit:?}"));
            }
            (_, Value::Age(_) | Value::Either(..)) => age()?,
        };
        Ok(Condition { number, operator, limit })
    }
}

impl Condition {
    /// Whether the condition holds, or cannot be known not to. Returns what was found then.
    pub(super) fn holds(&self, now: &Reading) -> Option<String> {
        if let (Value::Said(_), Some(why)) = (&NUMBERS[self.number].value, now.unknown()) {
            return Some(format!("not known: {}", terminal::escape(&why)));
        }
        let (order, found) = match (&NUMBERS[self.number].value, self.limit) {
            (Value::Count(read) | Value::Said(read) | Value::Either(read, _), Limit::Count(limit)) => {
                let found = read(now);
                (found.cmp(&limit), humanize::count(found))
            }
            (Value::Age(read) | Value::Either(_, read), Limit::Age(limit)) => {
                let found = read(now);
                let words = match now.stat.consumer {
                    _ if found < Duration::MAX => humanize::span_of(found),
                    Some(_) => "never".to_owned(),
                    // One may have looked into the ring before.
                    None => "without a writer".to_owned(),
                };
                (found.cmp(&limit), words)
            }
            // The parser makes no other pairs.
            (Value::Count(_) | Value::Said(_), Limit::Age(_)) | (Value::Age(_), Limit::Count(_)) => {
                return None;
            }
        };
        let test = OPERATORS.iter().find(|(operator, _)| *operator == self.operator).map(|(_, test)| test);
        test.is_some_and(|test| test(order)).then_some(found)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", NUMBERS[self.number].name, self.operator)?;
        match self.limit {
            Limit::Count(count) => f.write_str(&humanize::count(count)),
            Limit::Age(age) => f.write_str(&admin::duration_word(age)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_parsed_and_printed() {
        for (text, printed) in [
            ("behind > 10s", "behind > 10s"),
            ("behind>1_000", "behind > 1,000"),
            (" dropped != 0 ", "dropped != 0"),
            ("polled >= 1m30s", "polled >= 90s"),
            ("writers<1", "writers < 1"),
        ] {
            assert_eq!(text.parse::<Condition>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn the_help_names_every_number() {
        let command = <super::super::Stat as clap::Args>::augment_args(clap::Command::new("stat"));
        let help = command.clone().render_long_help().to_string();
        let (_, list) = help.split_once("A condition of --fail-if").unwrap();
        let missing = NUMBERS.iter().filter(|number| !list.contains(&format!("  {}", number.name)));
        assert_eq!(missing.map(|number| number.name).collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn what_is_wrong_with_a_condition_is_said() {
        for (text, why) in [
            ("behind", "\"behind\" compares nothing; expected a condition such as `behind > 10s`"),
            ("speed > 3", "\"speed\" is not a number of a ring; expected one of behind, published, "),
            ("behind = 3", "\"behind = 3\" has no known comparison"),
            ("dropped > 10s", "dropped is compared with a number, not with \"10s\""),
            ("polled > 10", "\"10\" is not a duration; expected"),
            ("behind > ten", "\"ten\" is not a duration; expected"),
        ] {
            let error = text.parse::<Condition>().unwrap_err();
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }
}
