#!/usr/bin/env python3
"""Checks this peer against `codec/vectors/flatend2`: what it makes is what the files have, what they refuse it refuses."""

import ipaddress
import json
import sys
from pathlib import Path
from types import SimpleNamespace

sys.dont_write_bytecode = True
import session  # noqa: E402
import wire  # noqa: E402
from link import Link  # noqa: E402
from session import ACCEPTOR, DIALER, Frames, Hello, Schedule  # noqa: E402
from wire import Fault  # noqa: E402

FOLDER = Path(__file__).resolve().parents[2] / "codec/vectors/flatend2"
ROLES = {"dialer": DIALER, "acceptor": ACCEPTOR}
x = bytes.fromhex


def load(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def same(what, have, want):
    if have != want:
        raise AssertionError(f"{what}: {have!r} is not {want!r}")


def refuses(what, want, action):
    """`want`: the file's `refused`, None where the thing is taken."""
    try:
        action()
        have = None
    except Fault as fault:
        have = fault.name
    same(what, have, want and want["error"])


def address(pair):
    ip, port = ipaddress.ip_address(pair[0]), pair[1]
    return f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"


def schedule(case):
    dialer, acceptor = x(case["dialer_sends"]), x(case["acceptor_sends"])
    network_key = case["network_key"] and x(case["network_key"])
    both = [
        Schedule(x(case["dialer_secret"]), acceptor, dialer, acceptor, network_key),
        Schedule(x(case["acceptor_secret"]), dialer, dialer, acceptor, network_key),
    ]
    same("both sides", both[0].secret_0, both[1].secret_0)
    return both[0]


def keys():
    found = load("keys")
    for case in found["recognition"]:
        ends = []
        for role, side in ((DIALER, "dialer"), (ACCEPTOR, "acceptor")):
            ends.append(Link(role, node(case[f"{side}_speaks_flatend2"]), x(case[f"{side}_secret"])))
        first = bytes(ends[0].out[:32])
        ends[1].feed(first)
        second = bytes(ends[1].out[:32])
        ends[0].feed(second)
        same("D", first.hex(), case["dialer_sends"])
        same("A", second.hex(), case["acceptor_sends"])
        for end in ends:
            same("dialect", "legacy" if end.phase.startswith("legacy") else "flatend/2", case["dialect"])
        yield "recognition"
    for case in found["schedule"]:
        have = schedule(case)
        for what in ("shared", "secret_0", "binding"):
            same(what, getattr(have, what).hex(), case["shared_secret" if what == "shared" else what])
        for side, role in ROLES.items():
            chain = have.chain(role)
            same(side, [chain.key(n).hex() for n in range(4)], case[f"{side}_keys"])
        yield "schedule"
    for case in found["downgrade"]:
        role, key = ROLES[case["signer"]], session.new_identity(x(case["seed"]))
        opening = x(case["dialer_sent"]), x(case["acceptor_sent"])
        trailer = session.make_trailer(key, role, *opening)
        same("trailer", trailer.hex(), case["trailer"])
        same("key", session.raw(key).hex(), case["public_key"])
        for good, check in (
            (True, session.is_trailer(trailer, role, *opening)),
            (True, session.is_trailer(trailer, role, *opening, session.raw(key))),
            (False, session.is_trailer(trailer, role, *opening, bytes(32))),
            (False, session.is_trailer(trailer, 1 - role, *opening)),
            (False, session.is_trailer(trailer[:-1], role, *opening)),
        ):
            same("is a trailer", check, good)
        yield "downgrade"
    for point in found["low_order"]:
        refuses(point, {"error": "LowOrderKey"}, lambda: session.shared_secret(bytes([7] * 32), x(point)))
        yield "low order"


def frames():
    found = load("frames")
    have = schedule(load("keys")["schedule"][found["schedule"]])
    for case in found["frames"]:
        chain = lambda: have.chain(ROLES[case["from"]])  # noqa: E731
        longest = wire.Message(wire.DATA, wire.END, 1, b"\xda" * 65_524).encode()
        plaintext = longest if case["plaintext"] is None else x(case["plaintext"])
        frame = Frames(chain(), number=case["number"]).seal(plaintext)
        same("frame", case["frame"] in (None, frame.hex()), True)
        same("begins", frame[:32].hex(), case["frame_begins"])
        same("ends", frame[-16:].hex(), case["frame_ends"])
        same("bytes", len(frame), case["frame_bytes"])
        same("opened", Frames(chain(), number=case["number"]).open(frame), plaintext)
        yield "frame"
    for case in found["refused"]:
        opener = Frames(have.chain(ROLES[case["from"]]), number=case["number"])
        refuses(case["what"], case["refused"], lambda: opener.open(x(case["frame"])))
        yield "frame refused"


def hello():
    found = load("hello")
    binding = x(found["binding"])
    for case in found["good"]:
        role, key = ROLES[case["role"]], session.new_identity(x(case["seed"]))
        have = Hello.decode(x(case["body"]), role, binding)
        for what in ("public_key", "instance"):
            same(what, getattr(have, what).hex(), case[what])
        for what in ("capabilities", "plaintext_log2", "shards", "lane", "first_grant"):
            same(what, getattr(have, what), case[what])
        same("addresses", [address(pair) for pair in have.addresses], case["addresses"])
        same("software", have.software.decode(), case["software"])
        same("record", have.record and have.record.hex(), case["record"])
        same("encoded", have.encode(role, binding, key).hex(), case["body"])
        yield "hello"
    for case in found["changed"]:
        refuses(case["what"], case["refused"], lambda: Hello.decode(x(case["body"]), DIALER, binding))
        if case["refused"] is None:
            record = Hello.decode(x(case["body"]), DIALER, binding).record
            same(case["what"], record and record.hex(), case["record"])
        yield "hello changed"


def plain(said):
    """As the file has it: bytes as text, data and keys in hex."""
    if isinstance(said, bytes):
        return said.decode()
    if isinstance(said, (list, tuple)):
        return [plain(one) for one in said]
    if isinstance(said, dict):
        if "nodes" in said:
            said = said | {"nodes": [[key.hex(), address((ip, port))] for key, ip, port in said["nodes"]]}
        in_hex = {"data", "payload", "key"}
        return {k: v.hex() if k in in_hex else [r.hex() for r in v] if k == "records" else plain(v) for k, v in said.items()}
    return said


def messages():
    flags = {"end": wire.END, "ack": wire.ACK, "more": wire.MORE}
    for case in load("messages"):
        (message,) = wire.messages(x(case["message"]))
        said = wire.decode(message)
        have = plain(said)
        if message.kind in wire.OF_STREAMS:
            have["stream"] = message.stream
        have |= {flag: message.has(bit) for flag, bit in flags.items() if flag in case["says"]}
        same(case["name"], message.kind, getattr(wire, case["name"]))
        same(case["name"], have, case["says"])
        again = wire.Message(message.kind, message.flags, message.stream, wire.encode(message.kind, said))
        same("encoded", again.encode().hex(), case["message"])
        yield case["name"]


def node(speaks=True, seed=b"\x09" * 32):
    return SimpleNamespace(
        key=session.new_identity(seed), instance=bytes(16), network_key=None, services=["echo"], grant=2, port=9000,
        speaks_flatend2=speaks, takes_legacy=True, expects=None,
    )


def up(role):
    """A link in `role` whose peer is another of ours, and what seals that peer's frames."""
    ours, theirs = Link(role, node()), Link(1 - role, node(seed=b"\x08" * 32))
    ours.granted_to_us = 1_000
    for _ in range(3):
        for one, other in ((ours, theirs), (theirs, ours)):
            data, one.out = bytes(one.out), bytearray()
            other.feed(data)
    ours.granted_to_us = 1_000
    return ours, theirs.sealer


def sealed(sealer, frame):
    return sealer.seal(x(frame["begins"]).ljust(frame["bytes"], b"\0"))


def refused():
    for case in load("refused"):
        link, sealer = up(ROLES[case["receiver"]])
        for _ in range(case["requests_made"]):
            link.ask([b"echo"])
        *before, last = [sealed(sealer, frame) for frame in [*case["before"], case["frame"]]]
        for frame in before:
            link.feed(frame)
        refuses(case["what"], case["refused"], lambda: link.feed(last))
        yield "refused"


def records():
    found = load("records")
    for case in found["good"]:
        key, have = session.new_identity(x(case["seed"])), session.read_record(x(case["record"]))
        same("key", have["public_key"].hex(), case["public_key"])
        same("addresses", [address(pair) for pair in have["addresses"]], case["addresses"])
        same("until", have["made_s"] + have["lifetime_s"], case["good_until_s"])
        made = session.make_record(key, have["addresses"], case["made_s"], case["lifetime_s"], case["capabilities"])
        same("record", made.hex(), case["record"])
        yield "record"
    for case in found["refused"]:
        refuses(case["what"], case["refused"], lambda: session.read_record(x(case["record"])))
        yield "record refused"


def main():
    passed, failed = 0, 0
    for part in (keys, frames, hello, messages, refused, records):
        try:
            for _ in part():
                passed += 1
        except (AssertionError, Fault) as error:
            failed += 1
            print(f"{part.__name__}: {error}")
    return passed, failed


if __name__ == "__main__":
    passed, failed = main()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
