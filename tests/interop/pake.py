"""Section 6.1 of docs/protocol.md: SPAKE2 on edwards25519, and what its key proves and seals.

The curve is computed with plain integers. That is not constant-time, so it is for tests alone.
"""

import hashlib
import hmac
import secrets

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from records import P

DOMAIN = b"darknode/link/1\0"
RELAYED_DOMAIN = b"darknode/link-relayed/1\0"
HOLDER, NEWCOMER = b"A", b"B"
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
# Points are (X, Y, Z, T) with x = X/Z, y = Y/Z and xy = T/Z, as in RFC 8032, section 5.1.4.
NEUTRAL = (0, 1, 1, 0)


def decode(data):
    """The point of an encoding (RFC 8032, section 5.1.3); `ValueError` if there is none."""
    number = int.from_bytes(data, "little")
    y, is_odd = number % 2**255 % P, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        raise ValueError("no point of the curve")
    x = -x % P if x % 2 != is_odd else x
    return x, y, 1, x * y % P


def encode(point):
    inverse = pow(point[2], -1, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x % 2) << 255).to_bytes(32, "little")


def add(one, other):
    a, b = (one[1] - one[0]) * (other[1] - other[0]), (one[1] + one[0]) * (other[1] + other[0])
    c, d = 2 * one[3] * other[3] * D, 2 * one[2] * other[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(number, point):
    total = NEUTRAL
    for bit in bin(number)[2:]:
        total = add(total, total)
        if bit == "1":
            total = add(total, point)
    return total


BASE = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
BLINDS = {
    HOLDER: decode(bytes.fromhex("15cfd18e385952982b6a8f8c7854963b58e34388c8e6dae891db756481a02312")),
    NEWCOMER: decode(bytes.fromhex("f04f2e7eb734b2a8f8b472eaf9c3c632576ac64aea650b496a8a20ff00e583c3")),
}


def by_code(words):
    return b"code\0" + words.encode()


def by_token(secret):
    return b"token\0" + secret


def identity(network_id, exporter, session):
    return DOMAIN + network_id + exporter + session


def relayed_identity(network_id, session):
    return RELAYED_DOMAIN + network_id + session


def password_number(password):
    expanded = HKDF(SHA256(), 48, salt=b"", info=b"SPAKE2 pw").derive(password)
    return int.from_bytes(expanded, "big") % ORDER


class Exchange:
    """One side, with the identities of both, the holder's first; `share` is what it sends."""

    def __init__(self, side, password, identities, secret=None):
        self.side, self.password, self.identities = side, password, identities
        self.secret = secrets.randbelow(ORDER) if secret is None else secret
        self.number = password_number(password)
        blinded = multiply(self.number, BLINDS[side])
        self.share = encode(add(multiply(self.secret, BASE), blinded))

    def finish(self, share):
        other = HOLDER if self.side == NEWCOMER else NEWCOMER
        unblinded = add(decode(share), multiply(ORDER - self.number, BLINDS[other]))
        common = encode(multiply(self.secret, unblinded))
        shares = [self.share, share] if self.side == HOLDER else [share, self.share]
        hashed = [hashlib.sha256(part).digest() for part in (self.password, *self.identities)]
        return Keys(hashlib.sha256(b"".join([*hashed, *shares, common])).digest())


class Keys:
    """What follows from the key, for the one side or the other."""

    def __init__(self, key):
        self.key = key

    def derive(self, purpose, side):
        return hmac.digest(self.key, DOMAIN + purpose + b"\0" + side, "sha256")

    def confirmation(self, side):
        return self.derive(b"confirm", side)

    def seal(self, side, payload):
        return ChaCha20Poly1305(self.derive(b"seal", side)).encrypt(bytes(12), payload, None)

    def open(self, side, sealed):
        return ChaCha20Poly1305(self.derive(b"seal", side)).decrypt(bytes(12), sealed, None)
