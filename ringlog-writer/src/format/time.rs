//! Timestamps as in RFC 3339, with nanoseconds: `2026-11-21T10:15:30.123456789Z`.

const NS_PER_S: u64 = 1_000_000_000;

/// Digits of the numbers from 0 to 99.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut i = 0;
    while i < 100 {
        pairs[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    pairs
};

/// Writes timestamps; a timestamp in the same second as the last one costs little.
#[derive(Clone, Debug)]
pub(super) struct Stamps {
    /// The second of `text`.
    second: i64,
    /// The timestamp up to the decimal point.
    text: [u8; 20],
}

impl Stamps {
    pub(super) fn new() -> Stamps {
        Stamps { second: 0, text: up_to_the_point(0) }
    }

    /// Appends the time `unix_ns` in nanoseconds since 1970.
    #[inline]
    pub(super) fn write(&mut self, unix_ns: u64, out: &mut Vec<u8>) {
        let second = (unix_ns / NS_PER_S) as i64;
        if second != self.second {
            self.second = second;
            self.text = up_to_the_point(second);
        }
        finish(&self.text, (unix_ns % NS_PER_S) as u32, out);
    }
}

/// Appends any time that 64 bits of nanoseconds can express: from 1677 to 2262.
pub(super) fn write(unix_ns: i64, out: &mut Vec<u8>) {
    let second = unix_ns.div_euclid(NS_PER_S as i64);
    finish(&up_to_the_point(second), unix_ns.rem_euclid(NS_PER_S as i64) as u32, out);
}

#[inline]
fn finish(text: &[u8; 20], ns: u32, out: &mut Vec<u8>) {
    let mut stamp = [b'Z'; 30];
    stamp[..20].copy_from_slice(text);
    let (high, low) = (ns / 10_000, ns % 10_000);
    let pair = |number: u32| PAIRS[number as usize % 100];
    stamp[20] = b'0' + (high / 10_000) as u8;
    stamp[21..23].copy_from_slice(&pair(high / 100));
    stamp[23..25].copy_from_slice(&pair(high));
    stamp[25..27].copy_from_slice(&pair(low / 100));
    stamp[27..29].copy_from_slice(&pair(low));
    out.extend_from_slice(&stamp);
}

/// `2026-11-21T10:15:30.` for a second of the years from 0 to 9999.
fn up_to_the_point(second: i64) -> [u8; 20] {
    let (year, month, day) = civil(second.div_euclid(86_400));
    let of_day = second.rem_euclid(86_400) as usize;
    let mut text = *b"0000-00-00T00:00:00.";
    let numbers = [
        (0, year / 100),
        (2, year % 100),
        (5, month),
        (8, day),
        (11, of_day / 3600),
        (14, of_day / 60 % 60),
        (17, of_day % 60),
    ];
    for (at, number) in numbers {
        text[at..at + 2].copy_from_slice(&PAIRS[number % 100]);
    }
    text
}

/// Year, month and day of a number of days since 1970.
///
/// Counts in eras of 400 years that begin on the first of March, so that the leap day is a year's last:
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn civil(days: i64) -> (usize, usize, usize) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year.max(0) as usize, month as usize, day as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(unix_ns: i64) -> String {
        let mut out = Vec::new();
        write(unix_ns, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_times() {
        assert_eq!(stamp(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(stamp(-1), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(stamp(1_795_256_130_123_456_789), "2026-11-21T10:15:30.123456789Z");
        assert_eq!(stamp(951_782_400_000_000_001), "2000-02-29T00:00:00.000000001Z");
        assert_eq!(stamp(4_107_542_399_100_000_000), "2100-02-28T23:59:59.100000000Z");
        assert_eq!(stamp(4_107_542_400_000_000_000), "2100-03-01T00:00:00.000000000Z");
        assert_eq!(stamp(i64::MAX), "2262-04-11T23:47:16.854775807Z");
        assert_eq!(stamp(i64::MIN), "1677-09-21T00:12:43.145224192Z");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let is_leap =
            |year: usize| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..220_000 {
            assert_eq!(civil(days), (year, month, day));
            let last = match month {
                2 => 28 + usize::from(is_leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day = day % last + 1;
            month = if day == 1 { month % 12 + 1 } else { month };
            year += usize::from((month, day) == (1, 1));
        }
    }

    #[test]
    fn the_kept_second_is_the_right_one() {
        let mut stamps = Stamps::new();
        for unix_ns in [5, NS_PER_S - 1, NS_PER_S, 7 * NS_PER_S + 9, 3, u64::MAX, 0] {
            let mut out = Vec::new();
            stamps.write(unix_ns, &mut out);
            let expected = match i64::try_from(unix_ns) {
                Ok(unix_ns) => stamp(unix_ns),
                Err(_) => "2554-07-21T23:34:33.709551615Z".to_owned(),
            };
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
