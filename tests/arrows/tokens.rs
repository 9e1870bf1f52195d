//! Rust source as tokens, without comments and lifetimes. Literals keep their place and lose their text.

/// Operators of more than one character, the longest first. `>>` is missing: it may close two lists of generics.
const OPERATORS: &[&str] = &[
    "..=", "::", "->", "=>", "==", "!=", "<=", ">=", "+=", "-=", "*=", "/=", "%=", "|=", "&=", "^=", "..", "&&", "||",
];

pub const LITERAL: &str = "\"\"";

/// Splits `text` into identifiers, numbers, operators and [`LITERAL`]s.
pub fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return found };
        let (token, length) = if let Some(length) = comment(rest) {
            (None, length)
        } else if let Some(length) = string(rest) {
            (Some(LITERAL), length)
        } else if first == '\'' {
            quote(rest)
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            (Some(&rest[..length]), length)
        } else {
            let operator = OPERATORS.iter().find(|operator| rest.starts_with(**operator));
            let length = operator.map_or(first.len_utf8(), |operator| operator.len());
            (Some(&rest[..length]), length)
        };
        found.extend(token);
        rest = &rest[length..];
    }
}

/// The index behind the bracket that closes the one at `open`.
pub fn behind<T: AsRef<str>>(tokens: &[T], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.as_ref() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The index behind a list of generics, if one begins at `open`.
pub fn behind_generics<T: AsRef<str>>(tokens: &[T], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.as_ref() {
            "<" => depth += 1,
            ">" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return if at == open { open } else { at + 1 };
        }
    }
    tokens.len()
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    text.strip_prefix("/*").map(|inner| inner.find("*/").map_or(text.len(), |end| end + 4))
}

/// How long the string literal is that `text` begins with.
fn string(text: &str) -> Option<usize> {
    let plain = text.strip_prefix('b').unwrap_or(text);
    if let Some(inner) = plain.strip_prefix('"') {
        return Some(text.len() - inner.len() + closing(inner, '"'));
    }
    let hashes = plain.strip_prefix('r')?;
    let inner = hashes.trim_start_matches('#').strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes.len() - inner.len() - 1));
    Some(text.len() - inner.len() + inner.find(&end).map_or(inner.len(), |at| at + end.len()))
}

/// A character literal, or a lifetime, which is no token.
fn quote(text: &str) -> (Option<&'static str>, usize) {
    let inner = &text[1..];
    let mut chars = inner.chars();
    let is_lifetime = chars.next().is_some_and(is_word) && chars.next() != Some('\'');
    if is_lifetime {
        return (None, 1 + inner.find(|c| !is_word(c)).unwrap_or(inner.len()));
    }
    (Some(LITERAL), 1 + closing(inner, '\''))
}

/// How far it is to behind the next `quote` that no backslash escapes.
fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn comments_literals_and_lifetimes_are_not_read_as_code() {
    let text = r##"a.b(); // c.d()
        /* e.f() */ g("h.i()", 'j', '\'', b"k\"l.m()", r#"n".o()"#, &'p q) += 1..2;"##;
    let joined = tokens(text).join(" ");
    assert_eq!(joined, r#"a . b ( ) ; g ( "" , "" , "" , "" , "" , & q ) += 1 .. 2 ;"#);
}
