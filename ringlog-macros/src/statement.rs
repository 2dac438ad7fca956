//! Reads the arguments of a log statement.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Ident, LitStr, Result, Token};

/// The arguments of a log statement, in their roles.
pub(crate) struct Statement {
    /// `to: &handle`.
    pub(crate) to: Option<Expr>,
    /// `logger: "db.pool"`.
    pub(crate) logger: Option<Expr>,
    /// The level, for `log!`.
    pub(crate) level: Option<Expr>,
    pub(crate) message: Option<LitStr>,
    /// The arguments after the message.
    pub(crate) items: Vec<Item>,
}

/// One argument.
pub(crate) struct Item {
    /// `key =`, or the name of a variable that is key and value.
    pub(crate) key: Option<Key>,
    pub(crate) form: Form,
    pub(crate) value: Expr,
}

/// The name of a field.
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) span: Span,
    /// Whether it was written with `=`.
    pub(crate) is_explicit: bool,
}

/// How a field travels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// By its type.
    Value,
    /// `%`
    Display,
    /// `?`
    Debug,
}

/// Parses a statement of any level; that of `log!` begins with its level.
pub(crate) fn parse(input: ParseStream<'_>, has_level: bool) -> Result<Statement> {
    let mut statement = Statement { to: None, logger: None, level: None, message: None, items: Vec::new() };
    while is_option(input) {
        let name: Ident = input.parse()?;
        input.parse::<Token![:]>()?;
        let place = match name.to_string().as_str() {
            "to" => &mut statement.to,
            "logger" => &mut statement.logger,
            other => {
                let message =
                    format!("found the option `{other}:`, expected `logger: \"db.pool\"` or `to: &handle`");
                return Err(Error::new(name.span(), message));
            }
        };
        if place.is_some() {
            return Err(Error::new(name.span(), format!("found `{name}:` a second time: keep one of them")));
        }
        *place = Some(input.parse()?);
        comma(input)?;
    }
    if has_level {
        if input.is_empty() || input.peek(LitStr) {
            let message = "found no level before the message: write `log!(Level::INFO, \"message\")`";
            return Err(Error::new(input.span(), message));
        }
        statement.level = Some(input.parse()?);
        comma(input)?;
    }
    if input.peek(LitStr) && !is_assignment(&input.fork(), |input| input.parse::<LitStr>().is_ok()) {
        statement.message = Some(input.parse()?);
        comma(input)?;
    }
    while !input.is_empty() {
        statement.items.push(input.parse()?);
        comma(input)?;
    }
    if statement.message.is_none() && statement.items.is_empty() {
        let message = "found nothing to log: write a message, `info!(\"ready\")`, or fields, `info!(port)`";
        return Err(Error::new(Span::call_site(), message));
    }
    Ok(statement)
}

/// `name: value`, but not `path::to`.
fn is_option(input: ParseStream<'_>) -> bool {
    input.peek(Ident) && input.peek2(Token![:]) && !input.peek2(Token![::])
}

fn comma(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() { Ok(()) } else { input.parse::<Token![,]>().map(|_| ()) }
}

/// Whether what `key` takes is followed by a single `=`.
fn is_assignment(input: ParseStream<'_>, key: impl Fn(ParseStream<'_>) -> bool) -> bool {
    key(input) && input.peek(Token![=]) && !input.peek(Token![==]) && !input.peek(Token![=>])
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> Result<Item> {
        let key = if is_assignment(&input.fork(), |input| key(input).is_ok()) {
            let key = key(input)?;
            input.parse::<Token![=]>()?;
            Some(key)
        } else {
            None
        };
        let form = form(input)?;
        let start = input.span();
        let value: Expr = input.parse()?;
        let key = key.or_else(|| implied(&value));
        if key.is_none() && form != Form::Value {
            let message = "found a value without a name: write `name = %value` or `name = ?value`";
            return Err(Error::new(start, message));
        }
        Ok(Item { key, form, value })
    }
}

/// `name`, `dotted.name` or `"any name"`.
fn key(input: ParseStream<'_>) -> Result<Key> {
    let span = input.span();
    if input.peek(LitStr) {
        return Ok(Key { name: input.parse::<LitStr>()?.value(), span, is_explicit: true });
    }
    let mut name = Ident::parse_any(input)?.unraw().to_string();
    while input.parse::<Option<Token![.]>>()?.is_some() {
        name.push('.');
        name.push_str(&Ident::parse_any(input)?.unraw().to_string());
    }
    Ok(Key { name, span, is_explicit: true })
}

fn form(input: ParseStream<'_>) -> Result<Form> {
    if input.parse::<Option<Token![%]>>()?.is_some() {
        Ok(Form::Display)
    } else if input.parse::<Option<Token![?]>>()?.is_some() {
        Ok(Form::Debug)
    } else {
        Ok(Form::Value)
    }
}

/// The key of a value that is a variable: its name.
fn implied(value: &Expr) -> Option<Key> {
    let Expr::Path(path) = value else { return None };
    let ident = path.path.get_ident()?;
    Some(Key { name: ident.unraw().to_string(), span: ident.span(), is_explicit: false })
}
