//! What `docs/protocol.md` says in numbers is what the program does: bytes, sizes, registries, and the characters of names.

use std::collections::BTreeSet;
use std::path::Path;

use darknode::identity::seal::{CAPACITY, PADDED};
use darknode::identity::{BadName, Name};
use darknode::wire::chat::{Chat, Items, MAX_ITEMS, MAX_OFFERED};
use darknode::wire::content::{CONTENT_OVERHEAD, CONTENTS_OVERHEAD, MAX_BODY, MAX_BUNDLE, MAX_CONTENTS, MAX_TEXT};
use darknode::wire::control::{BUCKETS, Batch, Control, MAX_BATCH, MAX_SUMMARIES};
use darknode::wire::decode;
use darknode::wire::envelope::{MAX_ENVELOPE, MAX_WRAPS};
use darknode::wire::frame::StreamType;
use darknode::wire::record::{LONGEST_CARD, LONGEST_ROSTER, MAX_RECORD, MAX_REVOKED, MAX_SESSIONS, MAX_SMALL_RECORD};
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("it is in the repository")
}

/// The page, without the ends of its lines.
fn page() -> String {
    file("docs/protocol.md").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A number as prose writes it.
fn grouped(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
    }
}

/// Lines of the worked example that show bytes: a name of `exchange.txt`, and hex, of which `…` leaves out a part.
fn shown(page: &str) -> Vec<(String, String)> {
    let section = page.split("\n## ").find(|section| section.contains("Worked example")).expect("it has an example");
    let lines = section.lines().filter_map(|line| line.strip_prefix("    ")?.split_once("  "));
    let mut shown = Vec::<(String, String)>::new();
    for (name, hex) in lines {
        let hex: String = hex.split("  ;").next().unwrap_or(hex).chars().filter(|c| !c.is_whitespace()).collect();
        match (name.trim(), shown.last_mut()) {
            ("", Some((_, before))) => before.push_str(&hex),
            (name, _) => shown.push((name.to_owned(), hex)),
        }
    }
    shown
}

#[test]
fn the_worked_example_shows_the_bytes_of_the_exchange() {
    let vectors = file("tests/vectors/exchange.txt");
    let exchange: Vec<(&str, &str)> = vectors.lines().filter_map(|line| line.split_once(" = ")).collect();
    let shown = shown(&file("docs/protocol.md"));
    let names: Vec<&str> = shown.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, exchange.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "all of it, in order");
    for ((name, shown), (_, whole)) in shown.iter().zip(&exchange) {
        let parts: Vec<&str> = shown.split('…').collect();
        let mut at = 0;
        for part in &parts {
            let found = whole[at..].find(part).unwrap_or_else(|| panic!("{name}: {part} is not in {}", &whole[at..]));
            assert!(at > 0 || found == 0, "{name} begins otherwise");
            at += found + part.len();
        }
        assert!(whole.ends_with(parts.last().expect("a split has a part")), "{name} ends otherwise");
    }
}

#[test]
fn the_sizes_of_the_page_are_those_of_the_code() {
    let page = page();
    let sealed = PADDED.map(|step| (step + 16).to_string()).join(" / ");
    let spare = CAPACITY - CONTENTS_OVERHEAD - CONTENT_OVERHEAD - MAX_BODY;
    let (control, chat) = (StreamType::Control.cap(), StreamType::Chat.cap());
    let said = [
        format!("0 => bytes .size (0..{MAX_ENVELOPE}),"),
        format!("? 2 => [1*{MAX_WRAPS} wrap],"),
        format!("3 => bytes .size ({sealed}),"),
        format!("3 => bytes .size (0..{MAX_BUNDLE}),"),
        format!("contents = [0*{MAX_CONTENTS} content]"),
        format!("5 => bytes .size (0..{MAX_BODY}), ; body; of a text at most {}", grouped(MAX_TEXT)),
        format!("signed = [payload: bytes .size (0..{MAX_RECORD}), signature]"),
        format!("3 => [1*{MAX_SESSIONS} {{ 0 => id, 1 => text"),
        format!("? 4 => [1*{MAX_REVOKED} id],"),
        format!("batch = [0*{MAX_BATCH} message]"),
        format!("items = [0*{MAX_ITEMS} item]"),
        format!("offer = {{ 0 => [0*{MAX_OFFERED} id], later }}"),
        format!("digest = {{ ? 0 => [1*{MAX_SUMMARIES} user-mark], later }}"),
        format!("compare = {{ ? 0 => [1*{BUCKETS} u64], 1 => u64, ? 2 => [1*{BUCKETS} u64], later }}"),
        format!("4 => bytes .size (0..{MAX_BODY}), ; body later }} mirrored-person"),
        format!("| envelope; wraps | {} bytes; {MAX_WRAPS} |", grouped(MAX_ENVELOPE)),
        format!("control frame; chat frame | 1,024; 512; {}; {} bytes |", grouped(control), grouped(chat)),
        format!("| declaration | `\"darknode/declaration/1\\0\"` | session | {} |", grouped(MAX_SMALL_RECORD)),
        format!("A content takes at most {CONTENT_OVERHEAD} bytes beside its body"),
        format!("The longest roster by this grammar has {} bytes", grouped(LONGEST_ROSTER)),
        format!("the longest key card {LONGEST_CARD}"),
        format!(
            "So {} bytes of contents fit with both, the longest body with {spare} bytes to spare",
            grouped(CAPACITY)
        ),
    ];
    for said in said {
        assert!(page.contains(&said), "the page does not say: {said}");
    }
}

/// The numbers that a row of the registries assigns.
fn assigned(registry: &str) -> BTreeSet<u8> {
    let page = file("docs/protocol.md");
    let row = page.lines().find(|line| line.starts_with(&format!("| {registry} |"))).expect("there is such a row");
    let cell = row.split('|').nth(2).expect("a row has cells");
    cell.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn the_registries_name_what_the_code_reads() {
    // A number with an empty body: of one that is not known nothing is asked.
    let frame = |number: u8| [&[0x81, 0x82, 0x18, number][..], &[0xa0]].concat();
    let short = |number: u8| if number < 24 { vec![0x81, 0x82, number, 0xa0] } else { frame(number) };
    let unknown_control =
        |number: u8| decode::<Batch>(&short(number)).is_ok_and(|batch| batch.0 == [Control::Unknown(number.into())]);
    let unknown_chat =
        |number: u8| decode::<Items>(&short(number)).is_ok_and(|items| items.0 == [Chat::Unknown(number.into())]);
    let known = |is_unknown: &dyn Fn(u8) -> bool| (0..=255).filter(|number| !is_unknown(*number)).collect();
    assert_eq!(assigned("control messages"), known(&unknown_control));
    assert_eq!(assigned("chat items"), known(&unknown_chat));
    assert_eq!(assigned("stream types"), known(&|number| StreamType::from_byte(number).is_none()));
}

#[test]
fn the_page_says_which_characters_are_in_names() {
    let page = page();
    let from = page.find("the invisible ones U+").expect("it has a list") + "the invisible ones U+".len();
    let list = page[from..].split(';').next().expect("it ends").replace(" and ", ", ");
    let code = |hex: &str| u32::from_str_radix(hex.trim(), 16).expect("hex");
    let invisible: BTreeSet<u32> = list
        .split(',')
        .map(|range| range.split_once('–').unwrap_or((range, range)))
        .flat_map(|(first, last)| code(first)..=code(last))
        .collect();
    let groups = [GeneralCategoryGroup::Letter, GeneralCategoryGroup::Mark];
    let is_listed = |c: char| {
        let general = groups.contains(&c.general_category_group()) && !invisible.contains(&u32::from(c));
        general || c.general_category() == GeneralCategory::DecimalNumber || "._-' ".contains(c)
    };
    for c in '\0'..=char::MAX {
        let refused = matches!(Name::parse(&format!("a{c}b")), Err(BadName::Character | BadName::Space));
        assert_ne!(is_listed(c), refused, "{c:?}");
    }
    let (unicode, minor, _) = unicode_normalization::UNICODE_VERSION;
    assert!(page.contains(&format!("the tables of Unicode {unicode}.{minor}.")));
}
