//! A disk that refuses some writes.

use std::time::Duration;

use darknode::proto::Accept;
use darknode::proto::event::{Command, Input};
use darknode::proto::notice::{Filter, Notice, WarningCode};

use crate::victim::Victim;

#[test]
fn a_disk_that_takes_some_writes_and_refuses_others_is_warned_of_once() {
    let mut victim = Victim::new(Accept::Auto);
    let refuse = |victim: &mut Victim| {
        victim.feed(Input::StoreFailed { refused: Vec::new(), error: "full".to_owned() });
        // Something small is stored.
        victim.pass(Duration::from_secs(2));
        victim.command(Command::Users { filter: Filter::All });
    };
    let warnings = |victim: &Victim| {
        let is_disk = |notice: &&Notice| matches!(notice, Notice::Warning { code: WarningCode::Disk, .. });
        victim.notices().filter(is_disk).count()
    };
    (0..6).for_each(|_| refuse(&mut victim));
    assert_eq!(warnings(&victim), 1);
    victim.pass(Duration::from_secs(61));
    refuse(&mut victim);
    assert_eq!(warnings(&victim), 2, "it is another occasion");
}
