//! Parser for the Python expressions in `args` and `kwargs`: literals, integer arithmetic and plain names.

/// The value of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum PythonValue {
    None,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    /// A tuple or a list.
    Items(Vec<PythonValue>),
    /// A dictionary with strings for keys.
    Pairs(Vec<(String, PythonValue)>),
    /// `sys.stdout`, for example.
    Name(String),
}

impl PythonValue {
    /// Formats the value as Python would.
    pub fn shown(&self) -> String {
        match self {
            PythonValue::None => "None".to_owned(),
            PythonValue::Bool(true) => "True".to_owned(),
            PythonValue::Bool(false) => "False".to_owned(),
            PythonValue::Integer(number) => number.to_string(),
            PythonValue::Float(number) => number.to_string(),
            PythonValue::Text(text) => format!("{text:?}"),
            PythonValue::Items(items) => {
                format!("({})", items.iter().map(PythonValue::shown).collect::<Vec<_>>().join(", "))
            }
            PythonValue::Pairs(pairs) => {
                let pairs: Vec<_> =
                    pairs.iter().map(|(key, value)| format!("{key:?}: {}", value.shown())).collect();
                format!("{{{}}}", pairs.join(", "))
            }
            PythonValue::Name(name) => name.clone(),
        }
    }
}

/// Bound for nested expressions, so that no input overflows the stack. Real files nest far less.
const DEPTH_MAX: usize = 50;
const TEXT_MAX_BYTES: usize = 1 << 20;

/// Evaluates an expression.
///
/// # Errors
/// The part whose value the file alone does not tell.
pub fn parse(text: &str) -> Result<PythonValue, String> {
    let mut reader = Reader { rest: text, depth: 0 };
    let value = reader.sum()?;
    reader.skip();
    match reader.rest.chars().next() {
        None => Ok(value),
        Some(_) => Err(format!("{:?} is not a literal, so it is not evaluated", head(reader.rest))),
    }
}

/// The first 40 characters of a text, for messages.
fn head(text: &str) -> &str {
    let end = text.char_indices().nth(40).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn peek(&mut self) -> Option<char> {
        self.skip();
        self.rest.chars().next()
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Parses shifts of sums: in Python shifts bind less than sums.
    fn sum(&mut self) -> Result<PythonValue, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("it is nested too deeply".to_owned());
        }
        let mut value = self.plain_sum()?;
        while self.eat("<<") {
            let by = self.plain_sum()?;
            value = integers(value, by, |a, b| {
                let by = u32::try_from(b).ok().filter(|by| *by < 100)?;
                a.checked_mul(1_i128.checked_shl(by)?)
            })?;
        }
        self.depth -= 1;
        Ok(value)
    }

    fn plain_sum(&mut self) -> Result<PythonValue, String> {
        let mut value = self.product()?;
        loop {
            if self.eat("+") {
                value = match (value, self.product()?) {
                    (PythonValue::Text(a), PythonValue::Text(b)) => PythonValue::Text(a + &b),
                    (a, b) => integers(a, b, i128::checked_add)?,
                };
            } else if self.eat("-") {
                let right = self.product()?;
                value = integers(value, right, i128::checked_sub)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<PythonValue, String> {
        let mut value = self.signed()?;
        loop {
            let apply: fn(i128, i128) -> Option<i128> = if self.eat("//") {
                // Python rounds down.
                |a, b| (b > 0).then(|| a.div_euclid(b))
            } else if self.eat("*") {
                i128::checked_mul
            } else if self.eat("%") {
                |a, b| (b > 0).then(|| a.rem_euclid(b))
            } else {
                return Ok(value);
            };
            let right = self.signed()?;
            value = integers(value, right, apply)?;
        }
    }

    fn signed(&mut self) -> Result<PythonValue, String> {
        let mut negative = false;
        while let Some(sign @ ('-' | '+')) = self.peek() {
            self.rest = &self.rest[1..];
            negative ^= sign == '-';
        }
        let mut value = self.atom()?;
        if self.eat("**") {
            let power = self.atom()?;
            value = integers(value, power, |a, b| a.checked_pow(u32::try_from(b).ok()?))?;
        }
        Ok(match value {
            PythonValue::Integer(number) if negative => {
                PythonValue::Integer(number.checked_neg().ok_or("a number is out of range")?)
            }
            PythonValue::Float(number) if negative => PythonValue::Float(-number),
            _ if negative => return Err(format!("-{} is not a number", value.shown())),
            value => value,
        })
    }

    fn atom(&mut self) -> Result<PythonValue, String> {
        match self.peek() {
            None => Err("expected a value, found the end".to_owned()),
            Some('(') => {
                self.rest = &self.rest[1..];
                let (mut items, has_comma) = self.items(")")?;
                match items.pop() {
                    Some(only) if items.is_empty() && !has_comma => Ok(only),
                    last => {
                        items.extend(last);
                        Ok(PythonValue::Items(items))
                    }
                }
            }
            Some('[') => {
                self.rest = &self.rest[1..];
                Ok(PythonValue::Items(self.items("]")?.0))
            }
            Some('{') => {
                self.rest = &self.rest[1..];
                self.pairs()
            }
            Some('0'..='9' | '.') => self.number(),
            Some('"' | '\'') => self.texts(),
            Some(c) if c.is_alphabetic() || c == '_' => self.name(),
            Some(_) => Err(format!("{:?} is not a literal, so it is not evaluated", head(self.rest))),
        }
    }

    /// Parses items up to the closing bracket. Returns them, and whether there was a comma.
    fn items(&mut self, close: &str) -> Result<(Vec<PythonValue>, bool), String> {
        let (mut items, mut has_comma) = (Vec::new(), false);
        while !self.eat(close) {
            items.push(self.sum()?);
            if self.eat(",") {
                has_comma = true;
            } else if self.eat(close) {
                break;
            } else {
                return Err(self.expected(close));
            }
        }
        Ok((items, has_comma))
    }

    fn pairs(&mut self) -> Result<PythonValue, String> {
        let mut pairs = Vec::new();
        while !self.eat("}") {
            let PythonValue::Text(key) = self.sum()? else {
                return Err("a key is not a string".to_owned());
            };
            if !self.eat(":") {
                return Err(self.expected(":"));
            }
            pairs.push((key, self.sum()?));
            if !self.eat(",") && self.peek() != Some('}') {
                return Err(self.expected("}"));
            }
        }
        Ok(PythonValue::Pairs(pairs))
    }

    fn expected(&mut self, what: &str) -> String {
        match self.peek() {
            None => format!("expected `{what}`, found the end"),
            Some(_) => format!("expected `{what}`, found {:?}, which is not a literal", head(self.rest)),
        }
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn number(&mut self) -> Result<PythonValue, String> {
        let word = self.word(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
        let digits = word.replace('_', "").to_ascii_lowercase();
        if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let is_zero = digits.bytes().all(|byte| byte == b'0');
            let refused = || format!("{word:?} begins with a zero, which Python refuses in a number");
            return is_zero.then_some(PythonValue::Integer(0)).ok_or_else(refused);
        }
        let based = [("0x", 16), ("0o", 8), ("0b", 2)];
        let based = based.into_iter().find_map(|(prefix, base)| Some((digits.strip_prefix(prefix)?, base)));
        let (digits_only, base) = based.unwrap_or((&digits, 10));
        if let Ok(number) = i128::from_str_radix(digits_only, base) {
            return Ok(PythonValue::Integer(number));
        }
        // A word that begins like a number but is not one ends here too.
        digits.parse().map(PythonValue::Float).map_err(|_| format!("{word:?} is not a number"))
    }

    fn name(&mut self) -> Result<PythonValue, String> {
        let before = self.rest;
        let name = self.word(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
        if matches!(self.rest.chars().next(), Some('"' | '\'')) {
            self.rest = before;
            return self.texts();
        }
        match self.peek() {
            Some('(') => Err(format!("the call of {name} is not evaluated")),
            Some('[') => Err(format!("{:?} is not evaluated", head(before))),
            _ => Ok(match name {
                "None" => PythonValue::None,
                "True" => PythonValue::Bool(true),
                "False" => PythonValue::Bool(false),
                name => PythonValue::Name(name.to_owned()),
            }),
        }
    }

    /// Parses adjacent strings, which Python joins.
    fn texts(&mut self) -> Result<PythonValue, String> {
        let mut text = String::new();
        loop {
            self.skip();
            let prefix_end =
                self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
            let (prefix, behind) = self.rest.split_at(prefix_end);
            if !behind.starts_with(['"', '\'']) {
                break;
            }
            let is_raw = match prefix.to_ascii_lowercase().as_str() {
                "" | "u" => false,
                "r" => true,
                "f" | "rf" | "fr" => return Err("an f-string is not evaluated".to_owned()),
                _ => return Err(format!("{:?} is not evaluated", head(self.rest))),
            };
            self.rest = &self.rest[prefix.len()..];
            self.text(is_raw, &mut text)?;
        }
        Ok(PythonValue::Text(text))
    }

    fn text(&mut self, is_raw: bool, text: &mut String) -> Result<(), String> {
        let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| self.rest.starts_with(quote));
        let quote = quote.unwrap_or("\"");
        self.rest = &self.rest[quote.len()..];
        loop {
            if let Some(rest) = self.rest.strip_prefix(quote) {
                self.rest = rest;
                return Ok(());
            }
            let c = self.next().ok_or("a string has no end")?;
            if text.len() > TEXT_MAX_BYTES {
                return Err("a string is too long".to_owned());
            }
            match c {
                '\\' if is_raw => {
                    text.push('\\');
                    text.push(self.next().ok_or("a string has no end")?);
                }
                '\\' => self.escape(text)?,
                '\n' if quote.len() == 1 => return Err("a string has no end in its line".to_owned()),
                c => text.push(c),
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Parses an escape after its backslash.
    fn escape(&mut self, text: &mut String) -> Result<(), String> {
        let c = self.next().ok_or("a string has no end")?;
        let digits = match c {
            '\n' => return Ok(()),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            'N' => return Err(r"\N{…} is not evaluated".to_owned()),
            '0'..='7' => {
                let more = self.rest.chars().take(2).take_while(|c| matches!(c, '0'..='7')).count();
                let octal = format!("{c}{}", &self.rest[..more]);
                self.rest = &self.rest[more..];
                let code = u32::from_str_radix(&octal, 8).unwrap_or_default();
                text.extend(char::from_u32(code));
                return Ok(());
            }
            _ => {
                let known =
                    "\\'\"abfnrtv".find(c).and_then(|at| "\\'\"\x07\x08\x0c\n\r\t\x0b".chars().nth(at));
                // Python keeps the backslash of an escape that it does not know.
                match known {
                    Some(known) => text.push(known),
                    None => text.extend(['\\', c]),
                }
                return Ok(());
            }
        };
        let code = self.rest.get(..digits).and_then(|code| u32::from_str_radix(code, 16).ok());
        let known =
            code.and_then(char::from_u32).ok_or_else(|| format!("\\{c} without its {digits} digits"))?;
        self.rest = &self.rest[digits..];
        text.push(known);
        Ok(())
    }
}

fn integers(
    left: PythonValue,
    right: PythonValue,
    apply: impl Fn(i128, i128) -> Option<i128>,
) -> Result<PythonValue, String> {
    match (&left, &right) {
        (PythonValue::Integer(a), PythonValue::Integer(b)) => {
            apply(*a, *b).map(PythonValue::Integer).ok_or_else(|| "a number is out of range".to_owned())
        }
        _ => Err(format!("an operation on {} and {} is not evaluated", left.shown(), right.shown())),
    }
}

#[cfg(test)]
mod tests {
    use super::PythonValue::*;
    use super::*;

    #[test]
    fn literals_and_arithmetic_are_evaluated() {
        let text = |text: &str| Text(text.to_owned());
        for (expression, expected) in [
            ("()", Items(vec![])),
            ("('a.log',)", Items(vec![text("a.log")])),
            ("('a.log')", text("a.log")),
            (" ( 'a' \"b\" , 10*1024*1024 , 5, ) ", Items(vec![text("ab"), Integer(10 << 20), Integer(5)])),
            ("[1, -2, +3]", Items(vec![Integer(1), Integer(-2), Integer(3)])),
            ("(sys.stdout,)", Items(vec![Name("sys.stdout".into())])),
            ("{'a': 1, \"b\": None,}", Pairs(vec![("a".into(), Integer(1)), ("b".into(), None)])),
            ("(True, False)", Items(vec![Bool(true), Bool(false)])),
            ("1 << 10 + 1", Integer(2048)),
            ("2**20 - 1", Integer((1 << 20) - 1)),
            ("-2**2", Integer(-4)),
            ("(2+3)*4//3 % 4", Integer(2)),
            ("0x_ff + 0b1 + 0o7 + 1_000", Integer(255 + 1 + 7 + 1000)),
            ("1.5", Float(1.5)),
            (r"'C:\\logs\n\x41\u00e9\101\q'", text("C:\\logs\nAéA\\q")),
            (r"r'C:\logs\'x'", text(r"C:\logs\'x")),
            ("'''it's\ntwo'''", text("it's\ntwo")),
            ("'a' + 'b'", text("ab")),
            ("u'ü'", text("ü")),
        ] {
            assert_eq!(parse(expression), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn other_expressions_are_refused() {
        for (expression, why) in [
            ("(os.path.join('a', 'b'),)", "the call of os.path.join is not evaluated"),
            ("(os.environ['HOME'],)", "is not evaluated"),
            ("('%s.log' % name,)", "is not evaluated"),
            ("f'{x}'", "an f-string is not evaluated"),
            ("b'x'", "is not evaluated"),
            ("('a.log'", "expected `)`, found the end"),
            ("'a.log", "a string has no end"),
            ("'a\nb'", "a string has no end in its line"),
            ("", "expected a value, found the end"),
            ("1 2", "is not a literal"),
            ("10**1000", "out of range"),
            ("1 << 200", "out of range"),
            ("-(-(2**126)*2)", "out of range"),
            ("1/0", "is not a literal"),
            ("1//0", "out of range"),
            ("lambda: 1", "is not a literal"),
            ("{1: 2}", "a key is not a string"),
            (r"'\x4'", "without its 2 digits"),
        ] {
            let said = parse(expression).unwrap_err();
            assert!(said.contains(why), "{expression}: {said}");
        }
        assert!(parse(&"(".repeat(100_000)).unwrap_err().contains("nested too deeply"));
        assert!(parse(&"-".repeat(100_000)).is_err());
    }
}
