//! Fast formatting of numbers.

use std::fmt::Display;

use super::put::put;

/// Appends an integer.
#[inline]
pub(super) fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a float as a JSON number that readers keep as a float; NaN and infinity as strings.
#[inline]
pub(super) fn json_float<F: zmij::Float + Display>(value: F, is_finite: bool, out: &mut Vec<u8>) {
    if is_finite {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        put(out, format_args!("\"{value}\""));
    }
}

/// Appends a 128-bit integer as a JSON number if it fits 64 bits, otherwise as a string, because most readers would
/// round it.
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

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
