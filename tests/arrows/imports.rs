//! Which file may name which.
//!
//! Every path that begins with `crate`, `super`, `std` or `rand` is read, in a `use` or not, and groups in braces are
//! taken apart.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, path, sources};

/// A top-level module and the others it may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("id", &[]),
    ("time", &[]),
    ("wire", &["id", "time"]),
    ("identity", &["id", "time", "wire"]),
    ("proto", &["id", "time", "wire", "identity"]),
    ("sim", &["id", "time", "wire", "identity", "proto"]),
    ("handle", &["id", "time", "wire", "identity", "proto"]),
    ("config", &["id", "time", "wire", "identity", "proto", "sim"]),
    ("node", &["id", "time", "wire", "identity", "proto", "handle"]),
    ("hub", &["id", "time", "wire", "identity", "proto", "handle"]),
    ("ui", &["id", "time", "wire", "identity", "proto", "sim", "handle", "config"]),
    ("metrics", &["proto", "handle", "hub"]),
    ("api", &["id", "time", "wire", "identity", "proto", "handle", "hub", "ui"]),
    ("web", &["hub", "api"]),
    ("screen", &["identity", "handle", "config", "ui"]),
    ("cli", &["wire", "proto", "config", "hub", "api", "ui", "screen"]),
];

/// Modules that do no I/O, ask no clock and have no randomness or order of their own.
const PURE: &[&str] = &["id", "time", "wire", "identity", "proto", "sim"];

/// What they may not name, as a path or as a word anywhere.
const IMPURE_PATHS: &[&str] = &["std::fs", "std::env", "std::thread", "std::process", "std::io", "rand::rng"];
const IMPURE_WORDS: &[&str] = &[
    "tokio",
    "quinn",
    "rustls",
    "rcgen",
    "rusqlite",
    "socket2",
    "if_addrs",
    "getrandom",
    "OsRng",
    "ThreadRng",
    "thread_rng",
    "Instant",
    "SystemTime",
    "HashMap",
    "HashSet",
    "RandomState",
    "UdpSocket",
    "TcpStream",
    "println",
    "eprintln",
];

/// Files of the core that work on the state of a whole module or of several, beside `on_*.rs`. All others there hold state.
const HANDLERS: &[&str] = &[
    "chat::receipts",
    "commands::counts",
    "commands::examined",
    "commands::snapshot",
    "mail::carry",
    "mail::near",
    "mail::route",
    "sisters::ledger",
    "sisters::owed",
    "sisters::send",
    "sisters::tell",
];

/// Folders in the folder of a module.
const PARTS: &[&str] = &["peers::lan"];

/// What every file of the core may name.
const SHARED: &[&str] = &["budget", "event", "histogram", "notice", "limits", "origins", "peer", "persist", "ranges"];

/// What the interfaces may name of the core.
const SEEN_BY_INTERFACES: &[&str] = &["event", "notice", "Accept"];

#[test]
fn imports_run_one_way() {
    let offences: Vec<String> = sources().iter().flat_map(|(module, text)| offences(module, text)).collect();
    assert!(offences.is_empty(), "src/lib.rs says otherwise:\n{}", offences.join("\n"));
}

#[test]
fn every_top_level_module_has_its_arrows() {
    let known: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    for (module, _) in sources() {
        let top = module.first().map_or("", String::as_str);
        assert!(top.is_empty() || known.contains(top), "{top} is not in the table of arrows");
    }
}

#[test]
fn no_files_name_each_other_in_a_cycle() {
    let cycle = cycle(&sources());
    assert!(cycle.is_empty(), "a cycle: {}", cycle.join(" names "));
}

#[test]
fn whoever_closes_a_cycle_is_told_its_files() {
    let files = |inner: &str| {
        [
            ("node::a", "use super::b::B;"),
            ("node::b", inner),
            ("node::c", "use super::a;"),
            ("node", "mod a; use a::A;"),
        ]
        .map(|(module, text)| (path(module), text.to_owned()))
    };
    assert_eq!(cycle(&files("use crate::node::c::C;")).len(), 4);
    assert_eq!(cycle(&files("use super::Shared;")), Vec::<String>::new());
}

#[test]
fn whoever_breaks_an_arrow_is_told_the_file_and_the_path() {
    for (module, text, told) in [
        ("id", "use crate::time::Moment;", "crate::time"),
        ("wire::frame", "use crate::identity::Name;", "crate::identity"),
        ("proto::people::links", "use crate::node::clock::Clock;", "crate::node"),
        ("proto::people::links", "use crate::{id::UserId, ui};", "crate::ui"),
        ("proto::people::links", "use crate::proto::chat::outbox::Outbox;", "crate::proto::chat::outbox"),
        (
            "proto::people::links",
            "use super::{users::{Resolved, Users}};\nuse crate::proto::limits;",
            "crate::proto::people::users",
        ),
        ("proto::people::links", "fn f() { super::super::peers::seek::go() }", "crate::proto::peers::seek"),
        ("proto::people::links", "use crate::proto::Core;", "crate::proto::Core"),
        ("node::lan", "use crate::ui::plain;", "crate::ui"),
        ("node::lan", "use crate::config::Config;", "crate::config"),
        ("ui::json", "use crate::node::start;", "crate::node"),
        ("ui::json", "use crate::proto::persist::Op;", "crate::proto::persist"),
        ("sim::net", "use super::super::node::tls;", "crate::node"),
    ] {
        let found = offences(&path(module), text);
        assert!(found.len() == 1 && found[0].starts_with(module) && found[0].contains(told), "{text}: {found:?}");
    }
}

#[test]
fn whoever_does_io_in_a_module_that_does_none_is_told() {
    for text in [
        "use std::time::Instant;",
        "use std::time::{Duration, SystemTime};",
        "use std::collections::{BTreeMap, HashMap};",
        "use std::{fmt, fs};",
        "let bytes = std::fs::read(path);",
        "let n = rand::rng().next_u64();",
        "tokio::spawn(async {});",
    ] {
        for module in ["proto::peers::seek", "sim", "identity::seal", "wire::codec", "time"] {
            assert_eq!(offences(&path(module), text).len(), 1, "{module}: {text}");
        }
        assert!(offences(&path("node::lan"), text).is_empty(), "{text}");
    }
}

#[test]
fn what_the_table_allows_is_left_alone() {
    for (module, text) in [
        (
            "proto::people::links",
            "use crate::proto::notice::By;\nuse super::super::{limits::MAX_DIALS, persist::LinkRow};\nuse crate::id::UserId;",
        ),
        ("proto::people::on_link", "use crate::proto::Core;\nuse super::links::Links;"),
        ("proto", "use crate::identity::Name;\nuse outbox::Outbox;"),
        (
            "proto::people::links",
            "// use crate::node::tls;\n/// [`crate::ui`]\n#[cfg(test)]\nmod tests { use crate::proto::peers::seek::Seek; }",
        ),
        ("ui::json", "use crate::proto::notice::Notice;\nuse super::plain;"),
        ("node::home::disk", "use super::super::clock::random;\nuse crate::proto::persist::Op;"),
        ("wire::codec", "use $crate::wire::codec::Field;"),
    ] {
        assert_eq!(offences(&path(module), text), Vec::<String>::new(), "{text}");
    }
}

/// What a source says that it may not, each as `module names path: why`.
fn offences(module: &[String], text: &str) -> Vec<String> {
    let Some(top) = module.first().map(String::as_str) else { return Vec::new() };
    let code = code_of(text);
    let pure = PURE.contains(&top);
    let named = named_paths(&code, module);
    let mut wrong = BTreeSet::new();
    for named in &named {
        let words: Vec<&str> = named.iter().map(String::as_str).collect();
        match words[..] {
            ["crate", other, ..] if other != top && !allowed(top).contains(&other) => {
                wrong.insert(format!("crate::{other}: no arrow goes there"));
            }
            ["crate", "proto", item, ..] if top == "ui" && !SEEN_BY_INTERFACES.contains(&item) => {
                wrong.insert(format!("crate::proto::{item}: interfaces see only events and notices"));
            }
            ["crate", "proto", group, ..]
                if holds_state(module) && !SHARED.contains(&group) && !is_inside(named, module) =>
            {
                let path = named[..named.len().min(4)].join("::");
                wrong.insert(format!(
                    "{path}: files that hold state do not name each other, handlers pass on what they return"
                ));
            }
            [first, second, ..] if pure && IMPURE_PATHS.contains(&format!("{first}::{second}").as_str()) => {
                wrong.insert(format!("{first}::{second}: this module does no I/O and is deterministic"));
            }
            _ => {}
        }
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words: BTreeSet<&str> = code.split(|c| !is_word(c)).collect();
    for word in IMPURE_WORDS.iter().filter(|word| pure && words.contains(*word)) {
        wrong.insert(format!("{word}: this module does no I/O and is deterministic"));
    }
    wrong.into_iter().map(|wrong| format!("{} names {wrong}", module.join("::"))).collect()
}

/// Files that name each other around, the first one again at the end; empty if there are none. A module and what is inside
/// it may.
fn cycle(sources: &[Source]) -> Vec<String> {
    let known: BTreeSet<&[String]> = sources.iter().map(|(module, _)| &module[..]).collect();
    let mut arrows: BTreeMap<&[String], BTreeSet<&[String]>> = BTreeMap::new();
    for (module, text) in sources {
        for named in named_paths(&code_of(text), module) {
            let inner = named.strip_prefix(&["crate".to_owned()][..]).unwrap_or_default();
            let file = (1..=inner.len()).rev().find_map(|length| known.get(&inner[..length]));
            if let Some(file) = file.filter(|file| !file.starts_with(module) && !module.starts_with(file)) {
                arrows.entry(module).or_default().insert(file);
            }
        }
    }
    // Whoever names nobody that is left is on no cycle.
    while let Some(end) = arrows.iter().find(|(_, named)| !named.iter().any(|file| arrows.contains_key(file))) {
        let end = *end.0;
        arrows.remove(end);
    }
    let mut chain: Vec<&[String]> = arrows.keys().take(1).copied().collect();
    while let Some(next) = chain.last().and_then(|last| arrows[last].iter().find(|file| arrows.contains_key(*file))) {
        let seen = chain.iter().position(|file| file == next);
        chain.push(next);
        if let Some(first) = seen {
            return chain[first..].iter().map(|file| file.join("::")).collect();
        }
    }
    Vec::new()
}

fn allowed(top: &str) -> &'static [&'static str] {
    ARROWS.iter().find(|(name, _)| *name == top).map_or(&[], |(_, allowed)| allowed)
}

/// The path of the file that a module belongs to: its own, or the one that it is a part of.
fn file_of(module: &[String]) -> &[String] {
    let depth = if module.get(1..3).is_some_and(|path| PARTS.contains(&path.join("::").as_str())) { 4 } else { 3 };
    &module[..depth.min(module.len())]
}

/// A file in the folder of a module of the core that is no handler.
fn holds_state(module: &[String]) -> bool {
    let [top, folder, .., file] = file_of(module) else { return false };
    top == "proto" && !file.starts_with("on_") && !HANDLERS.contains(&format!("{folder}::{file}").as_str())
}

/// Whether a path leads into a file itself or what it holds.
fn is_inside(named: &[String], module: &[String]) -> bool {
    let file = file_of(module);
    named.get(1..1 + file.len()).is_some_and(|inner| inner == file)
}

/// Without comments and without the test module at its end.
fn code_of(text: &str) -> String {
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let end = code.find("#[cfg(test)]\nmod tests {").unwrap_or(code.len());
    code[..end].to_owned()
}

/// Every path that begins with `crate`, `super`, `std` or `rand`, written out from the root.
fn named_paths(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for root in ["crate", "super", "std", "rand"] {
        for (at, _) in code.match_indices(&format!("{root}::")) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            read_path(&code[at..], Vec::new(), &mut paths);
        }
    }
    paths.into_iter().map(|path| from_root(path, module)).collect()
}

/// Reads `a::b::{c, d::e}` at the beginning of `text` into one path for each end; returns what stands behind it.
fn read_path<'a>(mut text: &'a str, mut path: Vec<String>, paths: &mut Vec<Vec<String>>) -> &'a str {
    loop {
        text = text.trim_start();
        if let Some(group) = text.strip_prefix('{') {
            text = group;
            loop {
                text = text.trim_start().trim_start_matches(',').trim_start();
                if text.is_empty() {
                    return text;
                }
                if let Some(behind) = text.strip_prefix('}') {
                    return behind;
                }
                let rest = read_path(text, path.clone(), paths);
                // Anything else than a path, such as `*` or `x as y`, is stepped over.
                text =
                    if rest.len() < text.len() { rest } else { &text[text.chars().next().map_or(0, char::len_utf8)..] };
            }
        }
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
        if end == 0 {
            paths.push(path);
            return text;
        }
        path.push(text[..end].to_owned());
        text = &text[end..];
        match text.strip_prefix("::") {
            Some(behind) => text = behind,
            None => {
                paths.push(path);
                return text;
            }
        }
    }
}

/// `super` and `self` resolved as seen from `module`.
fn from_root(path: Vec<String>, module: &[String]) -> Vec<String> {
    let ups = path.iter().take_while(|word| *word == "super").count();
    if ups == 0 {
        return path;
    }
    let here = &module[..module.len().saturating_sub(ups)];
    let words = ["crate".to_owned()].into_iter().chain(here.iter().cloned()).chain(path.into_iter().skip(ups));
    words.filter(|word| word != "self").collect()
}
