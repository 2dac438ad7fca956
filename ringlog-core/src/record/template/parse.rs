//! The syntax of templates: that of `format!`, with numbers of fields as arguments.

use std::str::Chars;

/// A place in the text where a field is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placeholder {
    pub(super) field: u32,
    pub(super) spec: Spec,
}

/// How a field is shown: the part after the colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) fill: char,
    pub(super) align: Option<Align>,
    pub(super) plus: bool,
    pub(super) alternate: bool,
    pub(super) zero: bool,
    pub(super) width: Option<Count>,
    pub(super) precision: Option<Count>,
    pub(super) style: Style,
}

impl Spec {
    /// The specification of `{}`.
    pub(super) const PLAIN: Spec = Spec {
        fill: ' ',
        align: None,
        plus: false,
        alternate: false,
        zero: false,
        width: None,
        precision: None,
        style: Style::Display,
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Center,
    Right,
}

/// A width or precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Is(u16),
    Field(u32),
}

/// The trait that formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Display,
    Debug,
    DebugLowerHex,
    DebugUpperHex,
    LowerHex,
    UpperHex,
    Octal,
    Binary,
    LowerExp,
    UpperExp,
}

/// The end of a specification.
const STYLES: [(&str, Style); 10] = [
    ("", Style::Display),
    ("?", Style::Debug),
    ("x?", Style::DebugLowerHex),
    ("X?", Style::DebugUpperHex),
    ("x", Style::LowerHex),
    ("X", Style::UpperHex),
    ("o", Style::Octal),
    ("b", Style::Binary),
    ("e", Style::LowerExp),
    ("E", Style::UpperExp),
];

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Text as it stands.
    Text(&'a str),
    Placeholder(Placeholder),
}

/// The next token and the rest of the template; `None` at its end. A malformed placeholder is text.
pub(super) fn next(template: &str) -> Option<(Token<'_>, &str)> {
    let until = template.find(['{', '}']).unwrap_or(template.len());
    if until > 0 {
        let (text, rest) = template.split_at(until);
        return Some((Token::Text(text), rest));
    }
    let (brace, rest) = template.split_at_checked(1)?;
    if let Some(rest) = rest.strip_prefix(brace) {
        return Some((Token::Text(brace), rest));
    }
    if brace == "{" {
        let mut at = Parser { rest: rest.chars() };
        if let Some(placeholder) = at.placeholder() {
            return Some((Token::Placeholder(placeholder), at.rest.as_str()));
        }
    }
    Some((Token::Text(brace), rest))
}

struct Parser<'a> {
    rest: Chars<'a>,
}

impl Parser<'_> {
    fn eat(&mut self, c: char) -> bool {
        let found = self.rest.as_str().starts_with(c);
        if found {
            self.rest.next();
        }
        found
    }

    /// Parses the text after the opening brace, up to the closing one.
    fn placeholder(&mut self) -> Option<Placeholder> {
        let field = self.number()?;
        let spec = if self.eat(':') { self.spec()? } else { Spec::PLAIN };
        self.eat('}').then_some(Placeholder { field, spec })
    }

    fn spec(&mut self) -> Option<Spec> {
        let (fill, align) = self.alignment();
        let plus = self.eat('+');
        if !plus {
            // A minus is allowed and has no effect.
            self.eat('-');
        }
        let alternate = self.eat('#');
        // A width that is field 0 begins with the same digit.
        let zero = !self.rest.as_str().starts_with("0$") && self.eat('0');
        let has_width = self.rest.as_str().starts_with(|c: char| c.is_ascii_digit());
        let width = if has_width { Some(self.count()?) } else { None };
        let precision = if self.eat('.') { Some(self.count()?) } else { None };
        Some(Spec { fill, align, plus, alternate, zero, width, precision, style: self.style()? })
    }

    fn alignment(&mut self) -> (char, Option<Align>) {
        let align = |c| match c {
            '<' => Some(Align::Left),
            '^' => Some(Align::Center),
            '>' => Some(Align::Right),
            _ => None,
        };
        let mut ahead = self.rest.clone();
        let (first, second) = (ahead.next(), ahead.next());
        if let (Some(fill), found @ Some(_)) = (first, second.and_then(align)) {
            self.rest = ahead;
            return (fill, found);
        }
        let found = first.and_then(align);
        if found.is_some() {
            self.rest.next();
        }
        (' ', found)
    }

    fn count(&mut self) -> Option<Count> {
        let number = self.number()?;
        if self.eat('$') {
            return Some(Count::Field(number));
        }
        u16::try_from(number).ok().map(Count::Is)
    }

    fn style(&mut self) -> Option<Style> {
        let rest = self.rest.as_str();
        let fits =
            |(name, _): &&(&str, Style)| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('}'));
        let (name, style) = STYLES.iter().find(fits)?;
        self.rest = rest[name.len()..].chars();
        Some(*style)
    }

    fn number(&mut self) -> Option<u32> {
        let rest = self.rest.as_str();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = rest[..end].parse().ok();
        self.rest = rest[end..].chars();
        number
    }
}
