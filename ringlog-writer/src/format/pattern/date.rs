//! Date formats as in Python's `datefmt`, which are those of C's `strftime`; always in English.

use std::fmt::Write;

use jiff::Zoned;

use super::problem::PatternError;

/// A parsed date format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Date(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Number { letter: char, pad: Pad, width: usize },
    Text { letter: char, upper: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pad {
    Nothing,
    Spaces,
    Zeros,
}

impl Date {
    /// Parses a date format.
    ///
    /// # Errors
    /// [`PatternError::Date`] at the first unknown directive.
    pub(super) fn parse(format: &str) -> Result<Date, PatternError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(next) = format[at..].find('%').map(|next| at + next) {
            literal.push_str(&format[at..next]);
            let mut letters = format[next + 1..].chars();
            let mut letter = letters.next();
            let flag = letter.filter(|flag| matches!(flag, '-' | '_' | '0' | '^'));
            if flag.is_some() {
                letter = letters.next();
            }
            at = format.len() - letters.as_str().len();
            let wrong = || PatternError::Date { at: next, found: format[next..at].to_owned() };
            match (letter.ok_or_else(wrong)?, flag) {
                ('%', None) => literal.push('%'),
                ('n', None) => literal.push('\n'),
                ('t', None) => literal.push('\t'),
                (letter, flag) => {
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    match composed(letter).filter(|_| flag.is_none()) {
                        Some(whole) => parts.extend(Date::parse(whole)?.0),
                        None => parts.push(single(letter, flag).ok_or_else(wrong)?),
                    }
                }
            }
        }
        literal.push_str(&format[at..]);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Date(parts))
    }

    /// Appends a time in this format.
    pub(super) fn write(&self, moment: &Zoned, out: &mut String) {
        for part in &self.0 {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Number { letter, pad, width } => {
                    let number = number(*letter, moment);
                    // Writing into a string cannot fail.
                    let _ = match pad {
                        Pad::Nothing => write!(out, "{number}"),
                        Pad::Spaces => write!(out, "{number:width$}"),
                        Pad::Zeros => write!(out, "{number:0width$}"),
                    };
                }
                Part::Text { letter, upper: false } => text(*letter, moment, out),
                Part::Text { letter, upper: true } => {
                    let start = out.len();
                    text(*letter, moment, out);
                    out[start..].make_ascii_uppercase();
                }
            }
        }
    }
}

/// The directives that stand for several others.
fn composed(letter: char) -> Option<&'static str> {
    Some(match letter {
        'c' => "%a %b %e %H:%M:%S %Y",
        'D' | 'x' => "%m/%d/%y",
        'F' => "%Y-%m-%d",
        'R' => "%H:%M",
        'T' | 'X' => "%H:%M:%S",
        'r' => "%I:%M:%S %p",
        _ => return None,
    })
}

fn single(letter: char, flag: Option<char>) -> Option<Part> {
    let (pad, width) = match letter {
        'e' | 'k' | 'l' => (Pad::Spaces, 2),
        'C' | 'd' | 'g' | 'H' | 'I' | 'm' | 'M' | 'S' | 'U' | 'V' | 'W' | 'y' => (Pad::Zeros, 2),
        'j' => (Pad::Zeros, 3),
        'G' | 'Y' => (Pad::Zeros, 4),
        's' | 'u' | 'w' => (Pad::Zeros, 1),
        'a' | 'A' | 'b' | 'B' | 'h' | 'Z' => {
            let upper = flag == Some('^');
            return (flag.is_none() || upper).then_some(Part::Text { letter, upper });
        }
        'p' | 'P' | 'z' => return flag.is_none().then_some(Part::Text { letter, upper: false }),
        _ => return None,
    };
    let pad = match flag {
        None => pad,
        Some('-') => Pad::Nothing,
        Some('_') => Pad::Spaces,
        Some('0') => Pad::Zeros,
        Some(_) => return None,
    };
    Some(Part::Number { letter, pad, width })
}

fn number(letter: char, at: &Zoned) -> i64 {
    let twelve = |hour: i8| if hour % 12 == 0 { 12 } else { hour % 12 };
    let weekday = at.weekday();
    // The number of weeks begun in this year; the first may be incomplete.
    let weeks = |day_of_week: i8| i64::from((at.day_of_year() + 6 - i16::from(day_of_week)) / 7);
    match letter {
        'C' => i64::from(at.year()) / 100,
        'd' | 'e' => at.day().into(),
        'g' => i64::from(at.date().iso_week_date().year()) % 100,
        'G' => at.date().iso_week_date().year().into(),
        'H' | 'k' => at.hour().into(),
        'I' | 'l' => twelve(at.hour()).into(),
        'j' => at.day_of_year().into(),
        'm' => at.month().into(),
        'M' => at.minute().into(),
        's' => at.timestamp().as_second(),
        'S' => at.second().into(),
        'u' => weekday.to_monday_one_offset().into(),
        'U' => weeks(weekday.to_sunday_zero_offset()),
        'V' => at.date().iso_week_date().week().into(),
        'w' => weekday.to_sunday_zero_offset().into(),
        'W' => weeks(weekday.to_monday_zero_offset()),
        'y' => i64::from(at.year()) % 100,
        // `single` makes numbers only of these letters and `Y`.
        _ => at.year().into(),
    }
}

fn text(letter: char, at: &Zoned, out: &mut String) {
    const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let day = DAYS[at.weekday().to_sunday_zero_offset() as usize % 7];
    let month = MONTHS[(at.month() as usize).wrapping_sub(1) % 12];
    match letter {
        'a' => out.push_str(&day[..3]),
        'A' => out.push_str(day),
        'b' | 'h' => out.push_str(&month[..3]),
        'B' => out.push_str(month),
        'p' => out.push_str(if at.hour() < 12 { "AM" } else { "PM" }),
        'P' => out.push_str(if at.hour() < 12 { "am" } else { "pm" }),
        'Z' => {
            let info = at.time_zone().to_offset_info(at.timestamp());
            out.push_str(info.abbreviation());
        }
        // `single` makes texts only of these letters and `z`.
        _ => {
            let seconds = at.offset().seconds();
            let minutes = seconds.unsigned_abs() / 60;
            let sign = if seconds < 0 { '-' } else { '+' };
            // Writing into a string cannot fail.
            let _ = write!(out, "{sign}{:02}{:02}", minutes / 60, minutes % 60);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_directives_are_refused_with_their_offset() {
        for (format, at, found) in [
            ("%H:%M:%S.%f", 9, "%f"),
            ("%", 0, "%"),
            ("%Y %-", 3, "%-"),
            ("ü%_q", 2, "%_q"),
            ("%^d", 0, "%^d"),
            ("%-a", 0, "%-a"),
            ("%-T", 0, "%-T"),
            ("%5d", 0, "%5"),
            ("%Ey", 0, "%E"),
            ("%ä", 0, "%ä"),
        ] {
            let problem = Date::parse(format).unwrap_err();
            assert_eq!(problem, PatternError::Date { at, found: found.to_owned() }, "{format}");
            assert!(problem.is_in_date() && problem.at() == at);
        }
        let said = Date::parse("%f").unwrap_err().to_string();
        assert!(said.contains("unknown date directive `%f`") && said.contains("%(msecs)03d"), "{said}");
    }
}
