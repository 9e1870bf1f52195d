use super::*;
use std::time::Duration;

const LOW: SessionId = SessionId([1; 32]);
const HIGH: SessionId = SessionId([9; 32]);

fn neighbour(session: SessionId, boot: u64, dialled: bool, since: Moment) -> Neighbour {
    let addr = ([127, 0, 0, 1], 1).into();
    Neighbour {
        session,
        boot: BootId(boot),
        addr,
        exporter: [0; 32],
        waits: false,
        observed: None,
        ahead_ms: 0,
        dialled,
        since,
        user: None,
        expected: None,
        chosen: Chosen::No,
        used: None,
        strikes: 0,
        stalled: false,
        rtt: Duration::ZERO,
        probe: None,
        replaces: Vec::new(),
        handed_back: 0,
        receipts: 0,
    }
}

/// Admits a connection whose hello follows at once. Returns the connections that are closed.
fn admit_and_set_up(connections: &mut Connections, conn: u64, new: Neighbour) -> Vec<u64> {
    match connections.admit(ConnId(conn), new) {
        Verdict::Duplicate => vec![conn],
        Verdict::Keep(mut closed) => {
            closed.extend(connections.set_up(ConnId(conn), UserId([3; 32]), false));
            closed.iter().for_each(|id| {
                connections.remove(id);
            });
            closed.iter().map(|id| id.0).collect()
        }
    }
}

#[test]
fn of_crossing_dials_both_sides_keep_the_one_of_the_smaller_session_in_any_order() {
    for low_first in [true, false] {
        let mut low = Connections::new(LOW);
        let mut high = Connections::new(HIGH);
        let mut closed = Vec::new();
        let order = if low_first { [(1, true), (2, false)] } else { [(2, false), (1, true)] };
        for (conn, by_low) in order {
            closed.extend(admit_and_set_up(&mut low, conn, neighbour(HIGH, 7, by_low, Moment(0))));
            closed.extend(admit_and_set_up(&mut high, conn, neighbour(LOW, 8, !by_low, Moment(0))));
        }
        assert_eq!(closed, [2], "the dial of the higher session goes, closed once");
    }
}

#[test]
fn a_redial_by_the_other_side_replaces_a_connection_that_only_this_side_holds() {
    let mut low = Connections::new(LOW);
    low.admit(ConnId(1), neighbour(HIGH, 7, true, Moment(0)));
    let later = Moment(0) + CROSSING + Duration::from_secs(1);
    assert_eq!(low.admit(ConnId(2), neighbour(HIGH, 7, false, later)), Verdict::Keep(Vec::new()));
    assert_eq!(low.set_up(ConnId(2), UserId([3; 32]), false), [ConnId(1)], "once the other side has it too");
}

#[test]
fn a_newer_boot_replaces_the_old_connection_at_once() {
    let mut high = Connections::new(HIGH);
    high.admit(ConnId(1), neighbour(LOW, 7, true, Moment(0)));
    let verdict = high.admit(ConnId(2), neighbour(LOW, 8, false, Moment(1)));
    assert_eq!(verdict, Verdict::Keep(vec![ConnId(1)]));
}

#[test]
fn of_several_addresses_that_answer_the_first_one_is_kept() {
    let mut high = Connections::new(HIGH);
    high.admit(ConnId(1), neighbour(LOW, 7, true, Moment(0)));
    assert_eq!(high.admit(ConnId(2), neighbour(LOW, 7, true, Moment(1))), Verdict::Duplicate);
}

#[test]
fn a_connection_with_an_unanswered_probe_is_replaced_by_one_that_has_just_answered() {
    let mut high = Connections::new(HIGH);
    high.admit(ConnId(1), neighbour(LOW, 7, true, Moment(0)));
    assert!(high.probe(&ConnId(1), Moment(1)));
    assert_eq!(admit_and_set_up(&mut high, 2, neighbour(LOW, 7, true, Moment(2))), [1]);
}

#[test]
fn a_peer_with_an_unanswered_probe_is_redialled_ever_less_often_and_never_closed_for_it() {
    let mut high = Connections::new(HIGH);
    high.admit(ConnId(1), neighbour(LOW, 7, true, Moment(0)));
    high.set_up(ConnId(1), UserId([3; 32]), false);
    high.probe(&ConnId(1), Moment(0));
    assert!(!high.is_unresponsive(&BootId(7)));
    let dials: Vec<u64> = (0..10_000).filter(|now| !high.due_redials(Moment(*now)).is_empty()).collect();
    assert_eq!(dials, [250, 500, 1000, 2000, 4000, 8000]);
    assert!(high.is_unresponsive(&BootId(7)) && high.overdue(Moment(10_000)).is_empty());
}

#[test]
fn connections_in_use_and_those_of_addresses_that_hold_little_are_closed_last() {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    let now = Moment(1_000_000);
    let mut connections = Connections::new(SessionId([1; 32]));
    let mut all = Vec::new();
    for n in 0..100u8 {
        let mut new = neighbour(SessionId([n + 2; 32]), u64::from(n), false, Moment(0));
        // Ten of a hundred have an address of their own; the others share one.
        let last = if n < 10 { n + 1 } else { 200 };
        new.addr = ([10, 0, 0, last], 5).into();
        connections.admit(ConnId(n.into()), new);
        all.push(ConnId(n.into()));
    }
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let closed = |connections: &Connections, rng: &mut ChaCha20Rng| {
        (0..1000).filter(|_| connections.choose_to_close(&all, rng, now).is_some_and(|conn| conn.0 < 10)).count()
    };
    assert!(closed(&connections, &mut rng) <= 1, "an address with one connection is spared");
    (10..100).for_each(|n| connections.record_use(&ConnId(n), now));
    assert_eq!(closed(&connections, &mut rng), 1000, "use protects whatever the address");
    (0..10).for_each(|n| connections.record_use(&ConnId(n), now));
    assert!(closed(&connections, &mut rng) <= 1, "if all are in use, the address decides");
}
