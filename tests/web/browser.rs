//! The page in Chromium: each flow of `browser/flows.mjs` with nodes and a browser of its own.
//!
//! They need Node.js, Chromium, and `npm ci` in `tests/web/browser`. Without them they are skipped, with a visible message, and fail
//! if `CI` is set.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::tested;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/web/browser")
}

/// The browser: Debian's, or the one that `DARKNODE_TEST_CHROMIUM` names.
fn chromium() -> PathBuf {
    std::env::var_os("DARKNODE_TEST_CHROMIUM").map_or_else(|| "/usr/bin/chromium".into(), PathBuf::from)
}

/// Whether there is what the flows need.
fn can_browse() -> bool {
    let node = Command::new("node").arg("--version").output();
    let missing = [
        (!node.is_ok_and(|output| output.status.success())).then_some("node"),
        (!chromium().exists()).then_some("chromium"),
        (!folder().join("node_modules/playwright-core").exists()).then_some("`npm ci` in tests/web/browser"),
    ];
    let missing: Vec<&str> = missing.into_iter().flatten().collect();
    if missing.is_empty() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "the page cannot be tested without {}", missing.join(" and "));
    eprintln!("SKIPPED: the page cannot be tested without {}", missing.join(" and "));
    false
}

/// Flows with cables that are pulled, which need a network namespace.
const WIRED: [&str; 1] = ["cut"];

/// Whether the system allows network namespaces.
fn can_be_wired() -> bool {
    let test =
        Command::new("unshare").args(["--user", "--map-root-user", "--net", "ip", "link", "set", "lo", "up"]).output();
    if test.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "this system allows no network namespaces (unshare -Urn): CI must");
    eprintln!("SKIPPED: this system allows no network namespaces (unshare -Urn)");
    false
}

fn flow(name: &str) {
    let is_wired = WIRED.contains(&name);
    if !can_browse() || (is_wired && !can_be_wired()) {
        return;
    }
    let mut command = Command::new(if is_wired { "unshare" } else { "node" });
    if is_wired {
        command.args(["--user", "--map-root-user", "--net", "node"]);
    }
    command.arg("flows.mjs").arg(name).current_dir(folder());
    let output = command.env("DARKNODE_TEST_PROGRAM", tested()).output().expect("node starts");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{name}: {said}");
}

macro_rules! flows {
    ($($name:ident: $flow:literal,)*) => {
        $(#[test] fn $name() { flow($flow); })*

        #[test]
        fn every_flow_is_a_test() {
            if can_browse() {
                let output = Command::new("node").arg("flows.mjs").current_dir(folder()).output().expect("node starts");
                let all = String::from_utf8_lossy(&output.stdout).into_owned();
                assert_eq!(all.lines().collect::<Vec<_>>(), [$($flow),*]);
            }
        }
    };
}

flows! {
    whoever_begins_finds_people_by_name_by_address_and_nearby: "first",
    lines_go_both_ways_and_each_is_shown_once: "chat",
    a_text_may_have_several_lines_and_is_never_a_macro: "multiline",
    every_conversation_has_a_draft_of_its_own: "drafts",
    the_page_asks_before_it_sends_what_is_in_doubt: "doubts",
    a_reload_keeps_what_was_being_written: "kept",
    a_page_that_was_switched_off_says_so: "off",
    a_killed_node_is_said_to_be_gone_and_its_successor_wants_a_new_link: "restart",
    a_reload_needs_no_new_link: "reload",
    the_map_changes_as_the_network_does: "map",
    a_pulled_cable_is_shown_on_the_map_and_so_is_that_it_is_back: "cut",
    a_line_that_arrives_late_stands_where_it_was_written_and_says_so: "late",
    whoever_does_not_look_is_told_who_wrote_and_not_what: "notifications",
    two_tabs_of_a_browser_show_the_same_and_each_has_its_drafts: "tabs",
    a_request_that_is_never_answered_is_given_up: "unanswered",
    the_page_says_who_has_a_line_and_where_mail_waits: "mail",
    a_line_is_said_to_wait_or_to_be_delivered_only_where_that_is_known: "states",
    another_session_of_mine_says_of_no_line_of_this_one_that_it_waits_and_is_named_where_it_carries_one: "sessions",
    text_that_looks_like_markup_is_shown_as_text: "markup",
    another_site_in_the_same_browser_reaches_nothing: "foreign",
    a_name_that_points_at_this_machine_reaches_nothing: "rebound",
    a_stolen_code_works_once_and_the_owner_is_told: "codes",
    two_browsers_show_the_same_order_and_the_same_unread_counts: "browsers",
    scrolling_up_shows_the_whole_history: "history",
    a_stranger_is_accepted_on_the_page: "requests",
    the_doctor_says_what_it_found: "doctor",
    my_profile_has_words_address_and_a_qr_code: "me",
    everything_is_reached_by_keyboard: "keyboard",
    a_narrow_page_shows_one_pane: "narrow",
    axe_finds_nothing_serious_in_light_and_dark_wide_and_narrow: "axe",
}
