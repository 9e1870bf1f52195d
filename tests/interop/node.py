"""The program under test, spoken to over its pipes as docs/json.md says: lines in, one JSON object a line out."""

import asyncio
import json
import os
import signal
from pathlib import Path

PATIENCE = 60


class Node:
    def __init__(self, process):
        self.process = process

    @classmethod
    async def start(cls, directory, name, *flags, prefix=()):
        """Starts `name` in `directory` and waits until it accepts; `prefix` goes before the command."""
        return await cls.run(directory, name, "-u", name, *flags, prefix=prefix)

    @classmethod
    async def run(cls, directory, name, *arguments, prefix=()):
        """The same with these arguments, which need not name a user."""
        own = ("-p", "0", "--json", "--data-dir", str(Path(directory) / name))
        command, pipe = (*prefix, os.environ["DARKNODE"], *arguments, *own), asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        node = cls(process)
        node.ready = await node.event("ready")
        return node

    def address(self, version=4):
        """Where it listens on loopback."""
        host, shown = ("127.0.0.1", "127.0.0.1:") if version == 4 else ("::1", "[::1]:")
        listen = next(address for address in self.ready["listen"] if address.startswith(shown))
        return host, int(listen.rsplit(":", 1)[1])

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    async def event(self, kind, **values):
        """The next event of this kind with these values."""
        seen = []
        while True:
            try:
                line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
            except TimeoutError:
                raise AssertionError(f"no {kind} {values} came after {seen}") from None
            if not line:
                raise AssertionError(f"it ended, and no {kind} {values} came after {seen}")
            event = json.loads(line)
            if event["event"] == kind and values.items() <= event.items():
                return event
            seen.append(event)

    async def stop(self):
        """Ends its input, or interrupts it if it reads none because it waits to be linked."""
        self.process.stdin.close()
        if self.ready["id"] is None:
            self.process.send_signal(signal.SIGINT)
        await asyncio.wait_for(self.process.wait(), PATIENCE)
        self.process._transport.close()
