"""The program and another implementation are two sessions of one user: they link, compare, and mirror to each other."""

import unittest

import linking
import peer
import records
import seal
import sisters
from node import Node
from quic import CONTROL
from records import base32
from test_peer import Loopback


class Waiting(Loopback):
    """The other implementation waits to be linked; the program holds the user key."""

    def waiting(self):
        pi = self.peer(linking.WAITING_NAME)
        pi.later = {6: linking.WAITS}
        return pi

    async def linked(self, node):
        """A session of the node's user, not connected any more."""
        pi = self.waiting()
        await pi.dial(node.address())
        invitation = linking.Invitation(pi.person.session)
        node.say(f"\\link {invitation.code}")
        await linking.wait(pi, invitation, "pi")
        await self.is_admitted(node, pi)
        pi.restart()
        pi.later = {}
        return pi

    async def is_admitted(self, node, pi):
        said = await node.event("session", state="linked")
        self.assertEqual((said["label"], said["session"]), ("pi", base32(pi.person.session)))


class Linking(Waiting):
    async def test_who_shows_a_code_is_linked_and_a_session_of_the_user(self):
        node = await self.start()
        pi = await self.linked(node)
        await pi.dial(node.address())
        self.assertEqual((pi.other_user, pi.other_name), (pi.person.user, "alice"))
        await node.event("online", session=base32(pi.person.session))
        node.say("\\sessions")
        listed = (await node.event("sessions"))["sessions"]
        status = {entry["label"]: entry["status"] for entry in listed}
        self.assertEqual((len(status), status["pi"]), (2, "online"))

    async def test_a_token_leads_to_who_shows_it(self):
        node, pi = await self.start(), self.waiting()
        port, arrived = await pi.listen("127.0.0.1")
        invitation = linking.Invitation(pi.person.session, f"127.0.0.1:{port}")
        node.say(f"\\link {invitation.token}")
        await pi.accept(arrived)
        await linking.wait(pi, invitation, "pi")
        await self.is_admitted(node, pi)

    async def test_a_wrong_code_is_refused_and_an_error(self):
        node, pi = await self.start(), self.waiting()
        await pi.dial(node.address())
        shown, typed = linking.Invitation(pi.person.session), linking.Invitation(pi.person.session)
        node.say(f"\\link {typed.code}")
        with self.assertRaises(linking.Refused):
            await linking.wait(pi, shown, "pi")
        self.assertEqual((await node.event("error"))["code"], "code-wrong")


class Holding(Loopback):
    """The program waits to be linked; the other implementation holds the user key."""

    async def waiting(self):
        node = await Node.run(self.directory, "pi", "link", "--no-lan")
        self.addAsyncCleanup(node.stop)
        return node, await node.event("code")

    async def is_linked(self, node, alice):
        joined = await node.event("joined")
        self.assertEqual((joined["user"], joined["id"]), ("alice", base32(alice.person.user)))
        node.ready = await node.event("ready")
        await alice.dial(node.address())
        self.assertEqual(alice.other_user, alice.person.user)
        self.assertFalse(alice.features & linking.WAITS)
        await node.event("online", session=base32(alice.person.session))
        compare = await alice.message(peer.COMPARE)
        self.assertEqual(compare[0], [0] * sisters.BUCKETS)

    async def link(self, node, step, password):
        alice = self.peer("alice")
        await alice.dial(node.address())
        self.assertEqual((alice.other_name, alice.features), (linking.WAITING_NAME, linking.WAITS))
        await linking.link(alice, step, password)
        return alice

    async def test_the_program_is_linked_by_the_code_it_shows(self):
        node, shown = await self.waiting()
        alice = await self.link(node, linking.BY_CODE, linking.pake.by_code(shown["code"]))
        await self.is_linked(node, alice)

    async def test_the_program_is_linked_by_the_token_it_shows(self):
        node, shown = await self.waiting()
        session, secret, places = linking.read_token(shown["token"])
        alice = await self.link(node, linking.BY_TOKEN, linking.pake.by_token(secret))
        self.assertEqual(session, alice.other_session)
        self.assertTrue(all(place.rsplit(":", 1)[1] for place in places if place))
        await self.is_linked(node, alice)

    async def test_the_program_refuses_a_wrong_code_and_draws_another(self):
        node, shown = await self.waiting()
        for reason in (linking.WRONG, linking.EXPIRED):
            with self.assertRaises(linking.Refused) as refused:
                await self.link(node, linking.BY_CODE, linking.pake.by_code("zoo zoo zoo"))
            self.assertEqual(refused.exception.reason, reason)
        self.assertNotEqual((await node.event("code"))["code"], shown["code"])


class Mirroring(Waiting):
    """The other implementation is a new session of the program's user, who has talked with bob."""

    async def asyncSetUp(self):
        self.node, self.bob = await self.start(), self.peer("bob")
        node, bob = self.node, self.bob
        await bob.dial(node.address())
        bob.send([bob.link(), bob.text("from bob")])
        await node.event("message", text="from bob")
        node.say("\\chat bob")
        node.say("to bob")
        self.queued = await node.event("queued", text="to bob")
        await bob.contents(lambda said: said[0] == seal.TEXT)
        await node.event("state", state="delivered")
        await bob.leave()
        await node.event("offline", id=base32(bob.person.user))

    async def met(self):
        """The new session and what it holds: connected, and without anything."""
        pi = await self.linked(self.node)
        await pi.dial(self.node.address())
        return sisters.Sister(pi)

    async def caught_up(self):
        """The same after it has been given all that the program holds."""
        pi = await self.met()
        pi.compare()
        pi.theirs = await pi.peer.message(peer.COMPARE)
        pi.list_streams()
        listed = await pi.listed()
        await pi.take_mirrors(lambda: pi.ranges() == listed and pi.comparison()[1] == pi.theirs[1])
        return pi

    async def test_a_new_session_is_given_the_history_and_then_holds_what_the_program_compares(self):
        pi = await self.caught_up()
        self.assertEqual(pi.comparison(), pi.theirs)
        alice, bob = pi.peer.person.user, self.bob.person
        self.assertEqual(pi.lines[bob.session, self.bob.epoch, alice, 2], b"from bob")
        [own] = [key for key, body in pi.lines.items() if body == b"to bob"]
        self.assertEqual(records.token(*own), self.queued["message"])
        self.assertEqual((own[0], own[2]), (pi.peer.other_session, bob.user))
        pi.compare()
        self.assertEqual(await pi.listed(), {}, "nothing differs any more")

    async def test_a_line_of_the_new_session_is_shown_as_the_user_s_own(self):
        pi = await self.caught_up()
        alice, bob, session, epoch = pi.peer.person.user, self.bob.person.user, pi.peer.person.session, pi.peer.epoch
        line = {0: 1, 1: seal.TEXT, 2: 40, 3: 1_700_000_000_003, 4: b"from the pi"}
        pi.hold(session, epoch, bob, 1, line[4])
        sent = pi.mirror({0: [{0: session, 1: epoch, 2: bob, 3: alice, 4: [line]}]})
        message = await self.node.event("message", text="from the pi")
        self.assertEqual((message["from"], message["from_id"]), ("alice", base32(alice)))
        self.assertEqual((message["own"], message["label"], message["with"]), (True, "pi", "bob"))
        self.assertEqual(message["message"], records.token(session, epoch, bob, 1))
        self.assertEqual((message["sent"], message["order"]), ("2023-11-14T22:13:20.003Z", 40))
        await pi.take_mirrors(lambda: sent in pi.peer.released)
        pi.compare()
        self.assertEqual(await pi.listed(), {}, "both hold the line")

    async def test_a_line_that_the_new_session_was_sent_is_shown_as_its_author_s(self):
        pi = await self.caught_up()
        alice, bob = pi.peer.person.user, self.bob.person
        line = {0: 3, 1: seal.TEXT, 2: 41, 3: 0, 4: b"to the pi alone"}
        pi.hold(bob.session, self.bob.epoch, alice, 3, line[4])
        pi.mirror({0: [{0: bob.session, 1: self.bob.epoch, 2: alice, 3: bob.user, 4: [line]}]})
        message = await self.node.event("message", text="to the pi alone")
        self.assertEqual((message["from"], message["from_id"], message["own"]), ("bob", base32(bob.user), False))
        pi.compare()
        self.assertEqual(await pi.listed(), {}, "both hold the line")

    async def test_a_delivery_is_told_the_new_session(self):
        pi, bob = await self.caught_up(), self.bob
        bob.restart()
        await bob.dial(self.node.address())
        self.node.say("to bob again")
        line = await bob.contents(lambda said: said[5] == b"to bob again")
        stream = (pi.peer.other_session, line[1], bob.person.user)
        await pi.take_mirrors(lambda: stream in pi.delivered)
        ranges = pi.delivered[stream][bob.person.session]
        self.assertTrue(any(first <= line[2] <= last for first, last in ranges))
        await pi.take_mirrors(lambda: line[2] in pi.held[stream])
        self.assertEqual(pi.lines[(*stream, line[2])], b"to bob again")


if __name__ == "__main__":
    unittest.main()
