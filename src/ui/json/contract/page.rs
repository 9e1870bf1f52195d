//! The tables of `docs/json.md`.

use std::collections::{BTreeMap, BTreeSet};

const TEXT: &str = include_str!("../../../../docs/json.md");

/// The page by sections. A section goes by its anchor, as in links: `message-object`.
pub struct Page {
    sections: BTreeMap<String, Section>,
}

#[derive(Default)]
struct Section {
    /// The anchor of the section it is part of.
    within: String,
    prose: String,
    /// The first is the head of the table.
    rows: Vec<Vec<String>>,
}

/// A row of a table of keys.
pub struct Key {
    pub name: String,
    pub kind: Kind,
    pub optional: bool,
    pub nullable: bool,
}

/// The type of a key, without `optional` and `or null`.
pub enum Kind {
    Named(String),
    OneOf(BTreeSet<String>),
    List(Box<Kind>),
    /// An object whose keys a section lists.
    Object(String),
}

impl Kind {
    fn parse(text: &str) -> Kind {
        if let Some(inner) = text.strip_prefix("list of ") {
            return Kind::List(Box::new(Kind::parse(inner)));
        }
        if text.starts_with('"') {
            return Kind::OneOf(text.split(", ").map(|value| value.trim_matches('"').to_owned()).collect());
        }
        linked(text).map_or_else(|| Kind::Named(text.to_owned()), Kind::Object)
    }

    /// The values it lists, if it does.
    pub fn values(&self) -> Option<&BTreeSet<String>> {
        match self {
            Kind::OneOf(values) => Some(values),
            Kind::List(inner) => inner.values(),
            Kind::Named(_) | Kind::Object(_) => None,
        }
    }
}

impl Page {
    pub fn read() -> Page {
        let mut sections = BTreeMap::<String, Section>::new();
        let (mut part, mut anchor) = (String::new(), String::new());
        for line in TEXT.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                part = anchor_of(heading);
                anchor = part.clone();
            } else if let Some(heading) = line.strip_prefix("### ") {
                anchor = anchor_of(heading);
                let section = sections.entry(anchor.clone()).or_default();
                assert!(section.within.is_empty(), "two sections are called {anchor}");
                section.within = part.clone();
            } else {
                sections.entry(anchor.clone()).or_default().add(line);
            }
        }
        Page { sections }
    }

    fn section(&self, anchor: &str) -> &Section {
        self.sections.get(anchor).unwrap_or_else(|| panic!("the page has no section `{anchor}`"))
    }

    /// The rows of a section's table, without its head and without backticks.
    pub fn rows(&self, anchor: &str) -> &[Vec<String>] {
        self.section(anchor).rows.get(1..).unwrap_or_default()
    }

    pub fn first_column(&self, anchor: &str) -> BTreeSet<String> {
        self.rows(anchor).iter().map(|row| row[0].clone()).collect()
    }

    pub fn events(&self) -> BTreeSet<String> {
        let events = self.sections.iter().filter(|(_, section)| section.within == "events");
        events.map(|(anchor, _)| anchor.clone()).collect()
    }

    /// The sections that have a table of keys.
    pub fn tables_of_keys(&self) -> Vec<String> {
        let has_keys = |section: &Section| section.rows.first().is_some_and(|head| head[0] == "key");
        self.sections.iter().filter(|(_, section)| has_keys(section)).map(|(anchor, _)| anchor.clone()).collect()
    }

    /// The section that lists the keys of this one: itself, or the object it refers to.
    pub fn listed_in(&self, anchor: &str) -> String {
        let object = self.section(anchor).prose.split_once("keys are those of").map(|(_, object)| object);
        object.map_or_else(|| anchor.to_owned(), |object| linked(object).expect("it links to an object"))
    }

    pub fn keys(&self, anchor: &str) -> Vec<Key> {
        self.rows(anchor).iter().map(|row| Key::parse(&row[0], &row[1])).collect()
    }
}

impl Section {
    fn add(&mut self, line: &str) {
        if line.starts_with("|---") {
        } else if let Some(row) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) {
            // `\|` stands for a bar in a cell.
            let cells = row.replace(r"\|", "\0");
            let cell = |cell: &str| cell.trim().trim_matches('`').replace('\0', "|");
            self.rows.push(cells.split('|').map(cell).collect());
        } else {
            self.prose.push_str(line);
            self.prose.push('\n');
        }
    }
}

impl Key {
    fn parse(name: &str, kind: &str) -> Key {
        let (kind, optional) = kind.strip_suffix(", optional").map_or((kind, false), |kind| (kind, true));
        let (kind, nullable) = kind.strip_suffix(" or null").map_or((kind, false), |kind| (kind, true));
        Key { name: name.to_owned(), kind: Kind::parse(kind), optional, nullable }
    }
}

fn anchor_of(heading: &str) -> String {
    heading.trim_matches('`').to_lowercase().replace(' ', "-")
}

/// The anchor of the first link in a text.
fn linked(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("](#")?;
    rest.split_once(')').map(|(anchor, _)| anchor.to_owned())
}
