//! What is not a request, and sockets that cannot be used as they are.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::program::TestBed;
use crate::program::client::{Client, socket};

/// The most bytes of a request.
const MAX_REQUEST: usize = 128 * 1024;
/// The most clients.
const MAX_CLIENTS: usize = 32;
/// Connections that are tried one after the other until one is accepted: some seconds.
const ATTEMPTS: usize = 20_000;

/// A request of this many bytes.
fn request_of(length: usize) -> String {
    let empty = r#"{"line":9,"do":"users","x":""}"#;
    empty.replace(r#""""#, &format!("\"{}\"", "x".repeat(length - empty.len())))
}

#[test]
fn what_is_not_a_request_is_refused_and_the_connection_goes_on() {
    let bed = TestBed::new();
    let alice = bed.start("alice");
    let mut client = Client::connect(&bed, "alice");
    let longest = request_of(MAX_REQUEST);
    client.sends(format!("{longest}\n").as_bytes());
    assert_eq!(client.event("users")["line"], 9);
    let not_text = b"\xff\xfe\x00".as_slice();
    let too_long = request_of(MAX_REQUEST + 1);
    let (much_too_long, deep) = ("x".repeat(4 * MAX_REQUEST), "[".repeat(MAX_REQUEST));
    for (bad, has_line) in [
        (too_long.as_bytes(), false),
        (much_too_long.as_bytes(), false),
        (deep.as_bytes(), false),
        (not_text, false),
        (br"\users", false),
        (br#"{"line":7,"do":"dance"}"#, true),
        (br#"{"line":7,"do":"history","user":"bob","n":-1}"#, true),
        (br#"{"line":7,"do":"subscribe","since":"yesterday"}"#, true),
        (br#"{"line":99999999999999999999,"do":"users"}"#, false),
    ] {
        client.sends(&[bad, b"\n"].concat());
        let answer = client.event("error");
        assert_eq!((&answer["code"], answer["line"] == 7), (&"bad-request".into(), has_line), "{answer}");
        assert!(answer["message"].as_str().is_some_and(|message| message.len() < 300), "{answer}");
    }
    client.sends(b"\n  \n");
    assert_eq!(client.asks(json!({"do": "conversations", "colour": "red"}))["event"], "conversations");
    alice.quits();
}

#[test]
fn a_request_that_is_never_finished_concerns_nobody_else() {
    let bed = TestBed::new();
    let alice = bed.start("alice");
    let (mut half, mut other) = (Client::connect(&bed, "alice"), Client::connect(&bed, "alice"));
    half.sends(br#"{"line":1,"do":"st"#);
    assert_eq!(other.asks(json!({"do": "users"}))["event"], "users");
    drop(half);
    assert_eq!(other.asks(json!({"do": "users"}))["event"], "users");
    alice.quits();
}

#[test]
fn a_client_too_many_is_told_so_until_another_one_ends() {
    let bed = TestBed::new();
    let alice = bed.start("alice");
    let mut clients: Vec<Client> = (0..MAX_CLIENTS).map(|_| Client::connect(&bed, "alice")).collect();
    let mut more = Client::connect(&bed, "alice");
    assert_eq!(more.ready["code"], "too-many", "{}", more.ready);
    assert_eq!(more.next(), None);
    assert_eq!(clients[0].asks(json!({"do": "users"}))["event"], "users");
    clients.pop();
    let mut attempts = (0..ATTEMPTS).map(|_| Client::connect(&bed, "alice"));
    assert!(attempts.any(|client| client.ready["event"] == "ready"), "the place is not given back");
    alice.quits();
}

#[test]
fn the_socket_of_a_killed_node_is_replaced() {
    let bed = TestBed::new();
    let alice = bed.start("alice");
    let path = socket(&bed, "alice");
    alice.killed();
    assert!(path.exists(), "nobody has removed it");
    let alice = bed.start("alice");
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    assert_eq!(Client::connect(&bed, "alice").asks(json!({"do": "users"}))["event"], "users");
    alice.quits();
}

#[test]
fn a_data_directory_with_a_long_path_has_its_socket_elsewhere() {
    let bed = TestBed::new();
    let dir = "d".repeat(120);
    let mut command = bed.node("alice").dir(&dir).command();
    command.env("XDG_RUNTIME_DIR", bed.path(""));
    let mut alice = bed.run(command, "alice");
    alice.event("ready");
    let path = socket(&bed, &dir);
    assert_eq!(path.parent(), Some(&*bed.path("darknode")));
    assert_eq!(fs::metadata(bed.path("darknode")).expect("it is there").permissions().mode() & 0o777, 0o700);
    assert_eq!(Client::connect(&bed, &dir).asks(json!({"do": "users"}))["event"], "users");
    alice.quits();
    assert!(!path.exists());
}
