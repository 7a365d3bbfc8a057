"""`flatend agent` and `[[services]]`: local HTTP servers as services of the mesh."""

import signal
import subprocess
import threading
import time

from cases.proxy import check_bodies, check_megabytes, check_server
from harness.checks import case, equal, parallel, true, until
from harness.pattern import digest, pattern
from harness.upstreams import KINDS, Raw, Server, Waiting, read_head


def agent(world, gateway, offers, wait=True, nodes=None):
    """An agent that offers `{name: url}`."""
    arguments = [f"{name}={url}" for name, url in offers.items()]
    for node in nodes or [gateway.address]:
        arguments += ["--node", node]
    process = world.process("agent", [world.binary("flatend"), "agent", *arguments], world.subfolder("agent"))
    if wait:
        process.wait_line(r"You are now connected to ")
        gateway.process.wait_line(rf"has connected. Services: \[{' '.join(sorted(offers))}\]")
    return process


def routed(world, service="api", keys=()):
    return world.gateway(("ANY /*rest", service, *keys))


@case("agent-serves")
def agent_serves(world):
    """Methods, headers, cookies, statuses and bodies of Python's and Node's servers, through the mesh and back."""
    for kind in KINDS:
        server, gateway = Server(world, kind), routed(world)
        node = agent(world, gateway, {"api": server.url})
        node.wait_line(f"Offering 'api' from {server.url} to {gateway.address}")
        check_server(gateway, kind)
        check_bodies(gateway, [0, 1, 65_537])
        with gateway.connect() as connection:
            response = connection.upload("POST", "/early", 1_000_000, pattern(1_000_000))
            equal((response.status, response.text()), (413, "enough"), "an early answer")
    return ", ".join(KINDS)


@case("agent-100-mb", seconds=120)
def agent_100_mb(world):
    told = []
    for kind in KINDS:
        server, gateway = Server(world, kind), routed(world)
        node = agent(world, gateway, {"api": server.url})
        told.append(f"{kind} {check_megabytes(gateway, node, server.process)}")
    return "; ".join(told)


@case("agent-streams")
def agent_streams(world):
    """An answer to the first half of a request before the second is sent; a hundred requests at once."""
    server, gateway = Server(world, "node"), routed(world)
    agent(world, gateway, {"api": server.url})
    half = b"".join(pattern(65_536))
    with gateway.connect() as connection:
        connection.send_head("POST", "/echo", [("Content-Length", 2 * len(half))])
        connection.socket.sendall(half)
        stream, have = connection.response().stream(), b""
        while len(have) < len(half):
            have += next(stream)
        connection.socket.sendall(half)
        equal(have + b"".join(stream), 2 * half, "both halves")

    def one(i):
        with gateway.connect() as connection:
            seen = connection.upload("PUT", f"/{i}", 10_000 + i, pattern(10_000 + i), chunked=i % 2 == 0).json()
            equal((seen["target"], seen["sha256"]), (f"/{i}", digest(10_000 + i)), "what the server read")

    parallel(100, one)
    return "the first half was back before the second left; 100 at once"


@case("agent-server-comes-and-goes")
def agent_server(world):
    """A server that is not up yet, dies under load or comes back: told in the log; another agent takes the requests."""
    one, two = Server(world, "node", "one"), Server(world, "python", "two")
    one.process.kill()
    gateway = routed(world, keys=['hold = "0s"'])
    first = agent(world, gateway, {"api": one.url})
    first.wait_line(f"Cannot connect to {one.url}: connection refused")
    # The line in the gateway's log comes a moment before its routes know the agent.
    until(lambda: b"refused" in gateway.get("/name")[2], "the reason, that it was refused")
    status, fields, _ = gateway.get("/name")
    equal((status, fields.get("retry-after")), (503, "1"), "with no server up")
    one.restart()
    until(lambda: gateway.get("/name")[2] == b"one", "the server that is up now")
    first.wait_line(f"Connected to {one.url}")
    agent(world, gateway, {"api": two.url}, wait=False).wait_line("You are now connected")
    load = gateway.load("/name", "one|two", threads=4)
    until(lambda: {body for _, body, _ in load.answers} == {"one", "two"}, "answers of both")
    one.process.kill()
    killed = load.count()
    until(lambda: load.count() > killed + 200, "200 answers of the other")
    one.restart()
    back = load.count()
    until(lambda: "one" in {body for _, body, _ in load.answers[back:]}, "answers of the first again", seconds=20)
    load.end()
    equal(load.failures(), [], "failed requests")
    return f"{load.count()} answers, none failed"


@case("agent-file-and-health")
def agent_file(world):
    """`[[services]]` in a file: several services, health checks; an unwell server is not asked, another node is."""
    one, two = Server(world, "node", "one"), Server(world, "python", "two")
    gateway = world.gateway(("GET /a/*rest", "a", 'hold = "0s"'), ("GET /b/*rest", "b"))
    folder = world.subfolder("agent")
    health = 'health = "/health"\nhealth_interval = "100ms"\n'
    (folder / "agent.toml").write_text(
        f'bootstrap = ["{gateway.address}", "{gateway.address}"]\n'
        f'[[services]]\nname = "a"\nupstream = "{one.url}"\n{health}'
        f'[[services]]\nname = "b"\nupstream = "{two.url}"\n'
    )
    node = world.process("agent", [world.binary("flatend"), "agent", "-c", "agent.toml"], folder)
    node.wait_line(rf"agent.toml:1:\d+: warning: `bootstrap` names {gateway.address} twice: remove one")
    node.wait_line(f"{one.url} is well: GET /health: 200")
    gateway.process.wait_line(r"has connected. Services: \[a b\]")
    until(lambda: gateway.get("/a/name")[2] == b"one", "the first service")
    equal(gateway.get("/b/name")[2], b"two", "the second service")
    one.set_well(False)
    node.wait_line(f"{one.url} is not well, and gets no requests until it is: GET /health: it answers 503")
    equal(gateway.get("/a/name")[0], 503, "a service whose server is not well")
    other = agent(world, gateway, {"a": two.url}, wait=False)
    other.wait_line("You are now connected")
    until(lambda: gateway.get("/a/name")[2] == b"two", "the other node")
    equal({gateway.get("/a/name")[::2] for _ in range(20)}, {(200, b"two")}, "who answers")
    return "one file, two services; the unwell one goes elsewhere"


@case("agent-redials-and-drains")
def agent_redials(world):
    """The gateway goes and comes back; SIGTERM ends the agent after what runs."""
    server, gateway = Server(world, "node"), routed(world, keys=['hold = "10s"'])
    node = agent(world, gateway, {"api": server.url})
    for _ in range(2):
        gateway.process.stop()
        node.wait_line(f"Trying to reconnect to {gateway.address}")
        gateway.restart()
        equal(gateway.get("/name")[::2], (200, b"one"), "after the gateway came back")
    with gateway.connect() as connection:
        connection.send_head("GET", "/slow?ms=1000")
        server.process.wait_line("seen slow")
        node.signal(signal.SIGTERM)
        node.wait_line("Shutting down")
        equal(connection.response().text(), "slow", "the request that ran")
    equal(node.wait_exit(seconds=3), 0, "exit status")
    return "finished what ran, status 0"


@case("agent-on-several-nodes")
def agent_several(world):
    """One agent at two gateways, and a gateway that offers a local server to another."""
    server = Server(world, "node")
    one, two = routed(world), routed(world)
    agent(world, one, {"api": server.url}, nodes=[one.address, two.address])
    two.process.wait_line(r"has connected. Services: \[api\]")
    equal([gateway.get("/name")[2] for gateway in (one, two)], [b"one", b"one"], "through both gateways")
    front = world.gateway(("GET /*rest", "local"))
    offering = world.gateway(
        ("GET /own", [server.url]),
        mesh_keys=f'bootstrap = ["{front.address}"]\n',
    )
    offering.process.stop()
    config = offering.folder / "config.toml"
    config.write_text(config.read_text() + f'[[services]]\nname = "local"\nupstream = "{server.url}"\n')
    offering.restart()
    offering.process.wait_line(f"Offering 'local' from {server.url}")
    front.process.wait_line(r"has connected. Services: \[local\]")
    equal(front.get("/name")[2], b"one", "through a gateway that offers it")
    return "two gateways; a gateway's own [[services]]"


@case("agent-caller-goes")
def agent_caller_goes(world):
    """The gateway dies while a request runs: the server's connection is closed, and nothing is left behind."""
    server = Waiting(world)
    gateway = routed(world)
    node = agent(world, gateway, {"api": server.url})
    with gateway.connect() as connection:
        connection.send_head("GET", "/")
        true(server.asked.wait(10), "the server was not asked")
        gateway.process.kill()
    true(server.gone.wait(10), "the server's connection stays open")
    true(node.alive(), "the agent died")
    return "closed"


@case("agent-streams-nobody-reads", seconds=90)
def agent_streams_nobody_reads(world):
    """Event streams whose clients have left: each ends with its client, and the link stays (flatend/2 cancels by stream)."""
    over, lock = [], threading.Lock()

    def events(connection, _):
        if b"/stream" not in read_head(connection):
            return connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 0\n\n")
            connection.settimeout(0.2)
            while True:
                try:
                    if not connection.recv(1):
                        return
                except TimeoutError:
                    connection.sendall(b"data: 1\n\n")
        finally:
            with lock:
                over.append(time.monotonic())

    server, gateway = Raw(world, events), routed(world)
    node = agent(world, gateway, {"api": server.url})

    def visit(_):
        with gateway.connect() as connection:
            connection.send_head("GET", "/stream")
            true(next(connection.response().stream()), "no event")

    begun = time.monotonic()
    parallel(64, visit)
    until(lambda: len(over) == 64, "the server's connections to end")
    equal(gateway.get("/")[::2], (200, b"ok"), "a request right after that")
    equal(gateway.process.grep("has disconnected from you"), [], "links that were given up for it")
    true(node.alive(), "the agent died")
    return f"64 ended after {max(over) - begun:.1f} s"


@case("agent-timeout")
def agent_timeout(world):
    """`timeout` of a service: 504, and the server's connection is closed."""
    server, gateway = Waiting(world), routed(world)
    folder = world.subfolder("agent")
    (folder / "agent.toml").write_text(
        f'bootstrap = ["{gateway.address}"]\n'
        f'[[services]]\nname = "api"\nupstream = "{server.url}"\ntimeout = "300ms"\n'
    )
    world.process("agent", [world.binary("flatend"), "agent", "-c", "agent.toml"], folder)
    gateway.process.wait_line(r"has connected. Services: \[api\]")
    status, _, body = gateway.get("/")
    equal(status, 504, "status")
    true(b"`timeout` of its agent" in body, f"what it says: {body!r}")
    true(server.gone.wait(10), "the server's connection stays open")
    return "504, closed"


@case("agent-unsendable")
def agent_unsendable(world):
    """A body without a length for a server of HTTP/1.0: 411, and the agent is not set aside for it."""
    server, gateway = Server(world, "python", version="1.0"), routed(world)
    agent(world, gateway, {"api": server.url})
    equal(gateway.get("/name")[0], 200, "a request before")
    for _ in range(6):
        # Each on a connection of its own: an early answer may end it.
        with gateway.connect() as connection:
            refused = connection.upload("POST", "/sum", 10_000, pattern(10_000), chunked=True)
            equal(refused.status, 411, "a body without a length")
            true("HTTP/1.0" in refused.text(), "the reason")
    with gateway.connect() as connection:
        whole = connection.upload("POST", "/sum", 10_000, pattern(10_000))
        equal(whole.json()["sha256"], digest(10_000), "with a length")
    equal(gateway.process.grep("aside"), [], "lines about a node that is set aside")
    return "411 six times, not set aside"


@case("agent-joins")
def agent_joins(world):
    """`flatend invite` in the gateway's folder, its token in an agent's FLATEND_JOIN: the server behind it answers."""
    server, gateway = Server(world, "python"), routed(world)
    flatend = world.binary("flatend")
    invited = subprocess.run([flatend, "invite", "--name", "laptop"], cwd=gateway.folder, capture_output=True, timeout=20, text=True)
    equal((invited.returncode, len(invited.stdout.split()), invited.stderr[:16]), (0, 1, "Invited the key "), "one token")
    token = invited.stdout.strip()
    node = world.process("agent", [flatend, "agent", f"api={server.url}"], world.subfolder("agent"), {"FLATEND_JOIN": token})
    node.wait_line(r"You are now connected to ")
    gateway.process.wait_line(r"has connected. Services: \[api\]")
    check_server(gateway, "python")
    return token
