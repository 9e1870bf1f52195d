"""A stranger who has read docs/protocol.md alone chats with the program over loopback."""

import os
import subprocess
import tempfile
import unittest

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import cbor
import quic
import records
import seal
from node import Node
from peer import (
    ASK,
    CUSTODY,
    DECLARE_ONLINE,
    DELIVER_KNOWN_LIST,
    HELD,
    HELLO,
    OFFER,
    PARCEL,
    RELEASE,
    REQUEST_PING,
    REQUEST_USER_LIST,
    UNOPENABLE,
    Peer,
    holds,
)
from quic import CHAT, CONTROL
from records import base32

# Codes of section 2.
NONSENSE, NO_PROOF = 3, 6
# Alerts of TLS.
CRYPTO_ERROR, BAD_CERTIFICATE, DECODE_ERROR, NO_CERTIFICATE, NO_PROTOCOL = 0x100, 46, 50, 116, 120


class Loopback(unittest.IsolatedAsyncioTestCase):
    """One node, `alice`, and peers that meet it."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    async def start(self, *flags):
        node = await Node.start(self.directory, "alice", "--no-lan", *flags)
        self.addAsyncCleanup(node.stop)
        return node

    def peer(self, name, network=None):
        peer = Peer(name, network or records.Network())
        self.addCleanup(peer.close)
        return peer

    async def befriended(self, node, bob):
        """The node takes a few contents of a stranger only."""
        await node.event("nearby", id=base32(bob.person.user))
        node.say(f"\\add {base32(bob.person.user)}")
        await node.event("done")

    def closed_network(self):
        """A key file as the program makes it, and what this implementation reads in it."""
        made = subprocess.run([os.environ["DARKNODE"], "network", "new"], check=True, capture_output=True, text=True)
        path = os.path.join(self.directory, "field.key")
        with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(made.stdout)
        return path, records.Network.from_file(made.stdout)

    async def closing(self, peer):
        """The code with which the node ends this connection."""
        with self.assertRaises(quic.Closed) as closed:
            while True:
                await peer.wire.receive(CONTROL)
        return closed.exception.code


class Chat(Loopback):
    async def talk(self, node, network, version=4):
        """Links, a line each way with release and receipt, and a graceful end."""
        bob = self.peer("bob", network)
        await bob.dial(node.address(version))
        self.assertEqual((bob.other_name, base32(bob.other_user)), ("alice", node.ready["id"]))
        self.assertEqual(base32(bob.other_session), node.ready["session"])
        self.assertIn("darknode", bob.agent)
        await self.a_line_from(bob, node)
        await self.a_line_to(bob, node)
        await bob.leave()
        gone = await node.event("offline", id=base32(bob.person.user))
        self.assertEqual(gone["reason"], "declared")

    async def a_line_from(self, bob, node):
        sent = bob.send([bob.link(), bob.text("a line from page to node")])
        message = await node.event("message", text="a line from page to node")
        self.assertEqual((message["from"], message["from_id"]), ("bob", base32(bob.person.user)))
        self.assertEqual(message["message"], records.token(bob.person.session, bob.epoch, bob.other_user, bob.n))
        await bob.contents(lambda said: self.receipts(said, bob, (1, 2)))
        self.assertIn(sent, bob.released)

    def receipts(self, said, bob, numbers):
        return said[0] == seal.RECEIPT and all(holds(said, bob.person.session, bob.epoch, n) for n in numbers)

    async def a_line_to(self, bob, node):
        node.say("\\chat bob")
        node.say("a line from node to page")
        queued = await node.event("queued", text="a line from node to page")
        said = await bob.contents(lambda said: said[0] == seal.TEXT)
        self.assertEqual(said[5], b"a line from node to page")
        token = records.token(bob.other_session, said[1], bob.person.user, said[2])
        self.assertEqual(token, queued["message"])
        state = await node.event("state", message=token, state="delivered")
        self.assertEqual(state["session"], base32(bob.person.session))

    async def test_two_implementations_chat_in_the_open_network(self):
        await self.talk(await self.start(), records.Network())

    async def test_two_implementations_chat_in_a_closed_network(self):
        path, network = self.closed_network()
        await self.talk(await self.start("--network-key", path), network)

    async def test_two_implementations_chat_over_ipv6(self):
        await self.talk(await self.start(), records.Network(), version=6)

    async def test_a_link_is_answered_with_a_link(self):
        node, bob = await self.start(), self.peer("bob")
        await bob.dial(node.address())
        bob.send([bob.link()])
        answer = await bob.contents(lambda said: said[0] == seal.LINK)
        self.assertIn(cbor.decode(answer[5])[0], (records.LINKED, records.LINKED_BY_ACCEPTING))
        await node.event("linked", id=base32(bob.person.user), by="them")

    async def test_the_node_dials_who_listens_by_the_page(self):
        node, bob = await self.start(), self.peer("bob")
        port, arrived = await bob.listen("127.0.0.1")
        node.say(f"\\ping 127.0.0.1 {port}")
        await bob.accept(arrived)
        pong = await node.event("pong", line=1)
        self.assertEqual(pong["id"], base32(bob.person.user))
        self.assertEqual(base32(bob.other_user), node.ready["id"])


class Asking(Loopback):
    async def asked(self):
        """A peer that has met the node, and whom the node has linked by accepting."""
        node, bob = await self.start(), self.peer("bob")
        await bob.dial(node.address())
        bob.send([bob.link()])
        await node.event("linked", id=base32(bob.person.user))
        return bob

    async def test_a_ping_is_answered_with_a_declaration_even_if_nothing_is_new(self):
        bob = await self.asked()
        for request in range(2):
            ping = {0: request, 1: bob.other_user, 2: bob.person.declaration(), 4: 0}
            bob.wire.send(CONTROL, [[REQUEST_PING, ping]])
            declare = await bob.message(DECLARE_ONLINE)
            declaration = records.verify(bob.other_session, "declaration", records.OPEN, declare[0])
            self.assertEqual((declaration[1], declaration[3]), (bob.other_session, True))

    async def test_who_is_linked_is_told_the_answerer_s_links(self):
        bob = await self.asked()
        bob.wire.send(CONTROL, [[REQUEST_USER_LIST, {0: 77, 1: bob.other_user}]])
        known = await bob.message(DELIVER_KNOWN_LIST, lambda body: body[0] == 77)
        self.assertEqual((known[2], known[3]), (True, False))
        page = records.verify(bob.other_session, "link-list", records.OPEN, known[1][0][2][0])
        self.assertEqual((page[0], page[1], page[3], page[4]), (bob.other_user, bob.other_session, 0, 1))
        self.assertEqual([(entry[0], entry[1]) for entry in page[5]], [(bob.person.user, records.LINKED_BY_ACCEPTING)])

    async def test_who_lost_everything_gets_its_own_roster_back(self):
        bob = await self.asked()
        bob.wire.send(CONTROL, [[REQUEST_USER_LIST, {0: 78, 1: bob.person.user}]])
        known = await bob.message(DELIVER_KNOWN_LIST, lambda body: body[0] == 78)
        self.assertEqual(known[1][0][1], bob.person.roster())

    async def test_who_asks_about_a_third_is_told_nothing(self):
        bob = await self.asked()
        bob.wire.send(CONTROL, [[REQUEST_USER_LIST, {0: 79, 1: bytes(31) + b"\1"}]])
        known = await bob.message(DELIVER_KNOWN_LIST, lambda body: body[0] == 79)
        self.assertEqual((known.get(1, []), known[2], known[3]), ([], False, False))


class Carrying(Loopback):
    """The node is a relay, and both who write to each other are of another implementation."""

    async def test_a_relay_keeps_an_envelope_until_its_addressee_has_opened_it(self):
        node, carol, dave = await self.start("--relay"), self.peer("carol"), self.peer("dave")
        await carol.dial(node.address())
        prekey, contents = (dave.person.prekey_id, records.public(dave.person.prekey)), [carol.text("by a relay")]
        envelope, sent = seal.seal(carol.person, dave.person.user, [prekey], contents)
        carol.wire.send(CHAT, [[PARCEL, {0: envelope, 1: seal.LIFE, 2: 4}]])
        self.assertEqual(await carol.item(CUSTODY), {0: sent, 1: HELD})
        await dave.dial(node.address())
        parcel = await dave.item(PARCEL, lambda body: body[0] == envelope)
        self.assertLessEqual(parcel[1], seal.LIFE)
        opened = seal.open_envelope(parcel[0], records.OPEN, dave.person.prekey_id, dave.person.prekey)
        self.assertEqual((opened.user, opened.contents[0][5]), (carol.person.user, b"by a relay"))
        dave.wire.send(CHAT, [[RELEASE, {0: sent, 1: opened.r}]])
        release = await carol.item(RELEASE)
        self.assertEqual((release[0], release[1]), (sent, opened.r))
        carol.wire.send(CHAT, [[OFFER, {0: [sent]}], [PARCEL, {0: envelope, 1: seal.LIFE, 2: 4}]])
        for _ in range(2):
            self.assertEqual((await carol.item(RELEASE))[1], opened.r)

    async def test_a_relay_asks_for_what_it_is_offered_and_lacks(self):
        node, carol = await self.start("--relay"), self.peer("carol")
        await carol.dial(node.address())
        carol.wire.send(CHAT, [[OFFER, {0: [bytes([7]) * 32]}], [ASK, {0: [bytes([7]) * 32]}]])
        self.assertEqual(await carol.item(ASK), {0: [bytes([7]) * 32]})


class Later(Loopback):
    """What a later version may send does no harm, and what is repeated is known."""

    async def test_unknown_streams_messages_items_and_keys_are_skipped(self):
        node, bob = await self.start(), self.peer("bob")
        await bob.dial(node.address())
        bob.wire.open_stream(b"\x3fwhatever this is")
        bob.wire.send(CONTROL, [[200, {0: "later"}, "and more"], [5, {0: 7, 1: bob.other_user, 9: [1, {2: b""}]}]])
        bob.wire.send(CHAT, [[77, None]])
        bob.send([bob.content(99, b"of a later version"), bob.text("still here")])
        await node.event("message", text="still here")
        await bob.contents(lambda said: said[0] == seal.RECEIPT and holds(said, bob.person.session, bob.epoch, 1))

    async def test_reserved_numbers_and_keys_are_passed_over_and_reserved_contents_receipted(self):
        node, bob = await self.start(), self.peer("bob")
        bob.later = {6: 2**64 - 1}
        await bob.dial(node.address())
        await self.befriended(node, bob)
        bob.wire.open_stream(b"\3" + bytes(100))
        bob.wire.send(CONTROL, [[number, {0: 1}] for number in (16, 17)])
        bob.wire.send(CHAT, [[7, {0: bytes(32)}]])
        kinds = range(5, 11)
        bob.send([bob.content(kind, b"later") for kind in kinds], {3: [bytes(8)]})
        bob.send([bob.content(6, bytes(seal.LONGEST_BODY))])
        for n in (len(kinds), len(kinds) + 1):
            await bob.contents(lambda said, n=n: holds(said, bob.person.session, bob.epoch, n))
        bob.send([bob.text("x" * seal.LONGEST_TEXT)])
        self.assertEqual(len((await node.event("message"))["text"]), seal.LONGEST_TEXT)

    async def test_the_same_contents_sealed_again_are_shown_once_and_receipted_again(self):
        node, bob = await self.start(), self.peer("bob")
        await bob.dial(node.address())
        line = bob.text("once")
        for _ in range(2):
            bob.send([line])
            await bob.contents(lambda said: said[0] == seal.RECEIPT and holds(said, bob.person.session, bob.epoch, 1))
        bob.send([bob.text("twice")])
        self.assertEqual((await node.event("message"))["text"], "once")
        self.assertEqual((await node.event("message"))["text"], "twice")

    async def test_an_envelope_to_a_prekey_that_is_gone_comes_back_with_a_key_card(self):
        node, bob = await self.start(), self.peer("bob")
        await bob.dial(node.address())
        good, bob.other_prekey = bob.other_prekey, (b"long ago", bytes([9]) + bytes(31))
        line = bob.text("sealed anew")
        sent = bob.send([line])
        kind, body = (await bob.wire.receive(CHAT))[0]
        self.assertEqual((kind, body[0]), (UNOPENABLE, sent))
        records.verify(bob.other_user, "roster", records.OPEN, body[1])
        card = records.verify(bob.other_session, "key-card", records.OPEN, body[2])
        bob.other_prekey = (card[3][0][0], card[3][0][1])
        self.assertEqual(bob.other_prekey, good)
        bob.send([line])
        await node.event("message", text="sealed anew")


class Strangers(Loopback):
    """Who does not keep to the page is shown out with the code the page names."""

    async def test_no_proof_of_the_network_no_word(self):
        path, _ = self.closed_network()
        node = await self.start("--network-key", path)
        for network in [records.Network(), records.Network(b"\1" * 32, [b"\2" * 32])]:
            eve = self.peer("eve", network)
            await eve.reach(node.address())
            eve.wire.send(CONTROL, records.proof(network, eve.wire.exporter(), records.DIALLER, eve.boot))
            self.assertEqual(await self.closing(eve), NO_PROOF)

    async def test_a_mac_made_for_the_other_role_or_connection_is_none(self):
        node, eve = await self.start(), self.peer("eve")
        for exporter, role in [(None, records.ACCEPTOR), (bytes(32), records.DIALLER)]:
            await eve.reach(node.address())
            exporter = exporter or eve.wire.exporter()
            eve.wire.send(CONTROL, records.proof(eve.network, exporter, role, eve.boot))
            self.assertEqual(await self.closing(eve), NO_PROOF)

    async def test_no_version_in_common_no_connection(self):
        node, eve = await self.start(), self.peer("eve")
        await eve.reach(node.address())
        eve.wire.send(CONTROL, records.proof(eve.network, eve.wire.exporter(), records.DIALLER, eve.boot, (2, 65_535)))
        self.assertEqual(await self.closing(eve), NO_PROOF)

    async def test_only_an_ed25519_certificate_and_this_alpn_are_let_in(self):
        node, eve = await self.start(), self.peer("eve")
        key = eve.person.session_key
        curve = ec.generate_private_key(ec.SECP256R1())
        nobody = quic.configuration(key, True)
        nobody.certificate = None
        others = [(NO_PROTOCOL, "h3"), (DECODE_ERROR, "")]
        # The program asks for Ed25519 alone, so a key of another curve is not shown at all.
        refused = [(NO_CERTIFICATE, quic.configuration(curve, True)), (NO_CERTIFICATE, nobody)]
        by_another = quic.certificate(key, Ed25519PrivateKey.generate())
        refused.append((BAD_CERTIFICATE, quic.configuration(key, True, shown=by_another)))
        refused += [(alert, quic.configuration(key, True, alpn=other)) for alert, other in others]
        for alert, config in refused:
            with self.assertRaises(quic.Closed) as closed:
                await eve.reach(node.address(), config)
                await eve.wire.receive(CONTROL)
            self.assertEqual(closed.exception.code, CRYPTO_ERROR + alert)

    async def test_frames_that_make_no_sense_end_the_connection(self):
        node = await self.start()
        breaches = {
            "a length of 2^31": b"\x80\0\0\0",
            "cbor of another spelling": b"\0\0\0\2\x18\x00",
        }
        for name, data in breaches.items():
            with self.subTest(name):
                eve = self.peer("eve")
                await eve.dial(node.address())
                eve.wire.send_raw(CONTROL, data)
                self.assertEqual(await self.closing(eve), NONSENSE)

    async def test_messages_out_of_their_place_end_the_connection(self):
        node = await self.start()
        said_twice, too_early, twice_open = self.peer("eve"), self.peer("eve"), self.peer("eve")
        await said_twice.dial(node.address())
        said_twice.wire.send(CONTROL, [[HELLO, said_twice.hello(node.address())]])
        await too_early.prove(await too_early.reach(node.address()), records.DIALLER)
        too_early.wire.send(CONTROL, [[DECLARE_ONLINE, too_early.declare(online=True)]])
        await twice_open.dial(node.address())
        twice_open.wire.open_stream(bytes([CONTROL]))
        for eve in (said_twice, too_early, twice_open):
            self.assertEqual(await self.closing(eve), NONSENSE)

    async def test_the_third_bad_record_or_envelope_ends_the_connection(self):
        node, eve = await self.start(), self.peer("eve")
        await eve.dial(node.address())
        envelope, _ = seal.seal(eve.person, eve.other_user, [eve.other_prekey], [eve.text("whole")])
        broken = {0: envelope[:-1] + bytes([envelope[-1] ^ 1]), 1: seal.LIFE, 2: 1}
        forged = eve.declare(online=True) | {0: [eve.person.declaration()[0], bytes(64)]}
        eve.wire.send(CHAT, [[PARCEL, broken], [PARCEL, broken]])
        eve.send([eve.text("still heard")])
        await node.event("message", text="still heard")
        eve.wire.send(CONTROL, [[DECLARE_ONLINE, forged]])
        self.assertEqual(await self.closing(eve), NONSENSE)

    async def test_a_hello_of_another_session_than_the_certificate_s_is_refused(self):
        node, eve = await self.start(), self.peer("eve")
        other = quic.configuration(Ed25519PrivateKey.generate(), True)
        await eve.prove(await eve.reach(node.address(), other), records.DIALLER)
        eve.wire.send(CONTROL, [[HELLO, eve.hello(node.address())]])
        self.assertEqual(await self.closing(eve), NONSENSE)

    async def test_what_another_signed_is_neither_shown_nor_receipted(self):
        node, eve = await self.start(), self.peer("eve")
        await eve.dial(node.address())
        mallory = self.peer("mallory")
        forger, contents = Forger(eve.person, mallory.person), [eve.text("forged")]
        forged, _ = seal.seal(forger, eve.other_user, [eve.other_prekey], contents)
        eve.wire.send(CHAT, [[PARCEL, {0: forged, 1: seal.LIFE, 2: 1}]])
        eve.send([eve.text("my own")])
        self.assertEqual((await node.event("message"))["text"], "my own")
        receipt = await eve.contents(lambda said: said[0] == seal.RECEIPT)
        self.assertFalse(holds(receipt, mallory.person.session, eve.epoch, 1))
        self.assertFalse(holds(receipt, eve.person.session, eve.epoch, 1))


class Forger:
    """Says the contents are the victim's, and signs with a key of its own."""

    def __init__(self, own, victim):
        self.network, self.user, self.session = own.network, victim.user, victim.session
        self.session_key, self.roster, self.card = own.session_key, victim.roster, victim.card


if __name__ == "__main__":
    unittest.main()
