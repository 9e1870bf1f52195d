//! The modules depend on each other only as drawn in `src/lib.rs`: which file may name which, and which module of the core
//! may call methods, read state and change state of which other.
//!
//! The sources are read as text. [`imports`] reads every path that begins with `crate`, `super` or `std`; [`calls`] reads
//! the functions of the core. Comments do not count, nor do test modules.

use std::fs;
use std::path::Path;

mod calls;
mod imports;
mod items;
mod tokens;
mod uses;

/// The path of a source file's module, and its text.
type Source = (Vec<String>, String);

/// Every file below `src`. `lib.rs` and `main.rs`, which may name everything, have an empty path.
fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut dirs, mut found) = (vec![src.clone()], Vec::new());
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("the sources are there") {
            let file = entry.expect("the sources can be listed").path();
            if file.is_dir() {
                dirs.push(file);
            } else if file.extension().is_some_and(|kind| kind == "rs") {
                let inside = file.strip_prefix(&src).expect("it is below src").with_extension("");
                let mut module: Vec<String> =
                    inside.iter().map(|part| part.to_str().expect("names are ASCII").to_owned()).collect();
                if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
                    module.pop();
                }
                found.push((module, fs::read_to_string(&file).expect("sources are UTF-8")));
            }
        }
    }
    assert!(found.len() > 50, "these are not all sources");
    found
}

fn path(module: &str) -> Vec<String> {
    module.split("::").map(str::to_owned).collect()
}
