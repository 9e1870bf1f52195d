//! Text from strangers in unusual places: close reasons, names, error strings. It may be logged, but must not contain
//! terminal escape sequences.

use std::sync::Arc;

use darknode::node::endpoint::client_config;
use darknode::node::tls::{self, Credentials};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, VarInt};
use tokio::time::timeout;

use crate::adversary::Person;
use crate::program::TestBed;
use crate::setup::{PATIENCE, endpoint};

const COMMANDS: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}\u{2066}\u{e0041}\r\nERROR all is lost";

/// Refuses every server with an error text of its own, which TLS passes on to the server.
#[derive(Debug)]
struct Abusive;

impl rustls::client::danger::ServerCertVerifier for Abusive {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Err(rustls::Error::General(COMMANDS.to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General(COMMANDS.to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General(COMMANDS.to_owned()))
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ED25519]
    }
}

fn abusive() -> quinn::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Abusive))
        .with_no_client_auth();
    config.alpn_protocols = vec![tls::ALPN.to_vec()];
    quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn close_reasons_and_tls_errors_are_logged_as_single_escaped_lines() {
    let bed = TestBed::new();
    let mut node = bed.node("alice").with(&["--log", "trace"]).start();
    let addr = node.place().parse().unwrap();
    let endpoint = endpoint();
    let failed = timeout(PATIENCE, endpoint.connect_with(abusive(), addr, tls::SERVER_NAME).unwrap()).await;
    failed.expect("it ends at once").expect_err("every server is refused");
    let mallory = Credentials::new(&Person::new(1, "mallory").session);
    let dial = endpoint.connect_with(client_config(mallory.client_config(None).0), addr, tls::SERVER_NAME).unwrap();
    let conn: Connection = timeout(PATIENCE, dial).await.unwrap().unwrap();
    conn.close(VarInt::from_u32(7), COMMANDS.as_bytes());
    endpoint.wait_idle().await;
    node.types(r"\quit");
    let (status, _, logged) = node.ends();
    assert_eq!(status.code(), Some(0));
    let named = logged.iter().filter(|line| line.contains(r"\u{1b}]0;owned\u{7}")).count();
    assert!(named >= 1, "the text was not logged, so nothing was tested");
    for line in logged {
        let commands = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!line.contains(commands), "{line:?}");
        assert!(!line.starts_with("ERROR all is lost"), "a stranger can write lines to the log");
    }
}
