//! Standard tools can read darknode's files: openssl the keys and certificates, `certs/*.sh` the data directory.
//!
//! Without openssl these tests report that they were skipped; if `CI` is set they fail.

#![cfg(all(feature = "node", unix))]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Once;

use darknode::identity::Name;
use darknode::node::home::{Home, Identity};
use darknode::node::tls::{BadCertificate, session_of_certificate};

fn have_openssl() -> bool {
    if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "openssl is needed for this test: install it");
    // Not `eprintln!`, whose output the test harness hides when a test passes.
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let line = "SKIPPED: openssl is not installed, so what it makes of our keys was not tested";
        writeln!(std::io::stderr(), "{line}").expect("standard error is open");
    });
    false
}

fn start(dir: &Path) -> Identity {
    let mut next = 0;
    let random = || {
        next += 1;
        [next; 32]
    };
    Home::open(dir).unwrap().identity(&Name::parse("alice").unwrap(), random).unwrap()
}

fn openssl(args: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(args).output().unwrap();
    assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn script(name: &str, args: &[&Path], passphrase: &str) -> Output {
    Command::new(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("certs").join(name))
        .args(args)
        .env("DARKNODE_BACKUP_PASSPHRASE", passphrase)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn backup(verb: &str, from: &Path, to: &Path, passphrase: &str) -> Output {
    script("backup.sh", &[Path::new(verb), from, to], passphrase)
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn openssl_reads_the_key_files_and_sees_the_same_public_keys() {
    if !have_openssl() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let identity = start(dir.path());
    for (file, id) in [("user.pem", identity.user.0), ("session.pem", identity.session.0)] {
        let path = dir.path().join(file);
        let path = path.to_str().unwrap();
        let text = String::from_utf8(openssl(&["pkey", "-in", path, "-text", "-noout"])).unwrap();
        assert!(text.starts_with("ED25519 Private-Key"), "{text}");
        let der = openssl(&["pkey", "-in", path, "-pubout", "-outform", "DER"]);
        assert_eq!(der[der.len() - 32..], id);
    }
}

#[test]
fn a_key_made_by_openssl_becomes_a_user() {
    if !have_openssl() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("user.pem");
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", path.to_str().unwrap()]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let der = openssl(&["pkey", "-in", path.to_str().unwrap(), "-pubout", "-outform", "DER"]);
    assert_eq!(start(dir.path()).user.0, der[der.len() - 32..]);
}

#[test]
fn a_certificate_that_openssl_creates_with_a_session_key_is_accepted_and_an_rsa_one_is_not() {
    if !have_openssl() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let identity = start(dir.path());
    let session = dir.path().join("session.pem");
    let own = ["req", "-x509", "-subj", "/CN=anything", "-outform", "DER", "-key", session.to_str().unwrap()];
    assert_eq!(session_of_certificate(&openssl(&own)), Ok(identity.session));
    let rsa = dir.path().join("rsa.pem");
    openssl(&["genpkey", "-algorithm", "RSA", "-out", rsa.to_str().unwrap()]);
    let rsa = ["req", "-x509", "-subj", "/CN=anything", "-outform", "DER", "-key", rsa.to_str().unwrap()];
    assert_eq!(session_of_certificate(&openssl(&rsa)), Err(BadCertificate::NotEd25519));
}

#[test]
fn inspect_shows_the_identity_and_detects_a_wrong_key() {
    if !have_openssl() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let identity = start(dir.path());
    let shown = out(&script("inspect.sh", &[dir.path()], ""));
    assert_eq!(shown, format!("name     alice\nuser     {}\nsession  {}\n", identity.user, identity.session));
    fs::copy(dir.path().join("session.pem"), dir.path().join("user.pem")).unwrap();
    let text = refused(&script("inspect.sh", &[dir.path()], ""));
    assert!(text.contains("user.pem contains the key"), "{text}");
}

#[test]
fn a_backup_is_encrypted_and_restores_the_same_identity() {
    if !have_openssl() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (dir, file, back) = (place.path().join("alice"), place.path().join("backup"), place.path().join("back"));
    let identity = start(&dir);
    out(&backup("save", &dir, &file, "correct horse"));
    let sealed = fs::read(&file).unwrap();
    assert!(!sealed.windows(7).any(|window| window == b"PRIVATE"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    out(&backup("restore", &file, &back, "correct horse"));
    let restored = start(&back);
    assert_eq!((restored.user, restored.session, restored.fresh), (identity.user, identity.session, false));
}

#[test]
fn a_session_without_the_user_key_can_be_backed_up() {
    if !have_openssl() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (dir, file, back) = (place.path().join("alice"), place.path().join("backup"), place.path().join("back"));
    start(&dir);
    fs::remove_file(dir.join("user.pem")).unwrap();
    assert!(refused(&backup("save", &dir, &file, "x")).contains("nothing was saved"));
    let owner = fs::read_to_string(dir.join("owner")).unwrap();
    fs::write(dir.join("owner"), owner.replace("user-key yes", "user-key no")).unwrap();
    out(&backup("save", &dir, &file, "x"));
    out(&backup("restore", &file, &back, "x"));
    assert!(start(&back).user_key.is_none());
}

#[test]
fn a_backup_overwrites_nothing_and_a_wrong_passphrase_leaves_nothing() {
    if !have_openssl() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (dir, file, back) = (place.path().join("alice"), place.path().join("backup"), place.path().join("back"));
    start(&dir);
    out(&backup("save", &dir, &file, "right"));
    let sealed = fs::read(&file).unwrap();
    assert!(refused(&backup("save", &dir, &file, "right")).contains("already exists"));
    assert_eq!(fs::read(&file).unwrap(), sealed);
    assert!(refused(&backup("restore", &file, &dir, "right")).contains("already exists"));
    refused(&backup("restore", &file, &back, "wrong"));
    assert_eq!(fs::read_dir(&back).unwrap().count(), 0);
    fs::write(&file, &sealed[..sealed.len() / 2]).unwrap();
    refused(&backup("restore", &file, &back, "right"));
    assert_eq!(fs::read_dir(&back).unwrap().count(), 0);
}
