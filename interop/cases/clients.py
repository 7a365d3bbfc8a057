"""Clients that are slow, stall or go away, at the side of clients that do none of it."""

import time

from harness.checks import at_most, case, equal, true, until
from harness.http import Cut
from harness.load import MIB
from harness.pattern import digest, pattern

# A request on another link must not notice the slow client; one behind it on the same link waits for what is buffered.
OTHER_LINK_SECONDS_MAX = 0.5
SAME_LINK_SECONDS_MAX = 15.0
HELLO = "Hello world!"


@case("slow-client", seconds=120)
def slow_client(world):
    """100 MB at 5 MB/s. Requests on another link are quick, those on the same link bounded, and so is memory."""
    gateway = world.gateway(("GET /pattern", "pattern"), ("GET /same", "hello_world"), ("GET /other", "name"))
    world.npm(gateway, "pattern", "hello_world")
    world.npm(gateway, "name", name="other")
    watch, size = gateway.watch(), 100_000_000
    same, other = gateway.load("/same", HELLO, threads=2), gateway.load("/other", "other", threads=2)
    with gateway.connect(receive_buffer=1 << 16) as connection:
        response, pieces, read, begin = connection.request("GET", f"/pattern?bytes={size}"), [], 0, time.monotonic()
        for piece in response.stream():
            pieces.append(piece)
            read += len(piece)
            time.sleep(max(0.0, read / 5e6 - (time.monotonic() - begin)))  # the slowness that is tested
    same.end()
    other.end()
    body = b"".join(pieces)
    equal(body == b"".join(pattern(size)), True, "the slow client's bytes")
    equal((same.failures(), other.failures()), ([], []), "failed requests beside it")
    true(same.answers and other.answers, "no request was answered beside it")
    at_most(other.slowest(), OTHER_LINK_SECONDS_MAX, "slowest request on another link in seconds")
    at_most(same.slowest(), SAME_LINK_SECONDS_MAX, "slowest request on the same link in seconds")
    return f"same link {same.times()}; other {other.times()}; {watch.bounded()}"


@case("stalled-client", seconds=90)
def stalled_client(world):
    """A client that reads nothing is cut after `write`, and what waited behind it on the link goes on."""
    gateway = world.gateway(("GET /pattern", "pattern"), ("GET /same", "hello_world"), timeouts='write = "2s"')
    node = world.npm(gateway, "pattern", "hello_world")
    watch, descriptors = gateway.watch(), gateway.process.descriptors()
    with gateway.connect(receive_buffer=1 << 16) as stalled:
        response, begin = stalled.request("GET", "/pattern?bytes=100000000"), time.monotonic()
        same = gateway.load("/same", HELLO, threads=1)
        until(lambda: same.count() > 0, "the first request behind it", seconds=SAME_LINK_SECONDS_MAX)
        until(lambda: gateway.process.descriptors() <= descriptors + 1, "the stalled client to be cut", seconds=15)
        seconds, answered = time.monotonic() - begin, same.count()
        until(lambda: same.count() > answered + 20, "requests behind it to go on")
        same.end()
        try:
            response.body()
        except Cut:
            pass
        else:
            raise AssertionError("the stalled client got everything: it was never cut")
    true(seconds > 1.5, f"cut after {seconds:.1f} s: `write` was not waited for")
    equal(same.failures(), [], "failed requests behind it")
    at_most(same.slowest(), SAME_LINK_SECONDS_MAX, "slowest request behind it in seconds")
    true(node.alive(), "the service died")
    return f"cut after {seconds:.1f} s; behind it {same.times()}; {watch.bounded()}"


@case("aborted-downloads", seconds=120)
def aborted_downloads(world):
    """Clients close or reset within downloads: gateway and service live, others go on."""
    gateway = world.gateway(("GET /pattern", "pattern"), ("GET /hello", "hello_world"))
    node = world.npm(gateway, "pattern", "hello_world")
    watch, load = gateway.watch(), gateway.load("/hello", HELLO, threads=2)
    for i in range(40):
        connection = gateway.connect()
        stream = connection.request("GET", "/pattern?bytes=4000000").stream()
        read = 0
        while read < 300_000:
            read += len(next(stream))
        stream.close()
        connection.reset() if i % 2 else connection.close()
    before = load.count()
    until(lambda: load.count() > before + 20, "requests beside the aborted ones", seconds=20)
    load.end()
    equal(load.failures(), [], "failed requests beside them")
    equal(gateway.get("/pattern?bytes=1000000")[2] == b"".join(pattern(1000000)), True, "a whole download afterwards")
    true(node.alive() and gateway.process.alive(), "a process died")
    return f"40 aborted, {len(load.answers)} others answered; {watch.bounded()}"


@case("aborted-uploads", seconds=120)
def aborted_uploads(world):
    """Clients go away within uploads: no service may take such a body for a whole one. The link is retired, not lost."""
    gateway = world.gateway(("POST /sum", "sum"), ("GET /hello", "hello_world"))
    node = world.npm(gateway, "sum", "hello_world")
    watch, load, aborted = gateway.watch(), gateway.load("/hello", HELLO, threads=2), 80
    for i in range(aborted):
        connection = gateway.connect()
        chunked = i % 4 >= 2
        connection.send_head("POST", "/sum", [("Transfer-Encoding", "chunked")] if chunked else [("Content-Length", MIB)])
        half = b"".join(pattern(MIB // 2))
        connection.socket.sendall(b"%x\r\n%b\r\n" % (len(half), half) if chunked else half)
        node.wait_line("seen sum-begin", count=i + 1)
        connection.reset() if i % 2 else connection.close()
    before = load.count()
    until(lambda: load.count() > before + 20, "requests beside the aborted ones", seconds=20)
    load.end()
    equal(load.failures(), [], "failed requests beside them")
    with gateway.connect() as connection:
        response = connection.upload("POST", "/sum", MIB, pattern(MIB))
        equal(response.json(), {"bytes": MIB, "sha256": digest(MIB)}, "a whole upload afterwards")
    # The answer may be here before the line is.
    node.wait_line(r"seen sum \d")
    equal(node.grep(r"seen sum \d"), [f"seen sum {MIB}"], "bodies that the service took for whole")
    true(node.alive() and gateway.process.alive(), "a process died")
    links = len(node.grep("You have connected"))
    return f"{aborted} aborted, {len(load.answers)} others answered, {links} links in all; {watch.bounded()}"
