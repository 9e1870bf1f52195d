//! The package file, built by the documented command, and its contents.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::machine::allowed;
use crate::program::{TestBed, output_of};

/// The package of the tested program, built once.
pub fn package() -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut script = Command::new(root.join("deploy/package.sh"));
        let said = script.args(["program", env!("CARGO_BIN_EXE_darknode")]).output().expect("bash is there");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let architecture = output_of(Command::new("dpkg").current_dir(root), &["--print-architecture"]);
        let architecture = String::from_utf8(architecture).expect("it is text");
        let name = format!("darknode_{}_{}.deb", env!("CARGO_PKG_VERSION"), architecture.trim());
        root.join("target/package").join(name)
    })
}

/// The files of the package, in a directory of the test bed.
fn unpacked(bed: &TestBed) -> PathBuf {
    let root = bed.path("unpacked");
    output_of(Command::new("dpkg-deb").arg("-x").arg(package()), &[&root.to_string_lossy()]);
    root
}

#[test]
fn lintian_has_no_complaints_about_the_package() {
    if !allowed() {
        return;
    }
    let mut lintian = Command::new("lintian");
    let said = lintian.args(["--fail-on", "error,warning"]).arg(package()).output().expect("lintian is there");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
}

#[test]
fn the_pages_in_the_package_refer_to_what_is_in_it() {
    if !allowed() {
        return;
    }
    let bed = TestBed::new();
    let docs = unpacked(&bed).join("usr/share/doc/darknode");
    for page in ["SERVER.md", "PI.md", "KEYS.md"] {
        let text = std::fs::read_to_string(docs.join(page)).expect("the page is there");
        let links = text.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap_or_default());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            assert!(docs.join(link).exists(), "{page} refers to {link}");
        }
        for script in text.split("/usr/share/doc/darknode/").skip(1) {
            let script = script.split([' ', '`', '\n']).next().unwrap_or_default().trim_end_matches('.');
            assert!(docs.join(script).exists(), "{page} refers to {script}");
        }
    }
}

#[test]
fn the_package_has_the_manual_page_and_the_completions_that_the_program_prints() {
    if !allowed() {
        return;
    }
    let bed = TestBed::new();
    let share = unpacked(&bed).join("usr/share");
    let page = output_of(Command::new("gzip").arg("-dc"), &[&share.join("man/man1/darknode.1.gz").to_string_lossy()]);
    assert!(page == output_of(&mut bed.bare(), &["man"]), "the manual page is another one");
    for (shell, file) in [
        ("bash", "bash-completion/completions/darknode"),
        ("zsh", "zsh/vendor-completions/_darknode"),
        ("fish", "fish/vendor_completions.d/darknode.fish"),
    ] {
        let installed = std::fs::read(share.join(file)).expect("it is installed");
        assert!(installed == output_of(&mut bed.bare(), &["completions", shell]), "{file} is another one");
    }
}
