"""A peer of another implementation: sections 4, 6, 8 and 10 of docs/protocol.md, as far as two sessions that chat."""

import asyncio
import hashlib
import os

import cbor
import quic
import records
import seal
from quic import CHAT, CONTROL

HELLO, DECLARE_ONLINE, DECLARE_OFFLINE, REQUEST_PING, REQUEST_USER_LIST, DELIVER_KNOWN_LIST = range(1, 7)
PARCEL, RELEASE, UNOPENABLE = 1, 2, 3
# What is told whoever dialled of where they are seen.
NOWHERE = ("192.0.2.1", 9)


def addr(address):
    """Where the other is: 4 or 16 bytes of IP, 2 of port."""
    ip = quic.ipaddress.ip_address(address[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.packed + address[1].to_bytes(2, "big")


class Peer:
    """A person, and what they remember; `meet` makes a connection, the rest speaks over it."""

    def __init__(self, name, network):
        self.person, self.network = records.Person(name, network), network
        self.boot, self.epoch = (int.from_bytes(os.urandom(8), "big") for _ in range(2))
        self.n, self.lamport = 0, 0
        self.locks, self.released = {}, set()
        self.wire, self.opened = None, []

    async def dial(self, address):
        await self.meet(await self.reach(address), records.DIALLER, address)

    async def reach(self, address, config=None):
        """A connection on which nothing has been said."""
        self.wire = await quic.dial(address, config or quic.configuration(self.person.session_key, True))
        self.opened.append(self.wire.drop)
        return self.wire

    async def listen(self, ip):
        """Accepts there; returns the port and the queue of connections to `meet`."""
        arrived = asyncio.Queue()
        transport = await quic.listen(ip, quic.configuration(self.person.session_key, False), arrived)
        self.opened.append(transport.close)
        return transport.get_extra_info("sockname")[1], arrived

    async def accept(self, arrived):
        """Meets the next who dials."""
        wire = await asyncio.wait_for(arrived.get(), quic.PATIENCE)
        self.opened.append(wire.drop)
        await self.meet(wire, records.ACCEPTOR, NOWHERE)

    def close(self):
        for close in self.opened:
            close()

    async def meet(self, wire, role, address):
        """Proof and hello, both ways; afterwards `node` is the other's user and session, `card` its prekeys."""
        await self.prove(wire, role)
        wire.send(CONTROL, [[HELLO, self.hello(address)]])
        wire.send(CONTROL, [[DECLARE_ONLINE, self.declare(online=True)]])
        first = await wire.receive(CONTROL)
        assert first[0][0] == HELLO, "the first message is no hello"
        self.read_hello(first[0][1])

    async def prove(self, wire, role):
        self.wire = wire
        # Whoever accepts can export only when the handshake is over on its side: when something has arrived.
        if role == records.DIALLER:
            wire.send(CONTROL, records.proof(self.network, wire.exporter(), role, self.boot))
        theirs = await wire.receive(CONTROL)
        other = records.DIALLER + records.ACCEPTOR - role
        assert records.proof_holds(self.network, wire.exporter(), other, theirs), "a proof that does not hold"
        if role == records.ACCEPTOR:
            wire.send(CONTROL, records.proof(self.network, wire.exporter(), role, self.boot))

    def hello(self, address):
        person = self.person
        return {0: person.declaration(), 1: person.roster(), 2: person.card(), 3: addr(address), 5: "a stranger 1"}

    def declare(self, online):
        person, flood = self.person, int.from_bytes(os.urandom(8), "big")
        return {0: person.declaration(online), 1: person.roster(), 2: person.card(), 3: 0, 4: 0, 5: flood}

    def read_hello(self, hello):
        """The hello's declaration is of the session of the certificate, and the roster admits it."""
        network, session = self.network.id, self.wire.peer_session()
        declaration = records.verify(session, "declaration", network, hello[0])
        roster = records.verify(declaration[0], "roster", network, hello[1])
        card = records.verify(session, "key-card", network, hello[2])
        assert declaration[1] == session and roster[0] == declaration[0] == card[0]
        assert session in [listed[0] for listed in roster[3]] and session not in roster.get(4, [])
        assert declaration[3] is True, "a hello that says offline"
        self.other_user, self.other_session, self.other_name = declaration[0], session, roster[1]
        self.other_prekey = (card[3][0][0], card[3][0][1])
        self.agent, self.seen_at = hello[5], hello[3]

    async def message(self, kind, wanted=lambda body: True):
        """Reads control until a message of this kind arrives for which `wanted` is true."""
        while True:
            for message in await self.wire.receive(CONTROL):
                if message[0] == kind and wanted(message[1]):
                    return message[1]

    def content(self, kind, body):
        """The next numbered content for the other user."""
        self.n, self.lamport = self.n + 1, self.lamport + 1
        return seal.content(kind, self.epoch, self.n, body, self.lamport)

    def link(self):
        return self.content(seal.LINK, cbor.encode({0: records.LINKED, 1: self.lamport + 1}))

    def text(self, text):
        return self.content(seal.TEXT, text.encode())

    def receipt(self, author, contents):
        """Of everything numbered in `contents`, one range each: they count on from 1 in one epoch."""
        ranges = {}
        for epoch, n in sorted((content[1], content[2]) for content in contents if content[2]):
            ranges.setdefault(epoch, []).append([n, n])
        streams = [{0: author, 1: epoch, 2: runs} for epoch, runs in ranges.items()]
        return seal.content(seal.RECEIPT, self.epoch, 0, cbor.encode({0: streams}), self.lamport)

    def send(self, contents):
        """Seals and sends; returns the envelope's id."""
        envelope, envelope_id = seal.seal(self.person, self.other_user, [self.other_prekey], contents)
        self.locks[envelope_id] = cbor.decode(envelope)[1]
        self.wire.send(CHAT, [[PARCEL, {0: envelope, 1: seal.LIFE, 2: 1}]])
        return envelope_id

    def open(self, parcel):
        """Opens, checks whose it is, and answers by release and receipt. Receipts alone are not receipted."""
        person, envelope = self.person, parcel[0]
        opened = seal.open_envelope(envelope, self.network.id, person.prekey_id, person.prekey)
        assert cbor.decode(envelope)[0] == person.user, "an envelope for somebody else"
        assert (opened.user, opened.session) == (self.other_user, self.other_session), "another author"
        items = [[RELEASE, {0: seal.envelope_id(envelope), 1: opened.r}]]
        if any(content[2] for content in opened.contents):
            answer = [self.receipt(opened.session, opened.contents)]
            sealed, sealed_id = seal.seal(person, self.other_user, [self.other_prekey], answer)
            self.locks[sealed_id] = cbor.decode(sealed)[1]
            items.append([PARCEL, {0: sealed, 1: seal.LIFE, 2: 1}])
        self.wire.send(CHAT, items)
        return opened.contents

    async def contents(self, wanted):
        """Reads chat until a content for which `wanted` is true arrives, and returns it; notes releases on the way."""
        while True:
            for kind, body in [item[:2] for item in await self.wire.receive(CHAT)]:
                if kind == RELEASE:
                    self.read_release(body)
                elif kind == PARCEL:
                    found = [content for content in self.open(body) if wanted(content)]
                    if found:
                        return found[0]
                else:
                    raise AssertionError(f"an item of kind {kind}")

    def read_release(self, release):
        assert hashlib.sha256(release[1]).digest() == self.locks[release[0]], "an r that does not fit"
        self.released.add(release[0])

    async def leave(self):
        """A graceful end: DeclareOffline, then close code 0."""
        self.wire.send(CONTROL, [[DECLARE_OFFLINE, self.declare(online=False)]])
        await asyncio.wait_for(self.wire.ping(), quic.PATIENCE)
        self.wire.close(0)


def holds(receipt, session, epoch, n):
    """Whether the receipt says that number `n` of the stream has been stored."""
    streams = cbor.decode(receipt[5]).get(0, [])
    return any(s[0] == session and s[1] == epoch and any(a <= n <= b for a, b in s.get(2, [])) for s in streams)
