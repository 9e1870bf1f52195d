"""Section 12 of docs/protocol.md: what two sessions of one user say to find out what each of them lacks."""

import hashlib

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


def held(body):
    """What the receiver of a mirror holds afterwards, if it held nothing before: (author, epoch, address) to ranges."""
    numbers = {}
    for stream in body.get(0, []):
        said = [line[0] for line in stream.get(4, [])]
        said += [number for first, last in stream.get(5, []) for number in range(first, last + 1)]
        numbers.setdefault((stream[0], stream[1], stream[2]), set()).update(said)
    return {stream: ranges(said) for stream, said in numbers.items()}


def compare(streams, people):
    """Of what is held, and of what is known of people: (user, pinned, verified, state, lamport) each."""
    buckets = [0] * BUCKETS
    for (author, epoch, address), held_of in streams.items():
        bounds = [eight(number) for bounds in held_of for number in bounds]
        said = first_eight("darknode/held/1", author, eight(epoch), address, *bounds)
        at = bucket(author, address)
        buckets[at] = (buckets[at] + said) % 2**64
    known = [
        first_eight("darknode/person/1", user, bytes([pinned, verified, state]), eight(lamport))
        for user, pinned, verified, state, lamport in people
    ]
    return {0: buckets, 1: sum(known) % 2**64}


def holdings(streams):
    return {
        0: [{0: author, 1: epoch, 2: address, 3: said} for (author, epoch, address), said in sorted(streams.items())],
        1: True,
    }
