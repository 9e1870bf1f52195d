//! TLS as identity: a handshake proves the possession of a session key, and nothing else is required of it.
//!
//! Both sides present a self-signed X.509 certificate of their session key. The verifier accepts any single,
//! well-formed certificate that is Ed25519 throughout (key, signature algorithm, signature by that key). It ignores
//! dates, names and authorities: clocks are wrong, names are in the roster, and there are no authorities. Whoever
//! signs the handshake with that key *is* that session. A dial that expects a session fails closed when another one
//! answers, and reports which one did.
//!
//! TLS 1.3 with ring, ALPN [`ALPN`], a constant server name that is not sent, no resumption, no tickets, no early
//! data: every connection is a full handshake, so its exporter is fresh and nothing can be replayed.
//!
//! A client's handshake may succeed although the server goes on to refuse its certificate. Only the proofs and hellos
//! that follow establish a connection.
use std::sync::{Arc, OnceLock};

use ed25519_dalek::{Signature, VerifyingKey};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::TLS13;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme};
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::nom::Parser;
use x509_parser::oid_registry::OID_SIG_ED25519;
use x509_parser::x509::AlgorithmIdentifier;

use super::home::pkcs8;
use crate::id::SessionId;
use crate::identity::SecretKey;

/// The ALPN protocol id. An incompatible wire format gets another number.
pub const ALPN: &[u8] = b"darknode/1";

/// The server name used for every dial. It resolves nowhere (RFC 2606) and is not sent.
pub const SERVER_NAME: &str = "darknode.invalid";

/// The exporter label of the bytes that network proofs are bound to.
const EXPORTER: &[u8] = b"EXPORTER-darknode";

/// The exporter label of the bytes that the linking of a session is bound to.
const LINK_EXPORTER: &[u8] = b"EXPORTER-darknode-link";

/// Largest certificate accepted, in bytes. Ours have under 300; the rest allows for extensions.
const MAX_CERTIFICATE: usize = 1024;

/// Why a certificate is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// Longer than this program reads; holds the length in bytes.
    #[error("the certificate has {0} bytes, more than allowed")]
    TooLong(usize),
    /// The bytes are not exactly one DER certificate.
    #[error("malformed certificate")]
    Malformed,
    /// The key or a signature algorithm is not Ed25519.
    #[error("the certificate's key or signature is not Ed25519")]
    NotEd25519,
    /// The signature was not made by the certificate's own key.
    #[error("the certificate is not self-signed")]
    NotSelfSigned,
    /// The peer sent more than one certificate.
    #[error("the peer sent a certificate chain")]
    Chain,
}

/// A session other than the dialled one answered.
#[derive(Debug, thiserror::Error)]
#[error("{0} answered, not the session that was dialled")]
struct UnexpectedSession(SessionId);

/// The session that answered a dial. Set once its key has signed the handshake, even if the dial then failed because
/// another session was expected.
#[derive(Debug, Clone, Default)]
pub struct PeerSession(Arc<OnceLock<SessionId>>);

impl PeerSession {
    /// The session that answered, if the handshake got that far.
    pub fn session(&self) -> Option<SessionId> {
        self.0.get().copied()
    }
}

/// The certificate and key that this session presents on every connection.
pub struct Credentials {
    provider: Arc<CryptoProvider>,
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
    client: rustls::ClientConfig,
}

impl Credentials {
    /// Creates the self-signed certificate of an Ed25519 session key.
    pub fn new(session_key: &SecretKey) -> Credentials {
        let key = PrivatePkcs8KeyDer::from(pkcs8(&session_key.seed()).to_vec());
        let certificate = self_signed(&key);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = client(&provider, &certificate, &key);
        Credentials { provider, certificate, key, client }
    }

    /// The configuration for accepting. The caller sets transport limits.
    pub fn server_config(&self) -> quinn::ServerConfig {
        let mut config = rustls::ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .expect("ring speaks TLS 1.3")
            .with_client_cert_verifier(Arc::new(SessionVerifier::new(&self.provider, None, PeerSession::default())))
            .with_single_cert(vec![self.certificate.clone()], PrivateKeyDer::Pkcs8(self.key.clone_key()))
            .expect("the certificate was made of this key");
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let crypto = QuicServerConfig::try_from(config).expect("ring has the cipher suite that QUIC begins with");
        quinn::ServerConfig::with_crypto(Arc::new(crypto))
    }

    /// The configuration for one dial, to be made with [`SERVER_NAME`]: to the session `expect`, or to whichever
    /// answers. The caller sets transport limits.
    pub fn client_config(&self, expect: Option<SessionId>) -> (quinn::ClientConfig, PeerSession) {
        let answered = PeerSession::default();
        let mut config = self.client.clone();
        let verifier = SessionVerifier::new(&self.provider, expect, answered.clone());
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
        let crypto = QuicClientConfig::try_from(config).expect("ring has the cipher suite that QUIC begins with");
        (quinn::ClientConfig::new(Arc::new(crypto)), answered)
    }
}

/// The session at the other end of a connection; `None` if the peer showed no valid certificate.
pub(crate) fn session_of(connection: &quinn::Connection) -> Option<SessionId> {
    let identity = connection.peer_identity()?;
    let chain = identity.downcast_ref::<Vec<CertificateDer<'static>>>()?;
    // The certificate's signature was checked during the handshake.
    read(chain.first()?).ok().map(|(_, session)| session)
}

/// 32 bytes exported from TLS for network proofs, known only to the two ends of this connection and the same at both.
pub fn exporter(connection: &quinn::Connection) -> [u8; 32] {
    export(connection, EXPORTER)
}

/// The same for linking.
pub fn link_exporter(connection: &quinn::Connection) -> [u8; 32] {
    export(connection, LINK_EXPORTER)
}

fn export(connection: &quinn::Connection, label: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    connection
        .export_keying_material(&mut bytes, label, b"")
        .expect("a connection without early data has finished its handshake, and 32 bytes may be exported");
    bytes
}

/// Checks a DER certificate and returns its session.
///
/// # Errors
/// See [`BadCertificate`].
pub fn session_of_certificate(der: &[u8]) -> Result<SessionId, BadCertificate> {
    let (certificate, session) = read(der)?;
    let signature: [u8; 64] = whole_bytes(&certificate.signature_value).ok_or(BadCertificate::NotEd25519)?;
    VerifyingKey::from_bytes(&session.0)
        .and_then(|key| key.verify_strict(certificate.tbs_certificate.as_ref(), &Signature::from_bytes(&signature)))
        .map_err(|_| BadCertificate::NotSelfSigned)?;
    Ok(session)
}

/// Parses a certificate that is Ed25519 throughout. Its signature is not checked.
fn read(der: &[u8]) -> Result<(X509Certificate<'_>, SessionId), BadCertificate> {
    if der.len() > MAX_CERTIFICATE {
        return Err(BadCertificate::TooLong(der.len()));
    }
    let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
    let (rest, certificate) = parser.parse(der).map_err(|_| BadCertificate::Malformed)?;
    if !rest.is_empty() {
        return Err(BadCertificate::Malformed);
    }
    let body = &certificate.tbs_certificate;
    let algorithms = [&certificate.signature_algorithm, &body.signature, &body.subject_pki.algorithm];
    if !algorithms.into_iter().all(is_ed25519) {
        return Err(BadCertificate::NotEd25519);
    }
    let key = whole_bytes(&body.subject_pki.subject_public_key).ok_or(BadCertificate::NotEd25519)?;
    Ok((certificate, SessionId(key)))
}

/// RFC 8410 section 3: the parameters must be absent.
fn is_ed25519(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    algorithm.algorithm == OID_SIG_ED25519 && algorithm.parameters.is_none()
}

fn whole_bytes<const N: usize>(bits: &x509_parser::der_parser::asn1_rs::BitString<'_>) -> Option<[u8; N]> {
    if bits.unused_bits != 0 { None } else { bits.data.as_ref().try_into().ok() }
}

fn self_signed(key: &PrivatePkcs8KeyDer<'_>) -> CertificateDer<'static> {
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(key, &rcgen::PKCS_ED25519)
        .expect("every 32 bytes are the seed of an Ed25519 key");
    let mut params = rcgen::CertificateParams::new(vec![SERVER_NAME.to_owned()]).expect("the name is ASCII");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "darknode");
    params.self_signed(&pair).expect("an Ed25519 key signs anything").der().clone()
}

fn client(
    provider: &Arc<CryptoProvider>,
    certificate: &CertificateDer<'static>,
    key: &PrivatePkcs8KeyDer<'static>,
) -> rustls::ClientConfig {
    let mut config = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .expect("ring speaks TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(SessionVerifier::new(provider, None, PeerSession::default())))
        .with_client_auth_cert(vec![certificate.clone()], PrivateKeyDer::Pkcs8(key.clone_key()))
        .expect("the certificate was made of this key");
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    config.enable_early_data = false;
    config
}

/// Checks the peer's certificate, and that its key signed the handshake.
#[derive(Debug)]
struct SessionVerifier {
    provider: Arc<CryptoProvider>,
    expect: Option<SessionId>,
    answered: PeerSession,
}

impl SessionVerifier {
    fn new(provider: &Arc<CryptoProvider>, expect: Option<SessionId>, answered: PeerSession) -> SessionVerifier {
        SessionVerifier { provider: provider.clone(), expect, answered }
    }

    fn check_certificate(&self, certificate: &[u8], others: &[CertificateDer<'_>]) -> Result<SessionId, Error> {
        if !others.is_empty() {
            return Err(refused(BadCertificate::Chain));
        }
        session_of_certificate(certificate).map_err(refused)
    }

    // rustls checks the certificate before it calls this. The expected session is compared here and not there,
    // because anybody can copy a certificate: only the signature proves who answered.
    fn check_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if signed.scheme != SignatureScheme::ED25519 {
            return Err(refused(BadCertificate::NotEd25519));
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        let valid = verify_tls13_signature(message, certificate, signed, algorithms)?;
        let (_, session) = read(certificate).map_err(refused)?;
        let _ = self.answered.0.set(session);
        match self.expect {
            Some(expected) if expected != session => Err(refused(UnexpectedSession(session))),
            _ => Ok(valid),
        }
    }
}

fn refused(why: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(why))))
}

fn no_tls12() -> Error {
    Error::PeerIncompatible(rustls::PeerIncompatible::Tls13RequiredForQuic)
}

impl ServerCertVerifier for SessionVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check_certificate(certificate, others).map(|_| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for SessionVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check_certificate(certificate, others).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

#[cfg(test)]
mod tests;
