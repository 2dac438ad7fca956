//! Numbers, as fast as they can be written.

use std::fmt::Display;

use super::put;

/// Appends an integer.
#[inline]
pub(super) fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a float exactly as Rust's `{}` shows it.
///
/// Prices, percentages and seconds have few digits, and those are found without the general algorithm: a
/// whole number divided by a power of ten that gives back the value, both exact, *is* its decimal. With no
/// more digits than the type can tell apart (15 and 6) no other decimal of that length means the same
/// value, so it is the one that `{}` finds. (Other fast algorithms choose differently where two shortest
/// decimals are equally near: 2136726.25 as `f32` is one.)
#[inline]
pub(super) fn float(value: f64, out: &mut Vec<u8>) {
    short_decimal(value, 1e15, |whole, power| whole as f64 / power == value.abs(), out)
        .unwrap_or_else(|| put(out, format_args!("{value}")));
}

/// The same for `f32`, which shows other digits than its value as `f64`.
#[inline]
pub(super) fn float_32(value: f32, out: &mut Vec<u8>) {
    // Both are below 2^24, so the conversions are exact.
    short_decimal(value.into(), 1e6, |whole, power| whole as f32 / power as f32 == value.abs(), out)
        .unwrap_or_else(|| put(out, format_args!("{value}")));
}

/// Writes the value if it is a decimal of up to seven places, below `limit` without its point.
fn short_decimal(
    value: f64,
    limit: f64,
    means_it: impl Fn(u64, f64) -> bool,
    out: &mut Vec<u8>,
) -> Option<()> {
    const POWERS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
    for (places, power) in POWERS.into_iter().enumerate() {
        let scaled = value.abs() * power as f64 + 0.5;
        if scaled.is_nan() || scaled >= limit {
            return None;
        }
        let whole = scaled as u64;
        if means_it(whole, power as f64) {
            if value.is_sign_negative() {
                out.push(b'-');
            }
            integer(whole / power, out);
            if places > 0 {
                // The one before the fraction keeps its leading zeros, and becomes the point.
                let at = out.len();
                integer(whole % power + power, out);
                out[at] = b'.';
            }
            return Some(());
        }
    }
    None
}

/// Appends a float as a JSON number that stays a float for who reads it; what is not a number as a string.
#[inline]
pub(super) fn json_float<F: zmij::Float + Display>(value: F, is_finite: bool, out: &mut Vec<u8>) {
    if is_finite {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        put(out, format_args!("\"{value}\""));
    }
}

/// Appends an integer of 128 bits as a JSON number if 64 bits hold it, otherwise as a string: most
/// readers would round it.
pub(super) fn json_wide(value: impl itoa::Integer + Copy, fits_64_bits: bool, out: &mut Vec<u8>) {
    if fits_64_bits {
        return integer(value, out);
    }
    out.push(b'"');
    integer(value, out);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn looks_as_in_rust(value: f64) {
        let (mut double, mut single) = (Vec::new(), Vec::new());
        float(value, &mut double);
        float_32(value as f32, &mut single);
        assert_eq!(String::from_utf8(double).unwrap(), format!("{value}"));
        assert_eq!(String::from_utf8(single).unwrap(), format!("{}", value as f32));
    }

    #[test]
    fn special_floats_look_as_in_rust() {
        (-330..310).for_each(|exponent| looks_as_in_rust(format!("1e{exponent}").parse().unwrap()));
        let _ =
            [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN, f64::MAX].map(looks_as_in_rust);
        let _ = [f64::EPSILON, f64::MIN_POSITIVE, 5e-324, 0.1 + 0.2, 1.0 / 3.0].map(looks_as_in_rust);
        let _ = [9.0, 9.5, -9.05, 0.001, 123_456_789.125, 2_136_726.25, 999_999.5, 1e15, 1e15 - 1.0]
            .map(looks_as_in_rust);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn floats_look_as_in_rust(bits: u64, whole in -1_000_000_000_000_i64..1_000_000_000_000, places in 0..9) {
            looks_as_in_rust(f64::from_bits(bits));
            looks_as_in_rust(f32::from_bits(bits as u32).into());
            looks_as_in_rust(whole as f64 / 10_f64.powi(places));
            looks_as_in_rust((whole % 10_000_000) as f64 / 10_f64.powi(places));
        }

        #[test]
        fn json_floats_read_back(bits: u64) {
            let value = f64::from_bits(bits);
            let mut out = Vec::new();
            json_float(value, value.is_finite(), &mut out);
            let parsed: serde_json::Value = serde_json::from_slice(&out).unwrap();
            match parsed.as_f64() {
                // The default reader of serde_json may be off by one in the last place.
                Some(parsed) => prop_assert!((parsed - value).abs() <= value.abs() * 1e-15),
                None => prop_assert_eq!(parsed.as_str().unwrap(), value.to_string()),
            }
        }
    }
}
