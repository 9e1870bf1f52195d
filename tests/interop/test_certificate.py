"""The node's certificate, as openssl reads it: an Ed25519 key signed by itself, and the key is the session id."""

import subprocess
import tempfile
import unittest

from cryptography.hazmat.primitives.serialization import Encoding

import quic
import records
from node import Node
from peer import Peer

# RFC 8410: what stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo.
ED25519_HEAD = bytes.fromhex("302a300506032b6570032100")


class Certificate(unittest.IsolatedAsyncioTestCase):
    async def taken(self):
        """The session id a node gives, and the certificate it shows, as PEM."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        node = await Node.start(directory.name, "alice", "--no-lan")
        self.addAsyncCleanup(node.stop)
        peer = Peer("eve", records.Network())
        self.addCleanup(peer.close)
        wire = await peer.reach(node.address())
        self.assertEqual(records.base32(wire.peer_session()), node.ready["session"])
        return node.ready["session"], wire.peer_certificate().public_bytes(Encoding.PEM)

    async def test_openssl_reads_an_ed25519_certificate_whose_key_is_the_session(self):
        session, pem = await self.taken()
        text = openssl(pem, "x509", "-noout", "-text").decode()
        self.assertIn("Public Key Algorithm: ED25519", text)
        self.assertEqual(text.count("Signature Algorithm: ED25519"), 2)
        info = openssl(openssl(pem, "x509", "-noout", "-pubkey"), "pkey", "-pubin", "-outform", "DER")
        self.assertEqual(info, ED25519_HEAD + records.unbase32(session))

    async def test_openssl_finds_it_signed_by_itself_and_below_the_cap(self):
        _, pem = await self.taken()
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(pem)
            file.flush()
            flags = ("-no_check_time", "-check_ss_sig", "-partial_chain", "-trusted", file.name, file.name)
            self.assertIn(b"OK", openssl(b"", "verify", *flags))
        self.assertLessEqual(len(openssl(pem, "x509", "-outform", "DER")), quic.LONGEST_CERTIFICATE)


def openssl(stdin, *arguments):
    return subprocess.run(["openssl", *arguments], input=stdin, check=True, capture_output=True).stdout


if __name__ == "__main__":
    unittest.main()
