//! Numbers formatted as by `{}` and `{:.2}`, by faster algorithms for common values.

use std::io::Write;

/// Appends an integer.
#[inline]
pub(crate) fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a float exactly as Rust's `{}` shows it.
///
/// Prices, percentages and seconds have few digits, which are found without the general algorithm: if a whole number
/// divided by a power of ten gives the value, and both are exact, it is the value's decimal. With at most 15 digits
/// (6 for `f32`) no other decimal of that length means the same value, so it is the one that `{}` finds. (Other fast
/// algorithms choose differently where two shortest decimals are equally near: 2136726.25 as `f32` is one.)
#[inline]
pub(crate) fn float(value: f64, out: &mut Vec<u8>) {
    let found = short_decimal(value, 1e15, |whole, power| whole as f64 / power == value.abs(), out);
    if found.is_none() {
        // A vector takes everything, and a float's formatting has no errors.
        let _ = write!(out, "{value}");
    }
}

/// Appends an `f32`, which has other digits than its value as `f64`.
#[inline]
pub(crate) fn float_32(value: f32, out: &mut Vec<u8>) {
    // Both are below 2^24, so the conversions are exact.
    let means_it = |whole: u64, power: f64| whole as f32 / power as f32 == value.abs();
    if short_decimal(value.into(), 1e6, means_it, out).is_none() {
        // As above.
        let _ = write!(out, "{value}");
    }
}

const POWERS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Writes the value if it is a decimal of up to seven places, below `limit` without its point.
fn short_decimal(
    value: f64,
    limit: f64,
    means_it: impl Fn(u64, f64) -> bool,
    out: &mut Vec<u8>,
) -> Option<()> {
    for (places, power) in POWERS.into_iter().enumerate() {
        let scaled = value.abs() * power as f64 + 0.5;
        if scaled.is_nan() || scaled >= limit {
            return None;
        }
        let whole = scaled as u64;
        if means_it(whole, power as f64) {
            decimal(value.is_sign_negative(), whole, places, out);
            return Some(());
        }
    }
    None
}

/// Appends a float with this number of places, as `{:.2}` does. `None`, and nothing appended, where only the general
/// algorithm is exact.
///
/// The product is off by less than 1/8000 below 10^12, so what is farther than that from the middle
/// between two whole numbers is rounded as its exact value is.
#[inline]
pub(crate) fn fixed(value: f64, places: u16, out: &mut Vec<u8>) -> Option<()> {
    let power = *POWERS.get(usize::from(places))?;
    let scaled = value.abs() * power as f64;
    // A NaN compares with nothing.
    if scaled < 1e12 && (scaled.fract() - 0.5).abs() > 1.0 / 1024.0 {
        decimal(value.is_sign_negative(), (scaled + 0.5) as u64, places.into(), out);
        return Some(());
    }
    None
}

/// Appends a whole number with its point moved left by so many places, at most seven.
fn decimal(negative: bool, whole: u64, places: usize, out: &mut Vec<u8>) {
    let power = POWERS[places];
    if negative {
        out.push(b'-');
    }
    integer(whole / power, out);
    if places > 0 {
        // The one before the fraction keeps its leading zeros, and becomes the point.
        let at = out.len();
        integer(whole % power + power, out);
        out[at] = b'.';
    }
}

#[cfg(all(test, not(loom)))]
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
        for places in 0..9 {
            let mut out = Vec::new();
            let expected = format!("{value:.*}", usize::from(places));
            match fixed(value, places, &mut out) {
                Some(()) => assert_eq!(String::from_utf8(out).unwrap(), expected),
                None => assert!(out.is_empty()),
            }
        }
    }

    #[test]
    fn special_floats_look_as_in_rust() {
        (-330..310).for_each(|exponent| looks_as_in_rust(format!("1e{exponent}").parse().unwrap()));
        let _ =
            [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN, f64::MAX].map(looks_as_in_rust);
        let _ = [f64::EPSILON, f64::MIN_POSITIVE, 5e-324, 0.1 + 0.2, 1.0 / 3.0].map(looks_as_in_rust);
        let _ = [9.0, 9.5, -9.05, 0.001, 123_456_789.125, 2_136_726.25, 999_999.5, 1e15, 1e15 - 1.0]
            .map(looks_as_in_rust);
        // In the middle, and just beside it.
        let _ = [0.5, 1.5, 2.5, 0.125, 0.375, 2.675, 1.005, 0.045, -0.5, -0.004, 0.499_999_999_999_999_94]
            .map(looks_as_in_rust);
    }

    #[test]
    fn prices_take_the_fast_path() {
        for value in [9.5, 101.25, -0.001, 1e9, 99.999] {
            assert!(fixed(value, 2, &mut Vec::new()).is_some(), "{value}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn floats_look_as_in_rust(bits: u64, whole in -1_000_000_000_000_i64..1_000_000_000_000, places in 0..9) {
            looks_as_in_rust(f64::from_bits(bits));
            looks_as_in_rust(f32::from_bits(bits as u32).into());
            looks_as_in_rust(whole as f64 / 10_f64.powi(places));
            looks_as_in_rust((whole % 10_000_000) as f64 / 10_f64.powi(places));
            // Near the middle between two decimals.
            looks_as_in_rust(((whole % 100_000) as f64 + 0.5) / 10_f64.powi(places));
        }
    }
}
