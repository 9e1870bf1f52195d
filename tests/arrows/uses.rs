//! What the functions of the core use of other modules: the methods they call and the state they reach.
//!
//! A chain such as `self.mail.custody.take(…)` is followed from a name whose type is known, field by field, up to the first
//! method. Types are known of `self`, of parameters, and of locals that are such a struct or one of its fields. The parameter
//! of a closure is known if it is called like a module. Calls of free functions are not followed.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;
use super::items::{Function, Items, Struct, typed_names};
use super::tokens::{behind, behind_generics, is_word};

/// Everything else of the core is reached through this struct. Its fields are the state of the modules.
pub const ROOT: &str = "Core";

/// Files whose structs every module uses as its own: they are no state of a module.
const SHARED: &[&str] = &["cx"];

/// How many tokens the parameters of a closure have at most.
const MAX_PARAMETERS: usize = 12;

const ASSIGNMENTS: &[&str] = &["=", "+=", "-=", "*=", "/=", "%=", "|=", "&=", "^="];

/// Methods of the standard library that change what they are called on, beside those that end in `_mut`.
#[rustfmt::skip]
const CHANGING: &[&str] = &[
    "append", "clear", "drain", "entry", "extend", "first_entry", "get_or_insert", "get_or_insert_with", "insert",
    "last_entry", "pop", "pop_back", "pop_first", "pop_front", "pop_last", "push", "push_back", "push_front", "remove",
    "replace", "resize", "retain", "sort", "split_off", "swap", "take", "truncate",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Calls a method of [`ROOT`], or one that may change the struct with all the state of a module.
    Calls,
    /// Calls a method of such a struct that takes `&self`, or reads what is in it.
    Reads,
    /// Changes what is in such a struct by other means than its methods.
    Changes,
}

/// One use of a module by a function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    pub from: String,
    pub kind: Kind,
    pub to: String,
    /// `file::function`, as seen from the core.
    pub by: String,
    /// The method, or the chain of fields.
    pub what: String,
}

/// The module that a file of the core belongs to: its folder, or the file itself where it is in none.
pub fn module_of(file: &[String]) -> &str {
    file.get(1).or(file.first()).map_or("", String::as_str)
}

/// Reads what the sources of the core use of each other. Methods that cannot be told apart, or are called and not found,
/// come as the second list.
pub fn uses(sources: &[Source]) -> (Vec<Use>, Vec<String>) {
    let core: Vec<Source> =
        sources.iter().filter(|(file, _)| file.first().is_some_and(|top| top == "proto")).cloned().collect();
    let program = Program::new(Items::read(&core));
    let mut reader = Reader { program: &program, uses: Vec::new(), unclear: program.ambiguous() };
    for function in &program.items.functions {
        reader.read(function);
    }
    (reader.uses, reader.unclear)
}

#[derive(Default)]
struct Program {
    items: Items,
    /// Indexes of structs, by name.
    structs: BTreeMap<String, Vec<usize>>,
    /// Indexes of functions, by type and name.
    methods: BTreeMap<(usize, String), Vec<usize>>,
    /// Indexes of the root and of every struct that is reached from it through fields.
    state: BTreeSet<usize>,
    /// Indexes of the root and of the structs that borrow the state of whole modules, as it does.
    views: BTreeSet<usize>,
}

impl Program {
    fn new(items: Items) -> Program {
        let mut program = Program { items, ..Program::default() };
        for (at, found) in program.items.structs.iter().enumerate() {
            program.structs.entry(found.name.clone()).or_default().push(at);
        }
        let mut reached: Vec<usize> = program.root().into_iter().collect();
        while let Some(at) = reached.pop() {
            let is_shared = SHARED.contains(&module_of(&program.items.structs[at].file));
            if !is_shared && program.state.insert(at) {
                reached.extend(program.items.structs[at].fields.keys().filter_map(|name| program.field(at, name)));
            }
        }
        program.views = (0..program.items.structs.len()).filter(|at| program.is_view(*at)).collect();
        for (at, function) in program.items.functions.iter().enumerate() {
            let owner = function.owner.as_ref().and_then(|owner| program.struct_named(owner, &function.file));
            if let Some(owner) = owner {
                program.methods.entry((owner, function.name.clone())).or_default().push(at);
            }
        }
        program
    }

    /// What a type is called in a file: a struct of the file itself, else of its module, else of the core.
    fn struct_named(&self, name: &str, file: &[String]) -> Option<usize> {
        let named = self.structs.get(name)?;
        let only = |is_near: &dyn Fn(&Struct) -> bool| {
            let mut near = named.iter().copied().filter(|at| is_near(&self.items.structs[*at]));
            near.next().filter(|_| near.next().is_none())
        };
        only(&|found| found.file == file)
            .or_else(|| only(&|found| module_of(&found.file) == module_of(file)))
            .or_else(|| only(&|_| true))
    }

    fn field(&self, of: usize, name: &str) -> Option<usize> {
        let of = &self.items.structs[of];
        self.struct_named(of.fields.get(name)?, &of.file)
    }

    /// Like [`Program::struct_named`], for structs that are part of the state or give access to it.
    fn state_named(&self, name: &str, file: &[String]) -> Option<usize> {
        self.struct_named(name, file).filter(|at| self.state.contains(at) || self.views.contains(at))
    }

    fn method(&self, of: usize, name: &str) -> Option<&Function> {
        let found = self.methods.get(&(of, name.to_owned()))?;
        Some(&self.items.functions[found[0]])
    }

    fn root(&self) -> Option<usize> {
        self.structs.get(ROOT)?.first().copied()
    }

    fn is_view(&self, at: usize) -> bool {
        let mut fields = self.items.structs[at].fields.keys();
        Some(at) == self.root() || fields.any(|name| self.field(at, name).is_some_and(|of| self.is_state_of_module(of)))
    }

    /// Whether a struct is a field of the root: all the state of one module.
    fn is_state_of_module(&self, at: usize) -> bool {
        let Some(root) = self.root() else { return false };
        let mut fields = self.items.structs[root].fields.keys();
        self.state.contains(&at) && fields.any(|name| self.field(root, name) == Some(at))
    }

    /// Whether the methods of a struct are those of a module.
    fn has_methods_of_module(&self, at: usize) -> bool {
        self.views.contains(&at) || self.is_state_of_module(at)
    }

    /// Methods of one name on the same struct, in different modules.
    fn ambiguous(&self) -> Vec<String> {
        let mut found = Vec::new();
        for ((of, name), at) in &self.methods {
            let files: Vec<&Vec<String>> = at.iter().map(|at| &self.items.functions[*at].file).collect();
            if self.has_methods_of_module(*of) && files.iter().any(|file| module_of(file) != module_of(files[0])) {
                let files: Vec<String> = files.iter().map(|file| file.join("::")).collect();
                let of = &self.items.structs[*of].name;
                found.push(format!("{of}::{name} is defined in {}: give them different names", files.join(" and ")));
            }
        }
        found
    }
}

struct Reader<'a> {
    program: &'a Program,
    uses: Vec<Use>,
    unclear: Vec<String>,
}

impl Reader<'_> {
    fn read(&mut self, function: &Function) {
        let mut known = self.known_names(function);
        let body = &function.body;
        let text = |at: usize| body.get(at).map_or("", String::as_str);
        for at in 0..body.len() {
            if text(at) == "let" {
                self.learn_local(function, at, &mut known);
            }
            if text(at) == "|" {
                self.learn_closure(function, at, &mut known);
            }
            let before = at.checked_sub(1).map_or("", text);
            if text(at + 1) == "::" && before != "::" && (text(at) == "Self" || text(at) == ROOT) {
                self.read_path(function, text(at), text(at + 2));
            }
            if text(at + 1) == "."
                && before != "."
                && let Some(root) = known.get(text(at))
            {
                self.read_chain(function, at, *root);
            }
        }
    }

    /// `self` and the parameters, with their types.
    fn known_names(&self, function: &Function) -> BTreeMap<String, usize> {
        let mut known = BTreeMap::new();
        if let Some(owner) = &function.owner
            && let Some(of) = self.program.state_named(owner, &function.file)
        {
            known.insert("self".to_owned(), of);
        }
        for (name, of) in typed_names(&function.parameters) {
            known.extend(self.program.state_named(&of, &function.file).map(|of| (name, of)));
        }
        known
    }

    /// `let name = Type {`, `let name = &mut a.b;` and `let Type { name, .. } =`.
    fn learn_local(&self, function: &Function, at: usize, known: &mut BTreeMap<String, usize>) {
        let body = &function.body;
        let text = |at: usize| body.get(at).map_or("", String::as_str);
        let mut at = if text(at + 1) == "mut" { at + 2 } else { at + 1 };
        if text(at + 1) == "{" {
            let Some(of) = self.program.state_named(text(at), &function.file) else { return };
            for name in &body[at + 2..behind(body, at + 1)] {
                known.extend(self.program.field(of, name).map(|field| (name.clone(), field)));
            }
            return;
        }
        let name = text(at).to_owned();
        if text(at + 1) != "=" {
            return;
        }
        at += 2;
        if text(at + 1) == "{" {
            known.extend(self.program.state_named(text(at), &function.file).map(|of| (name, of)));
            return;
        }
        while ["&", "mut"].contains(&text(at)) {
            at += 1;
        }
        let mut of = known.get(text(at)).copied();
        while text(at + 1) == "." {
            of = of.and_then(|of| self.program.field(of, text(at + 2)));
            at += 2;
        }
        if text(at + 1) == ";" {
            known.extend(of.map(|of| (name, of)));
        }
    }

    /// The parameters of a closure have no types: those called like a field of the root are taken to be it.
    fn learn_closure(&self, function: &Function, at: usize, known: &mut BTreeMap<String, usize>) {
        let Some(root) = self.program.root() else { return };
        let parameters = function.body[at + 1..].iter().take_while(|token| *token != "|").take(MAX_PARAMETERS);
        for name in parameters {
            let state = self.program.field(root, name).filter(|of| self.program.state.contains(of));
            known.extend(state.map(|of| (name.clone(), of)));
        }
    }

    /// `Self::method` and `Core::method`, called or passed on.
    fn read_path(&mut self, function: &Function, of: &str, name: &str) {
        let of = if of == "Self" { function.owner.as_deref().unwrap_or_default() } else { of };
        let Some(of) = self.program.state_named(of, &function.file) else { return };
        if self.program.has_methods_of_module(of)
            && let Some(method) = self.program.method(of, name)
        {
            self.note(function, Kind::Calls, module_of(&method.file), name);
        }
    }

    fn read_chain(&mut self, function: &Function, start: usize, root: usize) {
        let program = self.program;
        let body = &function.body;
        let text = |at: usize| body.get(at).map_or("", String::as_str);
        let (mut of, mut owner, mut at) = (Some(root), root, start + 1);
        let mut fields: Vec<&str> = Vec::new();
        while text(at) == "." && text(at + 1).starts_with(is_word) {
            let (name, behind_name) = (text(at + 1), at + 2);
            let call = if text(behind_name) == "::" { behind_generics(body, behind_name + 1) } else { behind_name };
            if text(call) == "(" {
                let method = of.and_then(|of| program.method(of, name));
                return self.read_method(function, of, owner, method, name, &fields);
            }
            fields.push(name);
            of = of.and_then(|of| program.field(of, name));
            // A field of the root is all the state of one module. One that is no struct is the root's own.
            if program.views.contains(&owner)
                && let Some(state) = of
            {
                if !program.state.contains(&state) {
                    return;
                }
                fields.clear();
                owner = state;
            }
            at = behind_name;
            while text(at) == "[" {
                at = behind(body, at);
            }
        }
        let is_lent = start >= 2 && text(start - 2) == "&" && text(start - 1) == "mut";
        let kind = if is_lent || ASSIGNMENTS.contains(&text(at)) { Kind::Changes } else { Kind::Reads };
        self.note_state(function, kind, owner, &fields);
    }

    fn read_method(
        &mut self,
        function: &Function,
        of: Option<usize>,
        owner: usize,
        method: Option<&Function>,
        name: &str,
        fields: &[&str],
    ) {
        match (of.filter(|of| self.program.has_methods_of_module(*of)), method) {
            (Some(of), Some(method)) => {
                let only_reads = self.program.is_state_of_module(of) && !method.takes_mut_self();
                let kind = if only_reads { Kind::Reads } else { Kind::Calls };
                self.note(function, kind, module_of(&method.file), name);
            }
            (Some(of), None) => {
                let of = &self.program.items.structs[of].name;
                self.unclear.push(format!("{} calls {of}::{name}, which is not found", name_of(function)));
            }
            (None, _) => {
                let changes = method.map_or_else(|| changes_std(name), Function::takes_mut_self);
                let kind = if changes { Kind::Changes } else { Kind::Reads };
                self.note_state(function, kind, owner, &[fields, &[name]].concat());
            }
        }
    }

    fn note_state(&mut self, function: &Function, kind: Kind, owner: usize, fields: &[&str]) {
        let to = module_of(&self.program.items.structs[owner].file);
        self.note(function, kind, to, &fields.join("."));
    }

    fn note(&mut self, function: &Function, kind: Kind, to: &str, what: &str) {
        let from = module_of(&function.file);
        if from != to {
            let (from, to, what) = (from.to_owned(), to.to_owned(), what.to_owned());
            self.uses.push(Use { from, kind, to, by: name_of(function), what });
        }
    }
}

/// `file::function`, without the `proto` that all files of the core have in common.
fn name_of(function: &Function) -> String {
    let file = if function.file.len() > 1 { &function.file[1..] } else { &function.file[..] };
    format!("{}::{}", file.join("::"), function.name)
}

fn changes_std(method: &str) -> bool {
    CHANGING.contains(&method) || method.ends_with("_mut")
}
