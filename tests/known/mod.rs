//! What the tests of vectors share: the files, and two people whose keys are known to everybody.

// Each test program that has this module needs another part of it.
#![allow(dead_code)]

pub mod bob;
pub mod linking;
pub mod sisters;

use std::path::PathBuf;

use darknode::id::{BootId, BootNonce, NetworkId, SessionId, UserId};
use darknode::identity::record::Checked;
use darknode::identity::seal::PrekeySecret;
use darknode::identity::{Domain, Scheme, SecretKey};
use darknode::time::Moment;
use darknode::wire::addr::Addr;
use darknode::wire::record::{
    Declaration, KeyCard, LinkEntry, LinkList, Roster, RosterSession, Signed, link_state, roles,
};
use darknode::wire::{Fixed, List, Text};
use data_encoding::HEXLOWER;

pub const EXPORTER: [u8; 32] = [0x5e; 32];
pub const BOOT: BootId = BootId(0x0102_0304_0506_0708);
pub const BOOT_NONCE: BootNonce = [0x0b; 16];

/// Lines `name = value`, in the order in which they are told.
#[derive(Default)]
pub struct Vectors(String);

impl Vectors {
    pub fn note(&mut self, text: &str) {
        self.0.push_str(&format!("# {text}\n"));
    }

    pub fn text(&mut self, name: &str, value: impl std::fmt::Display) {
        self.0.push_str(&format!("{name} = {value}\n"));
    }

    pub fn hex(&mut self, name: &str, bytes: &[u8]) {
        self.text(name, HEXLOWER.encode(bytes));
    }

    /// Compares with the file, or writes it if the environment says so.
    pub fn settle(self, file: &str) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
        if std::env::var_os("DARKNODE_WRITE_VECTORS").is_some() {
            std::fs::write(&path, &self.0).expect("the directory of vectors can be written");
        }
        let kept = std::fs::read_to_string(&path).expect("every file of vectors is in the repository");
        for (made, kept) in self.0.lines().zip(kept.lines()) {
            assert_eq!(made, kept, "in {file}");
        }
        assert_eq!(self.0.lines().count(), kept.lines().count(), "lines in {file}");
    }
}

/// Alice, her one session, and what they sign.
pub struct Person {
    pub user: SecretKey,
    pub session: SecretKey,
    pub prekey: PrekeySecret,
}

impl Person {
    pub fn alice() -> Person {
        Person::from_bytes(0x11, 0x12, 0x13)
    }

    pub fn bob() -> Person {
        Person::from_bytes(0x21, 0x22, 0x23)
    }

    pub fn from_bytes(user: u8, session: u8, prekey: u8) -> Person {
        let key = |byte| SecretKey::from_seed(Scheme::Ed25519, &[byte; 32]);
        let prekey = PrekeySecret { id: [prekey; 8], secret: [prekey; 32], made: Moment(0) };
        Person { user: key(user), session: key(session), prekey }
    }

    pub fn user_id(&self) -> UserId {
        UserId(self.user.public())
    }

    pub fn session_id(&self) -> SessionId {
        SessionId(self.session.public())
    }

    pub fn roster(&self, name: &str) -> Signed {
        let session = RosterSession { id: self.session_id(), label: Text("laptop".to_owned()) };
        let roster = Roster {
            user: self.user_id(),
            name: Text(name.to_owned()),
            version: 1_700_000_000_000,
            sessions: List(vec![session]),
            revoked: List(vec![]),
        };
        Checked::sign(roster, &self.user, &NetworkId::OPEN).signed().clone()
    }

    pub fn declaration(&self, online: bool) -> Signed {
        let declaration = Declaration {
            user: self.user_id(),
            session: self.session_id(),
            seq: 1_700_000_000_001,
            online,
            addrs: List(vec![addr("192.0.2.7:27272"), addr("[2001:db8::7]:27272")]),
            roles: roles::RELAY,
            boot_nonce: None,
        };
        Checked::sign(declaration, &self.session, &NetworkId::OPEN).signed().clone()
    }

    /// A declaration that names the start of the session.
    pub fn declaration_at(&self, nonce: BootNonce) -> Signed {
        let declaration = Declaration {
            user: self.user_id(),
            session: self.session_id(),
            seq: 1_700_000_000_002,
            online: true,
            addrs: List(vec![addr("192.0.2.8:27272")]),
            roles: 0,
            boot_nonce: Some(Fixed(nonce)),
        };
        Checked::sign(declaration, &self.session, &NetworkId::OPEN).signed().clone()
    }

    pub fn asks(&self, id: u64, target: UserId) -> Fixed<64> {
        let parts: [&[u8]; 2] = [&id.to_be_bytes(), &target.0];
        Fixed(self.session.sign(Domain::RequestPing, &NetworkId::OPEN, &parts))
    }

    pub fn card(&self) -> Signed {
        let card = KeyCard {
            user: self.user_id(),
            session: self.session_id(),
            seq: 1_700_000_000_002,
            prekeys: List(vec![self.prekey.public()]),
        };
        Checked::sign(card, &self.session, &NetworkId::OPEN).signed().clone()
    }

    pub fn links(&self, to: UserId) -> Signed {
        let links = LinkList {
            user: self.user_id(),
            session: self.session_id(),
            version: 3,
            page: 0,
            pages: 1,
            entries: List(vec![LinkEntry { user: to, state: link_state::LINKED, lamport: 4 }]),
        };
        Checked::sign(links, &self.session, &NetworkId::OPEN).signed().clone()
    }
}

pub fn addr(text: &str) -> Addr {
    Addr(text.parse().expect("a literal address"))
}
