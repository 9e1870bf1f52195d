//! The structs and functions of source files.

use std::collections::BTreeMap;

use super::Source;
use super::tokens::{behind, behind_generics, tokens};

/// A struct with named fields.
#[derive(Debug)]
pub struct Struct {
    /// The path of the file's module.
    pub file: Vec<String>,
    pub name: String,
    /// The type of each field, without path, references and generics.
    pub fields: BTreeMap<String, String>,
}

/// A function that has a body.
#[derive(Debug)]
pub struct Function {
    pub file: Vec<String>,
    /// The type whose `impl` block holds it.
    pub owner: Option<String>,
    pub name: String,
    /// The tokens between its parentheses.
    pub parameters: Vec<String>,
    /// The tokens between its braces.
    pub body: Vec<String>,
}

/// What a set of files defines. Test modules do not count.
#[derive(Debug, Default)]
pub struct Items {
    pub structs: Vec<Struct>,
    pub functions: Vec<Function>,
}

impl Function {
    /// Whether it may change what it is called on.
    pub fn takes_mut_self(&self) -> bool {
        self.parameters.iter().map(String::as_str).take(3).eq(["&", "mut", "self"])
    }

    pub fn takes_self(&self) -> bool {
        self.parameters.iter().take(3).any(|token| token == "self")
    }
}

impl Items {
    pub fn read(sources: &[Source]) -> Items {
        let mut items = Items::default();
        for (file, text) in sources {
            items.add(file, &tokens(text), None);
        }
        items
    }

    fn add(&mut self, file: &[String], tokens: &[&str], owner: Option<&str>) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at = match *token {
                "#" if tokens[at..].starts_with(&["#", "[", "cfg", "(", "test", ")", "]"]) => {
                    behind_item(tokens, at + 7)
                }
                "#" => behind(tokens, at + 1),
                "impl" => {
                    let open = position(tokens, at, &["{"]);
                    self.add(file, inside(tokens, open), implemented(&tokens[at + 1..open]));
                    behind(tokens, open)
                }
                "fn" => self.add_function(file, tokens, at, owner),
                "struct" => self.add_struct(file, tokens, at),
                "enum" | "trait" | "use" | "static" | "type" => behind_item(tokens, at),
                "const" if tokens.get(at + 1) != Some(&"fn") => behind_item(tokens, at),
                // The contents of an inline module, and visibility, `async`, `mod name;` and the like.
                _ => at + 1,
            };
        }
    }

    fn add_function(&mut self, file: &[String], tokens: &[&str], at: usize, owner: Option<&str>) -> usize {
        let open = behind_generics(tokens, at + 2);
        let close = behind(tokens, open);
        let body = position(tokens, close, &["{", ";"]);
        let own = |tokens: &[&str]| tokens.iter().map(|token| (*token).to_owned()).collect();
        if tokens.get(body) == Some(&"{") {
            self.functions.push(Function {
                file: file.to_vec(),
                owner: owner.map(str::to_owned),
                name: tokens[at + 1].to_owned(),
                parameters: own(inside(tokens, open)),
                body: own(inside(tokens, body)),
            });
        }
        behind(tokens, body)
    }

    fn add_struct(&mut self, file: &[String], tokens: &[&str], at: usize) -> usize {
        let open = position(tokens, at, &["{", "(", ";"]);
        if tokens.get(open) == Some(&"{") {
            let fields = typed_names(inside(tokens, open)).into_iter().collect();
            self.structs.push(Struct { file: file.to_vec(), name: tokens[at + 1].to_owned(), fields });
        }
        behind(tokens, open)
    }
}

/// Each `name: Type` of a list, the type without path, references and generics. For what is not a path, such as a tuple or a
/// function, there is no type.
pub fn typed_names<T: AsRef<str>>(tokens: &[T]) -> Vec<(String, String)> {
    let text = |at: usize| tokens.get(at).map_or("", AsRef::as_ref);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if text(at) == "#" {
            at = behind(tokens, at + 1);
        } else if text(at + 1) == ":" {
            let name = text(at).to_owned();
            at += 2;
            while ["&", "mut", "dyn", "impl"].contains(&text(at)) {
                at += 1;
            }
            while text(at + 1) == "::" {
                at += 2;
            }
            found.push((name, text(at).to_owned()));
            while at < tokens.len() && text(at) != "," {
                at = match text(at) {
                    "<" => behind_generics(tokens, at),
                    "(" | "[" => behind(tokens, at),
                    _ => at + 1,
                };
            }
        } else {
            at += 1;
        }
    }
    found
}

/// The type that the head of an `impl` block names, without path and generics.
fn implemented<'a>(head: &[&'a str]) -> Option<&'a str> {
    let mut at = behind_generics(head, 0);
    let mut name = None;
    while let Some(token) = head.get(at) {
        match *token {
            "where" => break,
            "<" => at = behind_generics(head, at),
            word => {
                name = Some(word);
                at += 1;
            }
        }
    }
    name
}

/// Where one of these tokens stands first, at `from` or behind it.
fn position(tokens: &[&str], from: usize, wanted: &[&str]) -> usize {
    tokens.iter().skip(from).position(|token| wanted.contains(token)).map_or(tokens.len(), |at| from + at)
}

/// What stands between the bracket at `open` and the one that closes it.
fn inside<'a, 'b>(tokens: &'b [&'a str], open: usize) -> &'b [&'a str] {
    let end = behind(tokens, open).saturating_sub(1);
    tokens.get(open + 1..end).unwrap_or_default()
}

/// Behind the first semicolon or block.
fn behind_item(tokens: &[&str], at: usize) -> usize {
    let is_use = tokens[at..].iter().take(3).any(|token| *token == "use");
    let mut at = at;
    while let Some(token) = tokens.get(at) {
        match *token {
            ";" => return at + 1,
            "{" if !is_use && !tokens[..at].ends_with(&["="]) => return behind(tokens, at),
            "(" | "[" | "{" => at = behind(tokens, at),
            _ => at += 1,
        }
    }
    at
}

#[test]
fn structs_and_functions_are_found_with_their_types() {
    let text = "
        use a::{b, c};
        const D: [u8; 2] = [1, 2];
        pub(super) struct Core<'a, K: Ord> { pub mail: &'a mut e::Mail, #[f] seek: Seek<K, G>, h: (I, J) }
        impl<K: Ord> Core<'_, K> where K: Copy { const fn l(&mut self, m: &[N], o: &o::P) -> Q<R> { s() } }
        impl From<T> for U { fn from(v: T) -> U { w } }
        fn x<F: Fn(A) -> B>(y: F) {}
        #[cfg(test)]
        mod tests { struct Hidden { z: Z } }
        #[cfg(test)]
        mod more_tests;
        fn last() {}";
    let items = Items::read(&[(vec!["proto".to_owned()], text.to_owned())]);
    let fields: Vec<(&str, &str)> = items.structs[0].fields.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(items.structs.len(), 1);
    assert_eq!(fields, [("h", "("), ("mail", "Mail"), ("seek", "Seek")]);
    let of = |f: &Function| (f.owner.clone().unwrap_or_default(), f.name.clone(), f.body.concat());
    let found: Vec<_> = items.functions.iter().map(of).collect();
    let expected = [("Core", "l", "s()"), ("U", "from", "w"), ("", "x", ""), ("", "last", "")];
    assert_eq!(found, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    assert!(items.functions[0].takes_mut_self() && !items.functions[1].takes_self());
    assert_eq!(typed_names(&items.functions[0].parameters)[1], ("o".to_owned(), "P".to_owned()));
}
