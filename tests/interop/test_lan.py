"""Section 11 of docs/protocol.md, with python-zeroconf at the other end of a cable.

Runs inside namespaces of its own (see `tests/interop.rs`): the node is alone in one, called `node`, and this script in
the other, with a veth pair between them and nothing but link-local addresses of IPv6 and one of IPv4 each.
"""

import asyncio
import json
import socket
import subprocess
import tempfile
import unittest

from zeroconf import IPVersion, ServiceInfo, ServiceStateChange
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

import records
from node import PATIENCE, Node
from peer import Peer

SERVICE = "_darkchat._udp.local."
HERE, THERE = "10.77.0.1", "10.77.0.2"
AT_NODE = ("ip", "netns", "exec", "node")
NAME = "alice-of-the-tests"


def setUpModule():
    """The cable."""
    for command in (
        "ip link set lo up",
        "ip netns add node",
        # Addresses count at once: duplicates are not looked for.
        "sysctl -q -w net.ipv6.conf.default.accept_dad=0",
        "ip netns exec node sysctl -q -w net.ipv6.conf.default.accept_dad=0",
        "ip link add here type veth peer name there netns node",
        f"ip addr add {HERE}/24 dev here",
        "ip link set here up",
        "ip -n node link set lo up",
        f"ip -n node addr add {THERE}/24 dev there",
        "ip -n node link set there up",
    ):
        subprocess.run(command.split(), check=True)


class OnTheLink(unittest.IsolatedAsyncioTestCase):
    """A node at one end, zeroconf at the other."""

    options = {"interfaces": [HERE], "ip_version": IPVersion.V4Only}

    async def asyncSetUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.zeroconf = AsyncZeroconf(**self.options)
        self.addAsyncCleanup(self.zeroconf.async_close)

    async def start(self, *flags):
        node = await Node.start(self.directory, NAME, *flags, prefix=AT_NODE)
        self.addAsyncCleanup(node.stop)
        return node

    def browse(self):
        """Queues of the names that appear and that go."""
        queues = {ServiceStateChange.Added: asyncio.Queue(), ServiceStateChange.Removed: asyncio.Queue()}

        def changed(zeroconf, service_type, name, state_change):
            if state_change in queues:
                queues[state_change].put_nowait(name)

        browser = AsyncServiceBrowser(self.zeroconf.zeroconf, SERVICE, handlers=[changed])
        self.addAsyncCleanup(browser.async_cancel)
        return queues[ServiceStateChange.Added], queues[ServiceStateChange.Removed]

    async def announcement(self, came):
        info = AsyncServiceInfo(SERVICE, await asyncio.wait_for(came.get(), PATIENCE))
        self.assertTrue(await info.async_request(self.zeroconf.zeroconf, PATIENCE * 1_000))
        return info

    async def announce(self, peer, port, tag, addresses=(socket.inet_aton(HERE),)):
        """As the page says, with names that are nobody's."""
        boot = peer.boot.to_bytes(8, "big")
        text = {"v": "1", "b": boot.hex(), "t": tag.hex()}
        instance = f"{records.base32(boot)}.{SERVICE}"
        place = {"server": "x1y2z3.local.", "addresses": list(addresses)}
        info = ServiceInfo(SERVICE, instance, port, properties=text, **place)
        await self.zeroconf.async_register_service(info)

    def peer(self, name):
        peer = Peer(name, records.Network())
        self.addCleanup(peer.close)
        return peer


class Lan(OnTheLink):
    async def test_zeroconf_sees_the_node_and_learns_no_name(self):
        came, went = self.browse()
        node = await Node.start(self.directory, NAME, prefix=AT_NODE)
        info = await self.announcement(came)
        text = {key.decode(): value.decode() for key, value in info.properties.items()}
        self.assertEqual(sorted(text), ["b", "t", "v"])
        self.assertEqual(text["v"], "1")
        self.assertRegex(text["b"], "^[0-9a-f]{16}$")
        self.assertEqual(text["t"], records.lan_tag(records.OPEN, int(text["b"], 16)).hex())
        self.assertEqual(info.port, int(node.ready["listen"][0].rsplit(":", 1)[1]))
        self.assertIn(THERE, info.parsed_addresses(IPVersion.V4Only))
        said = f"{info.name} {info.server} {text}".lower()
        for secret in (NAME, socket.gethostname().lower(), node.ready["id"][:6], node.ready["session"][:6]):
            self.assertNotIn(secret, said)
        await node.stop()
        self.assertEqual(await asyncio.wait_for(went.get(), PATIENCE), info.name)

    async def test_every_start_goes_by_another_name(self):
        came, _ = self.browse()
        seen = []
        for _ in range(2):
            node = await Node.start(self.directory, NAME, prefix=AT_NODE)
            info = await self.announcement(came)
            seen.append((info.name, info.server, info.properties[b"b"], info.properties[b"t"]))
            await node.stop()
        for first, second in zip(*seen):
            self.assertNotEqual(first, second)

    async def test_the_node_dials_who_is_announced_by_zeroconf(self):
        node, bob = await self.start(), self.peer("bob")
        port, arrived = await bob.listen(HERE)
        await self.announce(bob, port, records.lan_tag(records.OPEN, bob.boot))
        await bob.accept(arrived)
        nearby = await node.event("nearby", id=records.base32(bob.person.user))
        self.assertEqual(nearby["session"], records.base32(bob.person.session))
        self.assertEqual(records.base32(bob.other_user), node.ready["id"])

    async def test_who_announces_the_tag_of_another_network_is_not_dialled(self):
        node, stranger, bob = await self.start(), self.peer("stranger"), self.peer("bob")
        their_port, knocked = await stranger.listen(HERE)
        await self.announce(stranger, their_port, records.lan_tag(b"\7" * 32, stranger.boot))
        port, arrived = await bob.listen(HERE)
        await self.announce(bob, port, records.lan_tag(records.OPEN, bob.boot))
        await bob.accept(arrived)
        await node.event("nearby", id=records.base32(bob.person.user))
        self.assertTrue(knocked.empty())


class LanOfIpv6(OnTheLink):
    """The same link, by its link-local addresses of IPv6 alone."""

    @property
    def options(self):
        return {"interfaces": [socket.if_nametoindex("here")], "ip_version": IPVersion.V6Only}

    def link_local(self, *command):
        show = [*command, *"ip -j -6 addr show scope link".split()]
        links = json.loads(subprocess.run(show, capture_output=True, check=True).stdout)
        return next(of["local"] for link in links for of in link["addr_info"] if "local" in of)

    async def test_zeroconf_sees_the_node_by_its_link_local_address(self):
        came, _ = self.browse()
        await self.start()
        info = await self.announcement(came)
        self.assertIn(self.link_local(*AT_NODE), info.parsed_addresses(IPVersion.V6Only))

    async def test_the_node_dials_the_link_local_address_of_who_is_announced(self):
        node, bob = await self.start(), self.peer("bob")
        here = self.link_local()
        port, arrived = await bob.listen(f"{here}%here")
        tag = records.lan_tag(records.OPEN, bob.boot)
        await self.announce(bob, port, tag, [socket.inet_pton(socket.AF_INET6, here)])
        await bob.accept(arrived)
        await node.event("nearby", id=records.base32(bob.person.user))


if __name__ == "__main__":
    unittest.main()
