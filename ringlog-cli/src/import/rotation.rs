//! Conversion of `maxBytes`, `when` and `backupCount` to a rotation.

use ringlog_writer::rotation::{Every, MAX_SHIFTED, Naming, Rotation, Unit, Weekday, Zone};

use super::arguments::BoundArguments;
use super::expression::PythonValue;
use super::{ConfigPlace, Notes};

/// Converts the arguments of a `RotatingFileHandler`.
pub fn by_size(bound: &BoundArguments, at: &ConfigPlace, notes: &mut Notes) -> Rotation {
    if let Some(size @ (PythonValue::Text(_) | PythonValue::None | PythonValue::Items(_))) =
        bound.get("maxBytes")
    {
        notes.refuse(at, format_args!("maxBytes={} is not a number", size.shown()));
    }
    let (size, count) = (bound.number("maxBytes", 0, notes), bound.number("backupCount", 0, notes));
    let (Ok(size), Ok(count)) = (u64::try_from(size.max(0)), u64::try_from(count.max(0))) else {
        notes.lost(at, "maxBytes or backupCount is out of range; the file is not rotated");
        return Rotation::default();
    };
    if size > 0 && count == 0 {
        notes.hint(at, "with backupCount=0 Python never rotates, whatever maxBytes is; neither does ringlog");
    }
    if size == 0 || count == 0 {
        return Rotation::default();
    }
    if count > u64::from(MAX_SHIFTED) {
        notes.lost(
            at,
            format_args!(
                "backupCount={count} would rename as many files at each rotation; \
                 at most {MAX_SHIFTED} are kept"
            ),
        );
    }
    let mut rotation = Rotation { size: Some(size), naming: Naming::Python, ..Rotation::default() };
    rotation.keep.count = Some(count.min(MAX_SHIFTED.into()) as u32);
    rotation
}

/// Converts the arguments of a `TimedRotatingFileHandler`.
pub fn by_time(bound: &BoundArguments, at: &ConfigPlace, notes: &mut Notes) -> Result<Rotation, String> {
    let when = match bound.get("when") {
        None => "H".to_owned(),
        Some(PythonValue::Text(when)) => when.to_ascii_uppercase(),
        Some(other) => return Err(refused(at, format!("when={} is not text", other.shown()), notes)),
    };
    let interval = bound.number("interval", 1, notes);
    let number = u32::try_from(interval).ok().filter(|number| *number > 0);
    let number = number.ok_or_else(|| match interval > 0 {
        true => format!("interval={interval} is too large; at most {} is taken", u32::MAX),
        false => format!("interval={interval} is not a positive number"),
    })?;
    let has_time = bound.get("atTime").is_some_and(|time| *time != PythonValue::None);
    let mut is_day = true;
    let every = match when.as_str() {
        "MIDNIGHT" => Every::Midnight,
        day if day.len() == 2 && day.starts_with('W') => {
            let weekday = weekday(day, has_time);
            Every::Weekday(
                weekday.ok_or_else(|| refused(at, format!("when={when:?} is not a weekday"), notes))?,
            )
        }
        unit => {
            is_day = false;
            let unit = match unit {
                "S" => Unit::Second,
                "M" => Unit::Minute,
                "H" => Unit::Hour,
                "D" => Unit::Day,
                _ => {
                    let why = format!("when={when:?}; expected S, M, H, D, midnight or W0 to W6");
                    return Err(refused(at, why, notes));
                }
            };
            Every::Interval { number, unit }
        }
    };
    if is_day && number > 1 {
        notes.lost(at, format_args!("interval={number} with when={when:?}: here it is rotated each time"));
    }
    if is_day && has_time {
        notes.lost(
            at,
            "atTime is an object in Python; it is rotated at 00:00, say at = \"…\" in the new file",
        );
    }
    let zone = if bound.flag("utc", notes) { Zone::default() } else { "local".parse().unwrap_or_default() };
    let mut rotation = Rotation { every: Some(every), naming: Naming::Python, zone, ..Rotation::default() };
    let count = bound.number("backupCount", 0, notes);
    let kept = u32::try_from(count.max(0)).unwrap_or(u32::MAX);
    if i128::from(kept) != count.max(0) {
        notes.lost(at, format_args!("backupCount={count} is too large; at most {kept} files are kept"));
    }
    rotation.keep.count = Some(kept).filter(|count| *count > 0);
    Ok(rotation)
}

/// The reason, noted as one for which Python refuses the file.
fn refused(at: &ConfigPlace, why: String, notes: &mut Notes) -> String {
    notes.refuse(at, &why);
    why
}

/// Converts a weekday. Python closes a file of `W0` (Monday) at the end of Monday unless `atTime` is given; ringlog
/// closes at the day's beginning, so the day after is used.
fn weekday(when: &str, has_time: bool) -> Option<Weekday> {
    let day: i8 = when[1..].parse().ok().filter(|day| (0..=6).contains(day))?;
    Weekday::from_monday_zero_offset((day + i8::from(!has_time)) % 7).ok()
}
