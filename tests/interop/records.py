"""Sections 1, 4 and 5 of docs/protocol.md: ids, proofs, signed records."""

import base64
import hashlib
import hmac
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from mnemonic import Mnemonic

import cbor

OPEN = bytes(32)
DIALLER, ACCEPTOR = 1, 2
LINKED, LINKED_BY_ACCEPTING = 1, 4
VERSION = 1


class Network:
    """The network and its keys, newest first."""

    def __init__(self, network_id=OPEN, keys=(OPEN,)):
        self.id, self.keys = network_id, list(keys)

    @classmethod
    def from_file(cls, text):
        network, keys = None, []
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            word, value = line.split(" ")
            if word == "network":
                network = unbase32(value)
            elif word == "key":
                keys.append(unbase32(value))
            else:
                raise ValueError(f"no line of a network key file: {line}")
        return cls(network, keys)


def base32(data):
    return base64.b32encode(data).decode().rstrip("=").lower()


def unbase32(text):
    return base64.b32decode(text.upper() + "=" * (-len(text) % 8))


def token(author, epoch, address, n):
    tail = n.to_bytes(max(1, (n.bit_length() + 7) // 8), "big")
    return base32(epoch.to_bytes(8, "big") + author[:4] + address[:4] + tail)


def fingerprint(user):
    return Mnemonic("english").to_mnemonic(hashlib.sha256(b"darknode/fingerprint/1\0" + user).digest()[:16])


def public(secret):
    return secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def proof_mac(key, network_id, exporter, role, boot, versions):
    spoken = b"".join(version.to_bytes(2, "big") for version in versions)
    said = b"darknode/proof/1\0" + network_id + exporter + bytes([role]) + boot.to_bytes(8, "big") + spoken
    return hmac.digest(key, said, "sha256")


def proof(network, exporter, role, boot, versions=(VERSION,)):
    macs = [proof_mac(key, network.id, exporter, role, boot, versions) for key in network.keys]
    return {0: list(versions), 1: boot, 2: macs}


def proof_holds(network, exporter, role, said):
    versions = said.get(0, [])
    right = [proof_mac(key, network.id, exporter, role, said[1], versions) for key in network.keys]
    return VERSION in versions and any(hmac.compare_digest(a, b) for a in right for b in said.get(2, []))


def lan_tag(key, boot):
    return hmac.digest(key, b"darknode/lan/1\0" + boot.to_bytes(8, "big"), "sha256")[:8]


def domain(what):
    return f"darknode/{what}/1\0".encode()


def sign(secret, what, network_id, payload):
    return [payload, secret.sign(domain(what) + network_id + payload)]


def verify(key, what, network_id, signed):
    """The record, if `key` signed it; the payload is read as it came."""
    payload, signature = signed
    Ed25519PublicKey.from_public_bytes(key).verify(signature, domain(what) + network_id + payload)
    return cbor.decode(payload)


def is_signed(key, what, network_id, signed):
    try:
        verify(key, what, network_id, signed)
        return True
    except InvalidSignature:
        return False


class Person:
    """A user with one session and one prekey, and the records both sign."""

    def __init__(self, name, network):
        self.name, self.network = name, network
        self.user_key, self.session_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        self.prekey_id, self.prekey = b"prekey 1", X25519PrivateKey.generate()
        self.user, self.session = public(self.user_key), public(self.session_key)
        self.version = self.seq = time.time_ns() // 1_000_000

    def roster(self):
        payload = {0: self.user, 1: self.name, 2: self.version, 3: [{0: self.session, 1: "python"}]}
        return sign(self.user_key, "roster", self.network.id, cbor.encode(payload))

    def declaration(self, online=True):
        self.seq += 1
        payload = {0: self.user, 1: self.session, 2: self.seq, 3: online, 5: 0}
        return sign(self.session_key, "declaration", self.network.id, cbor.encode(payload))

    def card(self):
        prekeys = [{0: self.prekey_id, 1: public(self.prekey)}]
        payload = {0: self.user, 1: self.session, 2: self.seq, 3: prekeys}
        return sign(self.session_key, "key-card", self.network.id, cbor.encode(payload))
