use super::*;
use proptest::prelude::*;

fn all(bytes: &[u8]) -> Vec<Result<Item<'_>, Garbled>> {
    Packet::read(bytes).map(|packet| packet.items().collect()).unwrap_or_default()
}

fn written() -> Vec<u8> {
    let (service, instance) = (Name::new("_darkchat._udp.local"), Name::new("ab12._darkchat._udp.local"));
    let mut writer = Writer::response(7);
    writer.ask(&Question::new(service.clone(), kind::PTR));
    writer.record(false, &service, kind::PTR, false, 120, |writer| writer.name(&instance));
    writer.record(true, &instance, kind::SRV, true, 120, |writer| {
        writer.bytes(&[0, 0, 0, 0, 0x6a, 0x88]);
        writer.whole_name(&Name::new("ab12.local"));
    });
    writer.record(true, &instance, kind::TXT, true, 120, |writer| writer.bytes(b"\x03v=1\x04b=ff"));
    writer.finish()
}

#[test]
fn what_is_written_is_read() {
    let bytes = written();
    let packet = Packet::read(&bytes).unwrap();
    assert!(packet.response && packet.id == 7);
    let items: Vec<Item> = packet.items().map(Result::unwrap).collect();
    let service = Name::new("_DARKCHAT._udp.local");
    let [Item::Question(question), Item::Record(ptr), Item::Record(srv), Item::Record(txt)] = &items[..] else {
        panic!("{items:?}");
    };
    assert_eq!((&question.name, question.kind), (&service, kind::PTR), "case does not matter");
    assert!(ptr.answer && !srv.answer);
    assert!(matches!(&ptr.data, Data::Ptr(name) if name.label_under(&service) == Some(b"ab12")));
    assert!(matches!(srv.data, Data::Srv { port: 27272 }));
    let Data::Txt(data) = txt.data else { panic!("{txt:?}") };
    assert_eq!((text(data, "b"), text(data, "V"), text(data, "x")), (Some(&b"ff"[..]), Some(&b"1"[..]), None));
}

#[test]
fn pointers_that_lead_forwards_or_in_circles_are_refused() {
    for pointer in [12u16, 14, 100, 0x3fff] {
        let mut bytes = vec![0; HEADER];
        bytes[5] = 1;
        bytes.extend_from_slice(&(0xc000 | pointer).to_be_bytes());
        bytes.extend_from_slice(&[0, 12, 0, 1]);
        assert!(matches!(all(&bytes)[..], [Err(Garbled)]), "{pointer}");
    }
}

#[test]
fn a_name_longer_than_a_name_may_be_is_refused() {
    let mut bytes = vec![0; HEADER];
    bytes[5] = 1;
    for _ in 0..5 {
        bytes.push(63);
        bytes.extend_from_slice(&[b'a'; 63]);
    }
    bytes.extend_from_slice(&[0, 0, 12, 0, 1]);
    assert!(matches!(all(&bytes)[..], [Err(Garbled)]));
}

#[test]
fn counts_that_claim_more_than_there_is_allocate_nothing() {
    let bytes = [0, 0, 0x84, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert!(matches!(all(&bytes)[..], [Err(Garbled)]));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        assert!(all(&bytes).len() <= MAX_ITEMS);
    }

    #[test]
    fn a_packet_with_a_byte_changed_or_cut_off_is_read_or_refused(at in 0..200usize, byte: u8, cut: bool) {
        let mut bytes = written();
        let at = at % bytes.len();
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        assert!(all(&bytes).len() <= MAX_ITEMS);
    }

    #[test]
    fn any_bytes_are_a_text_with_or_without_the_key(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        text(&bytes, "b");
    }
}
