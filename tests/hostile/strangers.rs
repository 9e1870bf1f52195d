//! Before the proof holds: whoever is no member, or speaks no QUIC of ours.

use std::sync::Arc;

use darknode::id::BootId;
use darknode::identity::network::{NetworkKey, Role};
use darknode::node::tls;
use darknode::proto::event::CloseReason;
use darknode::wire::control::Control;
use darknode::wire::encode;
use darknode::wire::frame::StreamType;
use darknode::wire::proof::Proof;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::time::timeout;

use crate::adversary::Person;
use crate::scene::{Node, PATIENCE, Peer, close_reason, connect, endpoint, frame, write};

/// Believes every server.
#[derive(Debug)]
struct Credulous;

impl rustls::client::danger::ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ED25519]
    }
}

/// A certificate of this algorithm and its key.
fn certificate(algorithm: &'static rcgen::SignatureAlgorithm, not_after: i32) -> (CertificateDer<'static>, Vec<u8>) {
    let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(1990, 1, 1);
    params.not_after = rcgen::date_time_ymd(not_after, 1, 1);
    (params.self_signed(&pair).unwrap().der().clone(), pair.serialize_der())
}

/// Dials with this ALPN and certificate. True if the node closes the connection or never makes one; false if it sends its
/// proof.
async fn is_refused(node: &Node, alpn: &[u8], identity: Option<(CertificateDer<'static>, Vec<u8>)>) -> bool {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()));
    let endpoint = endpoint();
    let attempt = async {
        let Ok(conn) = endpoint.connect_with(config, node.addr, tls::SERVER_NAME).unwrap().await else { return true };
        conn.accept_uni().await.is_err()
    };
    timeout(PATIENCE, attempt).await.expect("refused or accepted")
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_no_certificate_and_another_kind_of_key_are_refused_and_an_expired_one_is_fine() {
    let mut node = Node::open();
    let fine = || Some(certificate(&rcgen::PKCS_ED25519, 2090));
    assert!(is_refused(&node, b"h3", fine()).await);
    assert!(is_refused(&node, tls::ALPN, None).await);
    assert!(is_refused(&node, tls::ALPN, Some(certificate(&rcgen::PKCS_ECDSA_P256_SHA256, 2090))).await);
    assert!(!is_refused(&node, tls::ALPN, Some(certificate(&rcgen::PKCS_ED25519, 1991))).await);
    node.counts("handshakes_failed").await;
    node.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_proof_that_holds_nothing_is_learned() {
    let secret = NetworkKey::generate([7; 64]);
    let mut node = Node::in_network(secret.clone());
    let mallory = Person::new(1, "mallory");
    let none = Proof { macs: darknode::wire::List(vec![]), ..proof(&secret, &[0; 32], Role::Dialler) };
    for attempt in 0..6 {
        let (_endpoint, conn) = connect(&node, &mallory).await;
        let exporter = tls::exporter(&conn);
        let bytes = match attempt {
            0 => encode(&none),
            1 => encode(&proof(&NetworkKey::open(), &exporter, Role::Dialler)),
            2 => encode(&proof(&secret, &[0; 32], Role::Dialler)),
            3 => encode(&proof(&secret, &exporter, Role::Acceptor)),
            4 => {
                encode(&Proof { versions: darknode::wire::List(vec![99]), ..proof(&secret, &exporter, Role::Dialler) })
            }
            _ => vec![0xff; 10_000],
        };
        let _control = write(&conn, StreamType::Control as u8, &frame(&bytes)).await;
        assert_eq!(close_reason(&conn).await, CloseReason::Stranger as u64, "attempt {attempt}");
    }
    assert_eq!(node.drops().await.get("strangers"), Some(&6));
}

fn proof(key: &NetworkKey, exporter: &[u8; 32], role: Role) -> Proof {
    key.prove(exporter, role, BootId(9))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_hello_instead_of_a_proof_or_nothing_at_all_is_a_stranger() {
    let mut node = Node::open();
    let mallory = Person::new(1, "mallory");
    let (_one, hasty) = connect(&node, &mallory).await;
    let batch: darknode::wire::control::Batch = darknode::wire::List(vec![Control::Hello(mallory.hello())]);
    let _control = write(&hasty, StreamType::Control as u8, &frame(&encode(&batch))).await;
    let (_two, silent) = connect(&node, &mallory).await;
    let (_three, wrong) = connect(&node, &mallory).await;
    let _chat = write(&wrong, StreamType::Chat as u8, &frame(&[0x80])).await;
    for conn in [hasty, wrong, silent] {
        assert_eq!(close_reason(&conn).await, CloseReason::Stranger as u64);
    }
    node.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_meets_itself_closes_the_connection() {
    let mut node = Node::open();
    let myself = Person { session: node.session_key(), ..Person::new(1, "alice") };
    let peer = Peer::proved(&node, &myself).await;
    peer.is_closed(CloseReason::Myself).await;
    node.is_well().await;
}
