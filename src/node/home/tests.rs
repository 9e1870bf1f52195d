use std::fs;
use std::path::Path;

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// Deterministic, distinct "random" bytes.
fn bytes(first: u8) -> impl FnMut() -> [u8; 32] {
    let mut next = first;
    move || {
        next += 1;
        [next; 32]
    }
}

fn never() -> [u8; 32] {
    panic!("a key was created where none may be");
}

fn start(dir: &Path, random: impl FnMut() -> [u8; 32]) -> Result<Identity, HomeError> {
    Home::open(dir)?.identity(&name("alice"), random)
}

fn refusal(result: Result<Identity, HomeError>) -> String {
    let text = result.err().expect("this must be refused").to_string();
    assert!(!text.contains('\n') && text.contains(';'), "one line that says what to do: {text}");
    text
}

fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    all.sort();
    all
}

/// An unlocked directory after a first start.
fn initialised() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    start(dir.path(), bytes(0)).unwrap();
    dir
}

/// Writes a key file with its usual mode.
fn put(dir: &Path, file: &str, contents: &[u8]) {
    disk::write_atomic(dir, file, contents).unwrap();
}

#[test]
fn a_first_start_creates_both_keys_and_later_ones_read_them() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("darknode").join("alice");
    let first = start(&dir, bytes(0)).unwrap();
    assert!(first.fresh);
    assert_ne!(first.user.0, first.session.0);
    let before = contents(&dir);
    let later = start(&dir, never).unwrap();
    assert!(!later.fresh);
    assert_eq!((later.user, later.session), (first.user, first.session));
    assert_eq!(later.user_key.unwrap().seed(), first.user_key.unwrap().seed());
    assert_eq!(later.session_key.seed(), first.session_key.seed());
    assert_eq!(contents(&dir), before);
}

#[test]
fn a_second_process_is_refused_until_the_first_releases_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let first = Home::open(dir.path()).unwrap();
    assert!(matches!(Home::open(dir.path()), Err(HomeError::InUse(_))));
    drop(first);
    Home::open(dir.path()).unwrap();
}

#[test]
fn another_name_is_refused_before_anything_is_changed() {
    let dir = initialised();
    let before = contents(dir.path());
    let home = Home::open(dir.path()).unwrap();
    let text = refusal(home.identity(&name("bob"), never));
    assert!(text.contains("belongs to alice"), "{text}");
    refusal(home.restore(&name("bob"), &[1; 32], never));
    assert_eq!(contents(dir.path()), before);
    assert_eq!(home.owner().unwrap().unwrap().name, name("alice"));
}

#[test]
fn an_interrupted_first_start_is_completed_by_the_next_and_keeps_existing_keys() {
    let whole = initialised();
    let file = |name: &str| fs::read(whole.path().join(name)).unwrap();
    let (user, session, owner) = (file(USER_FILE), file(SESSION_FILE), file(OWNER_FILE));
    let steps = [(USER_FILE, &user), (SESSION_FILE, &session), (OWNER_FILE, &owner)];
    for done in 0..steps.len() {
        for part in [None, Some(0), Some(steps[done].1.len() / 2), Some(steps[done].1.len())] {
            let dir = tempfile::tempdir().unwrap();
            drop(Home::open(dir.path()).unwrap());
            steps[..done].iter().for_each(|(file, bytes)| put(dir.path(), file, bytes));
            if let Some(part) = part {
                fs::write(dir.path().join(format!("{}.new", steps[done].0)), &steps[done].1[..part]).unwrap();
            }
            let finished = start(dir.path(), bytes(100)).unwrap();
            assert!(finished.fresh);
            assert_eq!(finished.user_key.unwrap().seed(), if done > 0 { [1; 32] } else { [101; 32] });
            assert_eq!(finished.session_key.seed()[0] < 100, done > 1);
            let names: Vec<_> = contents(dir.path()).into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, [LOCK_FILE, OWNER_FILE, SESSION_FILE, USER_FILE]);
            assert_eq!(start(dir.path(), never).unwrap().session, finished.session);
        }
    }
}

#[test]
fn a_key_that_is_missing_empty_truncated_damaged_or_foreign_is_never_replaced() {
    for file in [USER_FILE, SESSION_FILE] {
        let whole = fs::read(initialised().path().join(file)).unwrap();
        let mut flipped = whole.clone();
        flipped[60] ^= 1;
        let foreign = keyfile::to_pem(&[99; 32]).as_bytes().to_vec();
        let bad =
            [None, Some(vec![]), Some(whole[..50].to_vec()), Some(flipped), Some(foreign), Some(vec![b'x'; 9999])];
        for contents_of_file in bad {
            let dir = initialised();
            fs::remove_file(dir.path().join(file)).unwrap();
            if let Some(bytes) = &contents_of_file {
                put(dir.path(), file, bytes);
            }
            let before = contents(dir.path());
            let text = refusal(start(dir.path(), never));
            assert!(text.contains(file), "{text}");
            assert_eq!(contents(dir.path()), before);
        }
    }
}

#[test]
fn damaged_keys_of_an_interrupted_first_start_are_kept_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    drop(Home::open(dir.path()).unwrap());
    put(dir.path(), USER_FILE, b"");
    assert!(refusal(start(dir.path(), never)).contains("is empty"));
    let lone = tempfile::tempdir().unwrap();
    drop(Home::open(lone.path()).unwrap());
    put(lone.path(), SESSION_FILE, keyfile::to_pem(&[5; 32]).as_bytes());
    assert!(refusal(start(lone.path(), never)).contains("user.pem is missing"));
}

#[test]
fn a_damaged_owner_file_is_refused_and_can_be_rebuilt_from_the_keys() {
    let dir = initialised();
    put(dir.path(), OWNER_FILE, b"darknode owner 1\nname \x1b[2J\n");
    assert!(refusal(start(dir.path(), never)).contains("owner is damaged"));
    fs::remove_file(dir.path().join(OWNER_FILE)).unwrap();
    assert_eq!(start(dir.path(), never).unwrap().user_key.unwrap().seed(), [1; 32]);
}

#[test]
fn a_store_without_keys_gets_no_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    drop(Home::open(dir.path()).unwrap());
    fs::write(dir.path().join("darknode.db"), b"history").unwrap();
    assert!(refusal(start(dir.path(), never)).contains("holds darknode.db but its keys are gone"));
    let home = Home::open(dir.path()).unwrap();
    refusal(home.restore(&name("alice"), &[1; 32], never));
}

#[test]
fn recovery_words_restore_the_user_in_an_empty_directory_with_a_new_session() {
    let old = initialised();
    let seed = Home::user_seed(old.path(), None).unwrap();
    let user = start(old.path(), never).unwrap().user;
    let dir = tempfile::tempdir().unwrap();
    let restored = Home::open(dir.path()).unwrap().restore(&name("alice"), &seed, bytes(50)).unwrap();
    assert_eq!((restored.user, restored.fresh), (user, true));
    assert_eq!(restored.session_key.seed(), [51; 32]);
    let text = refusal(Home::open(dir.path()).unwrap().restore(&name("alice"), &seed, never));
    assert!(text.contains("already exists"), "{text}");
}

#[test]
fn recovery_words_restore_a_lost_user_key_and_no_other() {
    let dir = initialised();
    fs::remove_file(dir.path().join(USER_FILE)).unwrap();
    let home = Home::open(dir.path()).unwrap();
    let text = refusal(home.restore(&name("alice"), &[9; 32], never));
    assert!(text.contains("not the words of alice"), "{text}");
    let restored = home.restore(&name("alice"), &[1; 32], never).unwrap();
    assert!(!restored.fresh && restored.user_key.is_some());
}

#[test]
fn an_interrupted_restore_is_completed_by_the_next_start_or_restore() {
    for again in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        put(dir.path(), USER_FILE, keyfile::to_pem(&[1; 32]).as_bytes());
        refusal(home.restore(&name("alice"), &[2; 32], never));
        let finished = match again {
            true => home.restore(&name("alice"), &[1; 32], bytes(50)),
            false => home.identity(&name("alice"), bytes(50)),
        };
        assert_eq!(finished.unwrap().user_key.unwrap().seed(), [1; 32]);
    }
}

#[test]
fn a_session_without_the_user_key_starts_and_accepts_the_restored_key() {
    let dir = initialised();
    let owner = fs::read_to_string(dir.path().join(OWNER_FILE)).unwrap();
    put(dir.path(), OWNER_FILE, owner.replace("user-key yes", "user-key no").as_bytes());
    fs::remove_file(dir.path().join(USER_FILE)).unwrap();
    assert!(start(dir.path(), never).unwrap().user_key.is_none());
    assert!(matches!(Home::user_seed(dir.path(), None), Err(HomeError::NoUserKey(_))));
    let home = Home::open(dir.path()).unwrap();
    assert!(home.restore(&name("alice"), &[1; 32], never).unwrap().user_key.is_some());
    assert_eq!(fs::read_to_string(dir.path().join(OWNER_FILE)).unwrap(), owner);
}

#[test]
fn the_user_seed_can_be_read_while_a_node_runs_and_nothing_is_created() {
    let dir = initialised();
    let _held = Home::open(dir.path()).unwrap();
    assert_eq!(*Home::user_seed(dir.path(), None).unwrap(), [1; 32]);
    assert!(Home::user_seed(dir.path(), Some(&name("alice"))).is_ok());
    let asked = Home::user_seed(dir.path(), Some(&name("bob")));
    assert!(matches!(asked, Err(HomeError::OtherOwner { .. })), "the words of another user are not shown");
    let absent = dir.path().join("nobody");
    assert!(matches!(Home::user_seed(&absent, None), Err(HomeError::NoOwner(_))));
    assert!(!absent.exists());
}

#[test]
fn a_file_is_refused_as_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(matches!(Home::open(&file), Err(HomeError::NotADirectory(_))));
    assert!(matches!(Home::open(&file.join("below")), Err(HomeError::NotADirectory(_))));
}

#[cfg(unix)]
mod modes {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn created_files_are_private() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("alice");
        start(&dir, bytes(0)).unwrap();
        assert_eq!(mode(&dir), 0o700);
        for file in [LOCK_FILE, USER_FILE, SESSION_FILE, OWNER_FILE] {
            assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        for file in [USER_FILE, SESSION_FILE] {
            let dir = initialised();
            set_mode(&dir.path().join(file), 0o640);
            let text = refusal(start(dir.path(), never));
            assert!(text.contains("chmod 600") && text.contains(file), "{text}");
        }
    }

    #[test]
    fn an_empty_directory_is_made_private() {
        let dir = tempfile::tempdir().unwrap();
        set_mode(dir.path(), 0o777);
        drop(Home::open(dir.path()).unwrap());
        assert_eq!(mode(dir.path()), 0o700);
    }

    #[test]
    fn a_non_empty_directory_is_refused_only_if_others_can_write_in_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("field.key"), b"").unwrap();
        set_mode(dir.path(), 0o775);
        let text = Home::open(dir.path()).unwrap_err().to_string();
        assert!(text.contains("chmod 700"), "{text}");
        assert_eq!((mode(dir.path()), contents(dir.path()).len()), (0o775, 1));
        set_mode(dir.path(), 0o755);
        start(dir.path(), bytes(0)).unwrap();
        assert_eq!(mode(dir.path()), 0o755);
    }

    #[test]
    fn a_read_only_directory_is_reported_as_read_only() {
        let read_only = std::io::Error::from(std::io::ErrorKind::ReadOnlyFilesystem);
        assert!(matches!(HomeError::writing(Path::new("x"), read_only), HomeError::ReadOnly { .. }));
        let dir = initialised();
        set_mode(dir.path(), 0o500);
        // Root can write regardless of the mode.
        let allowed = fs::write(dir.path().join("probe"), b"").is_ok();
        let opened = Home::open(dir.path());
        assert!(allowed || matches!(opened, Err(HomeError::ReadOnly { .. })));
        set_mode(dir.path(), 0o700);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_directory_that_even_root_cannot_write_is_refused() {
        assert!(matches!(Home::open(Path::new("/sys/kernel")), Err(HomeError::ReadOnly { .. })));
        assert!(matches!(Home::open(Path::new("/sys/kernel/alice")), Err(HomeError::ReadOnly { .. })));
    }

    #[test]
    fn a_directory_in_place_of_a_key_is_refused() {
        let dir = initialised();
        fs::remove_file(dir.path().join(SESSION_FILE)).unwrap();
        fs::create_dir(dir.path().join(SESSION_FILE)).unwrap();
        set_mode(&dir.path().join(SESSION_FILE), 0o700);
        assert!(refusal(start(dir.path(), never)).contains("not a regular file"));
    }
}

#[test]
fn a_directory_of_a_closed_network_starts_neither_in_another_nor_in_the_open_one() {
    let dir = initialised();
    let home = Home::open(dir.path()).unwrap();
    let [field, other] = [1, 2].map(|byte| NetworkId([byte; 32]));
    home.join_network(NetworkId::OPEN).unwrap();
    assert!(!dir.path().join(NETWORK_FILE).exists());
    home.join_network(field).unwrap();
    home.join_network(field).unwrap();
    for (network, says) in [(other, "not to the one of this key"), (NetworkId::OPEN, "start with its --network-key")] {
        let text = home.join_network(network).unwrap_err().to_string();
        assert!(text.contains(says) && text.lines().count() == 1, "{text}");
    }
    put(dir.path(), NETWORK_FILE, b"field");
    assert!(matches!(home.join_network(field), Err(HomeError::BadNetwork(_))));
}

/// The owner record of a session without the user key.
fn linked_owner(seed: u8) -> Owner {
    let session = SessionId(SecretKey::from_seed(Scheme::Ed25519, &[seed; 32]).public());
    Owner { name: name("alice"), user: UserId([1; 32]), session, user_key: false }
}

#[test]
fn a_linked_session_has_no_user_key_and_starts_with_its_session_key() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    home.refuse_owned().unwrap();
    home.begin_link(&[7; 32]).unwrap();
    home.join_network(NetworkId([9; 32])).unwrap();
    home.finish_link(&linked_owner(7)).unwrap();
    drop(home);
    assert!(!dir.path().join(LINKING_FILE).exists());
    let identity = start(dir.path(), never).unwrap();
    assert_eq!((identity.user, identity.fresh), (UserId([1; 32]), false));
    assert!(identity.user_key.is_none());
    assert!(matches!(Home::open(dir.path()).unwrap().refuse_owned(), Err(HomeError::Owned { .. })));
}

#[test]
fn a_linking_that_is_interrupted_leaves_an_empty_directory_or_a_linked_session() {
    let steps: [fn(&Home); 5] = [
        |home| disk::write_atomic(&home.dir, LINKING_FILE, b"").unwrap(),
        |home| home.begin_link(&[7; 32]).unwrap(),
        |home| fs::write(home.dir.join("darknode.db"), b"half").unwrap(),
        |home| fs::write(home.dir.join("darknode.db-wal"), b"half").unwrap(),
        |home| home.join_network(NetworkId([9; 32])).unwrap(),
    ];
    for done in 1..=steps.len() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        steps[..done].iter().for_each(|step| step(&home));
        drop(home);
        let home = Home::open(dir.path()).unwrap();
        home.refuse_owned().unwrap();
        let left: Vec<String> = contents(dir.path()).into_iter().map(|(file, _)| file).collect();
        assert_eq!(left, ["lock"], "{done} steps");
        assert!(home.identity(&name("alice"), bytes(0)).unwrap().fresh);
    }
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    home.begin_link(&[7; 32]).unwrap();
    home.write_owner(&linked_owner(7)).unwrap();
    drop(home);
    assert!(start(dir.path(), never).is_ok());
    assert!(!dir.path().join(LINKING_FILE).exists());
}

#[test]
fn keys_or_a_store_without_an_owner_are_not_overwritten_by_linking() {
    for file in [USER_FILE, SESSION_FILE, "darknode.db"] {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), file, keyfile::to_pem(&[1; 32]).as_bytes());
        let error = Home::open(dir.path()).unwrap().refuse_owned().unwrap_err().to_string();
        assert!(error.contains("--data-dir"), "{error}");
        assert!(dir.path().join(file).exists());
    }
}
