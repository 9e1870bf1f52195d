use super::*;

const BOOT: BootId = BootId(7);
const BOB: SessionId = SessionId([2; 32]);
const BOBS_USER: UserId = UserId([22; 32]);
const MALLORY: SessionId = SessionId([66; 32]);

fn at(last: u8, port: u16) -> SocketAddr {
    ([10, 0, 0, last], port).into()
}

fn seconds(n: u64) -> Moment {
    Moment(n * 1000)
}

#[test]
fn an_address_that_nobody_answers_at_is_dialled_ever_less_often() {
    let (mut nearby, place) = (Nearby::default(), (BOOT, at(1, 5)));
    nearby.add(place, seconds(0));
    let dials = (0..600).filter(|second| nearby.take_turn(&place, seconds(*second)));
    assert!(dials.count() < 12);
}

#[test]
fn the_addresses_of_a_named_boot_id_lead_to_its_session_and_those_where_its_key_answered_come_first() {
    let mut nearby = Nearby::default();
    nearby.add((BOOT, at(1, 5)), seconds(0));
    assert!(nearby.name(BOOT, BOB, BOBS_USER));
    assert!(!nearby.name(BOOT, BOB, BOBS_USER), "it is known");
    nearby.add((BOOT, at(2, 5)), seconds(0));
    nearby.record_met(&(BOOT, at(2, 5)), BOB);
    assert_eq!(nearby.addresses(&BOB), [at(2, 5), at(1, 5)]);
}

#[test]
fn who_answers_at_a_copied_announcement_is_not_taken_for_the_one_who_made_it() {
    let mut nearby = Nearby::default();
    nearby.add((BOOT, at(1, 5)), seconds(0));
    nearby.name(BOOT, BOB, BOBS_USER);
    nearby.add((BOOT, at(66, 5)), seconds(0));
    nearby.record_met(&(BOOT, at(66, 5)), MALLORY);
    assert_eq!(nearby.session_at(&(BOOT, at(66, 5))), Some(MALLORY));
    assert_eq!(nearby.session_at(&(BOOT, at(1, 5))), Some(BOB));
    assert_eq!(nearby.remove(&(BOOT, at(66, 5))), Some(MALLORY));
    assert!(nearby.is_announced(&BOB));
}

#[test]
fn a_session_has_left_the_link_when_its_last_announcement_has_ended() {
    let mut nearby = Nearby::default();
    for place in [(BOOT, at(1, 5)), (BOOT, at(2, 5))] {
        nearby.add(place, seconds(0));
    }
    nearby.name(BOOT, BOB, BOBS_USER);
    assert_eq!(nearby.remove(&(BOOT, at(1, 5))), None);
    assert_eq!(nearby.remove(&(BOOT, at(2, 5))), Some(BOB));
    assert!(!nearby.is_named_mark(BOOT.mark()) && nearby.named(&BOOT).is_none());
    assert!(nearby.places.is_empty() && nearby.per_ip.is_empty() && nearby.named.is_empty());
}

#[test]
fn an_endless_announcer_displaces_its_own_announcements_and_no_known_session() {
    let (mut nearby, bob, carol) = (Nearby::default(), (BOOT, at(1, 5)), (BootId(8), at(2, 5)));
    nearby.add(bob, seconds(0));
    nearby.record_met(&bob, BOB);
    nearby.add(carol, seconds(0));
    for n in 0..3 * MAX_SIGHTINGS as u64 {
        let flood = (BootId(100 + n), at(66, 1 + n as u16));
        assert!(!nearby.is_full_for(&flood) || nearby.make_room(flood.1.ip()).is_some());
        nearby.add(flood, seconds(0));
    }
    assert_eq!(nearby.sightings.len(), MAX_SIGHTINGS);
    assert!(nearby.sightings.contains_key(&bob) && nearby.sightings.contains_key(&carol));
}

#[test]
fn an_address_with_all_announcements_makes_room_for_a_newcomer_at_another() {
    let mut nearby = Nearby::default();
    for n in 0..MAX_SIGHTINGS as u16 {
        let place = (BootId(n.into()), at(66, 1 + n));
        nearby.add(place, seconds(0));
        nearby.record_met(&place, MALLORY);
    }
    assert_eq!(nearby.make_room(at(66, 0).ip()), None, "not to one more of its own");
    assert!(nearby.make_room(at(1, 0).ip()).is_some());
}

#[test]
fn one_boot_id_is_remembered_at_a_bounded_number_of_addresses() {
    let mut nearby = Nearby::default();
    let added = (0..100).filter(|port| nearby.add((BOOT, at(66, 1 + port)), seconds(0)) != Added::Refused);
    assert_eq!(added.count(), MAX_PLACES_PER_BOOT);
}

#[test]
fn an_address_with_many_announcements_is_chosen_as_often_as_one_with_a_single_one() {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut places: Vec<Place> = (0..99).map(|port| (BootId(port), at(66, port as u16 + 1))).collect();
    places.push((BOOT, at(1, 5)));
    let chosen = (0..1000).filter_map(|_| choose(places.iter().copied(), &mut rng));
    let single = chosen.filter(|(_, addr)| *addr == at(1, 5)).count();
    assert!((400..600).contains(&single), "{single}");
}

#[test]
fn machines_from_which_nothing_comes_back_are_counted_once_until_a_key_answers_there() {
    let mut nearby = Nearby::default();
    let (bob, bob_again, mallory) = ((BOOT, at(1, 5)), (BOOT, at(2, 5)), (BootId(8), at(3, 5)));
    let restarted = (BootId(9), at(3, 5));
    for place in [bob, bob_again, mallory, restarted] {
        nearby.add(place, seconds(0));
    }
    assert_eq!(nearby.silent_machines(), 0, "nothing was dialled");
    [bob, bob_again, mallory, restarted].iter().for_each(|place| nearby.record_silence(place, true));
    assert_eq!(nearby.silent_machines(), 2);
    nearby.record_met(&bob, BOB);
    nearby.record_silence(&bob_again, false);
    assert_eq!(nearby.silent_machines(), 1);
    nearby.remove(&mallory);
    nearby.remove(&restarted);
    assert_eq!(nearby.silent_machines(), 0);
}
