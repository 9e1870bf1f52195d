"""The CDDL of docs/protocol.md, read by a tool, takes every vector and refuses what is malformed."""

import re
import unittest
from pathlib import Path

import cbor2
import pycddl

import cbor
from test_vectors import framed, hexed, lines

PAGE = Path(__file__).parent.parent.parent / "docs" / "protocol.md"
GRAMMAR = "\n".join(re.findall(r"```cddl\n(.*?)```", PAGE.read_text(), re.DOTALL))
SIGNED = ["roster", "declaration", "key-card", "link-list"]
# The tool does not choose between the kinds of a list, so each message is checked by its own rule.
MESSAGES = dict(re.findall(r"\[(\d+), ([a-z-]+)\]", GRAMMAR.split("items =")[0]))
ITEMS = dict(re.findall(r"\[(\d+), ([a-z-]+)\]", GRAMMAR.split("items =")[1].split("parcel =")[0]))


class Grammar(unittest.TestCase):
    def takes(self, rule, data):
        with self.subTest(rule):
            pycddl.Schema(f"root = {rule}\n{GRAMMAR}").validate_cbor(data)

    def refuses(self, rule, data):
        with self.subTest(rule), self.assertRaises(pycddl.ValidationError):
            pycddl.Schema(f"root = {rule}\n{GRAMMAR}").validate_cbor(data)

    def takes_all(self, rules, batch):
        for number, body in [message[:2] for message in batch]:
            if str(number) in rules:
                self.takes(rules[str(number)], cbor.encode(body))

    def test_the_rules_of_all_kinds_are_found(self):
        self.assertEqual(list(map(int, MESSAGES)), [*range(1, 16), 18, 19, 20, 21])
        self.assertEqual(list(map(int, ITEMS)), [*range(1, 7)])

    def test_every_frame_follows_it(self):
        later, exchange = hexed("later"), hexed("exchange")
        for name, frame in lines("proof"):
            if name.endswith("-frame"):
                self.takes("proof", bytes.fromhex(frame)[4:])
        for data in [*hexed("control").values(), later["control-reserved"], later["hello-features"]]:
            self.takes_all(MESSAGES, framed(data))
        for data in [*hexed("chat").values(), later["chat-reserved"], later["parcel-targets"]]:
            self.takes_all(ITEMS, framed(data))
        for name, data in exchange.items():
            is_chat = name.endswith("-chat")
            if not name.startswith("1-"):
                self.takes_all(ITEMS if is_chat else MESSAGES, framed(data.removeprefix(b"\2")))

    def test_every_record_follows_it(self):
        said = hexed("records")
        for rule in SIGNED:
            self.takes(rule, said[f"{rule}-payload"])
            self.takes("signed", said[f"{rule}-signed"])

    def test_every_seal_follows_it(self):
        said = hexed("seal")
        for rule in ("envelope", "bundle", "contents"):
            self.takes(rule, said[rule])
        mirrors = hexed("mirrors")
        self.takes("envelope", mirrors["envelope"])
        self.takes("mirror-body", mirrors["mirror-body"])
        for stream in cbor2.loads(hexed("later")["receipt-address"])[0]:
            self.takes("stream", cbor.encode(stream))

    def test_what_linking_seals_follows_it(self):
        said = dict(lines("linking"))
        for rule in ("newcomer", "welcome"):
            self.takes(rule, bytes.fromhex(said[rule]))
        welcome = cbor.decode(bytes.fromhex(said["welcome"]))
        for key in range(3):
            self.refuses("welcome", cbor.encode({each: welcome[each] for each in welcome if each != key}))
        self.refuses("newcomer", cbor.encode({0: "x" * 65}))

    def test_what_sisters_say_is_bounded_by_it(self):
        said, mirrors = hexed("control"), hexed("mirrors")
        compare, listed = framed(said["compare"])[0][1], framed(said["holdings"])[0][1]
        self.refuses("compare", cbor.encode(compare | {0: [0] * 257}))
        self.refuses("holdings", cbor.encode(listed | {0: listed[0][:1] * 257}))
        self.takes("held-stream", cbor.encode(listed[0][0]))
        body = cbor.decode(mirrors["mirror-body"])
        for key, rule in enumerate(["mirrored-stream", "mirrored-person", "mirrored-receipt"]):
            self.refuses("mirror-body", cbor.encode(body | {key: body[key][:1] * 65}))
            for each in body[key]:
                self.takes(rule, cbor.encode(each))
                self.refuses(rule, cbor.encode(each | {0: b"short"}))

    def test_what_is_malformed_does_not(self):
        for name, envelope in hexed("seal-refused").items():
            if name == "malformed-behind":
                continue
            (self.refuses if name.startswith("malformed") else self.takes)("envelope", envelope)
        hello = framed(hexed("control")["hello"])[0][1]
        for key, wrong in [(3, b"\1"), (4, -1), (5, "x" * 65), (6, None)]:
            self.refuses("hello", cbor.encode(hello | {key: wrong}))


if __name__ == "__main__":
    unittest.main()
