//! The file in the data directory that says where the local API of its node is.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The file.
const NOTE: &str = "api";

/// Its place in a data directory.
pub fn of(dir: &Path) -> PathBuf {
    dir.join(NOTE)
}

/// Notes where the API is: the path of a socket or a pipe.
pub fn write(dir: &Path, path: &OsStr) -> io::Result<()> {
    fs::write(of(dir), path.as_encoded_bytes())
}

/// Where the API is, as the node has noted it.
pub fn read(dir: &Path) -> io::Result<PathBuf> {
    fs::read_to_string(of(dir)).map(PathBuf::from)
}

/// Removes the note. There may be none.
pub fn remove(dir: &Path) {
    let _ = fs::remove_file(of(dir));
}

/// What a data directory is called where names of all directories stand side by side. `dir` is its full path.
pub fn short_name(dir: &Path) -> String {
    let hash = Sha256::digest(dir.as_os_str().as_encoded_bytes());
    data_encoding::HEXLOWER.encode(&hash[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_where_the_api_is_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).is_err());
        for path in [r"\\.\pipe\darknode-0123456789abcdef", "/home/bob/é/api.sock"] {
            write(dir.path(), path.as_ref()).unwrap();
            assert_eq!(read(dir.path()).unwrap(), Path::new(path));
        }
        remove(dir.path());
        assert!(read(dir.path()).is_err());
        remove(dir.path());
    }

    #[test]
    fn every_directory_has_a_short_name_of_its_own() {
        let name = short_name(Path::new("/home/alice/darknode"));
        assert_eq!(name, short_name(Path::new("/home/alice/darknode")));
        assert_ne!(name, short_name(Path::new("/home/bob/darknode")));
        assert!(name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    }
}
