//! Which module of the core may use which, and which of them call each other in a cycle.

use std::collections::{BTreeMap, BTreeSet};

use super::uses::{Kind, Use, module_of, uses};
use super::{Source, path, sources};

type Table = &'static [(&'static str, &'static [&'static str])];

/// Which module calls methods of which others. A folder of `src/proto` is a module, and so is a file beside them; `proto`
/// is `mod.rs`. Lower layers come first: an arrow to a later line is one to get rid of.
#[rustfmt::skip]
const CALLS: Table = &[
    ("notice", &[]),
    ("tries", &[]),
    ("people", &["peers", "presence", "relays", "search", "chat", "near"]),
    ("peers", &["people", "presence", "relays", "search", "chat", "mail", "commands", "near", "tries"]),
    ("presence", &["people", "peers", "relays", "search", "chat", "near", "tries"]),
    ("relays", &["people", "presence", "chat", "near", "tries"]),
    ("search", &["people", "peers", "presence", "relays", "near", "tries"]),
    ("chat", &["people", "peers", "mail", "near"]),
    ("mail", &["near"]),
    ("commands", &["people", "peers", "search", "chat", "near", "tries"]),
    ("linking", &["people", "peers", "search"]),
    ("timers", &["people", "peers", "presence", "relays", "search", "chat", "mail", "commands"]),
    ("on_control", &["peers", "presence", "search", "linking", "sisters"]),
    ("sisters", &["people", "peers", "chat"]),
    ("proto", &["people", "peers", "presence", "search", "chat", "commands", "linking", "timers", "on_control", "sisters"]),
];

/// Whose state a module reads, beside that of [`CONTEXT`].
#[rustfmt::skip]
const READS: Table = &[
    ("people", &["presence", "commands"]),
    ("peers", &["presence", "relays", "search", "chat", "commands", "linking"]),
    ("presence", &["relays"]),
    ("relays", &["presence"]),
    ("search", &["presence"]),
    ("chat", &["presence", "relays", "mail", "sisters"]),
    ("commands", &["presence", "chat", "mail", "tries"]),
    ("sisters", &["presence", "chat", "mail"]),
    ("timers", &["presence", "relays", "search", "chat", "mail", "commands", "linking", "sisters", "tries"]),
    ("near", &["presence", "relays"]),
];

/// Whose state a module changes without calling it.
#[rustfmt::skip]
const CHANGES: Table = &[
    ("people", &["peers", "presence", "chat", "sisters"]),
    ("peers", &["people", "presence", "relays", "search", "chat", "sisters"]),
    ("presence", &["people", "peers"]),
    ("relays", &["presence"]),
    ("search", &["people", "peers", "commands"]),
    ("chat", &["people", "peers", "mail", "sisters"]),
    ("commands", &["people", "peers", "chat", "linking", "sisters"]),
    ("linking", &["people", "peers"]),
    ("sisters", &["people", "chat"]),
    ("timers", &["relays", "search"]),
];

/// Modules whose state everybody may read.
const CONTEXT: &[&str] = &["people", "peers"];

/// Modules that call each other in a cycle. The list may only become shorter.
#[rustfmt::skip]
const CYCLES: &[&[&str]] = &[
    &["people", "peers", "presence", "relays", "search", "chat", "commands"],
];

/// The tables of one set of rules.
struct Rules {
    calls: Table,
    reads: Table,
    changes: Table,
}

const RULES: Rules = Rules { calls: CALLS, reads: READS, changes: CHANGES };

#[test]
fn modules_of_the_core_use_each_other_as_the_tables_say() {
    let (uses, unclear) = uses(&sources());
    assert!(unclear.is_empty(), "{}", unclear.join("\n"));
    let found = [RULES.offences(&uses), RULES.unused(&uses)].concat();
    assert!(found.is_empty(), "tests/arrows/calls.rs says otherwise:\n{}", found.join("\n"));
}

#[test]
fn every_module_of_the_core_has_its_line() {
    let sources = sources();
    let known: BTreeSet<&str> = CALLS.iter().map(|(module, _)| *module).collect();
    let core = sources.iter().map(|(file, _)| file).filter(|file| file.first().is_some_and(|top| top == "proto"));
    let (folders, all): (BTreeSet<Option<&str>>, BTreeSet<&str>) =
        core.map(|file| ((file.len() > 2).then_some(module_of(file)), module_of(file))).unzip();
    let missing: Vec<&str> = folders.into_iter().flatten().filter(|folder| !known.contains(folder)).collect();
    assert!(missing.is_empty(), "not in the table of calls: {}", missing.join(", "));
    let gone: Vec<&str> = known.into_iter().filter(|module| !all.contains(module)).collect();
    assert!(gone.is_empty(), "in the table of calls, and not in the core: {}", gone.join(", "));
}

#[test]
fn the_cycle_of_calls_only_shrinks() {
    let (uses, _) = uses(&sources());
    let told = compare(&cycles(&uses), CYCLES);
    assert!(told.is_empty(), "the cycles by calls are not those listed in CYCLES:\n{}", told.join("\n"));
}

impl Rules {
    /// What the tables do not allow, each as `file::function calls module::method`, and how the lines would read with it.
    fn offences(&self, uses: &[Use]) -> Vec<String> {
        let wrong: Vec<&Use> = uses.iter().filter(|found| !self.allows(found)).collect();
        let lines: BTreeSet<(Kind, &str)> = wrong.iter().map(|found| (found.kind, found.from.as_str())).collect();
        let told: BTreeSet<String> = wrong.iter().map(|found| tell(found)).collect();
        told.into_iter().chain(lines.into_iter().map(|(kind, module)| self.line(uses, kind, module))).collect()
    }

    /// What the tables allow and nothing does.
    fn unused(&self, uses: &[Use]) -> Vec<String> {
        let mut told = Vec::new();
        for kind in [Kind::Calls, Kind::Reads, Kind::Changes] {
            for (from, allowed) in self.table(kind) {
                let is_used = |to: &&str| uses.iter().any(|u| u.kind == kind && u.from == *from && u.to == **to);
                for to in allowed.iter().filter(|to| !is_used(to) || is_free(kind, to)) {
                    let (verb, table) = words(kind);
                    told.push(format!("no function of {from} {verb} {to} any more: take the arrow out of {table}"));
                }
            }
        }
        told
    }

    fn allows(&self, found: &Use) -> bool {
        is_free(found.kind, &found.to) || row(self.table(found.kind), &found.from).contains(&found.to.as_str())
    }

    fn table(&self, kind: Kind) -> Table {
        match kind {
            Kind::Calls => self.calls,
            Kind::Reads => self.reads,
            Kind::Changes => self.changes,
        }
    }

    /// A line of a table as the code is, in the order of the table of calls.
    fn line(&self, uses: &[Use], kind: Kind, from: &str) -> String {
        let of_it = uses.iter().filter(|u| u.kind == kind && u.from == from && !is_free(kind, &u.to));
        let used: BTreeSet<&str> = of_it.map(|u| u.to.as_str()).collect();
        let layer = |module: &str| self.calls.iter().position(|(name, _)| *name == module).unwrap_or(usize::MAX);
        let mut used: Vec<&str> = used.into_iter().collect();
        used.sort_by_key(|module| layer(module));
        format!("the code in {}:    (\"{from}\", &{used:?}),", words(kind).1)
    }
}

/// Whether nobody needs an arrow for it.
fn is_free(kind: Kind, to: &str) -> bool {
    kind == Kind::Reads && CONTEXT.contains(&to)
}

/// The verb for a kind, and the name of its table.
fn words(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Calls => ("calls", "CALLS"),
        Kind::Reads => ("reads", "READS"),
        Kind::Changes => ("changes", "CHANGES"),
    }
}

fn tell(found: &Use) -> String {
    let (verb, _) = words(found.kind);
    let what = if found.what.is_empty() { String::new() } else { format!("::{}", found.what) };
    format!("{} {verb} {}{what}: no arrow goes there", found.by, found.to)
}

fn row(table: Table, module: &str) -> &'static [&'static str] {
    table.iter().find(|(name, _)| *name == module).map_or(&[], |(_, allowed)| allowed)
}

/// Modules that call each other in a cycle: the strongly connected components of more than one module.
fn cycles(uses: &[Use]) -> Vec<BTreeSet<&str>> {
    let mut calls: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for found in uses.iter().filter(|found| found.kind == Kind::Calls) {
        calls.entry(&found.from).or_default().insert(&found.to);
    }
    let reached = |from: &str| {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = calls.get(from).into_iter().flatten().copied().collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(calls.get(next).into_iter().flatten());
            }
        }
        reached
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> = calls.keys().map(|from| (*from, reached(from))).collect();
    let cycle = |of: &str| {
        let back = |to: &&&str| reached.get(**to).is_some_and(|behind| behind.contains(of));
        reached[of].iter().filter(back).copied().collect::<BTreeSet<&str>>()
    };
    let cycles: BTreeSet<BTreeSet<&str>> = reached.keys().map(|of| cycle(of)).filter(|cycle| cycle.len() > 1).collect();
    cycles.into_iter().collect()
}

/// What to say where the cycles are not those that are listed.
fn compare(cycles: &[BTreeSet<&str>], listed: &[&[&str]]) -> Vec<String> {
    let list = |cycle: &BTreeSet<&str>| cycle.iter().copied().collect::<Vec<_>>().join(", ");
    let listed: Vec<BTreeSet<&str>> = listed.iter().map(|cycle| cycle.iter().copied().collect()).collect();
    let mut told = Vec::new();
    for cycle in cycles {
        let near: BTreeSet<&str> = listed.iter().filter(|old| !old.is_disjoint(cycle)).flatten().copied().collect();
        for module in cycle.difference(&near) {
            told.push(format!("{module} enters the cycle of {}", list(cycle)));
        }
        if cycle.is_subset(&near) && !listed.iter().any(|old| cycle.is_subset(old)) {
            told.push(format!("{} have become one cycle", list(cycle)));
        }
    }
    for old in &listed {
        let left: Vec<&BTreeSet<&str>> = cycles.iter().filter(|cycle| !old.is_disjoint(cycle)).collect();
        for module in old.iter().filter(|module| !left.iter().any(|cycle| cycle.contains(*module))) {
            told.push(format!("{module} is on no cycle any more: shrink the list"));
        }
        if left.len() > 1 {
            let parts: Vec<String> = left.iter().map(|cycle| list(cycle)).collect();
            told.push(format!("the cycle of {} has come apart: shrink the list to {}", list(old), parts.join("; ")));
        }
    }
    told
}

/// A small core in which `chat` has all its arrows to `mail`, and nobody has others.
const EXAMPLE: Rules = Rules {
    calls: &[("people", &[]), ("peers", &[]), ("chat", &["mail"]), ("mail", &[])],
    reads: &[("chat", &["mail"])],
    changes: &[("chat", &["mail"])],
};

/// The sources of that core, with one function more in a file.
fn example(file: &str, function: &str) -> Vec<Source> {
    let files = [
        (
            "proto",
            "pub struct Core { cx: Context, people: People, peers: Peers, chat: Chat, mail: Mail, due: Option<u8> }",
        ),
        ("proto::cx", "pub struct Context { pub out: Outputs } impl Context { pub fn notice(&mut self) {} }"),
        ("proto::people", "pub struct People { pub users: Users } impl People { pub fn keep(&mut self) {} }"),
        ("proto::people::users", "pub struct Users {} impl Users { fn add(&mut self) {} fn has(&self) {} }"),
        ("proto::peers", "pub struct Peers { pub connections: BTreeMap<ConnId, Connection> }"),
        ("proto::chat", "pub struct Chat { pub early: Early, pub seen: bool }"),
        ("proto::chat::on_chat", "impl Core { fn on_chat(&mut self) { self.send_mail(); self.cx.notice(); } }"),
        (
            "proto::mail",
            "pub struct Mail { pub held: BTreeMap<u8, u8>, pub budgets: Budgets } impl Mail { fn take(&mut self) {} }",
        ),
        ("proto::mail::near", "pub struct Near<'a> { pub chat: &'a Chat } impl Near<'_> { fn at(&self) {} }"),
        ("proto::mail::on_mail", "impl Core { fn send_mail(&mut self) { self.mail.take() } }"),
    ];
    let add = |(name, text): (&str, &str)| (path(name), format!("{text} {}", if name == file { function } else { "" }));
    files.into_iter().map(add).collect()
}

#[test]
fn whoever_calls_where_no_arrow_goes_is_told_the_function_and_the_method() {
    for (file, function, told) in [
        ("mail::on_mail", "impl Core { fn f(&self) { if x { self.on_chat() } } }", "calls chat::on_chat"),
        (
            "mail::on_mail",
            "impl Core { fn f(&self) { ids.iter().for_each(|id| self.on_chat(id)) } }",
            "calls chat::on_chat",
        ),
        ("mail::on_mail", "impl Core { fn f(&self) { matches!(self\n.on_chat(), Some(_)) } }", "calls chat::on_chat"),
        ("mail::on_mail", "impl Core { fn f(&self) { ids.map(Self::on_chat) } }", "calls chat::on_chat"),
        ("mail::on_mail", "fn f(core: &mut Core) { core.on_chat::<u8>() }", "calls chat::on_chat"),
        ("people", "impl People { fn f(&self, mail: &mut Mail) { mail.take() } }", "calls mail::take"),
        ("people", "impl Core { fn f(&self) { let mail = &mut self.mail; mail.take() } }", "calls mail::take"),
        ("people", "impl Core { fn f(&mut self) { let Core { mail, .. } = self; mail.take() } }", "calls mail::take"),
        ("people", "impl Core { fn f(&mut self) { g(|mail, cx| mail.take()) } }", "calls mail::take"),
        ("people", "fn f(near: &Near) { near.at() }", "calls mail::at"),
        ("people", "fn f() { let mut core = Core { due }; core.on_chat() }", "calls chat::on_chat"),
        ("mail", "impl Mail { fn f(&self, people: &mut People) { people.keep() } }", "calls people::keep"),
    ] {
        let found = EXAMPLE.offences(&uses(&example(&format!("proto::{file}"), function)).0);
        let expected = format!("{file}::f {told}: no arrow goes there");
        assert!(found.contains(&expected), "{function}: {found:?}");
    }
}

#[test]
fn whoever_reaches_into_the_state_of_another_module_is_told_what_it_reads_or_changes() {
    for (function, told) in [
        ("fn f(&self) { self.mail.held.get(&1) }", "reads mail::held.get"),
        ("fn f(&self) { let n = self.mail.held.len() == 1; }", "reads mail::held.len"),
        ("fn f(&self) { g(&self.mail) }", "reads mail"),
        ("fn f(&mut self) { g(&mut self.mail) }", "changes mail"),
        ("fn f(&mut self) { self.mail.held.insert(1, 2) }", "changes mail::held.insert"),
        ("fn f(&mut self) { if let Some(x) = self.mail.held.get_mut(&1) {} }", "changes mail::held.get_mut"),
        ("fn f(&mut self) { self.mail.budgets.left -= 1 }", "changes mail::budgets.left"),
        ("fn f(&mut self) { self.chat.seen = true }", "changes chat::seen"),
        ("fn f(&mut self) { self.due = None }", "changes proto::due"),
        ("fn f(&mut self) { self.people.users.add() }", "changes people::users.add"),
        ("fn f(&self, near: &Near) { near.chat.early.len() }", "reads chat::early.len"),
        ("fn f(people: &People, mail: &mail::Mail) { mail.held.get(1) }", "reads mail::held.get"),
    ] {
        let found = EXAMPLE.offences(&uses(&example("proto::peers", &format!("impl Core {{ {function} }}"))).0);
        assert!(found.contains(&format!("peers::f {told}: no arrow goes there")), "{function}: {found:?}");
    }
}

#[test]
fn what_the_tables_allow_is_left_alone() {
    for (file, function) in [
        (
            "chat",
            "fn f(&mut self) { self.send_mail(); self.mail.take(); self.mail.held.get(1); self.mail.held.clear(); }",
        ),
        ("mail", "fn f(&mut self) { self.send_mail(); self.mail.held.clear(); g(&mut self.mail) }"),
        ("mail", "fn f(&self) { self.people.users.has(); self.peers.connections.len(); g(&self.people) }"),
        ("mail", "fn f(&mut self) { self.cx.notice(); self.cx.out = 1; }"),
        ("mail", "fn f(&self) { // self.on_chat()\n let x = \"self.on_chat()\"; other.chat.seen; row.on_chat(); }"),
        ("mail", "#[cfg(test)] fn f(&self) { self.on_chat() }"),
    ] {
        let sources = example(&format!("proto::{file}"), &format!("impl Core {{ {function} }}"));
        let (uses, unclear) = uses(&sources);
        assert_eq!((EXAMPLE.offences(&uses), unclear), (Vec::new(), Vec::new()), "{function}");
    }
}

#[test]
fn whoever_breaks_an_arrow_is_told_how_the_line_would_read() {
    let sources = example("proto::mail::on_mail", "impl Core { fn f(&self) { self.on_chat(); self.people.keep() } }");
    let found = EXAMPLE.offences(&uses(&sources).0);
    assert!(found.contains(&r#"the code in CALLS:    ("mail", &["people", "chat"]),"#.to_owned()), "{found:?}");
}

#[test]
fn an_arrow_that_nothing_uses_is_told() {
    let (uses, _) = uses(&example("proto::chat", "impl Core { fn f(&self) { self.mail.held.len() } }"));
    assert_eq!(EXAMPLE.unused(&uses), ["no function of chat changes mail any more: take the arrow out of CHANGES"]);
}

#[test]
fn methods_that_cannot_be_told_apart_or_found_are_told() {
    let (_, unclear) = uses(&example("proto::mail::on_mail", "impl Core { fn on_chat(&self) { self.vanish() } }"));
    assert_eq!(
        unclear,
        [
            "Core::on_chat is defined in proto::chat::on_chat and proto::mail::on_mail: give them different names",
            "mail::on_mail::on_chat calls Core::vanish, which is not found",
        ]
    );
}

#[test]
fn whoever_closes_or_opens_a_cycle_of_calls_is_told_its_modules() {
    let call = |(from, to): &(&str, &str)| {
        let (by, what) = (format!("{from}::f"), "g".to_owned());
        Use { from: (*from).to_owned(), kind: Kind::Calls, to: (*to).to_owned(), by, what }
    };
    let told = |calls: &[(&str, &str)], listed: &[&[&str]]| {
        let uses: Vec<Use> = calls.iter().map(call).collect();
        compare(&cycles(&uses), listed).join("\n")
    };
    let three = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")];
    assert_eq!(told(&three, &[&["a", "b", "c"]]), "");
    assert_eq!(told(&three[..2], &[]), "");
    assert_eq!(told(&three, &[&["a", "b"]]), "c enters the cycle of a, b, c");
    assert_eq!(told(&three, &[&["a", "b", "c", "d"]]), "d is on no cycle any more: shrink the list");
    let pairs = [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")];
    let apart = "the cycle of a, b, c, d has come apart: shrink the list to a, b; c, d";
    assert_eq!(told(&pairs, &[&["a", "b", "c", "d"]]), apart);
    let joined = [&pairs[..], &[("a", "c"), ("d", "b")]].concat();
    assert_eq!(told(&joined, &[&["a", "b"], &["c", "d"]]), "a, b, c, d have become one cycle");
}
