//! What the tokens of a Rust file say: the modules it declares, what it imports and which paths it names.
//!
//! Comments and strings are no tokens of interest, and macros are read like everything else. What only tests and
//! models are built with is left out.

use std::collections::HashSet;
use std::iter::Peekable;
use std::str::FromStr;

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree, token_stream};

/// One module: a whole file, or `mod name { … }` inside one.
#[derive(Debug, Default)]
pub struct Scope {
    pub children: Vec<Child>,
    pub imports: Vec<Import>,
    /// Paths of at least two parts outside of imports.
    pub paths: Vec<NamedPath>,
    /// Every name outside of imports.
    pub words: HashSet<String>,
}

/// `mod name;` or `mod name { … }`
#[derive(Debug)]
pub struct Child {
    pub name: String,
    /// The value of `#[path = "…"]`.
    pub path: Option<String>,
    /// Absent if the module has a file of its own.
    pub body: Option<Scope>,
}

/// One name of a `use` declaration.
#[derive(Debug)]
pub struct Import {
    pub path: NamedPath,
    /// The name by which this scope knows it; `*` stands for all names.
    pub name: String,
    /// Whether other modules can name it here: `pub use`, `pub(crate) use`.
    pub is_public: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NamedPath {
    pub parts: Vec<String>,
    pub line: usize,
}

/// A function with `#[test]`.
#[derive(Debug, PartialEq)]
pub struct TestFunction {
    pub name: String,
    pub line: usize,
    /// Whether it is ignored for the reason [`EXHAUSTIVE`].
    pub is_exhaustive: bool,
}

/// Why `cargo test` ignores a test that tries every case.
pub const EXHAUSTIVE: &str = "exhaustive: run by cargo x prove";

/// Reads the production code of a file; `None` if its tokens cannot be read.
pub fn read(text: &str) -> Option<Scope> {
    let mut scope = Scope::default();
    scope.add(tokens(text)?);
    Some(scope)
}

/// The functions of a file that are marked as tests, also those inside macros.
pub fn test_functions(text: &str) -> Option<Vec<TestFunction>> {
    let mut found = Vec::new();
    add_test_functions(tokens(text)?, &mut found);
    Some(found)
}

fn tokens(text: &str) -> Option<TokenStream> {
    TokenStream::from_str(text).ok()
}

fn add_test_functions(stream: TokenStream, found: &mut Vec<TestFunction>) {
    let (mut is_test, mut is_exhaustive) = (false, false);
    let mut tokens = stream.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if let Some(attribute) = attribute(&token, &mut tokens) {
            is_test |= attribute.stream().to_string() == "test";
            is_exhaustive |= value(&attribute, "ignore").is_some_and(|reason| reason == EXHAUSTIVE);
        } else if is_word(&token, "fn") {
            if let (true, Some(TokenTree::Ident(name))) = (is_test, tokens.peek()) {
                let line = name.span().start().line;
                found.push(TestFunction { name: name.to_string(), line, is_exhaustive });
            }
            (is_test, is_exhaustive) = (false, false);
        } else if let TokenTree::Group(group) = token {
            add_test_functions(group.stream(), found);
        }
    }
}

type Tokens = Peekable<token_stream::IntoIter>;

impl Scope {
    fn add(&mut self, stream: TokenStream) {
        let mut tokens = stream.into_iter().peekable();
        let mut is_public = false;
        let mut path_attribute = None;
        while let Some(token) = tokens.next() {
            if let Some(attribute) = attribute(&token, &mut tokens) {
                if is_for_tests(&attribute) {
                    skip_item(&mut tokens);
                }
                path_attribute = value(&attribute, "path").or(path_attribute);
                continue;
            }
            match &token {
                TokenTree::Ident(word) if *word == "pub" => {
                    is_public = true;
                    tokens.next_if(|next| is_group(next, Delimiter::Parenthesis));
                    continue;
                }
                TokenTree::Ident(word)
                    if *word == "use" && !tokens.peek().is_some_and(|next| is_punct(next, '<')) =>
                {
                    self.add_use(&mut tokens, Vec::new(), is_public);
                }
                TokenTree::Ident(word) if *word == "mod" => {
                    self.add_module(&mut tokens, path_attribute.take())
                }
                TokenTree::Ident(word) => {
                    self.add_path(word.to_string(), word.span().start().line, &mut tokens)
                }
                TokenTree::Group(group) => self.add(group.stream()),
                TokenTree::Punct(_) if is_separator(&token, &mut tokens) => {
                    // `::name` is another crate's, and `<T>::name` belongs to a type that is named already.
                    while tokens.next_if(|next| matches!(next, TokenTree::Ident(_))).is_some() {
                        skip_separator(&mut tokens);
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            is_public = false;
        }
    }

    /// After `mod`.
    fn add_module(&mut self, tokens: &mut Tokens, path: Option<String>) {
        let Some(TokenTree::Ident(name)) = tokens.next() else { return };
        let body = tokens.next_if(|next| is_group(next, Delimiter::Brace)).map(|body| {
            let mut scope = Scope::default();
            if let TokenTree::Group(group) = body {
                scope.add(group.stream());
            }
            scope
        });
        self.children.push(Child { name: name.to_string(), path, body });
    }

    /// The rest of a path whose first part has been read.
    fn add_path(&mut self, first: String, line: usize, tokens: &mut Tokens) {
        let mut parts = vec![first];
        while skip_separator(tokens) {
            let Some(TokenTree::Ident(name)) = tokens.next_if(|next| matches!(next, TokenTree::Ident(_)))
            else {
                break;
            };
            parts.push(name.to_string());
        }
        self.words.extend(parts.iter().take(1).cloned());
        if parts.len() > 1 {
            self.paths.push(NamedPath { parts, line });
        }
    }

    /// A use tree below `parts`, up to and with the comma or semicolon that ends it.
    fn add_use(&mut self, tokens: &mut Tokens, mut parts: Vec<String>, is_public: bool) {
        if skip_separator(tokens) {
            // `use ::name`: another crate.
            parts.push(String::new());
        }
        let mut name = None;
        let mut line = 0;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    name = tokens.next().map(|alias| alias.to_string());
                }
                TokenTree::Ident(word) => {
                    line = word.span().start().line;
                    if word != "self" || parts.is_empty() {
                        parts.push(word.to_string());
                    }
                    name = parts.last().cloned();
                }
                TokenTree::Group(group) => {
                    let mut inside = group.stream().into_iter().peekable();
                    while inside.peek().is_some() {
                        self.add_use(&mut inside, parts.clone(), is_public);
                    }
                    name = None;
                }
                TokenTree::Punct(mark) if mark.as_char() == '*' => {
                    line = mark.span().start().line;
                    name = Some("*".to_owned());
                }
                TokenTree::Punct(mark) if matches!(mark.as_char(), ';' | ',') => break,
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        if let Some(name) = name {
            self.imports.push(Import { path: NamedPath { parts, line }, name, is_public });
        }
    }
}

/// The group of `#[…]` or `#![…]`, if the token begins one.
fn attribute(token: &TokenTree, tokens: &mut Tokens) -> Option<Group> {
    if !is_punct(token, '#') {
        return None;
    }
    tokens.next_if(|next| is_punct(next, '!'));
    match tokens.next_if(|next| is_group(next, Delimiter::Bracket))? {
        TokenTree::Group(group) => Some(group),
        _ => None,
    }
}

/// `#[cfg(test)]`, `#[cfg(all(test, loom))]`, `#[test]` and their like.
fn is_for_tests(attribute: &Group) -> bool {
    let mut tokens = attribute.stream().into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(word), None) => is_word(&word, "test"),
        (Some(word), Some(TokenTree::Group(condition))) if is_word(&word, "cfg") => {
            needs_test(condition.stream())
        }
        _ => false,
    }
}

/// Whether a `cfg` condition holds only in builds of tests or models.
fn needs_test(condition: TokenStream) -> bool {
    let tokens: Vec<_> = condition.into_iter().collect();
    match &*tokens {
        [word] => is_word(word, "test") || is_word(word, "loom"),
        [word, TokenTree::Group(list)] => {
            let parts: Vec<_> = list.stream().into_iter().collect();
            let mut parts = parts.split(|token| is_punct(token, ',')).filter(|part| !part.is_empty());
            let needs = |part: &[TokenTree]| needs_test(part.iter().cloned().collect());
            (is_word(word, "all") && parts.any(needs)) || (is_word(word, "any") && parts.all(needs))
        }
        _ => false,
    }
}

/// Skips what follows an attribute: further attributes, then an item, a statement, a field or an arm.
fn skip_item(tokens: &mut Tokens) {
    while let Some(token) = tokens.next_if(|next| is_punct(next, '#')) {
        attribute(&token, tokens);
    }
    let is = |words: &[&str], token: &TokenTree| words.iter().any(|word| is_word(token, word));
    let mut first = tokens.peek().cloned();
    if tokens.next_if(|next| is_word(next, "pub")).is_some() {
        tokens.next_if(|next| is_group(next, Delimiter::Parenthesis));
        first = tokens.peek().cloned();
    }
    // Braces inside these do not end them, and commas inside the other items neither.
    let ends_by_semicolon =
        first.as_ref().is_some_and(|token| is(&["use", "const", "static", "type", "let"], token));
    let is_item = first.as_ref().is_some_and(|token| {
        is(&["fn", "struct", "enum", "union", "trait", "impl", "mod", "unsafe", "async", "extern"], token)
    });
    while let Some(token) = tokens.next() {
        let ends = is_punct(&token, ';')
            || (!ends_by_semicolon && is_group(&token, Delimiter::Brace))
            || (!ends_by_semicolon && !is_item && is_punct(&token, ','));
        if ends
            && !(is_group(&token, Delimiter::Brace) && tokens.peek().is_some_and(|next| is_punct(next, '.')))
        {
            return;
        }
    }
}

/// The value of `name = "…"`.
fn value(attribute: &Group, name: &str) -> Option<String> {
    let mut tokens = attribute.stream().into_iter();
    let (first, _, value) = (tokens.next()?, tokens.next()?, tokens.next()?);
    is_word(&first, name).then(|| value.to_string().trim_matches('"').to_owned())
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if *ident == word)
}

fn is_punct(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}

/// Whether `first` and the next token are `::`, which is then skipped.
fn is_separator(first: &TokenTree, tokens: &mut Tokens) -> bool {
    is_joint_colon(first) && tokens.next_if(|next| is_punct(next, ':')).is_some()
}

/// Skips `::` and says whether it was there.
fn skip_separator(tokens: &mut Tokens) -> bool {
    tokens.next_if(is_joint_colon).is_some() && tokens.next_if(|next| is_punct(next, ':')).is_some()
}

fn is_joint_colon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(mark) if mark.as_char() == ':' && mark.spacing() == Spacing::Joint)
}

#[cfg(test)]
mod tests;
