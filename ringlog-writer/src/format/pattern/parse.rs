//! Parsing a pattern.

use super::percent::Spec;
use super::problem::PatternError;

/// The attribute that a name in a pattern stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    Name,
    LevelNumber,
    LevelName,
    PathName,
    FileName,
    Module,
    Function,
    Line,
    Created,
    Ascii,
    Milliseconds,
    RelativeCreated,
    Thread,
    ThreadName,
    Process,
    ProcessName,
    TaskName,
    Message,
    Error,
    /// A field of the record, for any other name.
    Field(String),
}

impl Attribute {
    const NAMED: [(&'static str, Attribute); 19] = [
        ("name", Attribute::Name),
        ("levelno", Attribute::LevelNumber),
        ("levelname", Attribute::LevelName),
        ("pathname", Attribute::PathName),
        ("filename", Attribute::FileName),
        ("module", Attribute::Module),
        ("funcName", Attribute::Function),
        ("lineno", Attribute::Line),
        ("created", Attribute::Created),
        ("asctime", Attribute::Ascii),
        ("msecs", Attribute::Milliseconds),
        ("relativeCreated", Attribute::RelativeCreated),
        ("thread", Attribute::Thread),
        ("threadName", Attribute::ThreadName),
        ("process", Attribute::Process),
        ("processName", Attribute::ProcessName),
        ("taskName", Attribute::TaskName),
        ("message", Attribute::Message),
        ("exc_info", Attribute::Error),
    ];

    fn of(name: &str) -> Attribute {
        let named = Attribute::NAMED.into_iter().find(|(known, _)| *known == name);
        named.map_or_else(|| Attribute::Field(name.to_owned()), |(_, attribute)| attribute)
    }

    /// The name in a pattern.
    pub(super) fn name(&self) -> &str {
        if let Attribute::Field(name) = self {
            return name;
        }
        let named = Attribute::NAMED.iter().find(|(_, attribute)| attribute == self);
        named.map_or("", |(name, _)| name)
    }

    /// The attribute that was probably meant by a field's name.
    pub(super) fn meant(field: &str) -> Option<&'static str> {
        let names = Attribute::NAMED.iter().map(|(name, _)| *name);
        let likeness = |name: &str| strsim::jaro_winkler(&name.to_lowercase(), &field.to_lowercase());
        let rated = names.map(|name| (likeness(name), name)).filter(|(likeness, _)| *likeness > 0.9);
        rated.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
    }

    fn is_text(&self) -> bool {
        use Attribute as A;
        let texts = [
            A::Name,
            A::LevelName,
            A::PathName,
            A::FileName,
            A::Module,
            A::Function,
            A::Ascii,
            A::ThreadName,
            A::ProcessName,
            A::TaskName,
            A::Message,
            A::Error,
        ];
        texts.contains(self)
    }
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Value(Attribute, Spec),
}

/// Parses a pattern.
pub(super) fn parse(pattern: &str) -> Result<Vec<Piece>, PatternError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(next) = pattern[at..].find('%').map(|next| at + next) {
        literal.push_str(&pattern[at..next]);
        let rest = &pattern[next + 1..];
        if rest.starts_with('%') {
            literal.push('%');
            at = next + 2;
            continue;
        }
        let Some(named) = rest.strip_prefix('(') else { return Err(PatternError::Percent { at: next }) };
        let Some(end) = named.find(')') else { return Err(PatternError::Open { at: next }) };
        let name = &named[..end];
        let spec_at = next + 2 + end + 1;
        let (spec, len) = Spec::parse(&pattern[spec_at..]).map_err(|problem| problem.moved(spec_at))?;
        let attribute = Attribute::of(name);
        if attribute.is_text() && spec.is_numeric() {
            return Err(PatternError::Text { at: next, name: name.to_owned() });
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Value(attribute, spec));
        at = spec_at + len;
    }
    literal.push_str(&pattern[at..]);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(pattern: &str) -> (usize, String) {
        let problem = parse(pattern).unwrap_err();
        (problem.at(), problem.to_string())
    }

    #[test]
    fn literals_and_values_in_their_order() {
        let pieces = parse("100%% %(name)-12s|%(levelno)03d").unwrap();
        let kinds: Vec<String> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => text.clone(),
                Piece::Value(attribute, _) => format!("<{attribute:?}>"),
            })
            .collect();
        assert_eq!(kinds, ["100% ", "<Name>", "|", "<LevelNumber>"]);
        assert_eq!(parse("").unwrap(), []);
        let pieces = parse("%(order_id)d").unwrap();
        assert!(matches!(&pieces[..], [Piece::Value(Attribute::Field(name), _)] if name == "order_id"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        assert_eq!(
            problem("5% of"),
            (1, "`%` stands for itself only when doubled; write `%%`, or `%(name)s`".into())
        );
        assert_eq!(problem("a %(name"), (2, "`%(` has no `)`".into()));
        let expected = "expected a conversion, one of s d i u o x X e E f F g G, found ";
        assert_eq!(problem("%(name)-5q"), (9, format!("{expected}`q`")));
        assert_eq!(problem("%(name)"), (7, format!("{expected}the end")));
        assert_eq!(problem("%(name)ü"), (7, format!("{expected}`ü`")));
        assert_eq!(problem("x%(message)d"), (1, "`message` is a text; write `%(message)s`".into()));
        assert_eq!(problem("%(name)99999s"), (7, "a width or precision may be 10000 at most".into()));
    }
}
