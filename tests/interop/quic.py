"""Section 2 of docs/protocol.md on aioquic: certificates both ways, the exporter, two streams of frames each way.

aioquic shows a client's Ed25519 certificate by itself. Two things it has no door for are added here: the exporter of
TLS 1.3 (RFC 8446, section 7.5), and, for whoever accepts, the demand for a certificate.
"""

import asyncio
import datetime
import ipaddress
import ssl

from aioquic import tls
from aioquic.asyncio import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, StreamDataReceived
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.x509.oid import NameOID

import cbor
import records

ALPN = "darknode/1"
EXPORTER_LABEL = b"EXPORTER-darknode"
CONTROL, CHAT = 1, 2
LONGEST_CERTIFICATE = 1_024
LONGEST = {CONTROL: 65_536, CHAT: 262_144}
PATIENCE = 30


class KeySchedule(tls.KeySchedule):
    """Keeps the exporter's master secret, which hangs on the same transcript as the first application secret."""

    def derive_secret(self, label):
        if label == b"s ap traffic":
            self.exporter_master = super().derive_secret(b"exp master")
        return super().derive_secret(label)

    def export(self, label, context, length):
        empty = Hash(self.algorithm).finalize()
        hashed = Hash(self.algorithm)
        hashed.update(context)
        secret = tls.hkdf_expand_label(self.algorithm, self.exporter_master, label, empty, self.algorithm.digest_size)
        return tls.hkdf_expand_label(self.algorithm, secret, b"exporter", hashed.finalize(), length)


tls.KeySchedule = KeySchedule


class Context(tls.Context):
    """Asks whoever dials for a certificate."""

    def __init__(self, **config):
        super().__init__(**config)
        self._request_client_certificate = not self._is_client


tls.Context = Context


def certificate(session_key):
    """A self-signed certificate that says nothing: the year is long over and the name is anybody's."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    begin = datetime.datetime(1999, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(session_key.public_key())
    builder = builder.serial_number(1).not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=1))
    return builder.sign(session_key, None if isinstance(session_key, Ed25519PrivateKey) else SHA256())


def configuration(key, is_client, alpn=ALPN, shown=None):
    return QuicConfiguration(
        alpn_protocols=[alpn],
        certificate=shown or certificate(key),
        private_key=key,
        is_client=is_client,
        verify_mode=ssl.CERT_NONE,
    )


class Closed(ConnectionError):
    """The other side closed; `code` is what it said."""

    def __init__(self, code, reason):
        super().__init__(f"closed with {code}: {reason}")
        self.code = code


class Wire(QuicConnectionProtocol):
    """One connection: frames out, frames in. The streams the other side opened come as one queue per type."""

    def __init__(self, quic, stream_handler=None):
        super().__init__(quic, stream_handler)
        self.frames = {CONTROL: asyncio.Queue(), CHAT: asyncio.Queue()}
        self.unread, self.outgoing = {}, {}

    def quic_event_received(self, event):
        if isinstance(event, StreamDataReceived):
            self.unread[event.stream_id] = self.unread.get(event.stream_id, b"") + event.data
            self.cut_frames(event.stream_id)
        elif isinstance(event, ConnectionTerminated):
            for queue in self.frames.values():
                queue.put_nowait(Closed(event.error_code, event.reason_phrase))

    def cut_frames(self, stream_id):
        data = self.unread[stream_id]
        kind, at = data[0], 1
        while len(data) >= at + 4:
            length = int.from_bytes(data[at : at + 4], "big")
            assert length <= LONGEST[kind], f"a frame of {length} bytes"
            if len(data) < at + 4 + length:
                break
            self.frames[kind].put_nowait(cbor.decode(data[at + 4 : at + 4 + length]))
            at += 4 + length
        self.unread[stream_id] = data[:1] + data[at:]

    def send(self, kind, item):
        """One frame; the first of a kind opens the stream."""
        head = b""
        if kind not in self.outgoing:
            self.outgoing[kind] = self._quic.get_next_available_stream_id(is_unidirectional=True)
            head = bytes([kind])
        self.send_raw(kind, head + cbor.frame(item))

    def send_raw(self, kind, data):
        self._quic.send_stream_data(self.outgoing[kind], data)
        self.transmit()

    def open_stream(self, data):
        """A stream of its own, with these first bytes."""
        self._quic.send_stream_data(self._quic.get_next_available_stream_id(is_unidirectional=True), data)
        self.transmit()

    async def receive(self, kind):
        """The next frame of the kind; raises `Closed` when there will be none."""
        frame = await asyncio.wait_for(self.frames[kind].get(), PATIENCE)
        if isinstance(frame, Closed):
            self.frames[kind].put_nowait(frame)
            raise frame
        return frame

    def drop(self):
        """Says nothing more, and takes its clock away."""
        self.close()
        if self._timer is not None:
            self._timer.cancel()
        self._transport.close()

    def exporter(self):
        return self._quic.tls.key_schedule.export(EXPORTER_LABEL, b"", 32)

    def peer_certificate(self):
        return self._quic.tls._peer_certificate

    def peer_session(self):
        """The session id of the certificate; anything but one self-signed Ed25519 key is refused."""
        assert not self._quic.tls._peer_certificate_chain, "a chain"
        key = self.peer_certificate().public_key()
        assert isinstance(key, Ed25519PublicKey), "no Ed25519 key"
        return records.unbase32(records.base32(key.public_bytes_raw()))


async def dial(address, config):
    """Connects to `(ip, port)`; returns when the handshake as the client sees it is over."""
    loop = asyncio.get_running_loop()
    six = ipaddress.ip_address(address[0]).version == 6
    quic = QuicConnection(configuration=config)
    _, wire = await loop.create_datagram_endpoint(lambda: Wire(quic), local_addr=("::" if six else "0.0.0.0", 0))
    # aioquic knows a path by the address as the socket tells it, which for IPv6 has four parts.
    wire.connect((*address, 0, 0) if six else address)
    try:
        await asyncio.wait_for(wire.wait_connected(), PATIENCE)
    except BaseException:
        wire.drop()
        raise
    return wire


async def listen(ip, config, arrived):
    """Accepts on a free port; every connection goes into the queue `arrived`. Returns the transport."""

    def accept(connection, **_):
        wire = Wire(connection)
        arrived.put_nowait(wire)
        return wire

    server = QuicServer(configuration=config, create_protocol=accept)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: server, local_addr=(ip, 0))
    return transport
