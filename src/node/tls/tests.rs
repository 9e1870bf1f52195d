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

/// What somebody shows who does not play by the rules: any certificates, any key, any ALPN.
struct Mask {
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
    alpn: &'static [u8],
}

impl Mask {
    fn new(chain: Vec<CertificateDer<'static>>, pair: &rcgen::KeyPair) -> Mask {
        Mask { chain, key: pair.serialize_der().into(), alpn: ALPN }
    }

    fn shown(&self, provider: &CryptoProvider) -> Arc<SingleCertAndKey> {
        let key = provider.key_provider.load_private_key(PrivateKeyDer::Pkcs8(self.key.clone_key())).unwrap();
        Arc::new(CertifiedKey::new(self.chain.clone(), key).into())
    }

    fn server(&self) -> quinn::ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = SessionVerifier::new(&provider, None, Met::default());
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
        let verifier = SessionVerifier::new(&provider, None, Met::default());
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

/// How a handshake ended for either side.
struct Meeting {
    dialled: Result<Connection, ConnectionError>,
    accepted: Result<Connection, ConnectionError>,
    _endpoints: [Endpoint; 2],
}

async fn meet(server: quinn::ServerConfig, client: quinn::ClientConfig) -> Meeting {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let acceptor = Endpoint::server(server, any).unwrap();
    let dialler = Endpoint::client(any).unwrap();
    let dial = dialler.connect_with(client, acceptor.local_addr().unwrap(), SERVER_NAME).unwrap();
    let both = async { tokio::join!(dial, async { acceptor.accept().await.unwrap().await }) };
    let (dialled, accepted) = tokio::time::timeout(Duration::from_secs(20), both).await.expect("the handshake ends");
    Meeting { dialled, accepted, _endpoints: [acceptor, dialler] }
}

/// Whether an honest server, and an honest client, turn this mask away.
async fn refused_both_ways(mask: &Mask) -> bool {
    let (client, met) = credentials(1).client_config(None);
    let as_server = meet(mask.server(), client).await;
    let as_client = meet(credentials(2).server_config(), mask.client()).await;
    as_server.dialled.is_err() && met.session().is_none() && as_client.accepted.is_err()
}

#[tokio::test]
async fn both_ends_learn_who_the_other_is_and_export_the_same_bytes() {
    let (client, met) = credentials(1).client_config(Some(session(2)));
    let meeting = meet(credentials(2).server_config(), client).await;
    let (dialled, accepted) = (meeting.dialled.unwrap(), meeting.accepted.unwrap());
    assert_eq!(session_of(&dialled), Some(session(2)));
    assert_eq!(session_of(&accepted), Some(session(1)));
    assert_eq!(met.session(), Some(session(2)));
    assert_eq!(exporter(&dialled), exporter(&accepted));
    assert_ne!(exporter(&dialled), [0; 32]);
}

#[tokio::test]
async fn every_connection_exports_other_bytes() {
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let meeting = meet(credentials(2).server_config(), credentials(1).client_config(None).0).await;
        seen.insert(exporter(&meeting.dialled.unwrap()));
    }
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn a_dial_that_meets_another_fails_and_says_whom_it_met() {
    let (client, met) = credentials(1).client_config(Some(session(3)));
    let meeting = meet(credentials(2).server_config(), client).await;
    assert!(meeting.dialled.is_err() && meeting.accepted.is_err());
    assert_eq!(met.session(), Some(session(2)));
}

#[tokio::test]
async fn somebody_with_a_copied_certificate_and_another_key_is_nobody() {
    let copied = credentials(3).certificate.clone();
    assert!(refused_both_ways(&Mask::new(vec![copied], &pair(4))).await);
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let meeting = meet(credentials(2).server_config(), Mask::new(vec![], &pair(4)).client()).await;
    assert!(meeting.accepted.is_err());
}

#[tokio::test]
async fn an_ecdsa_certificate_is_refused() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = params().self_signed(&pair).unwrap().der().clone();
    assert_eq!(session_of_certificate(&certificate), Err(BadCertificate::NotEd25519));
    assert!(refused_both_ways(&Mask::new(vec![certificate], &pair)).await);
}

#[tokio::test]
async fn an_expired_certificate_is_as_good_as_any() {
    let mut expired = params();
    expired.not_before = rcgen::date_time_ymd(1980, 1, 1);
    expired.not_after = rcgen::date_time_ymd(1981, 1, 1);
    let mask = Mask::new(vec![expired.self_signed(&pair(4)).unwrap().der().clone()], &pair(4));
    let as_server = meet(mask.server(), credentials(1).client_config(Some(session(4))).0).await;
    assert_eq!(session_of(&as_server.dialled.unwrap()), Some(session(4)));
    let as_client = meet(credentials(2).server_config(), mask.client()).await;
    assert_eq!(session_of(&as_client.accepted.unwrap()), Some(session(4)));
}

#[tokio::test]
async fn another_alpn_is_refused() {
    let own = params().self_signed(&pair(4)).unwrap().der().clone();
    let mask = Mask { alpn: b"darknode/0", ..Mask::new(vec![own], &pair(4)) };
    assert!(refused_both_ways(&mask).await);
}

#[tokio::test]
async fn a_certificate_issued_by_another_key_is_refused() {
    let issuer = rcgen::Issuer::new(params(), pair(5));
    let issued = params().signed_by(&pair(4), &issuer).unwrap().der().clone();
    assert_eq!(session_of_certificate(&issued), Err(BadCertificate::NotSelfSigned));
    assert!(refused_both_ways(&Mask::new(vec![issued], &pair(4))).await);
}

#[tokio::test]
async fn a_certificate_with_company_is_refused() {
    let chain = vec![credentials(4).certificate.clone(), credentials(5).certificate.clone()];
    assert!(refused_both_ways(&Mask::new(chain, &pair(4))).await);
}

#[test]
fn the_certificate_of_a_session_names_nothing_but_its_key() {
    assert_eq!(session_of_certificate(&credentials(1).certificate), Ok(session(1)));
    assert!(credentials(1).certificate.len() <= 320);
}

#[test]
fn bytes_behind_a_certificate_or_cut_from_it_are_refused() {
    let der = credentials(1).certificate.to_vec();
    assert_eq!(session_of_certificate(&[&der[..], &[0]].concat()), Err(BadCertificate::Malformed));
    (0..der.len()).for_each(|end| assert!(session_of_certificate(&der[..end]).is_err()));
}

#[test]
fn a_changed_bit_is_refused_where_it_was_signed_and_makes_nobody_else_of_the_session_anywhere() {
    let der = credentials(1).certificate.to_vec();
    // Behind the signed part come the algorithm (7 bytes), and the signature in a bit string (3 and 64 bytes).
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
fn a_key_of_small_order_for_which_anybody_can_sign_is_refused() {
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
fn a_certificate_over_the_cap_is_not_even_read() {
    let mut long = params();
    long.subject_alt_names = vec![rcgen::SanType::DnsName("a".repeat(60).try_into().unwrap()); 40];
    let der = long.self_signed(&pair(1)).unwrap().der().clone();
    assert_eq!(session_of_certificate(&der), Err(BadCertificate::TooLong(der.len())));
    assert_eq!(session_of_certificate(&[]), Err(BadCertificate::Malformed));
}
