use super::*;
use crate::id::UserId;
use crate::time::Wall;

#[test]
fn a_message_has_waited_until_the_first_session_of_its_addressee_has_it() {
    let to = Address::from(UserId([1; 32]));
    let (first, second) = (SessionId([2; 32]), SessionId([3; 32]));
    let mut outbox = Outbox::new(SessionId([4; 32]), 5, Vec::new(), Vec::new(), Vec::new());
    let mut typed = |at: u64, kind: u64| {
        let id = outbox.next_id(to);
        let (from, since) = (UserId([6; 32]), Moment(at));
        let row = MessageRow { arrival: at, id, kind, with: to, from, lamport: at, wall: Wall(0), body: vec![], since };
        outbox.push(row, true);
        id
    };
    let (early, late) = (typed(100, kind::TEXT), typed(200, kind::TEXT));
    let statement = typed(300, kind::LINK);
    let mut waited = |session, id: MessageId| {
        let has: Ranges = [(id.n, id.n)].into_iter().collect();
        outbox.record_receipt(session, id.stream, &has, &[first, second], Moment(1000)).waited_since
    };
    assert_eq!(waited(second, late), [Moment(200)]);
    assert_eq!(waited(first, early), [Moment(100)]);
    assert_eq!(waited(second, early), [], "another session has it");
    assert_eq!(waited(second, late), [], "it says so again");
    assert_eq!(waited(first, statement), [], "it is no line");
}
