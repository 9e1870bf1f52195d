//! Before a connection exists: another protocol, another kind of key, incomplete handshakes.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::Arc;

use darknode::node::tls;
use data_encoding::BASE64;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use tokio::time::timeout;

use crate::setup::{Node, PATIENCE, endpoint};

/// Accepts every server certificate.
#[derive(Debug)]
pub struct Credulous;

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

/// Presents its certificate regardless of the schemes the server offered; rustls itself would present none.
#[derive(Debug)]
struct Stubborn {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
}

impl ResolvesClientCert for Stubborn {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let key = Arc::new(Stubborn { chain: Vec::new(), key: self.key.clone() });
        Some(Arc::new(CertifiedKey::new(self.chain.clone(), key)))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl SigningKey for Stubborn {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        use SignatureScheme::*;
        self.key.choose_scheme(&[ED25519, ECDSA_NISTP256_SHA256, RSA_PSS_SHA256])
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }
}

fn stubborn(certificate: CertificateDer<'static>, key: Vec<u8>) -> Stubborn {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    Stubborn { chain: vec![certificate], key }
}

/// A certificate of this algorithm, with its key.
fn certificate(algorithm: &'static rcgen::SignatureAlgorithm, not_after: i32) -> Stubborn {
    let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(1990, 1, 1);
    params.not_after = rcgen::date_time_ymd(not_after, 1, 1);
    stubborn(params.self_signed(&pair).unwrap().der().clone(), pair.serialize_der())
}

/// An RSA certificate made by openssl. Where that is missing, prints a visible message and returns `None`, and fails
/// if `CI` is set.
fn rsa() -> Option<Stubborn> {
    let arguments = "req -x509 -newkey rsa:2048 -nodes -subj /CN=x -days 1 -keyout - -out -";
    let Ok(output) = Command::new("openssl").args(arguments.split(' ')).output() else {
        assert!(std::env::var_os("CI").is_none(), "openssl is needed for this test: install it");
        eprintln!("SKIPPED: no openssl to make an RSA certificate with");
        return None;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let part = |label: &str| {
        let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----")).unwrap();
        let body: String = rest.split("-----END").next().unwrap().split_whitespace().collect();
        BASE64.decode(body.as_bytes()).unwrap()
    };
    Some(stubborn(part("CERTIFICATE").into(), part("PRIVATE KEY")))
}

/// Dials with these ALPNs and this certificate. True if the node refuses or closes the connection; false if it sends
/// its proof.
async fn is_refused(node: &Node, alpn: &[&[u8]], shown: Option<Stubborn>) -> bool {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous));
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(shown) => builder.with_client_cert_resolver(Arc::new(shown)),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()));
    let endpoint = endpoint();
    let attempt = async {
        let Ok(conn) = endpoint.connect_with(config, node.addr, tls::SERVER_NAME).unwrap().await else { return true };
        conn.accept_uni().await.is_err()
    };
    timeout(PATIENCE, attempt).await.expect("refused or accepted")
}

#[tokio::test(flavor = "multi_thread")]
async fn other_keys_and_missing_certificates_are_refused_and_expired_ones_are_accepted() {
    let mut node = Node::open();
    assert!(is_refused(&node, &[tls::ALPN], None).await);
    assert!(is_refused(&node, &[tls::ALPN], Some(certificate(&rcgen::PKCS_ECDSA_P256_SHA256, 2090))).await);
    if let Some(rsa) = rsa() {
        assert!(is_refused(&node, &[tls::ALPN], Some(rsa)).await);
    }
    assert!(!is_refused(&node, &[tls::ALPN], Some(certificate(&rcgen::PKCS_ED25519, 1991))).await);
    node.counts("handshakes_failed").await;
    node.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_or_missing_alpn_is_refused() {
    let mut node = Node::open();
    for alpn in [&[&b"h3"[..]][..], &[], &[b"darknode/1\0"]] {
        let fine = Some(certificate(&rcgen::PKCS_ED25519, 2090));
        assert!(is_refused(&node, alpn, fine).await, "{alpn:?}");
    }
    let several = Some(certificate(&rcgen::PKCS_ED25519, 2090));
    assert!(!is_refused(&node, &[b"h3", tls::ALPN], several).await, "ours among others is enough");
    node.counts("handshakes_failed").await;
    node.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_of_other_protocols_are_not_answered_and_do_no_harm() {
    let mut node = Node::open();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (mut long, mut short) = (vec![0xc0, 0, 0, 0, 1, 255], vec![0x40; 20]);
    long.resize(1200, 0x5a);
    short.resize(1200, 0x5a);
    for _ in 0..1000 {
        for bytes in [&b""[..], b"\0", b"GET / HTTP/1.1\r\n\r\n", &long, &short, &[0xff; 1500]] {
            socket.send_to(bytes, node.addr).ok();
        }
    }
    node.is_well().await;
}
