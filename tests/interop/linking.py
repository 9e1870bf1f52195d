"""Section 6.1 of docs/protocol.md: both sides of linking, played over a connection on which hellos were exchanged."""

import secrets

from mnemonic import Mnemonic

import cbor
import pake
import quic
import records
from peer import LINK_SESSION
from quic import CONTROL

WAITING_NAME = "new-session"
# The feature of a hello.
WAITS = 16
BY_CODE, BY_TOKEN, ANSWER, CONFIRM, ACCEPT, WELCOME, REFUSE = range(1, 8)
WRONG, EXPIRED, BUSY = range(1, 4)


class Refused(Exception):
    """The other side ended the exchange; `reason` says why."""

    def __init__(self, reason):
        super().__init__(f"refused for reason {reason}")
        self.reason = reason


def words(bits):
    """A code of 33 bits: three words, the first for the lowest 11 bits."""
    listed = Mnemonic("english").wordlist
    return " ".join(listed[bits >> shift & 0x7FF] for shift in (0, 11, 22))


def token(session, secret, *places):
    return f"darklink:{records.base32(session)}.{records.base32(secret)}@{','.join(places)}"


def read_token(text):
    """Session and secret of a token, and its places."""
    assert text.startswith("darklink:"), "no token"
    who, places = text.removeprefix("darklink:").split("@")
    session, secret = map(records.unbase32, who.split("."))
    return session, secret, places.split(",")


def identities(peer, holder, newcomer):
    exporter = peer.wire.exporter(quic.LINK_EXPORTER_LABEL)
    return [pake.identity(peer.network.id, exporter, session) for session in (holder, newcomer)]


def say(peer, step, **fields):
    keys = {"share": 1, "confirmation": 2, "sealed": 3, "reason": 4}
    peer.wire.send(CONTROL, [[LINK_SESSION, {0: step} | {keys[name]: value for name, value in fields.items()}]])


async def hear(peer, *steps):
    """The next step of linking, which is one of these."""
    said = await peer.message(LINK_SESSION)
    if said[0] == REFUSE:
        raise Refused(said[4])
    assert said[0] in steps, f"step {said[0]} instead of {steps}"
    return said


class Invitation:
    """The code and the token that a session shows, each with its password."""

    def __init__(self, session, *places):
        self.code, secret = words(secrets.randbits(33)), secrets.token_bytes(16)
        self.token = token(session, secret, *places)
        self.passwords = {BY_CODE: pake.by_code(self.code), BY_TOKEN: pake.by_token(secret)}


async def wait(peer, invitation, label):
    """The waiting side: answers the next exchange, and joins the user who knows the code."""
    asked = await hear(peer, BY_CODE, BY_TOKEN)
    both = identities(peer, peer.other_session, peer.person.session)
    exchange = pake.Exchange(pake.NEWCOMER, invitation.passwords[asked[0]], both)
    keys = exchange.finish(asked[1])
    say(peer, ANSWER, share=exchange.share)
    proof = await hear(peer, CONFIRM)
    if proof[2] != keys.confirmation(pake.HOLDER):
        say(peer, REFUSE, reason=WRONG)
        raise Refused(WRONG)
    newcomer = keys.seal(pake.NEWCOMER, cbor.encode({0: label}))
    say(peer, ACCEPT, confirmation=keys.confirmation(pake.NEWCOMER), sealed=newcomer)
    sealed = await hear(peer, WELCOME)
    welcome = cbor.decode(keys.open(pake.HOLDER, sealed[3]))
    user = read_welcome(peer.network.id, peer.other_session, peer.person.session, welcome)
    peer.person.join(user, welcome[0])


def read_welcome(network, holder, newcomer, welcome):
    """The user of a welcome in which everything is signed by whom it should be, and both sessions are listed."""
    user = cbor.decode(welcome[0][0])[0]
    roster = records.verify(user, "roster", network, welcome[0])
    declaration = records.verify(holder, "declaration", network, welcome[1])
    card = records.verify(holder, "key-card", network, welcome[2])
    pages = [records.verify(holder, "link-list", network, page) for page in welcome.get(3, [])]
    assert all((record[0], record[1]) == (user, holder) for record in (declaration, card, *pages)), "of another"
    assert {holder, newcomer} <= {listed[0] for listed in roster[3]}, "not both are listed"
    return user


async def link(peer, step, password):
    """The side of the holder: proves that it knows the password, and signs the other session into its roster."""
    both = identities(peer, peer.person.session, peer.other_session)
    exchange = pake.Exchange(pake.HOLDER, password, both)
    say(peer, step, share=exchange.share)
    answer = await hear(peer, ANSWER)
    keys = exchange.finish(answer[1])
    say(peer, CONFIRM, confirmation=keys.confirmation(pake.HOLDER))
    accepted = await hear(peer, ACCEPT)
    assert accepted[2] == keys.confirmation(pake.NEWCOMER), "a proof that does not hold"
    label = cbor.decode(keys.open(pake.NEWCOMER, accepted[3]))[0]
    person = peer.person
    person.admit(peer.other_session, label)
    welcome = {0: person.roster(), 1: person.declaration(), 2: person.card()}
    say(peer, WELCOME, sealed=keys.seal(pake.HOLDER, cbor.encode(welcome)))
