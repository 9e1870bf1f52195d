"""Every file of tests/vectors, made again or opened by this implementation alone."""

import hashlib
import unittest
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from mnemonic import Mnemonic

import cbor
import linking
import pake
import peer
import quic
import records
import seal
import sisters

# The bytes of which the keys of the two are made.
USERS = {"alice": 0x11, "bob": 0x21}
PREKEYS = {"alice": 0x13, "bob": 0x23}
VECTORS = Path(__file__).parent.parent / "vectors"


def lines(name):
    text = (VECTORS / f"{name}.txt").read_text()
    return [line.split(" = ", 1) for line in text.splitlines() if not line.startswith("#")]


def vectors(name):
    return dict(lines(name))


def hexed(name):
    return {key: bytes.fromhex(value) for key, value in lines(name)}


def seed(data):
    return Ed25519PrivateKey.from_private_bytes(data)


def framed(data):
    """The items of one frame, read by the grammar of kinds."""
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    return cbor.decode(data[4:])


class Ids(unittest.TestCase):
    def test_a_user_is_seen_as_base32_and_as_words(self):
        said = vectors("ids")
        user = bytes.fromhex(said["user"])
        self.assertEqual(user, records.public(seed(bytes.fromhex(said["user-seed"]))))
        self.assertEqual(records.base32(user), said["user-base32"])
        self.assertEqual(records.base32(user)[:6], said["user-short"])
        self.assertEqual(records.fingerprint(user), said["fingerprint"])
        self.assertEqual(Mnemonic("english").to_mnemonic(bytes.fromhex(said["user-seed"])), said["recovery"])

    def test_a_boot_id_is_of_a_session_and_its_nonce(self):
        said = vectors("ids")
        session, nonce, boot = (bytes.fromhex(said[f"boot{part}"]) for part in ("-session", "-nonce", ""))
        self.assertEqual(records.boot_id(session, nonce), boot)
        self.assertEqual(records.mark(boot).hex(), said["boot-mark"])

    def test_neighbours_tell_of_nodes_by_mark_and_ask_by_boot_id(self):
        said = hexed("control")
        marks, wanted, told = (framed(said[f"nearby-{what}"])[0][1][0] for what in ("digest", "want", "records"))
        boot = wanted[0].to_bytes(8, "big")
        self.assertEqual(marks[0].to_bytes(8, "big"), records.mark(boot))
        declaration = cbor.decode(told[0][1][0])
        self.assertEqual(records.boot_id(declaration[1], declaration[6]), boot)
        records.verify(declaration[1], "declaration", records.OPEN, told[0][1])
        self.assertEqual(cbor.decode(told[0][0][0])[3][0][0], declaration[1])

    def test_a_message_id_is_seen_as_a_token(self):
        said = vectors("ids")
        author, to = (bytes.fromhex(said[f"token-{who}"]) for who in ("author", "to"))
        epoch = int(said["token-epoch"])
        tokens = {int(name[6:]): value for name, value in said.items() if name[6:].isdigit()}
        self.assertEqual(len(tokens), 4)
        for n, token in tokens.items():
            self.assertEqual(records.token(author, epoch, to, n), token)


class Ranks(unittest.TestCase):
    def test_all_who_could_tell_come_to_one_order(self):
        said = vectors("rank")
        users = {name: bytes.fromhex(value) for name, value in said.items() if name.startswith(("receiver", "teller"))}
        receiver = users.pop("receiver")
        weights = {name[-1]: records.weight(int(said["seq"]), receiver, user) for name, user in users.items()}
        for number, weight in weights.items():
            self.assertEqual(f"{weight:016x}", said[f"weight-{number}"])
            self.assertEqual(sum(other < weight for other in weights.values()), int(said[f"rank-{number}"]))


class Proofs(unittest.TestCase):
    def test_proofs_and_tags_are_made_again(self):
        said = vectors("proof")
        exporter, boot = bytes.fromhex(said["exporter"]), int(said["boot"], 16)
        file = "\n".join(value for name, value in lines("proof") if name == "closed-file")
        networks = {"open": records.Network(), "closed": records.Network.from_file(file)}
        for kind, network in networks.items():
            self.assertEqual(network.id.hex(), said[f"{kind}-network"])
            self.assertEqual(records.lan_tag(network.keys[0], boot).hex(), said[f"{kind}-lan-tag"])
            for role, name in [(records.DIALLER, "dialler"), (records.ACCEPTOR, "acceptor")]:
                proof = records.proof(network, exporter, role, boot)
                self.assertEqual(proof[2][0].hex(), said[f"{kind}-{name}-mac"])
                self.assertEqual(cbor.frame(proof).hex(), said[f"{kind}-{name}-frame"])
                self.assertTrue(records.proof_holds(network, exporter, role, proof))


class Records(unittest.TestCase):
    SIGNERS = {"roster": "user", "declaration": "session", "key-card": "session", "link-list": "session"}

    def test_every_record_is_signed_as_the_page_says(self):
        said = hexed("records")
        for what, who in self.SIGNERS.items():
            payload, key = said[f"{what}-payload"], seed(said[f"{who}-seed"])
            signed = records.sign(key, what, records.OPEN, payload)
            self.assertEqual(signed[1], said[f"{what}-signature"])
            self.assertEqual(cbor.encode(signed), said[f"{what}-signed"])
            self.assertEqual(cbor.decode(payload), records.verify(records.public(key), what, records.OPEN, signed))

    def test_a_record_of_another_network_or_kind_is_not_signed(self):
        said = hexed("records")
        signed, user = cbor.decode(said["roster-signed"]), records.public(seed(said["user-seed"]))
        self.assertTrue(records.is_signed(user, "roster", records.OPEN, signed))
        self.assertFalse(records.is_signed(user, "roster", b"\1" * 32, signed))
        self.assertFalse(records.is_signed(user, "declaration", records.OPEN, signed))

    def test_the_fields_are_where_the_grammar_puts_them(self):
        said = hexed("records")
        user, session = (records.public(seed(said[f"{who}-seed"])) for who in ("user", "session"))
        card = cbor.decode(said["key-card-payload"])
        prekey = records.public(X25519PrivateKey.from_private_bytes(said["prekey-secret"]))
        self.assertEqual((card[0], card[1], card[3][0][1]), (user, session, prekey))
        roster = cbor.decode(said["roster-payload"])
        self.assertEqual((roster[0], roster[1], roster[3][0][0]), (user, "alice", session))
        links = cbor.decode(said["link-list-payload"])
        self.assertEqual((links[3], links[4], links[5][0]), (0, 1, {0: said["bob"], 1: records.LINKED, 2: 4}))
        self.assertIs(cbor.decode(said["declaration-payload"])[3], True)


class Strict(unittest.TestCase):
    def test_signatures_hold_or_are_refused_as_they_are_named(self):
        said = lines("strict")
        self.assertEqual(len(said), 21)
        for name, value in said:
            key, payload, signature = (bytes.fromhex(part) for part in value.split(" "))
            signed = records.domain("roster") + records.OPEN + payload
            with self.subTest(name):
                if name.startswith("holds-"):
                    records.check(key, signature, signed)
                else:
                    self.assertRaises(records.InvalidSignature, records.check, key, signature, signed)

    def test_names_are_taken_refused_and_compared(self):
        said = {name: value.decode() for name, value in hexed("names").items()}
        for name, text in said.items():
            kind, number = name.rsplit("-", 1)
            with self.subTest(name):
                if kind == "folded":
                    self.assertEqual(records.folded(said[f"name-{number}"]), text)
                else:
                    self.assertEqual(records.is_name(text), kind == "name")


class Frames(unittest.TestCase):
    def test_every_control_frame_is_read_and_spelt_again(self):
        requests = ["request-ping", "request-user-list", "deliver-known-list"]
        said, signed = hexed("control"), hexed("records")
        for kind, name in enumerate(["hello", "declare-online", "declare-offline", *requests], start=1):
            batch = framed(said[name])
            self.assertEqual(batch[0][0], kind, name)
            self.assertEqual(cbor.frame(batch), said[name])
        hello = framed(said["hello"])[0][1]
        for field, what in enumerate(["declaration", "roster", "key-card"]):
            self.assertEqual(cbor.encode(hello[field]), signed[f"{what}-signed"])
        known = framed(said["deliver-known-list"])[0][1][1][0]
        self.assertEqual(cbor.encode(known[2][0]), signed["link-list-signed"])
        self.assertEqual([len(framed(said[name])) for name in ("empty", "two")], [0, 2])

    def test_what_is_signed_and_hashed_in_a_message_is_as_the_page_says(self):
        said = hexed("control")
        ping = framed(said["request-ping-over-relays"])[0][1]
        asker = cbor.decode(ping[2][0])[1]
        signed = records.domain("request-ping") + records.OPEN + ping[0].to_bytes(8, "big") + ping[1]
        records.check(asker, ping[6], signed)
        exploded = framed(said["exploded"])[0][1]
        flood = b"darknode/explode/1\0" + exploded[0].to_bytes(8, "big")
        bob = [records.public(seed(bytes([byte] * 32))) for byte in (0x21, 0x22)]
        self.assertEqual(exploded[1], [[hashlib.sha256(flood + key).digest()[:8] for key in bob]])

    def test_every_chat_frame_is_read_and_spelt_again(self):
        said, sealed = hexed("chat"), hexed("seal")
        kinds = ["parcel", "release", "unopenable", "custody", "offer", "ask"]
        for kind, name in enumerate(kinds, start=1):
            items = framed(said[name])
            self.assertEqual((items[0][0], cbor.frame(items)), (kind, said[name]))
        self.assertEqual(framed(said["parcel"])[0][1][0], sealed["envelope"])
        self.assertEqual(framed(said["release"])[0][1][0], sealed["envelope-id"])

    def test_what_a_later_version_says_is_passed_over(self):
        said, chat, control = hexed("later"), hexed("chat"), hexed("control")
        known = [message for message in framed(said["control-reserved"]) if message[0] in range(1, 11)]
        self.assertEqual(known, framed(control["request-user-list"]))
        hello, features = framed(control["hello"])[0], framed(said["hello-features"])[0]
        self.assertEqual(features[1].pop(6), 255)
        self.assertEqual(features, hello)
        self.assertEqual(framed(said["chat-reserved"])[1:], framed(chat["release"]))
        parcel = framed(said["parcel-targets"])[0][1]
        self.assertEqual({key: parcel[key] for key in range(3)}, framed(chat["parcel"])[0][1])
        elsewhere, here = cbor.decode(said["receipt-address"])[0]
        receipt = seal.content(seal.RECEIPT, 0, 0, said["receipt-address"], 0)
        self.assertEqual((len(elsewhere[3]), 3 in here), (32, False))
        self.assertTrue(peer.holds(receipt, here[0], 99, 4))
        only = seal.content(seal.RECEIPT, 0, 0, cbor.encode({0: [elsewhere]}), 0)
        self.assertFalse(peer.holds(only, here[0], 99, 4))

    def test_what_is_to_be_refused_is_refused(self):
        for name, data in hexed("refused").items():
            with self.subTest(name), self.assertRaises(cbor.Refused):
                cbor.decode(data)


class Seal(unittest.TestCase):
    def setUp(self):
        self.said = hexed("seal")
        self.prekey = X25519PrivateKey.from_private_bytes(self.said["prekey-secret"])

    def test_the_envelope_opens_and_holds_what_the_author_signed(self):
        said = self.said
        opened = seal.open_envelope(said["envelope"], records.OPEN, said["prekey-id"], self.prekey)
        self.assertEqual(opened.contents, cbor.decode(said["contents"]))
        self.assertEqual((opened.r, opened.user), (said["r"], said["author-user"]))
        self.assertEqual(opened.session, records.public(seed(said["author-session-seed"])))
        self.assertEqual(hashlib.sha256(opened.r).digest(), said["lock"])
        self.assertEqual(seal.envelope_id(said["envelope"]), said["envelope-id"])
        self.assertEqual([content[0] for content in opened.contents], [seal.TEXT, seal.LINK, seal.RECEIPT])

    def test_every_envelope_comes_to_what_its_name_says(self):
        for name, envelope in hexed("seal-refused").items():
            with self.subTest(name):
                try:
                    seal.open_envelope(envelope, records.OPEN, self.said["prekey-id"], self.prekey)
                    outcome = "opened"
                except seal.Unopened as unopened:
                    outcome = unopened.outcome
                self.assertTrue(name.startswith(outcome), outcome)

    def test_one_changed_byte_anywhere_and_it_does_not_open(self):
        for at in range(0, len(self.said["envelope"]), 97):
            envelope = bytearray(self.said["envelope"])
            envelope[at] ^= 1
            with self.subTest(at), self.assertRaises(Exception):
                seal.open_envelope(bytes(envelope), records.OPEN, self.said["prekey-id"], self.prekey)

    def test_the_envelope_is_made_again_from_what_was_drawn(self):
        said = self.said
        network, address, lock = records.OPEN, said["address"], said["lock"]
        ephemeral = derive_key_pair(said["ephemeral"])
        self.assertEqual(records.public(ephemeral), said["encapsulated"])
        opened = seal.open_envelope(said["envelope"], network, said["prekey-id"], self.prekey)
        session = seed(said["author-session-seed"])
        self.assertEqual(seal.signed_by_author(network, address, opened.user, said["contents"]), said["signed"])
        self.assertEqual(seal.info(network, address, lock, said["prekey-id"]), said["info"])
        signature = session.sign(seal.signed_by_author(network, address, opened.user, said["contents"]))
        bundle = {0: said["r"], 1: opened.user, 2: opened.session, 3: said["contents"], 4: signature}
        bundle |= {5: opened.roster} if opened.roster else {}
        bundle |= {6: opened.card} if opened.card else {}
        self.assertEqual((cbor.encode(bundle), signature), (said["bundle"], said["signature"]))
        self.assertEqual(seal.pad(said["bundle"]), said["plaintext"])
        self.assertEqual(network + address + lock, said["associated"])
        cipher = seal.ChaCha20Poly1305(said["content-key"])
        body = cipher.encrypt(seal.NONCE, seal.pad(cbor.encode(bundle)), network + address + lock)
        wraps = [[said["prekey-id"], said["encapsulated"], said["wrapped"]]]
        self.assertEqual(cbor.encode({0: address, 1: lock, 2: wraps, 3: body}), said["envelope"])


class Linking(unittest.TestCase):
    def setUp(self):
        texts = ("code-bits", "code", "token")
        self.texts = {name: value for name, value in lines("linking") if name in texts}
        self.said = {name: bytes.fromhex(value) for name, value in lines("linking") if name not in texts}

    def identities(self):
        said = self.said
        sessions = (said["holder-session"], said["newcomer-session"])
        return [pake.identity(records.OPEN, said["exporter"], session) for session in sessions]

    def exchange(self, side, who, both):
        said = self.said
        secret = int.from_bytes(said[f"{who}-scalar"], "little")
        return pake.Exchange(side, pake.by_code(self.texts["code"]), both, secret)

    def test_a_code_and_a_token_are_shown_and_read(self):
        said, session, secret = self.texts, self.said["newcomer-session"], self.said["token-secret"]
        self.assertEqual(linking.words(int(said["code-bits"])), said["code"])
        places = ["192.0.2.7:27272", "[2001:db8::7]:27272"]
        self.assertEqual(linking.token(session, secret, *places), said["token"])
        self.assertEqual(linking.read_token(said["token"]), (session, secret, places))

    def test_the_exchange_is_made_again_from_the_scalars(self):
        said = self.said
        both = self.identities()
        holder = self.exchange(pake.HOLDER, "holder", both)
        newcomer = self.exchange(pake.NEWCOMER, "newcomer", both)
        self.assertEqual((holder.share, newcomer.share), (said["holder-share"], said["newcomer-share"]))
        for keys in (holder.finish(newcomer.share), newcomer.finish(holder.share)):
            self.assertEqual(keys.key, said["key"])
            for side, who, payload in [(pake.HOLDER, "holder", "welcome"), (pake.NEWCOMER, "newcomer", "newcomer")]:
                self.assertEqual(keys.confirmation(side), said[f"{who}-confirmation"])
                self.assertEqual(keys.seal(side, said[payload]), said[f"{payload}-sealed"])
                self.assertEqual(keys.open(side, said[f"{payload}-sealed"]), said[payload])

    def test_through_a_relay_the_same_shares_give_another_key(self):
        said, control = self.said, hexed("control")
        sessions = (said["holder-session"], said["newcomer-session"])
        both = [pake.relayed_identity(records.OPEN, session) for session in sessions]
        keys = self.exchange(pake.NEWCOMER, "newcomer", both).finish(said["holder-share"])
        self.assertEqual(keys.confirmation(pake.HOLDER), said["relayed-holder-confirmation"])
        self.assertEqual(keys.confirmation(pake.NEWCOMER), said["relayed-newcomer-confirmation"])
        self.assertEqual(keys.seal(pake.NEWCOMER, said["newcomer"]), said["relayed-newcomer-sealed"])
        ask = {0: linking.BY_CODE, 1: said["holder-share"]}
        answer = {0: linking.ANSWER, 1: said["newcomer-share"]}
        for name, relayed in {
            "by-code": {0: sessions[1], 1: False, 2: ask},
            "by-code-passed-on": {0: sessions[0], 1: True, 2: ask},
            "answer": {0: sessions[0], 1: False, 2: answer},
            "answer-passed-on": {0: sessions[1], 1: True, 2: answer},
        }.items():
            self.assertEqual(cbor.frame([[peer.RELAYED_STEP, relayed]]), control[f"relayed-{name}"], name)

    def test_the_messages_carry_it(self):
        said, control = self.said, hexed("control")
        steps = {
            "by-code": {0: linking.BY_CODE, 1: said["holder-share"]},
            "answer": {0: linking.ANSWER, 1: said["newcomer-share"]},
            "confirm": {0: linking.CONFIRM, 2: said["holder-confirmation"]},
            "accept": {0: linking.ACCEPT, 2: said["newcomer-confirmation"], 3: said["newcomer-sealed"]},
            "welcome": {0: linking.WELCOME, 3: said["welcome-sealed"]},
            "refuse": {0: linking.REFUSE, 4: linking.WRONG},
        }
        for name, step in steps.items():
            self.assertEqual(cbor.frame([[peer.LINK_SESSION, step]]), control[f"link-{name}"], name)

    def test_a_welcome_is_signed_by_the_holder_s_session_and_lists_both(self):
        said = self.said
        sessions, welcome = (said["holder-session"], said["newcomer-session"]), cbor.decode(said["welcome"])
        alice = records.public(seed(bytes([USERS["alice"]] * 32)))
        self.assertEqual(linking.read_welcome(records.OPEN, *sessions, welcome), alice)
        self.assertRaises(AssertionError, linking.read_welcome, records.OPEN, sessions[0], bytes(32), welcome)
        self.assertRaises(records.InvalidSignature, linking.read_welcome, records.OPEN, *sessions[::-1], welcome)


class Mirrors(unittest.TestCase):
    def setUp(self):
        self.said = hexed("mirrors")
        self.body = cbor.decode(self.said["mirror-body"])

    def test_a_mirror_is_sealed_to_one_session_by_another_of_the_same_user(self):
        said = self.said
        prekey = X25519PrivateKey.from_private_bytes(said["prekey-secret"])
        opened = seal.open_envelope(said["envelope"], records.OPEN, said["prekey-id"], prekey)
        [content] = opened.contents
        self.assertEqual(seal.read_envelope(said["envelope"])[0], said["address"])
        self.assertEqual((opened.user, opened.session), (said["author-user"], said["author-session"]))
        self.assertEqual((content[0], content[2], content[5]), (seal.MIRROR, 0, said["mirror-body"]))
        self.assertEqual(seal.envelope_id(said["envelope"]), said["envelope-id"])

    def test_the_roster_in_it_is_signed_and_the_lines_are_not(self):
        [alice] = self.body[1]
        self.assertEqual(records.verify(alice[0], "roster", records.OPEN, alice[1])[1], "alice")
        hers, own = self.body[0]
        self.assertEqual((hers[3], hers[2]), (alice[0], own[3]))
        self.assertEqual((own[2], self.body[2][0][2]), (alice[0], alice[0]))
        self.assertEqual(set(hers[4][0]), set(range(5)))

    def test_what_is_held_then_is_compared_and_listed_as_the_page_says(self):
        control = hexed("control")
        held = sisters.held(self.body)
        people = [(person[0], *(person[key] for key in range(2, 6))) for person in self.body[1]]
        read = sisters.read(self.body, self.said["author-user"])
        self.assertEqual(cbor.frame([[14, sisters.compare(held, people, read)]]), control["compare"])
        self.assertEqual(cbor.frame([[15, sisters.holdings(held)]]), control["holdings"])


class Exchange(unittest.TestCase):
    """The worked example of the page, from the secrets of TLS to a line that is delivered."""

    def setUp(self):
        self.said = hexed("exchange")
        self.prekeys = {who: X25519PrivateKey.from_private_bytes(bytes([byte] * 32)) for who, byte in PREKEYS.items()}

    def test_the_exporter_is_made_again(self):
        for name, algorithm in [("sha256", SHA256()), ("sha384", SHA384())]:
            said = hexed("exporter")
            exporter = quic.export(algorithm, said[f"master-{name}"], quic.EXPORTER_LABEL, b"", 32)
            self.assertEqual(exporter, said[f"exporter-{name}"])

    def test_each_side_proves_that_it_is_a_member_and_says_who_it_is(self):
        network, exporter = records.Network(), hexed("exporter")["exporter-sha256"]
        for who, role in [("alice", records.DIALLER), ("bob", records.ACCEPTOR)]:
            first = self.said[f"1-{who}-control"]
            self.assertEqual(first[0], quic.CONTROL)
            self.assertTrue(records.proof_holds(network, exporter, role, framed(first[1:])))
            [[kind, hello]] = framed(self.said[f"2-{who}-control"])
            roster = records.verify(records.public(seed(bytes([USERS[who]] * 32))), "roster", records.OPEN, hello[1])
            session = roster[3][0][0]
            declaration = records.verify(session, "declaration", records.OPEN, hello[0])
            card = records.verify(session, "key-card", records.OPEN, hello[2])
            self.assertEqual((kind, declaration[1], card[1], roster[1]), (peer.HELLO, session, session, who))

    def test_every_envelope_opens_and_is_released_by_the_next_item(self):
        released, texts = [], []
        for name, data in self.said.items():
            who, stream = name.split("-")[1:]
            for kind, body in framed(data.removeprefix(b"\2")) if stream == "chat" else []:
                if kind == peer.RELEASE:
                    self.assertEqual((body[0], body[1]), released.pop())
                    continue
                to = {"alice": "bob", "bob": "alice"}[who]
                prekey_id = bytes([PREKEYS[to]] * 8)
                opened = seal.open_envelope(body[0], records.OPEN, prekey_id, self.prekeys[to])
                released.append((seal.envelope_id(body[0]), opened.r))
                texts += [content[5] for content in opened.contents if content[0] == seal.TEXT]
        self.assertEqual((released, texts), ([], [b"hello, bob"]))


def derive_key_pair(ikm):
    """RFC 9180, section 7.1.3, for X25519: the package keeps it to itself."""
    suite = b"HPKE-v1" + b"KEM" + (0x20).to_bytes(2, "big")
    prk = HKDF.extract(SHA256(), b"", suite + b"dkp_prk" + ikm)
    secret = HKDFExpand(SHA256(), 32, (32).to_bytes(2, "big") + suite + b"sk").derive(prk)
    return X25519PrivateKey.from_private_bytes(secret)


if __name__ == "__main__":
    unittest.main()
