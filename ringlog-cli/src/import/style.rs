//! Conversion of patterns in the styles `{` and `$` to the style `%`.

const INTEGERS: &[&str] = &["levelno", "lineno", "thread", "process"];
const FLOATS: &[&str] = &["created", "msecs", "relativeCreated"];
const TEXTS: &[&str] = &[
    "name",
    "levelname",
    "pathname",
    "filename",
    "module",
    "funcName",
    "asctime",
    "threadName",
    "processName",
    "taskName",
    "message",
];

/// Replaces each `$name` and `${name}` with `%(name)s`.
///
/// # Errors
/// The part that has no counterpart.
pub fn from_dollars(pattern: &str) -> Result<String, String> {
    let mut made = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find('$') {
        literal(&rest[..at], &mut made);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            made.push('$');
            rest = behind;
            continue;
        }
        let wrong = || {
            format!("`$` before {:?} is not followed by a name", rest.chars().take(10).collect::<String>())
        };
        let (inner, braced) = rest.strip_prefix('{').map_or((rest, false), |inner| (inner, true));
        let name_len = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
        let (name, behind) = inner.split_at(name_len);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(wrong());
        }
        rest = if braced { behind.strip_prefix('}').ok_or_else(wrong)? } else { behind };
        made.push_str(&format!("%({name})s"));
    }
    literal(rest, &mut made);
    Ok(made)
}

/// Replaces each `{name:<8}` with `%(name)-8s`.
///
/// # Errors
/// The part that has no counterpart.
pub fn from_braces(pattern: &str) -> Result<String, String> {
    let mut made = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        literal(&rest[..at], &mut made);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix(brace) {
            made.push_str(brace);
            rest = behind;
            continue;
        }
        let field = rest.split_once('}').filter(|(field, _)| brace == "{" && !field.contains('{'));
        let (field, behind) = field.ok_or_else(|| format!("`{brace}` has no partner, or is nested"))?;
        rest = behind;
        let (name, spec) = field.split_once(':').unwrap_or((field, ""));
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(format!("`{{{field}}}` is not a plain name"));
        }
        let spec = percent_spec(name, spec)
            .ok_or_else(|| format!("`{{{field}}}` has no counterpart in the style %"))?;
        made.push_str(&format!("%({name}){spec}"));
    }
    literal(rest, &mut made);
    Ok(made)
}

fn literal(text: &str, made: &mut String) {
    made.push_str(&text.replace('%', "%%"));
}

/// Converts a format specification: `<8` to `-8s`. `None` if the style `%` cannot express it.
fn percent_spec(name: &str, spec: &str) -> Option<String> {
    let (rest, align) = match spec.as_bytes() {
        // `%` pads with blanks only.
        [b' ', align @ (b'<' | b'>'), ..] => (&spec[2..], Some(*align)),
        [align @ (b'<' | b'>'), ..] => (&spec[1..], Some(*align)),
        _ => (spec, None),
    };
    let (rest, sign) = match rest.as_bytes() {
        [sign @ (b'+' | b' ' | b'-'), ..] => (&rest[1..], Some(*sign)),
        _ => (rest, None),
    };
    let (rest, zeros) = rest.strip_prefix('0').map_or((rest, false), |rest| (rest, true));
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (width, rest) = rest.split_at(digits(rest));
    let (precision, kind) = match rest.strip_prefix('.') {
        Some(rest) => {
            let (precision, kind) = rest.split_at(digits(rest));
            if precision.is_empty() {
                return None;
            }
            (Some(precision), kind)
        }
        None => (None, rest),
    };
    let is_text = TEXTS.contains(&name);
    let is_number = INTEGERS.contains(&name) || FLOATS.contains(&name);
    let letter = match kind {
        "s" if !is_number => "s",
        "d" if !is_text && !FLOATS.contains(&name) => "d",
        "x" | "X" | "o" if INTEGERS.contains(&name) => kind,
        "e" | "E" | "f" | "F" | "g" | "G" if !is_text => kind,
        "" if INTEGERS.contains(&name) && precision.is_none() => "d",
        // `%` has no conversion for a float with a width but no letter.
        "" if FLOATS.contains(&name) && !spec.is_empty() => return None,
        "" => "s",
        _ => return None,
    };
    let numeric = letter != "s";
    // Without an alignment, numbers are aligned right and texts left; the type of a field is not known here.
    let is_unknown = kind.is_empty() && !is_text && !is_number;
    let is_ambiguous = is_unknown && (precision.is_some() || align.is_none() && !width.is_empty());
    if is_ambiguous || !numeric && (zeros || sign.is_some()) || numeric && zeros && align.is_some() {
        return None;
    }
    let left = if numeric { align == Some(b'<') } else { align != Some(b'>') && !width.is_empty() };
    let mut made = String::new();
    if left {
        made.push('-');
    }
    if let Some(sign @ (b'+' | b' ')) = sign {
        made.push(char::from(sign));
    }
    if zeros {
        made.push('0');
    }
    made.push_str(width);
    if let Some(precision) = precision {
        made.push('.');
        made.push_str(precision);
    }
    made.push_str(letter);
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_become_percents() {
        assert_eq!(
            from_dollars("$asctime 100% ${levelname}: $$5 $message_x!"),
            Ok("%(asctime)s 100%% %(levelname)s: $5 %(message_x)s!".to_owned())
        );
        for wrong in ["$", "a $ b", "${a", "${}", "$1", "${a b}"] {
            assert!(from_dollars(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn braces_without_a_counterpart_are_refused() {
        for wrong in [
            "{",
            "}",
            "{}",
            "{0.x}",
            "{a!r}",
            "{a[0]}",
            "{name:^8}",
            "{name:*<8}",
            "{name:=8}",
            "{lineno:,}",
            "{user:8}",
            "{user:.3}",
            "{msecs:8}",
            "{created:.3}",
            "{name:d}",
            "{name:08}",
            "{lineno:<05}",
            "{name:{w}}",
            "{asctime:%H}",
            "{lineno:.3d}x{",
            "{msecs:d}",
            "{lineno:s}",
        ] {
            assert!(from_braces(wrong).is_err(), "{wrong}: {:?}", from_braces(wrong));
        }
    }
}
