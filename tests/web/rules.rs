//! Who is served: each rule of `docs/web.md`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::program::TestBed;
use crate::program::http::{JSON, Page, alice, darknode_web, rest};

const FILES: [&str; 4] = ["/", "/app.js", "/app.css", "/icon.svg"];

#[test]
fn every_answer_has_the_headers_that_keep_other_sites_and_texts_from_acting() {
    let bed = TestBed::new();
    let (alice, page) = alice(&bed);
    let foreign = page.asks("GET /", &[("Origin", "http://evil.example")], "");
    let all = [page.gets("/"), page.gets("/app.js"), page.gets("/nowhere"), page.gets("/api/events"), foreign];
    assert_eq!(all.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 404, 401, 403]);
    for answer in all {
        let policy = answer.header("content-security-policy").expect("there is a policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ] {
            assert!(policy.split("; ").any(|part| part == rule), "{rule} in {policy}");
        }
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name} in {answer:?}");
        }
        let head = answer.head.to_ascii_lowercase();
        assert!(!head.contains("access-control-") && !head.contains("set-cookie"), "{head}");
    }
    alice.quits();
}

#[test]
fn a_rebound_host_a_foreign_origin_and_a_request_of_another_site_are_refused_everywhere() {
    let bed = TestBed::new();
    let (alice, page) = alice(&bed);
    let token = page.enters();
    let own = format!("http://{}", page.addr);
    let bearer = ("Authorization", token.as_str());
    let paths = FILES.map(|path| ("GET", path)).into_iter().chain([
        ("GET", "/api/events"),
        ("POST", "/login"),
        ("POST", "/api"),
    ]);
    for (method, path) in paths {
        let body = if method == "POST" { r#"{"do":"users"}"# } else { "" };
        let ask = |fields: &[(&str, &str)]| {
            let fields = [&[JSON, bearer][..], fields].concat();
            page.asks(&format!("{method} {path}"), &fields, body).status
        };
        for origin in ["http://evil.example", "null", "http://127.0.0.1", "http://localhost:27280", "https://127.0.0.1"]
        {
            assert_eq!(ask(&[("Origin", origin)]), 403, "{path} from {origin}");
        }
        for site in ["cross-site", "same-site"] {
            assert_eq!(ask(&[("Sec-Fetch-Site", site)]), 403, "{path} from {site}");
            assert_eq!(ask(&[("Origin", &own), ("Sec-Fetch-Site", site)]), 403, "{path} from {site}");
        }
        let rebound = |host: &str| {
            let text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{}", rest(&[JSON, bearer], body));
            page.sends(text.as_bytes()).status
        };
        for host in ["evil.example", "evil.example:27280", "127.0.0.1.evil.example", "0.0.0.0:27280"] {
            assert_eq!(rebound(host), 403, "{path} at {host}");
        }
        let nameless = format!("{method} {path} HTTP/1.1\r\n{}", rest(&[JSON, bearer], body));
        assert!([400, 403].contains(&page.sends(nameless.as_bytes()).status), "{path} without a host");
    }
    for host in ["localhost:27280", "[::1]:27280", "127.0.0.1:1"] {
        let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nSec-Fetch-Site: none\r\n\r\n");
        assert_eq!(page.sends(text.as_bytes()).status, 200, "{host}");
    }
    alice.quits();
}

#[test]
fn a_question_whether_another_origin_may_ask_gets_no_leave() {
    let bed = TestBed::new();
    let (alice, page) = alice(&bed);
    let asked = [("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Private-Network", "true")];
    for path in ["/api", "/login", "/api/events"] {
        let answer = page.asks(&format!("OPTIONS {path}"), &asked, "");
        assert_eq!(answer.status, 405, "{answer:?}");
        assert!(!answer.head.to_ascii_lowercase().contains("access-control-"), "{answer:?}");
    }
    alice.quits();
}

#[test]
fn only_json_is_taken() {
    let bed = TestBed::new();
    let (alice, page) = alice(&bed);
    let body = json!({ "code": page.code }).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"] {
        assert_eq!(page.asks("POST /login", &[("Content-Type", kind)], &body).status, 415, "{kind}");
    }
    assert_eq!(page.asks("POST /login", &[], &body).status, 415);
    assert_eq!(page.logs_in(&page.code).status, 200, "the code was not used by any of these");
    alice.quits();
}

#[test]
fn a_code_works_once_and_a_stolen_one_is_of_no_use_afterwards() {
    let bed = TestBed::new();
    let (alice, page) = alice(&bed);
    let token = page.enters();
    let again = page.logs_in(&page.code);
    assert_eq!(again.status, 403);
    assert!(again.body.contains("darknode web"), "it says what to do: {}", again.body);
    assert!(page.code.len() >= 32 && token.len() >= 32, "both have 128 bits at least");
    assert_ne!(Page::of(&bed, "alice").code, page.code, "every link has a code of its own");
    alice.quits();
}

#[test]
fn after_ten_wrong_codes_even_the_right_one_is_refused() {
    let bed = TestBed::new();
    let (alice, page) = alice(&bed);
    for n in 0..10 {
        assert_eq!(page.logs_in(&format!("guess {n}")).status, 403);
    }
    assert_eq!(page.logs_in(&page.code).status, 429);
    alice.quits();
}

#[test]
fn without_a_token_nothing_is_answered() {
    let bed = TestBed::new();
    let (alice, page) = alice(&bed);
    let token = page.enters();
    let wrong = format!("Bearer {}", "0".repeat(64));
    let short = &token[..token.len() - 1];
    let bare = token.trim_start_matches("Bearer ");
    for given in ["", "Bearer", "Bearer ", &wrong, short, bare, &format!("Basic {bare}")] {
        assert_eq!(page.requests(given, &json!({"do": "users"})).status, 401, "{given}");
        assert_eq!(page.asks("GET /api/events", &[("Authorization", given)], "").status, 401, "{given}");
    }
    let in_query = format!("GET /api/events?since=now&token={bare}");
    assert_eq!(page.asks(&in_query, &[], "").status, 401);
    assert_eq!(page.asks("GET /api/events", &[("Cookie", &format!("token={bare}"))], "").status, 401);
    assert_eq!(page.requests(&token, &json!({"do": "users"})).status, 200);
    alice.quits();
}

#[test]
fn a_token_ends_with_the_node_and_when_the_page_is_switched_off() {
    let bed = TestBed::new();
    let (alice, page) = alice(&bed);
    let token = page.enters();
    let mut stream = page.streams(&token, "now");
    stream.event("subscribed");
    assert_eq!(darknode_web(&bed, "alice", &["--off"]).trim(), "the page is not served any more");
    assert_eq!(stream.event("web")["link"], serde_json::Value::Null, "whoever reads events is told why they end");
    stream.ends();
    assert!(TcpStream::connect(page.addr).is_err(), "nobody listens");
    let again = Page::of(&bed, "alice");
    assert_eq!(again.requests(&token, &json!({"do": "users"})).status, 401);
    let token = again.enters();
    alice.quits();
    let alice = bed.start("alice");
    let restarted = Page::of(&bed, "alice");
    assert_eq!(restarted.requests(&token, &json!({"do": "users"})).status, 401);
    alice.quits();
}

#[test]
fn a_page_that_is_switched_on_again_is_where_it_was() {
    let bed = TestBed::new();
    let alice = bed.node("alice").with(&["--web", "127.0.0.1:0"]).start();
    let page = Page::of(&bed, "alice");
    darknode_web(&bed, "alice", &["--off"]);
    assert_eq!(Page::of(&bed, "alice").addr, page.addr);
    darknode_web(&bed, "alice", &["--off"]);
    let _held = TcpListener::bind(page.addr).expect("nobody listens there now");
    assert_ne!(Page::of(&bed, "alice").addr, page.addr, "somebody else is there");
    alice.quits();
}

#[test]
fn long_headers_and_bodies_are_refused() {
    let bed = TestBed::new();
    let (alice, page) = alice(&bed);
    let token = page.enters();
    let long = page.asks("GET /", &[("X-Long", &"x".repeat(9000))], "");
    assert_eq!(long.status, 431, "{long:?}");
    let text = "x".repeat(130 * 1024);
    let body = json!({"do": "say", "to": "bob", "text": text}).to_string();
    assert_eq!(page.asks("POST /api", &[JSON, ("Authorization", &token)], &body).status, 413);
    assert_eq!(page.asks("POST /login", &[JSON], &body).status, 413);
    alice.quits();
}

#[test]
fn a_seventeenth_connection_waits_and_one_that_says_nothing_is_closed_after_ten_seconds() {
    let bed = TestBed::new();
    let (alice, page) = alice(&bed);
    let mut silent: Vec<TcpStream> = (0..16).map(|_| page.connect()).collect();
    let mut waits = page.connect();
    write!(waits, "GET / HTTP/1.1\r\nHost: {}\r\n\r\n", page.addr).expect("it is sent");
    waits.set_read_timeout(Some(Duration::from_secs(1))).expect("it is a time");
    assert!(waits.read(&mut [0]).is_err(), "it must wait");
    waits.set_read_timeout(Some(crate::program::PATIENCE)).expect("it is a time");
    let mut first = [0; 12];
    waits.read_exact(&mut first).expect("it is answered when others were closed");
    assert_eq!(&first, b"HTTP/1.1 200");
    for stream in &mut silent {
        let closed = stream.read_to_end(&mut Vec::new());
        assert!(closed.is_ok() || closed.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    }
    alice.quits();
}

#[test]
fn the_page_is_served_on_this_machine_only() {
    let bed = TestBed::new();
    for addr in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let mut command = bed.node("alice").with(&["--web", addr]).command();
        let output = command.stdin(Stdio::null()).output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.contains("this machine only") && !bed.path("alice").exists(), "{said}");
    }
}

#[test]
fn a_taken_default_port_is_replaced_and_a_taken_port_that_was_given_is_an_error() {
    let bed = TestBed::new();
    // It may be taken already, by somebody else's node.
    let _held = TcpListener::bind((Ipv4Addr::LOCALHOST, 27280));
    let alice = bed.node("alice").with(&["--web"]).start();
    let page = Page::of(&bed, "alice");
    assert_ne!(page.addr.port(), 27280);
    assert_eq!(page.gets("/").status, 200);
    let taken = page.addr.to_string();
    let output = bed.node("bob").with(&["--web", &taken]).command().stdin(Stdio::null()).output();
    let output = output.expect("the program starts");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    alice.quits();
}
