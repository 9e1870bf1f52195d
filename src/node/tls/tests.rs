use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use quinn::{Connection, ConnectionError, Endpoint};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::*;
use crate::identity::Scheme;

fn key(first: u8) -> SecretKey {
    SecretKey::from_seed(Scheme::Ed25519, &[first; 32])
}

fn session(first: u8) -> SessionId {
    SessionId(key(first).public())
}

fn credentials(first: u8) -> Credentials {
    Credentials::new(&key(first))
}

fn pair(first: u8) -> rcgen::KeyPair {
    let der = PrivatePkcs8KeyDer::from(pkcs8(&[first; 32]).to_vec());
    rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519).unwrap()
}

fn params() -> rcgen::CertificateParams {
    rcgen::CertificateParams::new(vec![SERVER_NAME.to_owned()]).unwrap()
}

/// The TLS configuration of a misbehaving peer: any certificates, any key, any ALPN.
struct Impostor {
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
    alpn: &'static [u8],
}

impl Impostor {
    fn new(chain: Vec<CertificateDer<'static>>, pair: &rcgen::KeyPair) -> Impostor {
        Impostor { chain, key: pair.serialize_der().into(), alpn: ALPN }
    }

    fn shown(&self, provider: &CryptoProvider) -> Arc<SingleCertAndKey> {
        let key = provider.key_provider.load_private_key(PrivateKeyDer::Pkcs8(self.key.clone_key())).unwrap();
        Arc::new(CertifiedKey::new(self.chain.clone(), key).into())
    }

    fn server(&self) -> quinn::ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = SessionVerifier::new(&provider, None, PeerSession::default());
        let mut config = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(self.shown(&provider));
        config.alpn_protocols = vec![self.alpn.to_vec()];
        quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(config).unwrap()))
    }

    fn client(&self) -> quinn::ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = SessionVerifier::new(&provider, None, PeerSession::default());
        let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match self.chain.is_empty() {
            true => builder.with_no_client_auth(),
            false => builder.with_client_cert_resolver(self.shown(&provider)),
        };
        config.alpn_protocols = vec![self.alpn.to_vec()];
        quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()))
    }
}

/// The result of a handshake on each side.
struct Handshake {
    dialled: Result<Connection, ConnectionError>,
    accepted: Result<Connection, ConnectionError>,
    _endpoints: [Endpoint; 2],
}

async fn handshake(server: quinn::ServerConfig, client: quinn::ClientConfig) -> Handshake {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let acceptor = Endpoint::server(server, any).unwrap();
    let dialler = Endpoint::client(any).unwrap();
    let dial = dialler.connect_with(client, acceptor.local_addr().unwrap(), SERVER_NAME).unwrap();
    let both = async { tokio::join!(dial, async { acceptor.accept().await.unwrap().await }) };
    let (dialled, accepted) = tokio::time::timeout(Duration::from_secs(20), both).await.expect("the handshake ends");
    Handshake { dialled, accepted, _endpoints: [acceptor, dialler] }
}

/// Whether both a correct client and a correct server refuse this impostor.
async fn refused_both_ways(impostor: &Impostor) -> bool {
    let (client, answered) = credentials(1).client_config(None);
    let as_server = handshake(impostor.server(), client).await;
    let as_client = handshake(credentials(2).server_config(), impostor.client()).await;
    as_server.dialled.is_err() && answered.session().is_none() && as_client.accepted.is_err()
}

#[tokio::test]
async fn both_ends_learn_the_session_of_the_other_and_export_the_same_bytes() {
    let (client, answered) = credentials(1).client_config(Some(session(2)));
    let handshake = handshake(credentials(2).server_config(), client).await;
    let (dialled, accepted) = (handshake.dialled.unwrap(), handshake.accepted.unwrap());
    assert_eq!(session_of(&dialled), Some(session(2)));
    assert_eq!(session_of(&accepted), Some(session(1)));
    assert_eq!(answered.session(), Some(session(2)));
    assert_eq!(exporter(&dialled), exporter(&accepted));
    assert_ne!(exporter(&dialled), [0; 32]);
}

#[tokio::test]
async fn every_connection_exports_different_bytes() {
    let (server, (client, _)) = (credentials(2).server_config(), credentials(1).client_config(None));
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let handshake = handshake(server.clone(), client.clone()).await;
        seen.insert(exporter(&handshake.dialled.unwrap()));
    }
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn a_dial_answered_by_another_session_fails_and_reports_that_session() {
    let (client, answered) = credentials(1).client_config(Some(session(3)));
    let handshake = handshake(credentials(2).server_config(), client).await;
    assert!(handshake.dialled.is_err() && handshake.accepted.is_err());
    assert_eq!(answered.session(), Some(session(2)));
}

#[tokio::test]
async fn a_copied_certificate_without_its_key_is_refused() {
    let copied = credentials(3).certificate.clone();
    assert!(refused_both_ways(&Impostor::new(vec![copied], &pair(4))).await);
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let handshake = handshake(credentials(2).server_config(), Impostor::new(vec![], &pair(4)).client()).await;
    assert!(handshake.accepted.is_err());
}

#[tokio::test]
async fn an_ecdsa_certificate_is_refused() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = params().self_signed(&pair).unwrap().der().clone();
    assert_eq!(session_of_certificate(&certificate), Err(BadCertificate::NotEd25519));
    assert!(refused_both_ways(&Impostor::new(vec![certificate], &pair)).await);
}

#[tokio::test]
async fn an_expired_certificate_is_accepted() {
    let mut expired = params();
    expired.not_before = rcgen::date_time_ymd(1980, 1, 1);
    expired.not_after = rcgen::date_time_ymd(1981, 1, 1);
    let impostor = Impostor::new(vec![expired.self_signed(&pair(4)).unwrap().der().clone()], &pair(4));
    let as_server = handshake(impostor.server(), credentials(1).client_config(Some(session(4))).0).await;
    assert_eq!(session_of(&as_server.dialled.unwrap()), Some(session(4)));
    let as_client = handshake(credentials(2).server_config(), impostor.client()).await;
    assert_eq!(session_of(&as_client.accepted.unwrap()), Some(session(4)));
}

#[tokio::test]
async fn another_alpn_is_refused() {
    let own = params().self_signed(&pair(4)).unwrap().der().clone();
    let impostor = Impostor { alpn: b"darknode/0", ..Impostor::new(vec![own], &pair(4)) };
    assert!(refused_both_ways(&impostor).await);
}

#[tokio::test]
async fn a_certificate_issued_by_another_key_is_refused() {
    let issuer = rcgen::Issuer::new(params(), pair(5));
    let issued = params().signed_by(&pair(4), &issuer).unwrap().der().clone();
    assert_eq!(session_of_certificate(&issued), Err(BadCertificate::NotSelfSigned));
    assert!(refused_both_ways(&Impostor::new(vec![issued], &pair(4))).await);
}

#[tokio::test]
async fn a_certificate_chain_is_refused() {
    let chain = vec![credentials(4).certificate.clone(), credentials(5).certificate.clone()];
    assert!(refused_both_ways(&Impostor::new(chain, &pair(4))).await);
}

#[test]
fn a_session_certificate_is_small_and_yields_its_session() {
    assert_eq!(session_of_certificate(&credentials(1).certificate), Ok(session(1)));
    assert!(credentials(1).certificate.len() <= 320);
}

#[test]
fn a_certificate_with_trailing_or_missing_bytes_is_refused() {
    let der = credentials(1).certificate.to_vec();
    assert_eq!(session_of_certificate(&[&der[..], &[0]].concat()), Err(BadCertificate::Malformed));
    (0..der.len()).for_each(|end| assert!(session_of_certificate(&der[..end]).is_err()));
}

#[test]
fn a_flipped_bit_is_refused_in_the_signed_part_and_never_yields_another_session() {
    let der = credentials(1).certificate.to_vec();
    // After the signed part come the algorithm (7 bytes) and the signature as a bit string (3 + 64 bytes).
    let signed = 4..der.len() - 74;
    for (at, bit) in (0..der.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut changed = der.clone();
        changed[at] ^= 1 << bit;
        match session_of_certificate(&changed) {
            Ok(same) => assert!(same == session(1) && !signed.contains(&at), "bit {bit} of byte {at}"),
            Err(_) => continue,
        }
    }
}

#[test]
fn a_key_of_small_order_is_refused() {
    let mut der = credentials(1).certificate.to_vec();
    let own = session(1).0;
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let at = der.windows(32).position(|window| window == own).unwrap();
    der[at..at + 32].copy_from_slice(&neutral);
    let end = der.len();
    der[end - 64..].fill(0);
    der[end - 64] = 1;
    assert_eq!(session_of_certificate(&der), Err(BadCertificate::NotSelfSigned));
}

#[test]
fn a_certificate_over_the_size_limit_is_not_parsed() {
    let mut long = params();
    long.subject_alt_names = vec![rcgen::SanType::DnsName("a".repeat(60).try_into().unwrap()); 40];
    let der = long.self_signed(&pair(1)).unwrap().der().clone();
    assert_eq!(session_of_certificate(&der), Err(BadCertificate::TooLong(der.len())));
    assert_eq!(session_of_certificate(&[]), Err(BadCertificate::Malformed));
}
