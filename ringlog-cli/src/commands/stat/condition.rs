//! Conditions for health checks: `behind > 10s`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ringlog::admin;
use ringlog_writer::rotation::parse_duration;

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
        let age = || parse_duration(limit).map(Limit::Age);
        let digits = limit.replace([',', '_'], "");
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let limit = match (digits.parse().map(Limit::Count), &NUMBERS[number].value) {
            (Ok(count), Value::Count(_) | Value::Said(_) | Value::Either(..)) => count,
            (Err(_), Value::Count(_) | Value::Said(_) | Value::Either(..)) if is_number => {
                let most = humanize::count(u64::MAX);
                return Err(format!("{limit:?} is too large a number for {name}; expected at most {most}"));
            }
            (Err(_), Value::Count(_) | Value::Said(_)) => {
                return Err(format!("{name} is compared with a number, not with {limit:?}"));
            }
            (_, Value::Either(..)) => age().map_err(|error| match error.contains("is not a duration; ") {
                true => format!("{error}; or a number of records, such as 1000"),
                false => error,
            })?,
            (_, Value::Age(_)) => age()?,
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
                    // One may have looked into the ring before.
                    None if found == Duration::MAX => "without a writer".to_owned(),
                    _ => age_words(found, limit),
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

/// An age in words that compare to the limit as it does: with as many digits as that takes.
fn age_words(age: Duration, limit: Duration) -> String {
    if age == Duration::MAX {
        return "never".to_owned();
    }
    let (words, order) = (humanize::span_of(age), age.cmp(&limit));
    let shown = |words: &str| admin::parse_duration(&words.replace("days", "d")).ok();
    if shown(&words).is_some_and(|shown| shown.cmp(&limit) == order) {
        return words;
    }
    let in_ms = Duration::from_millis(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    admin::duration_word(if in_ms.cmp(&limit) == order { in_ms } else { age })
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
            ("behind > 99999999999d", "\"99999999999d\" is too long; expected at most 213503d"),
            (
                "dropped > 18446744073709551616",
                "\"18446744073709551616\" is too large a number for dropped; ",
            ),
            ("behind > 18446744073709551616", "\"18446744073709551616\" is too large a number for behind; "),
        ] {
            let error = text.parse::<Condition>().unwrap_err();
            assert!(error.starts_with(why), "{text}: {error}");
        }
        let negative = "behind > -1".parse::<Condition>().unwrap_err();
        assert!(negative.ends_with("5m or 1h30m; or a number of records, such as 1000"), "{negative}");
    }

    #[test]
    fn an_age_is_shown_so_that_the_condition_is_true() {
        let (ms, ns) = (Duration::from_millis, Duration::from_nanos);
        for (age, limit, words) in [
            (ms(1_700), ms(1_000), "1700ms"),
            (ms(1_600), ms(1_500), "1600ms"),
            (ns(1_000_000_001), ms(1_000), "1000000001ns"),
            (ms(2_700), ms(1_000), "2 s"),
            (ms(2_000), ms(2_000), "2 s"),
            (ms(3 * 86_400_000 + 5), ms(3 * 86_400_000), "259200005ms"),
            (Duration::MAX, ms(1), "never"),
        ] {
            assert_eq!(age_words(age, limit), words);
        }
    }
}
