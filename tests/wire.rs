//! What strangers send: every record and message goes there and back, and no bytes do harm.

mod strategies;

use std::fmt::Debug;

use darknode::wire::chat::{Chat, Items};
use darknode::wire::content::{Bundle, Contents, LinkBody, MirrorBody, ReceiptBody};
use darknode::wire::control::{Batch, Control, RequestUserList};
use darknode::wire::envelope::Envelope;
use darknode::wire::frame::{FrameBuf, StreamType, encode_frame};
use darknode::wire::link::{Newcomer, Welcome};
use darknode::wire::proof::Proof;
use darknode::wire::record::{Declaration, KeyCard, LinkList, Roster, Signed};
use darknode::wire::{List, Malformed, decode, encode};
use proptest::prelude::*;
use proptest::sample::Index;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value is what its bytes say, and has no other bytes.
fn goes_there_and_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> Result<(), TestCaseError> {
    let bytes = encode(value);
    let back: T = decode(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&back, value);
    prop_assert_eq!(encode(&back), bytes);
    Ok(())
}

/// Every decoder of the protocol reads `bytes`; those that accept them are counted.
fn every_decoder(bytes: &[u8]) -> usize {
    fn reads<T: DeserializeOwned + Debug>(bytes: &[u8]) -> usize {
        decode::<T>(bytes).map(|value| format!("{value:?}")).is_ok().into()
    }
    reads::<Proof>(bytes)
        + reads::<Batch>(bytes)
        + reads::<Items>(bytes)
        + reads::<Signed>(bytes)
        + reads::<Roster>(bytes)
        + reads::<Declaration>(bytes)
        + reads::<KeyCard>(bytes)
        + reads::<LinkList>(bytes)
        + reads::<Envelope>(bytes)
        + reads::<Bundle>(bytes)
        + reads::<Contents>(bytes)
        + reads::<LinkBody>(bytes)
        + reads::<ReceiptBody>(bytes)
        + reads::<MirrorBody>(bytes)
        + reads::<Newcomer>(bytes)
        + reads::<Welcome>(bytes)
}

/// Changes, cuts, doubles or inserts bytes.
fn damage(bytes: &mut Vec<u8>, how: u8, at: Index, byte: u8) {
    if bytes.is_empty() {
        return bytes.push(byte);
    }
    let at = at.index(bytes.len());
    match how % 4 {
        0 => bytes[at] = byte,
        1 => bytes.truncate(at),
        2 => bytes.insert(at, byte),
        _ => bytes.extend_from_within(at..),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn records_go_there_and_back(
        roster in strategies::roster(), declaration in strategies::declaration(),
        card in strategies::key_card(), links in strategies::link_list(),
    ) {
        goes_there_and_back(&roster)?;
        goes_there_and_back(&declaration)?;
        goes_there_and_back(&card)?;
        goes_there_and_back(&links)?;
    }

    #[test]
    fn frames_go_there_and_back(
        proof in strategies::proof(), batch in strategies::batch(), items in strategies::items(),
    ) {
        goes_there_and_back(&proof)?;
        goes_there_and_back(&batch)?;
        goes_there_and_back(&items)?;
    }

    #[test]
    fn what_is_sealed_goes_there_and_back(
        envelope in strategies::envelope(), bundle in strategies::bundle(),
        contents in strategies::contents(), receipt in strategies::receipt(), mirror in strategies::mirror(),
        newcomer in strategies::newcomer(), welcome in strategies::welcome(),
    ) {
        goes_there_and_back(&envelope)?;
        goes_there_and_back(&bundle)?;
        goes_there_and_back(&contents)?;
        goes_there_and_back(&receipt)?;
        goes_there_and_back(&mirror)?;
        goes_there_and_back(&newcomer)?;
        goes_there_and_back(&welcome)?;
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        every_decoder(&bytes);
    }

    #[test]
    fn damaged_frames_are_read_or_refused(
        batch in strategies::batch(), items in strategies::items(), mirror in strategies::mirror(),
        newcomer in strategies::newcomer(), welcome in strategies::welcome(),
        damages in prop::collection::vec((any::<u8>(), any::<Index>(), any::<u8>()), 1..6),
    ) {
        for mut bytes in [encode(&batch), encode(&items), encode(&mirror), encode(&newcomer), encode(&welcome)] {
            damages.iter().for_each(|(how, at, byte)| damage(&mut bytes, *how, *at, *byte));
            every_decoder(&bytes);
        }
    }

    #[test]
    fn keys_of_later_versions_are_ignored(links in strategies::link_list(), later in strategies::later_value()) {
        let mut bytes = encode(&links);
        prop_assert_eq!(bytes[0] >> 5, 5);
        bytes[0] += 1;
        bytes.extend([0x19, 0x10, 0x00]);
        bytes.extend(later);
        prop_assert_eq!(decode::<LinkList>(&bytes), Ok(links));
    }

    #[test]
    fn kinds_of_later_versions_are_unknown_and_harm_no_other(kind in 12..200u8, later in strategies::later_value()) {
        let known = Control::RequestUserList(RequestUserList { id: 3, user: darknode::id::UserId([1; 32]) });
        let unknown = [&[0x82, 0x18, kind.max(24)][..], &later].concat();
        let bytes = [&[0x82][..], &unknown, &encode(&known)].concat();
        prop_assert_eq!(decode::<Batch>(&bytes), Ok(List(vec![Control::Unknown(kind.max(24).into()), known])));
        let bytes = [&[0x81][..], &unknown].concat();
        prop_assert_eq!(decode::<Items>(&bytes), Ok(List(vec![Chat::Unknown(kind.max(24).into())])));
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut(
        batches in prop::collection::vec(strategies::batch(), 1..5), cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let frame = |batch| encode_frame(StreamType::Control, batch).expect("strategies stay below the cap");
        let bytes: Vec<u8> = batches.iter().flat_map(frame).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        let (mut buffer, mut read) = (FrameBuf::new(StreamType::Control), Vec::new());
        for piece in cuts.windows(2) {
            buffer.push(&bytes[piece[0]..piece[1]]);
            while let Some(payload) = buffer.next_frame().expect("all headers are under the cap") {
                read.push(decode::<Batch>(payload).expect("what was encoded"));
            }
        }
        prop_assert!(!buffer.is_inside());
        prop_assert_eq!(read, batches);
    }

    #[test]
    fn any_pieces_make_frames_or_an_error(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
        let mut buffer = FrameBuf::new(StreamType::Chat);
        for piece in &pieces {
            buffer.push(piece);
            while let Ok(Some(payload)) = buffer.next_frame() {
                every_decoder(payload);
            }
        }
    }
}

#[test]
fn bytes_behind_a_frame_and_frames_cut_short_are_refused() {
    let batch: Batch =
        List(vec![Control::RequestUserList(RequestUserList { id: 3, user: darknode::id::UserId([1; 32]) })]);
    let bytes = encode(&batch);
    assert_eq!(decode::<Batch>(&[&bytes[..], &[0]].concat()), Err(Malformed::TrailingBytes));
    for end in 0..bytes.len() {
        assert_eq!(decode::<Batch>(&bytes[..end]), Err(Malformed::Truncated));
    }
}

#[test]
fn claims_of_two_to_the_sixty_are_refused_by_every_decoder() {
    for major in [0x5b, 0x7b, 0x9b, 0xbb] {
        let claim = [major, 0x10, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(every_decoder(&claim), 0);
        assert_eq!(every_decoder(&[&[0x81, 0x82, 0x01][..], &claim].concat()), 0);
    }
}

#[test]
fn a_thousand_levels_are_refused_by_every_decoder() {
    for level in [&[0x81][..], &[0xa1, 0x00], &[0x82, 0x01]] {
        assert_eq!(every_decoder(&[level.repeat(1000), vec![0x00]].concat()), 0);
    }
    assert_eq!(decode::<Batch>(&[vec![0x81; 1000], vec![0x00]].concat()), Err(Malformed::TooDeep));
}

#[test]
fn a_key_twice_is_refused() {
    let user = [&[0x58, 32][..], &[1; 32]].concat();
    let once = [&[0xa2, 0x00, 0x03, 0x01][..], &user].concat();
    assert!(decode::<RequestUserList>(&once).is_ok());
    let twice = [&[0xa3, 0x00, 0x03, 0x00, 0x03, 0x01][..], &user].concat();
    assert!(matches!(decode::<RequestUserList>(&twice), Err(Malformed::NotCanonical(_))));
}

#[test]
fn an_item_of_another_sort_stands_for_nothing() {
    let refused = |bytes: &[u8]| matches!(decode::<ReceiptBody>(bytes), Err(Malformed::Shape(_)));
    assert!(decode::<ReceiptBody>(&[0xa0]).is_ok());
    assert!(decode::<ReceiptBody>(&[0xa1, 0x00, 0x80]).is_ok());
    assert!(refused(&[0xa1, 0x00, 0x40]), "a byte string is no list");
    assert!(refused(&[0xa1, 0x00, 0xf6]), "null is no missing key");
    assert!(refused(&[0x80]), "a list is no map");
    assert!(decode::<List<u16, 8>>(&[0x41, 0x01]).is_err());
}

#[test]
fn lists_and_strings_over_their_caps_are_refused() {
    let list = |length: u8| [vec![0x80 | length], vec![0x01; length.into()]].concat();
    assert!(decode::<List<u16, 8>>(&list(8)).is_ok());
    assert!(decode::<List<u16, 8>>(&list(9)).is_err());
    assert!(decode::<darknode::wire::Text<2>>(b"\x62hi").is_ok());
    assert!(decode::<darknode::wire::Text<2>>(b"\x63hi!").is_err());
    assert!(decode::<darknode::wire::Bytes<2>>(b"\x43hi!").is_err());
    assert!(decode::<darknode::wire::Fixed<2>>(b"\x41h").is_err());
}

#[test]
fn text_that_is_no_utf_8_is_refused_and_nul_is_a_character() {
    for text in
        [&b"\x62\xff\xfe"[..], b"\x63\xed\xa0\x80", b"\x66\xed\xa0\xbd\xed\xb8\x80", b"\x62\xc0\x80", b"\x61\xe2"]
    {
        assert!(decode::<darknode::wire::Text<16>>(text).is_err(), "{text:x?}");
    }
    assert_eq!(decode::<darknode::wire::Text<16>>(b"\x63a\0b").map(|text| text.0), Ok("a\0b".to_owned()));
}

#[test]
fn numbers_out_of_range_are_refused() {
    assert!(decode::<u8>(&[0x18, 255]).is_ok());
    assert!(decode::<u8>(&[0x19, 1, 0]).is_err());
    assert!(decode::<u64>(&[0x20]).is_err());
    assert_eq!(decode::<i64>(&[0x3b, 0x7f, 255, 255, 255, 255, 255, 255, 255]), Ok(i64::MIN));
    assert!(decode::<i64>(&[0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0]).is_err());
    assert!(decode::<i64>(&[0x1b, 0x80, 0, 0, 0, 0, 0, 0, 0]).is_err());
}

#[test]
fn what_is_said_about_a_wrong_shape_is_short_and_commands_no_terminal() {
    let text = "\u{1b}]0;owned\u{7}".repeat(1000);
    let bytes = [&[0x79][..], &(text.len() as u16).to_be_bytes(), text.as_bytes()].concat();
    let Err(Malformed::Shape(message)) = decode::<u64>(&bytes) else { panic!("a text is no number") };
    assert!(message.len() <= 160 && !message.contains(char::is_control), "{message:?}");
}
