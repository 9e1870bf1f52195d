//! TLS as identity: a handshake proves a session key, and nothing else is asked of it.
//!
//! Both sides show a self-signed X.509 certificate of their session key. The verifier takes any certificate that is
//! Ed25519 throughout (key, signature algorithm, signature by that very key), alone, and whole; it looks at no date, no
//! name, no authority, for clocks are wrong, names are in the roster, and authorities are servers. Whoever signs
//! the handshake with that key *is* that session. A dial that expects a session fails closed when another answers, and
//! can be asked whom it met.
//!
//! TLS 1.3 with ring, ALPN [`ALPN`], a constant server name that is not sent, no resumption, no tickets, no early data:
//! every connection is a full handshake, so that its exporter is fresh and nothing can be replayed.
//!
//! A client's handshake may end well although the server goes on to refuse its certificate: only the proofs and hellos
//! after it say that a connection is up.

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
use x509_parser::certificate::X509CertificateParser;
use x509_parser::nom::Parser;
use x509_parser::oid_registry::OID_SIG_ED25519;
use x509_parser::x509::AlgorithmIdentifier;

use super::home::pkcs8;
use crate::id::SessionId;
use crate::identity::SecretKey;

/// What both sides must speak; a wire that cannot be read by this one has another number.
pub const ALPN: &[u8] = b"darknode/1";

/// The server name of every dial: a name that resolves nowhere (RFC 2606) and is not sent.
pub const SERVER_NAME: &str = "darknode.invalid";

/// The label of the exported bytes that network proofs are bound to.
const EXPORTER: &[u8] = b"EXPORTER-darknode";

/// Ours have under 300 bytes. Room for extensions, none for a flood.
const MAX_CERTIFICATE: usize = 1024;

/// Why a certificate proves no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    #[error("certificate of {0} bytes is over the cap")]
    TooLong(usize),
    #[error("it is not one whole certificate")]
    Malformed,
    #[error("its key or signature is not Ed25519")]
    NotEd25519,
    #[error("it is not signed by its own key")]
    NotSelfSigned,
    #[error("other certificates came with it")]
    Chain,
}

/// Another session answered than the one that was dialled.
#[derive(Debug, thiserror::Error)]
#[error("{0} answered, not the session that was dialled")]
struct Stranger(SessionId);

/// Who answered a dial: known once that session's key has signed the handshake, also when the dial then failed because
/// another was expected.
#[derive(Debug, Clone, Default)]
pub struct Met(Arc<OnceLock<SessionId>>);

impl Met {
    /// The session whose key answered, if one did.
    pub fn session(&self) -> Option<SessionId> {
        self.0.get().copied()
    }
}

/// What this session shows of itself on every connection.
pub struct Credentials {
    provider: Arc<CryptoProvider>,
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
    client: rustls::ClientConfig,
}

impl Credentials {
    /// The certificate of an Ed25519 session key.
    pub fn new(session_key: &SecretKey) -> Credentials {
        let key = PrivatePkcs8KeyDer::from(pkcs8(&session_key.seed()).to_vec());
        let certificate = self_signed(&key);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = client(&provider, &certificate, &key);
        Credentials { provider, certificate, key, client }
    }

    /// For the accepting side of the endpoint. Transport limits are the caller's.
    pub fn server_config(&self) -> quinn::ServerConfig {
        let mut config = rustls::ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .expect("ring speaks TLS 1.3")
            .with_client_cert_verifier(Arc::new(SessionVerifier::new(&self.provider, None, Met::default())))
            .with_single_cert(vec![self.certificate.clone()], PrivateKeyDer::Pkcs8(self.key.clone_key()))
            .expect("the certificate was made of this key");
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let crypto = QuicServerConfig::try_from(config).expect("ring has the cipher suite that QUIC begins with");
        quinn::ServerConfig::with_crypto(Arc::new(crypto))
    }

    /// For one dial, with [`SERVER_NAME`]: to `expect` and nobody else, or to whoever answers. Transport limits are the
    /// caller's.
    pub fn client_config(&self, expect: Option<SessionId>) -> (quinn::ClientConfig, Met) {
        let met = Met::default();
        let mut config = self.client.clone();
        let verifier = SessionVerifier::new(&self.provider, expect, met.clone());
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
        let crypto = QuicClientConfig::try_from(config).expect("ring has the cipher suite that QUIC begins with");
        (quinn::ClientConfig::new(Arc::new(crypto)), met)
    }
}

/// The session at the other end of a connection.
pub fn session_of(connection: &quinn::Connection) -> Option<SessionId> {
    let identity = connection.peer_identity()?;
    let chain = identity.downcast_ref::<Vec<CertificateDer<'static>>>()?;
    session_of_certificate(chain.first()?).ok()
}

/// 32 bytes that only the two ends of this connection know, the same at both.
pub fn exporter(connection: &quinn::Connection) -> [u8; 32] {
    let mut bytes = [0; 32];
    connection
        .export_keying_material(&mut bytes, EXPORTER, b"")
        .expect("a connection without early data has finished its handshake, and 32 bytes may be exported");
    bytes
}

/// The session whose certificate these bytes are.
pub fn session_of_certificate(der: &[u8]) -> Result<SessionId, BadCertificate> {
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
    let key: [u8; 32] = whole_bytes(&body.subject_pki.subject_public_key).ok_or(BadCertificate::NotEd25519)?;
    let signature: [u8; 64] = whole_bytes(&certificate.signature_value).ok_or(BadCertificate::NotEd25519)?;
    VerifyingKey::from_bytes(&key)
        .and_then(|verifying| verifying.verify_strict(body.as_ref(), &Signature::from_bytes(&signature)))
        .map_err(|_| BadCertificate::NotSelfSigned)?;
    Ok(SessionId(key))
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
        .with_custom_certificate_verifier(Arc::new(SessionVerifier::new(provider, None, Met::default())))
        .with_client_auth_cert(vec![certificate.clone()], PrivateKeyDer::Pkcs8(key.clone_key()))
        .expect("the certificate was made of this key");
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    config.enable_early_data = false;
    config
}

/// Judges the other side's certificate, and that its key signed this handshake.
#[derive(Debug)]
struct SessionVerifier {
    provider: Arc<CryptoProvider>,
    expect: Option<SessionId>,
    met: Met,
}

impl SessionVerifier {
    fn new(provider: &Arc<CryptoProvider>, expect: Option<SessionId>, met: Met) -> SessionVerifier {
        SessionVerifier { provider: provider.clone(), expect, met }
    }

    fn judge(&self, certificate: &[u8], others: &[CertificateDer<'_>]) -> Result<SessionId, Error> {
        if !others.is_empty() {
            return Err(refused(BadCertificate::Chain));
        }
        session_of_certificate(certificate).map_err(refused)
    }

    // Whether it is the expected session is asked here and not of the certificate, which anybody may copy: only now is
    // it sure who was met.
    fn prove(
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
        let session = session_of_certificate(certificate).map_err(refused)?;
        let _ = self.met.0.set(session);
        match self.expect {
            Some(expected) if expected != session => Err(refused(Stranger(session))),
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
        self.judge(certificate, others).map(|_| ServerCertVerified::assertion())
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
        self.prove(message, certificate, signed)
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
        self.judge(certificate, others).map(|_| ClientCertVerified::assertion())
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
        self.prove(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

#[cfg(test)]
mod tests;
