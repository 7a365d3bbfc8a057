"""flatend/2 between the gateway, nodes of the Rust SDK and the second implementation in Python."""

import asyncio
import hashlib
import signal
import threading
import time

from harness.checks import case, equal, true, until
from harness.process import free_port
from harness.python_peer import PythonPeer, answer, session, wire

BODY = bytes(at // 997 % 256 for at in range(8_000_000))


async def echo(exchange):
    exchange.peer.link.respond(exchange.number, 200, [(b"content-type", b"application/octet-stream")])
    while (piece := await exchange.piece()) is not None:
        await exchange.write(piece)
    exchange.peer.link.end(exchange.number)
    await exchange.peer.drain()


async def teapot(exchange):
    deadline = exchange.said["deadline_ms"]
    await answer(exchange, 418, f"{deadline}".encode(), [(b"x-kept", b"yes")])


async def fail(exchange):
    exchange.peer.link.reset(exchange.number, 5, b"on purpose")
    await exchange.peer.drain()


def waiting(seen):
    """A handler that answers a head and a piece, then notes how its stream was cut."""

    async def wait(exchange):
        seen["began"] = True
        exchange.peer.link.respond(exchange.number, 200)
        await exchange.write(b"a piece")
        await exchange.until(lambda: exchange.code is not None)
        seen["code"] = exchange.code

    return wait


@case("flatend2-python-service")
def python_service(world):
    """A service in Python behind the gateway: bodies both ways through windows, a status, a deadline, a handler that fails."""
    gateway = world.gateway(("POST /echo", "echo"), ("GET /teapot", "teapot"), ("GET /fail", "fail"))
    python = PythonPeer(world, gateway.address, {"echo": echo, "teapot": teapot, "fail": fail})
    gateway.process.wait_line(r"has connected\. Services: \[echo teapot fail\]")
    equal(python.peer.link.phase, "up", "what they speak")
    with gateway.connect() as client:
        response = client.upload("POST", "/echo", len(BODY), [BODY])
        equal((response.status, response.digest()), (200, (len(BODY), hashlib.sha256(BODY).hexdigest())), "8 MB there and back")
    status, fields, body = gateway.get("/teapot")
    equal((status, fields["x-kept"]), (418, "yes"), "a status and a header of its own")
    true(body.isdigit() and int(body) <= 3_600_000, f"the deadline in the request: {body}")
    status, _, body = gateway.get("/fail")
    equal(status, 502, f"a handler that fails ({body})")
    equal(python.fault(), None, "a fault of the link")
    return f"8 MB each way, a grant of {python.peer.link.hello.first_grant} requests"


@case("flatend2-cancel")
def cancel(world):
    """A client that goes away cancels its own stream, at once and by name; a second one goes on."""
    gateway, seen = world.gateway(("GET /wait", "wait"), ("GET /teapot", "teapot")), {}
    python = PythonPeer(world, gateway.address, {"wait": waiting(seen), "teapot": teapot})
    client = gateway.connect()
    client.send_head("GET", "/wait")
    until(lambda: "began" in seen, "the request")
    equal(client.response().status, 200, "its head")
    client.reset()
    until(lambda: "code" in seen, "a RESET")
    equal(seen["code"], 2, "CANCEL")
    equal(gateway.get("/teapot")[0], 418, "the link afterwards")
    equal(python.is_closed(), False, "the link")
    return "RESET CANCEL"


@case("flatend2-stalled-client")
def stalled_client(world):
    """A client that stops reading stops its own stream, within a bounded number of bytes, and no other on the same link."""
    sent = {}

    async def flood(exchange):
        exchange.peer.link.respond(exchange.number, 200)
        sent[exchange.number] = 0
        while sent[exchange.number] < 200_000_000:
            await exchange.write(bytes(60_000))
            sent[exchange.number] += 60_000

    gateway = world.gateway(("GET /flood", "flood"), ("POST /echo", "echo"))
    PythonPeer(world, gateway.address, {"flood": flood, "echo": echo})
    gateway.process.wait_line(r"has connected")
    stalled = gateway.connect(receive_buffer=4_096)
    stalled.send_head("GET", "/flood")
    until(lambda: sent and (before := list(sent.values())) and still(sent, before), "the stalled stream to stand still")
    for _ in range(3):
        with gateway.connect() as client:
            equal(client.upload("POST", "/echo", len(BODY), [BODY]).digest()[0], len(BODY), "beside it")
    (stopped_at,) = sent.values()
    true(stopped_at < 40_000_000, f"{stopped_at} bytes for a client that reads nothing")
    stalled.reset()
    return f"stopped after {stopped_at >> 10} KiB"


def still(sent, before):
    """Nothing was added within the time of three round trips through the handlers' loop."""
    for _ in range(3):
        time.sleep(0.1)  # between two looks
        if list(sent.values()) != before:
            return False
    return True


@case("receive-budget")
def receive_budget(world):
    """`receive_budget`: sixteen event streams at 1 MiB; the next request waits, and is 503 unless one of them ends meanwhile."""
    mesh_keys = 'receive_budget = "1MiB"\nshards = 1'
    gateway = world.gateway(("GET /wait", "wait", 'hold = "200ms"'), ("GET /held", "teapot", 'hold = "20s"'), mesh_keys=mesh_keys)
    python = PythonPeer(world, gateway.address, {"wait": waiting({}), "teapot": teapot})
    gateway.process.wait_line(r"has connected")
    streams = [gateway.connect() for _ in range(16)]
    for stream in streams:
        stream.send_head("GET", "/wait")
        equal(stream.response().status, 200, "a stream that stays")
    status, fields, body = gateway.get("/wait")
    equal((status, fields["retry-after"]), (503, "1"), "the seventeenth")
    true(b"receive budget of 1 MiB (`receive_budget`)" in body, f"its answer: {body}")
    gateway.process.wait_line(r"Shard 0 refused a request for 'wait': the responses that it waits for and reads take its receive budget of 1 MiB")
    equal(gateway.get("/wait")[0], 503, "another one")
    waits = gateway.connect()
    waits.send_head("GET", "/held")
    streams.pop().reset()
    equal(waits.response().status, 418, "one that waited for a place")
    equal(python.fault(), None, "a fault of the link")
    python.end()
    gateway.process.wait_line(r"has disconnected")
    equal(len(gateway.process.grep(r"refused a request for")), 1, "lines about it, with all that came before")
    return "16 streams, then 503"


@case("flatend2-lanes")
def lanes(world):
    """A gateway of four shards gets four links to a service in Rust once requests pass, and keeps one to a peer that has one lane."""
    routes = ("GET /hello", "hello_world"), ("GET /teapot", "teapot")
    gateway = world.gateway(*routes, mesh_keys="shards = 4")
    python = PythonPeer(world, gateway.address, {"teapot": teapot})
    gateway.process.wait_line(r"Services: \[teapot\]")
    world.process("hello", [world.binary("hello_world"), gateway.address], world.subfolder("hello"))
    gateway.process.wait_line(r"Services: \[hello_world\]")
    mesh = int(gateway.address.rpartition(":")[2])
    equal(connections_to(mesh), 2, "links before requests")

    def ask():
        equal((gateway.get("/hello")[0], gateway.get("/teapot")[0]), (200, 418), "statuses")
        return connections_to(mesh)

    until(lambda: ask() == 5, "four links to the one and one to the other")
    for _ in range(32):
        equal(ask(), 5, "links from then on")
    said = gateway.process.grep(r"has connected\. Services: \[hello_world\]")
    equal(len(said), 1, f"lines of the log for its four links ({said})")
    equal(python.fault(), None, "a fault of the link")
    return "4 links and 1"


def connections_to(port):
    """Established connections to a local port, as their dialers have them."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(row[3] == "01" and int(row[2].rpartition(":")[2], 16) == port for row in rows)


@case("flatend2-goodbye")
def goodbye(world):
    """A gateway that drains says GOODBYE first, finishes what runs, ends the link by FIN."""
    release, seen = threading.Event(), {}

    async def held(exchange):
        seen["began"] = True
        await asyncio.get_running_loop().run_in_executor(None, release.wait, 20)
        await answer(exchange, 200, b"finished")

    gateway = world.gateway(("GET /held", "held"))
    python = PythonPeer(world, gateway.address, {"held": held})
    gateway.process.wait_line(r"has connected")
    client = gateway.connect()
    client.send_head("GET", "/held")
    until(lambda: "began" in seen, "the request")
    gateway.process.signal(signal.SIGTERM)
    gateway.process.wait_line("Shutting down")
    python.until(lambda peer: peer.goodbye)
    said = python.peer.goodbye
    equal((said["requests_taken"], said["code"] in (0, 1)), (0, True), f"GOODBYE ({said})")
    release.set()
    equal(client.response().text(), "finished", "what ran")
    until(python.is_closed, "FIN")
    equal(python.fault(), None, "a fault of the link")
    return f"GOODBYE {said}"


async def trailing(exchange):
    """Sends the trailers of its request back behind its body, with some that HTTP must not see."""
    body = await exchange.body()
    exchange.peer.link.respond(exchange.number, 200)
    await exchange.write(body)
    forbidden = [(b"content-length", b"1"), (b"set-cookie", b"a=b"), (b"x-split", b"1\r\nx: 2")]
    exchange.peer.link.end(exchange.number, [(b"x-sum", b"7"), *forbidden, *(exchange.trailers or [])])
    await exchange.peer.drain()


@case("flatend2-trailers")
def trailers(world):
    """Trailers of a chunked upload reach the service, and those of its response a client that has said `TE: trailers`."""
    gateway = world.gateway(("POST /trailing", "trailing"))
    python = PythonPeer(world, gateway.address, {"trailing": trailing})
    gateway.process.wait_line(r"has connected")

    def asked(*fields):
        with gateway.connect() as client:
            client.send_head("POST", "/trailing", [("Transfer-Encoding", "chunked"), *fields])
            client.socket.sendall(b"4\r\nbody\r\n0\r\nX-Mine: 1\r\nX-Hop: 2\r\nHost: evil\r\nQuery.a: 3\r\nX-Forwarded-For: 1\r\n\r\n")
            response = client.response()
            equal((response.status, response.text()), (200, "body"), "the response")
            return response.trailers

    equal(asked(("TE", "trailers")), ["x-sum: 7", "x-mine: 1", "x-hop: 2"], "both ways")
    equal(asked(("TE", "trailers"), ("Connection", "TE, X-Hop")), ["x-sum: 7"], "none where one is of this hop")
    equal(asked(), [], "a client that has not said that it takes them")
    equal(python.fault(), None, "a fault of the link")
    return "both ways, filtered"


@case("flatend2-late-body")
def late_body(world):
    """A head whose body is late, an event stream without an event, reaches the client at once."""
    release = threading.Event()

    async def late(exchange):
        exchange.peer.link.respond(exchange.number, 200, [(b"content-type", b"text/event-stream")])
        await exchange.peer.drain()
        await asyncio.get_running_loop().run_in_executor(None, release.wait, 20)
        await exchange.write(b"data: 1\n\n")
        exchange.peer.link.end(exchange.number)
        await exchange.peer.drain()

    gateway = world.gateway(("GET /late", "late"))
    python = PythonPeer(world, gateway.address, {"late": late})
    gateway.process.wait_line(r"has connected")
    client = gateway.connect()
    client.send_head("GET", "/late")
    response = client.response()
    equal((response.status, response.header("content-type")), (200, "text/event-stream"), "the head")
    release.set()
    equal(response.text(), "data: 1\n\n", "the body")
    equal(python.fault(), None, "a fault of the link")
    return "the head before the first event"


@case("flatend2-beside-npm")
def beside_npm(world):
    """A service that npm and a peer on flatend/2 both offer: both answer; with either gone the other does."""

    async def name(exchange):
        await answer(exchange, 200, b"python")

    gateway = world.gateway(("GET /name", "name"))
    npm = world.npm(gateway, "name=name", name="npm")
    python = PythonPeer(world, gateway.address, {"name": name})
    answers = set()
    until(lambda: answers.add(gateway.get("/name")[2].decode().strip()) or len(answers) == 2, f"both to answer ({answers})")
    python.end()
    until(lambda: {gateway.get("/name")[2] for _ in range(8)} == {b"npm"}, "npm alone")
    python = PythonPeer(world, gateway.address, {"name": name})
    npm.kill()
    until(lambda: {gateway.get("/name")[2] for _ in range(8)} == {b"python"}, "Python alone")
    return "both, and each alone"


@case("flatend2-rust-node")
def rust_node(world):
    """The Python peer asks a node of the SDK, and learns through the gateway who else is there: records and hearsay."""
    gateway = world.gateway(("GET /hello", "hello_world"))
    node, address = world.rust_node(gateway.address)
    bind = f"127.0.0.1:{free_port()}"
    world.npm(gateway, "name=name", name="npm", bind=bind)
    gateway.process.wait_line(r"Services: \[hello_world\]")
    direct = PythonPeer(world, address)
    equal(direct.ask(["nobody", "hello_world"])[::2], (200, b"Hello world!"), "a call")
    equal(direct.ask(["nobody"])[::3], (None, 0), "a name that nobody has is REFUSED")
    python = PythonPeer(world, gateway.address)
    records = [session.read_record(record) for record in python.run(python.peer.find_node(bytes(32)))]
    named = {f"{'.'.join(map(str, ip))}:{port}" for record in records for ip, port in record["addresses"]}
    true(address in named, f"the record of the node: {named}, {address}")
    hearsay = {f"{'.'.join(map(str, ip))}:{port}" for ip, port in python.hearsay()}
    true(bind in hearsay, f"the address of npm: {hearsay}, {bind}")
    equal((direct.fault(), python.fault()), (None, None), "a fault of a link")
    return f"{len(records)} records, {len(hearsay)} by hearsay"


HOSTILE = {
    "a message that is cut": bytes(5),
    "a type that must be known": wire.Message(200, 0, 0, b"").encode(),
    "DATA for a stream that was never used": wire.Message(wire.DATA, 0, 99, b"x").encode(),
    "a request of the other side's number": wire.Message(wire.REQUEST, wire.END, 2, b"\0\0\0\0\1\1a\0\0").encode(),
    "NODES that nobody asked for": wire.Message(wire.NODES, 0, 0, b"\0\0\0\1\0").encode(),
    "a second HELLO": wire.Message(wire.HELLO, 0, 0, b"").encode(),
    "a link message on a stream": wire.Message(wire.PING, 0, 1, bytes(8)).encode(),
}


@case("flatend2-hostile")
def hostile(world):
    """Whoever breaks the protocol loses its link, and nobody else loses anything."""
    gateway = world.gateway(("GET /teapot", "teapot"))
    good = PythonPeer(world, gateway.address, {"teapot": teapot})
    gateway.process.wait_line(r"has connected")
    for what, plaintext in HOSTILE.items():
        bad = PythonPeer(world, gateway.address)

        async def write():
            bad.peer.writer.write(bad.peer.link.sealer.seal(plaintext))
            await bad.peer.drain()

        bad.run(write())
        until(bad.is_closed, f"the end of a link after {what}")
    altered = PythonPeer(world, gateway.address)

    async def flip():
        altered.peer.link.ping(bytes(8))
        altered.peer.link.out[-1] ^= 1
        await altered.peer.drain()

    altered.run(flip())
    until(altered.is_closed, "the end of a link whose frame was altered")
    equal((gateway.get("/teapot")[0], good.is_closed()), (418, False), "the others")
    return f"{len(HOSTILE) + 1} ways"
