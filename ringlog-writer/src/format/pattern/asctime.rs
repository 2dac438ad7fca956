//! The attribute `asctime`: an entry's time as text, built once for each second.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::NS_PER_S;
use super::date::Date;
use super::problem::PatternError;

/// The default date format; a comma and milliseconds follow.
const DEFAULT: &str = "%Y-%m-%d %H:%M:%S";

#[derive(Clone, Debug)]
pub(super) struct Asctime {
    date: Date,
    has_millis: bool,
    zone: TimeZone,
    /// The second of the text.
    second: u64,
    text: String,
    /// The length of the text before the milliseconds.
    second_len: usize,
}

impl Asctime {
    pub(super) fn new(date: Option<&str>, zone: TimeZone) -> Result<Asctime, PatternError> {
        let date = date.filter(|date| !date.is_empty());
        Ok(Asctime {
            date: Date::parse(date.unwrap_or(DEFAULT))?,
            has_millis: date.is_none(),
            zone,
            second: u64::MAX,
            text: String::new(),
            second_len: 0,
        })
    }

    /// Sets the time to that of an entry.
    pub(super) fn set(&mut self, unix_ns: u64) {
        let second = unix_ns / NS_PER_S;
        if second != self.second {
            // 64 bits of nanoseconds end in the year 2554, so the conversion cannot fail.
            let at = Timestamp::from_second(second as i64).unwrap_or(Timestamp::MAX);
            self.text.clear();
            self.date.write(&at.to_zoned(self.zone.clone()), &mut self.text);
            (self.second, self.second_len) = (second, self.text.len());
        }
        if self.has_millis {
            let millis = unix_ns % NS_PER_S / 1_000_000;
            self.text.truncate(self.second_len);
            self.text.push(',');
            self.text.extend([100, 10, 1].map(|unit| char::from(b'0' + (millis / unit % 10) as u8)));
        }
    }

    pub(super) fn text(&self) -> &[u8] {
        self.text.as_bytes()
    }
}
