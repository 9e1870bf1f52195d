//! The program as Bob, before whom others are played.

use darknode::id::{BootId, NetworkId};
use darknode::identity::Name;
use darknode::proto::event::{Input, Output};
use darknode::proto::persist::Memory;
use darknode::proto::{Accept, Config, Core};
use darknode::time::{Moment, Now, Wall};

use super::Person;

pub const BOOT: BootId = BootId(0x1112_1314_1516_1718);
const NOW: Now = Now { moment: Moment(1_000), wall: Wall(1_800_000_000_000) };

/// With his keys and his one prekey, and without any memory.
pub fn program() -> Core {
    let bob = Person::bob();
    let config = Config {
        name: Name::parse("bob").expect("a name"),
        user_key: Some(bob.user.clone()),
        user: bob.user_id(),
        session_key: bob.session.clone(),
        label: "laptop".to_owned(),
        network: NetworkId::OPEN,
        roles: 0,
        waits: false,
        accept: Accept::Auto,
        agent: "darknode test".to_owned(),
        is_new_user: true,
        boot_nonce: [0x11; 16],
        seed: [8; 32],
    };
    Core::new(config, Memory { prekeys: vec![bob.prekey], ..Memory::default() }, NOW)
}

/// Hands an input over, commits at once whatever is stored, and returns what is put out.
pub fn feed(core: &mut Core, input: Input) -> Vec<Output> {
    core.handle(NOW, input);
    let mut out = Vec::new();
    loop {
        let mut stored = None;
        while let Some(output) = core.poll_output() {
            match output {
                Output::Store { ticket, .. } => stored = Some(ticket),
                output => out.push(output),
            }
        }
        let Some(through) = stored else { return out };
        core.handle(NOW, Input::Stored { through });
    }
}
