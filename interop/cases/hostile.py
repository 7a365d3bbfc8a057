"""Bytes that no peer of ours would send, and peers that send none at all, while requests go on.

Raw bytes only; what needs a session key is tested in Rust.
"""

import random
import socket
import struct
import subprocess
import time

from harness.checks import at_most, case, equal, true, until
from harness.http import Cut
from harness.load import GROWTH_BYTES_MAX, MIB

SILENT = 1000
# More than a signed count of 16 bits holds.
MANY = 33_000
# Of a request while the hostile ones are at work.
SECONDS_MAX = 1.0


@case("mesh-port-http")
def mesh_port_http(world):
    """curl at the mesh's address: one answer in HTTP that says what it is, and one line in the log, not one each."""
    gateway = world.gateway(("GET /hello", "hello_world"))
    node = world.npm(gateway, "hello_world")
    for _ in range(3):
        said = subprocess.run(
            ["curl", "-sS", "-i", "--max-time", "10", f"http://{gateway.address}/hello"], capture_output=True, text=True, timeout=20
        )
        equal((said.returncode, said.stderr), (0, ""), "how curl ends")
        true(said.stdout.startswith("HTTP/1.1 400 Bad Request"), f"the answer: {said.stdout}")
        true("mesh port of flatend" in said.stdout, f"what it says: {said.stdout}")
    gateway.process.wait_line(r"speaks HTTP to the address of the mesh")
    equal(len(gateway.process.grep("speaks HTTP")), 1, "lines in the log")
    equal(gateway.get("/hello")[2].decode(), "Hello world!", "the service afterwards")
    true(node.alive(), "the npm node died")
    return said.stdout.splitlines()[-1]


def guarded(world, attack):
    """Runs `attack(gateway)` under a load of good requests; these must not notice, and descriptors must come back."""
    gateway = world.gateway(
        ("GET /hello", "hello_world"), ("POST /sum", "sum"), timeouts='read = "2s"\nread_header = "2s"\nidle = "2s"\nwrite = "2s"'
    )
    node = world.npm(gateway, "hello_world", "sum")
    load = gateway.load("/hello", "Hello world!", threads=2)
    until(lambda: load.count() > 100, "100 answers before the attack")
    memory, descriptors, answered = gateway.process.memory(), gateway.process.descriptors(), load.count()
    seen = attack(gateway)
    until(lambda: load.count() > answered + 100, "100 answers under attack", seconds=20)
    until(lambda: gateway.process.descriptors() <= descriptors + 4, "descriptors to be given back", seconds=30)
    load.end()
    equal(load.failures(), [], "good requests that failed")
    at_most(load.slowest(), SECONDS_MAX, "slowest good request in seconds")
    growth = gateway.process.memory("VmHWM") - memory
    at_most(growth, GROWTH_BYTES_MAX, "growth of the gateway's memory in bytes")
    true(node.alive() and gateway.process.alive(), "a process died")
    equal(len(gateway.process.grep(r"has connected\. Services: \[\w")), 1, "links of the service")
    true(len(gateway.process.lines) < 300, f"{len(gateway.process.lines)} log lines: an attacker can fill the disk")
    return f"{seen}; good requests {load.times()}; gateway +{growth // MIB} MiB"


def send(port, data, hold=None, seconds=5):
    """Sends bytes; closes at once, or keeps the socket in `hold`. The other side may close first."""
    peer = socket.create_connection(("127.0.0.1", port), timeout=seconds)
    try:
        peer.sendall(data)
        if hold is None:
            peer.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    if hold is None:
        peer.close()
    else:
        hold.append(peer)


@case("garbage-on-the-mesh-port", seconds=90)
def garbage_on_mesh(world):
    dice = random.Random(1)

    def attack(gateway):
        held, count = [], 0
        key = dice.randbytes(31) + b"\x00"
        frames = [
            struct.pack(">I", length) + body
            for length, body in [
                (0, b""),
                (1, b"x"),
                (15, b"x" * 15),
                (16, b"x" * 16),
                (100, b"x" * 100),
                (2**31, b"x" * 1000),
                (2**32 - 1, b"x" * 100_000),
                (131_072 + 1, b"x" * 131_073),
            ]
        ]
        samples = [
            b"",
            b"\x00",
            key[:16],
            key[:31],
            key,
            bytes(32),  # a low-order point
            b"\x01" + bytes(31),
            b"\xff" * 32,
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + dice.randbytes(500),
            *(key + frame for frame in frames),
            *(key + frame[:3] for frame in frames),
            *(dice.randbytes(size) for size in (33, 36, 37, 100, 5000, 70_000)),
        ]
        for _ in range(10):
            for sample in samples:
                send(gateway.mesh, sample)
                count += 1
        for sample in samples:
            send(gateway.mesh, sample, held)
        for peer in held:
            peer.close()
        return f"{count + len(held)} connections of garbage"

    return guarded(world, attack)


@case("garbage-on-the-http-port", seconds=90)
def garbage_on_http(world):
    dice = random.Random(2)
    post = b"POST /sum HTTP/1.1\r\nHost: x\r\n"
    samples = [
        (b"\x00\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /hello\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\nHost: a\n\n", 400),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nName : 1\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nA: 1\r\n folded\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nA: a\x00b\r\n\r\n", 400),
        (b"GET /hello HTTP/3.7\r\nHost: x\r\n\r\n", (400, 505)),
        (post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (post + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
        (post + b"Content-Length: +5\r\n\r\nhello", 400),
        (post + b"Content-Length: 99999999999999999999999\r\n\r\n", (400, 413)),
        (post + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (post + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (post + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
        (post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (post + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400),
        (post + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX", 400),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + dice.randbytes(500), 400),
    ]

    def attack(gateway):
        for data, want in samples:
            with gateway.connect() as connection:
                connection.socket.sendall(data)
                try:
                    status = connection.response().status
                except (Cut, TimeoutError) as error:
                    status = repr(error)
                wanted = want if isinstance(want, tuple) else (want,)
                true(status in wanted, f"{data[:60]!r}: {status} instead of {want}")
        for _ in range(200):
            send(gateway.port, dice.randbytes(dice.randrange(1, 3000)))
            send(gateway.port, samples[dice.randrange(len(samples))][0][: dice.randrange(1, 40)])
        return f"{len(samples)} kinds refused, 400 connections of garbage"

    return guarded(world, attack)


def silent(world, port_of, what, first_bytes=b""):
    """A thousand connections that say nothing (more): closed by the gateway after its own timeouts."""

    def attack(gateway):
        held, begin = [], time.monotonic()
        for _ in range(SILENT):
            send(port_of(gateway), first_bytes, held)
        try:
            for peer in held:
                peer.settimeout(30)
                try:
                    while peer.recv(65536):
                        pass
                except ConnectionError:
                    pass
        finally:
            for peer in held:
                peer.close()
        return f"{SILENT} {what}, all closed within {time.monotonic() - begin:.1f} s"

    return guarded(world, attack)


@case("silent-http", seconds=120)
def silent_http(world):
    return silent(world, lambda gateway: gateway.port, "silent HTTP connections")


@case("half-heads-http", seconds=120)
def half_heads(world):
    return silent(world, lambda gateway: gateway.port, "half request heads", b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Slow: ")


@case("silent-mesh", seconds=120)
def silent_mesh(world):
    return silent(world, lambda gateway: gateway.mesh, "silent mesh connections")


@case("half-handshakes", seconds=120)
def half_handshakes(world):
    return silent(world, lambda gateway: gateway.mesh, "half key exchanges", bytes(range(16)))


@case("unfinished-sessions", seconds=120)
def unfinished_sessions(world):
    """The 32 bytes arrive, a handshake never does."""
    return silent(world, lambda gateway: gateway.mesh, "sessions without a handshake", bytes(range(32)))


@case("dripping-uploads", seconds=60)
def dripping_uploads(world):
    """Bodies that stop: 408 or a cut after `read`, and the service never takes one for whole."""

    def attack(gateway):
        held = []
        for _ in range(50):
            send(gateway.port, b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 5000, held)
        ends = []
        for peer in held:
            peer.settimeout(20)
            try:
                ends.append(peer.recv(65536)[9:12].decode() or "cut")
            except (ConnectionError, Cut):
                ends.append("cut")
            peer.close()
        true(set(ends) <= {"408", "cut"}, f"ends of stopped uploads: {set(ends)}")
        return f"{len(ends)} stopped uploads: {', '.join(sorted(set(ends)))}"

    return guarded(world, attack)


@case("many-connections", seconds=90)
def many_connections(world):
    """More connections one after the other than 16 bits count, on both ports of one shard."""
    gateway = world.gateway(("GET /hello", "hello_world"), mesh_keys="shards = 1")
    world.npm(gateway, "hello_world")
    request = b"GET /nothing HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    memory = gateway.process.memory()
    for port, words in ((gateway.port, request), (gateway.mesh, b"\xff" * 40)):
        for _ in range(MANY):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(words)
                while connection.recv(4096):
                    pass
    equal(gateway.get("/hello")[2], b"Hello world!", "the answer afterwards")
    growth = gateway.process.memory("VmHWM") - memory
    at_most(growth, GROWTH_BYTES_MAX, "growth of the gateway's memory in bytes")
    return f"2 times {MANY} connections; gateway +{growth // MIB} MiB"
