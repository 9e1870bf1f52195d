"""Section 12 of docs/protocol.md: how two sessions of one user find out what each of them lacks, and mirror it."""

import hashlib

import cbor
import peer
import records
import seal
from quic import CHAT, CONTROL

BUCKETS = 256


def first_eight(domain, *parts):
    hashed = hashlib.sha256(domain.encode() + b"\0" + b"".join(parts)).digest()
    return int.from_bytes(hashed[:8], "big")


def eight(number):
    return number.to_bytes(8, "big")


def bucket(author, address):
    return hashlib.sha256(b"darknode/bucket/1\0" + author + address).digest()[0]


def ranges(numbers):
    """Sorted numbers as ranges that neither overlap nor touch."""
    joined = []
    for number in sorted(numbers):
        if joined and joined[-1][1] + 1 == number:
            joined[-1][1] = number
        else:
            joined.append([number, number])
    return joined


def numbers(body):
    """The numbers that a mirror brings, those without a line included: by (author, epoch, address)."""
    brought = {}
    for stream in body.get(0, []):
        said = [line[0] for line in stream.get(4, [])]
        said += [number for first, last in stream.get(5, []) for number in range(first, last + 1)]
        brought.setdefault((stream[0], stream[1], stream[2]), set()).update(said)
    return brought


def held(body):
    """What the receiver of a mirror holds afterwards, if it held nothing before: (author, epoch, address) to ranges."""
    return {stream: ranges(said) for stream, said in numbers(body).items()}


def read(body, address):
    """What the receiver of a mirror knows afterwards of what its user has read: (author, epoch, address) to ranges."""
    return {(stream[0], stream[1], address): stream[3] for stream in body.get(3, [])}


def hashes(streams):
    """The hash of each bucket of these streams."""
    buckets = [0] * BUCKETS
    for (author, epoch, address), held_of in streams.items():
        bounds = [eight(number) for bounds in held_of for number in bounds]
        said = first_eight("darknode/held/1", author, eight(epoch), address, *bounds)
        at = bucket(author, address)
        buckets[at] = (buckets[at] + said) % 2**64
    return buckets


def compare(streams, people, marks):
    """Of what is held, of what is known of people, (user, pinned, verified, state, lamport) each, and of what was read."""
    known = [
        first_eight("darknode/person/1", user, bytes([pinned, verified, state]), eight(lamport))
        for user, pinned, verified, state, lamport in people
    ]
    said = {0: hashes(streams), 1: sum(known) % 2**64}
    return {**said, 2: hashes(marks)} if marks else said


def holdings(streams):
    return {
        0: [{0: author, 1: epoch, 2: address, 3: said} for (author, epoch, address), said in sorted(streams.items())],
        1: True,
    }


class Sister:
    """What a session holds, compares with a sister and mirrors, over the connection of its peer."""

    def __init__(self, own):
        self.peer, self.held, self.people, self.read = own, {}, {}, {}
        # The bodies of lines, by stream and number, and the sessions that have lines, by stream.
        self.lines, self.delivered = {}, {}

    def ranges(self):
        return {stream: ranges(said) for stream, said in self.held.items()}

    def comparison(self):
        known = [(user, *marks) for user, marks in self.people.items() if any(marks[:3])]
        return compare(self.ranges(), known, self.read)

    def compare(self):
        self.peer.wire.send(CONTROL, [[peer.COMPARE, self.comparison()]])

    def list_streams(self):
        self.peer.wire.send(CONTROL, [[peer.HOLDINGS, holdings(self.ranges())]])

    async def listed(self):
        """The streams of the sister's answer to a comparison."""
        streams = {}
        while True:
            said = await self.peer.message(peer.HOLDINGS)
            for stream in said.get(0, []):
                streams.setdefault((stream[0], stream[1], stream[2]), []).extend(stream.get(3, []))
            if said[1]:
                return streams

    def hold(self, author, epoch, address, n, body):
        self.held.setdefault((author, epoch, address), set()).add(n)
        self.lines[author, epoch, address, n] = body

    def mirror(self, body):
        """Sends a mirror; returns the id of its envelope."""
        own = self.peer
        content = seal.content(seal.MIRROR, 0, 0, cbor.encode(body), 0)
        envelope, sent = seal.seal(own.person, own.other_session, [own.other_prekey], [content])
        own.locks[sent] = cbor.decode(envelope)[1]
        own.wire.send(CHAT, [[peer.PARCEL, {0: envelope, 1: seal.LIFE, 2: 1}]])
        return sent

    async def take_mirrors(self, is_enough):
        """Takes mirrors, and notes releases, until that is true."""
        while not is_enough():
            for kind, body in [item[:2] for item in await self.peer.wire.receive(CHAT)]:
                if kind == peer.PARCEL:
                    self.take(body[0])
                elif kind == peer.RELEASE:
                    self.peer.read_release(body)

    def take(self, envelope):
        """Opens one mirror, from the sister to this session, takes what it brings, and releases it."""
        own, person = self.peer, self.peer.person
        opened = seal.open_envelope(envelope, own.network.id, person.prekey_id, person.prekey)
        assert seal.read_envelope(envelope)[0] == person.session, "an envelope for another session"
        assert (opened.user, opened.session) == (person.user, own.other_session), "of no sister"
        for content in opened.contents:
            assert (content[0], content[2]) == (seal.MIRROR, 0), "no mirror"
            self.take_body(cbor.decode(content[5]))
        own.wire.send(CHAT, [[peer.RELEASE, {0: seal.envelope_id(envelope), 1: opened.r}]])

    def take_body(self, body):
        user = self.peer.person.user
        for stream in body.get(0, []):
            assert (stream[3] == user) != (stream[2] == user), "not between the own user and another"
            self.lines |= {(stream[0], stream[1], stream[2], line[0]): line[4] for line in stream.get(4, [])}
        for stream, brought in numbers(body).items():
            self.held.setdefault(stream, set()).update(brought)
        for person in body.get(1, []):
            if 1 in person:
                records.verify(person[0], "roster", self.peer.network.id, person[1])
            self.people[person[0]] = tuple(person[key] for key in range(2, 6))
        # The program reads from the beginning on, so what it says last of a stream covers what it said before.
        self.read |= read(body, user)
        for receipt in body.get(2, []):
            self.delivered.setdefault(tuple(receipt[key] for key in range(3)), {})[receipt[3]] = receipt.get(4, [])
