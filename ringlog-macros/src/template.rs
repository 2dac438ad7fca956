//! Reads format strings by the grammar of `std::fmt`.

/// A format string in pieces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text, with `{{` and `}}` unchanged.
    Text(String),
    Placeholder(Placeholder),
}

/// `{argument:specification}`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Placeholder {
    pub(crate) argument: Argument,
    /// Fill, alignment, sign, `#` and `0`.
    pub(crate) flags: String,
    pub(crate) width: Option<Count>,
    pub(crate) precision: Option<Precision>,
    /// The trait that formats; empty for `Display`.
    pub(crate) kind: String,
}

/// The argument of a placeholder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Argument {
    /// The next positional argument that no placeholder has taken.
    #[default]
    Next,
    Position(usize),
    Name(String),
}

/// A width or precision.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Literal(String),
    /// `name$` or `0$`.
    Argument(Argument),
}

impl Count {
    /// The argument that it names.
    pub(crate) fn argument(&self) -> Option<&Argument> {
        match self {
            Count::Literal(_) => None,
            Count::Argument(argument) => Some(argument),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    Count(Count),
    /// `.*`: the next positional argument, before the placeholder's own.
    Star,
}

/// The kinds of formatting of the standard library.
const KINDS: [&str; 11] = ["", "?", "x?", "X?", "x", "X", "o", "b", "e", "E", "p"];

/// Parses a format string; `None` if it is malformed. The compiler itself then reports why.
pub(crate) fn parse(format: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            text.push_str(&rest[..2]);
            rest = &rest[2..];
            continue;
        }
        // A fill may be a brace: `{:}<5}`.
        let end = match rest.find(':').filter(|colon| *colon < rest.find('}').unwrap_or(0)) {
            Some(colon) => {
                let fill = rest[colon + 1..].chars().next().map_or(0, char::len_utf8);
                let after = &rest[colon + 1 + fill..];
                let skip = if after.starts_with(['<', '^', '>']) { colon + 1 + fill } else { colon + 1 };
                skip + rest[skip..].find('}')?
            }
            None => rest.find('}')?,
        };
        let placeholder = placeholder(rest.strip_prefix('{')?.get(..end - 1)?)?;
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(Piece::Placeholder(placeholder));
        rest = &rest[end + 1..];
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Some(pieces)
}

fn placeholder(inside: &str) -> Option<Placeholder> {
    let (argument, spec) = inside.split_once(':').unwrap_or((inside, ""));
    let argument = match argument.trim() {
        "" => Argument::Next,
        named => self::argument(named)?,
    };
    let mut spec = spec.trim_end();
    let flags = flags(&mut spec);
    let width = count(&mut spec);
    let precision = match spec.strip_prefix('.') {
        None => None,
        Some(after) => {
            if let Some(after) = after.strip_prefix('*') {
                spec = after;
                Some(Precision::Star)
            } else {
                spec = after;
                Some(Precision::Count(count(&mut spec)?))
            }
        }
    };
    KINDS.contains(&spec).then(|| Placeholder { argument, flags, width, precision, kind: spec.to_owned() })
}

/// `[[fill]align][sign]['#']['0']`, taken off the front.
fn flags(spec: &mut &str) -> String {
    let whole = *spec;
    let align = ['<', '^', '>'];
    let mut chars = whole.chars();
    let first = chars.next().map_or(0, char::len_utf8);
    if whole[first..].starts_with(align) {
        *spec = &whole[first + 1..];
    } else if whole.starts_with(align) {
        *spec = &whole[1..];
    }
    *spec = spec.strip_prefix(['+', '-']).unwrap_or(spec);
    *spec = spec.strip_prefix('#').unwrap_or(spec);
    // `0$` is a width.
    if spec.starts_with('0') && !spec.starts_with("0$") {
        *spec = &spec[1..];
    }
    whole[..whole.len() - spec.len()].to_owned()
}

/// A number, or an argument with a `$`, taken off the front.
fn count(spec: &mut &str) -> Option<Count> {
    let word = spec.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(spec.len());
    if spec[word..].starts_with('$') {
        let named = argument(&spec[..word])?;
        *spec = &spec[word + 1..];
        return Some(Count::Argument(named));
    }
    let digits = spec.find(|c: char| !c.is_ascii_digit()).unwrap_or(spec.len());
    let (number, rest) = spec.split_at(digits);
    *spec = rest;
    (!number.is_empty()).then(|| Count::Literal(number.to_owned()))
}

fn argument(text: &str) -> Option<Argument> {
    if let Ok(position) = text.parse() {
        return Some(Argument::Position(position));
    }
    // `syn` refuses keywords and other text that is not a name.
    let is_name = syn::parse_str::<syn::Ident>(text).is_ok() || text.starts_with("r#");
    is_name.then(|| Argument::Name(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(format: &str) -> Placeholder {
        let mut pieces = parse(format).unwrap();
        assert_eq!(pieces.len(), 1, "{format}");
        match pieces.remove(0) {
            Piece::Placeholder(placeholder) => placeholder,
            Piece::Text(text) => panic!("{text}"),
        }
    }

    #[test]
    fn text_and_placeholders_are_separated() {
        let pieces = parse("a {{b}} {x}{}.").unwrap();
        let name = Placeholder { argument: Argument::Name("x".into()), ..Placeholder::default() };
        assert_eq!(
            pieces,
            [
                Piece::Text("a {{b}} ".into()),
                Piece::Placeholder(name),
                Piece::Placeholder(Placeholder::default()),
                Piece::Text(".".into()),
            ]
        );
        assert_eq!(parse(""), Some(vec![]));
    }

    #[test]
    fn specifications_are_read_as_the_standard_library_does() {
        let literal = |number: &str| Some(Count::Literal(number.into()));
        assert_eq!(one("{:08.3}").flags, "0");
        assert_eq!(one("{:08.3}").width, literal("8"));
        assert_eq!(one("{:*^+#012x?}").flags, "*^+#0");
        assert_eq!(one("{:*^+#012x?}").kind, "x?");
        assert_eq!(one("{:}<5}").flags, "}<");
        assert_eq!(one("{:0$}").width, Some(Count::Argument(Argument::Position(0))));
        assert_eq!(one("{x:w$.p$e}").width, Some(Count::Argument(Argument::Name("w".into()))));
        assert_eq!(one("{x:w$.p$e}").kind, "e");
        assert_eq!(one("{:.*}").precision, Some(Precision::Star));
        assert_eq!(one("{:é>4}").flags, "é>");
        assert_eq!(one("{ 1 :?}").argument, Argument::Position(1));
        assert_eq!(one("{:<}").flags, "<");
        assert_eq!(one("{:5x}").kind, "x");
        assert_eq!(one("{:5X?}").kind, "X?");
    }

    #[test]
    fn a_malformed_format_string_is_left_to_the_compiler() {
        for format in ["{", "}", "{x", "{:y}", "{a b}", "{:.}", "{1a}", "a } b", "{:5$$}"] {
            assert_eq!(parse(format), None, "{format}");
        }
    }
}
