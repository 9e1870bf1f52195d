"""Section 8 of docs/protocol.md: envelopes, sealed and opened. HPKE is the one of the cryptography package."""

import hashlib
import os
from dataclasses import dataclass

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

import cbor
import records

SIZES = (256, 1_024, 4_096, 20_480)
LIFE = 14 * 24 * 3_600 * 1_000
NONCE = bytes(12)
SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)

TEXT, LINK, RECEIPT = 1, 2, 3


@dataclass
class Opened:
    """What was in an envelope, checked in everything but the author's roster."""

    r: bytes
    user: bytes
    session: bytes
    contents: list
    roster: list | None
    card: list | None


def content(kind, epoch, n, body, lamport, wall=0):
    return {0: kind, 1: epoch, 2: n, 3: lamport, 4: wall, 5: body}


def envelope_id(envelope):
    return hashlib.sha256(envelope).digest()


def signed_by_author(network_id, address, user, contents):
    return records.domain("bundle") + network_id + address + user + contents


def info(network_id, address, lock, prekey_id):
    return b"darknode/seal/1\0" + network_id + address + lock + prekey_id


def pad(bundle):
    plain = len(bundle).to_bytes(4, "big") + bundle
    size = next(size for size in SIZES if size >= len(plain))
    return plain + bytes(size - len(plain))


def unpad(plain):
    length = int.from_bytes(plain[:4], "big")
    bundle, padding = plain[4 : 4 + length], plain[4 + length :]
    if len(bundle) != length or any(padding) or len(plain) not in SIZES:
        raise ValueError("padding that is none")
    return bundle


def seal(author, address, prekeys, contents):
    """The envelope, and its id, of `contents` to the sessions whose newest prekeys these are: (id, key) each."""
    network_id, r, key = author.network.id, os.urandom(32), os.urandom(32)
    lock, said = hashlib.sha256(r).digest(), cbor.encode(contents)
    signature = author.session_key.sign(signed_by_author(network_id, address, author.user, said))
    bundle = {0: r, 1: author.user, 2: author.session, 3: said, 4: signature, 5: author.roster(), 6: author.card()}
    sealed = ChaCha20Poly1305(key).encrypt(NONCE, pad(cbor.encode(bundle)), network_id + address + lock)
    bound = [(prekey_id, public, info(network_id, address, lock, prekey_id)) for prekey_id, public in prekeys]
    wraps = [[prekey_id, *wrap(key, public, bound_to)] for prekey_id, public, bound_to in bound]
    envelope = cbor.encode({0: address, 1: lock, 2: wraps, 3: sealed})
    return envelope, envelope_id(envelope)


def wrap(key, public, bound_to):
    both = SUITE.encrypt(key, X25519PublicKey.from_public_bytes(public), info=bound_to)
    return both[:32], both[32:]


def open_envelope(envelope, network_id, prekey_id, prekey):
    """Raises when anything in it does not fit."""
    outer = cbor.decode(envelope)
    address, lock = outer[0], outer[1]
    encapsulated, wrapped = next(wrap[1:] for wrap in outer[2] if wrap[0] == prekey_id)
    key = SUITE.decrypt(encapsulated + wrapped, prekey, info=info(network_id, address, lock, prekey_id))
    plain = ChaCha20Poly1305(key).decrypt(NONCE, outer[3], network_id + address + lock)
    bundle = cbor.decode(unpad(plain))
    if hashlib.sha256(bundle[0]).digest() != lock:
        raise ValueError("an r that does not fit the lock")
    session = records.Ed25519PublicKey.from_public_bytes(bundle[2])
    session.verify(bundle[4], signed_by_author(network_id, address, bundle[1], bundle[3]))
    contents = cbor.decode(bundle[3])
    return Opened(bundle[0], bundle[1], bundle[2], contents, bundle.get(5), bundle.get(6))
