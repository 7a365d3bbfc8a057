"""Routes with `proxy`: plain HTTP servers of Python and Node, and servers that break the rules."""

import threading
import time

from harness.checks import at_most, case, equal, parallel, true, until
from harness.http import Cut
from harness.load import MIB
from harness.pattern import digest, pattern
from harness.upstreams import KINDS, Raw, Server, Waiting, read_head


def check_server(gateway, kind):
    """Everything that a request and its response carry, through to a server and back."""
    with gateway.connect() as connection:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            seen = connection.request(method, "/a%2Fb/c?x=1&x=2&y=%41", [("Cookie", "k=v"), ("X-A", "1"), ("X-A", "2")]).json()
            equal((seen["method"], seen["target"]), (method, "/a%2Fb/c?x=1&x=2&y=%41"), "method and target")
            headers = dict(map(tuple, seen["headers"]))
            equal(len(headers), len(seen["headers"]), "headers that stand twice")
            equal((headers["cookie"], headers["x-a"]), ("k=v", "1, 2"), "the client's headers")
            equal((headers["host"], headers["x-forwarded-host"]), (f"127.0.0.1:{gateway.port}",) * 2, "host")
            equal(headers["x-forwarded-for"], "127.0.0.1", "x-forwarded-for")
            true(headers.get("x-request-id"), "no x-request-id")
            unwanted = [name for name in headers if name.startswith((":", "query.", "params."))]
            equal(unwanted, [], "headers of the mesh at the server")
            equal(headers.get("content-length"), "0" if method in ("POST", "PUT", "PATCH") else None, f"length of {method}")
        response = connection.request("GET", "/")
        cookies = [value for name, value in response.fields if name == "set-cookie"]
        equal(cookies, ["a=1; Path=/", "b=2"], "both cookies of the response")
        equal((response.header("x-kind"), response.header("etag")), (kind, '"x"'), "the response's headers")
        response.body()
        head = connection.request("HEAD", "/")
        equal((head.status, head.header("x-kind"), head.body()), (200, kind, b""), "HEAD")
        for status in (204, 304, 404, 503):
            response = connection.request("GET", f"/status?status={status}")
            equal((response.status, response.header("etag"), response.body()), (status, '"x"', b""), "status")


def check_bodies(gateway, sizes):
    with gateway.connect() as connection:
        for size in sizes:
            for chunked in (False, True):
                response = connection.upload("POST", "/echo", size, pattern(size), chunked)
                equal(response.digest(), (size, digest(size)), f"echo of {size} bytes")
                seen = connection.upload("PUT", "/sum", size, pattern(size), chunked).json()
                equal((seen["bytes"], seen["sha256"]), (size, digest(size)), f"upload of {size} bytes")
            for target in (f"/pattern?bytes={size}", f"/pattern?bytes={size}&length={size}"):
                equal(connection.request("GET", target).digest(), (size, digest(size)), target)


def check_megabytes(gateway, *processes):
    """100 MB both ways at once, in memory that stays flat everywhere."""
    size = 100_000_000
    watches, begin = [gateway.watch()], time.monotonic()
    rest = {process: process.memory() for process in processes}
    with gateway.connect() as connection:
        response = connection.upload("POST", "/echo", size, pattern(size))
        equal(response.digest(), (size, digest(size)), "echo of 100 MB")
    seconds = time.monotonic() - begin
    for process, before in rest.items():
        at_most(process.memory("VmHWM") - before, 64 * MIB, f"growth of {process.name} in bytes")
    return f"100 MB there and back at {size / seconds / 1e6:.0f} MB/s, {watches[0].bounded()}"


def proxied(world, *urls, keys=()):
    return world.gateway(("ANY /*rest", list(urls), *keys))


@case("proxy-servers")
def proxy_servers(world):
    """Methods, targets, headers, cookies, statuses; bodies both ways; connections are kept."""
    told = []
    for kind in KINDS:
        server = Server(world, kind)
        gateway = proxied(world, server.url, keys=["nocache = false"])
        check_server(gateway, kind)
        check_bodies(gateway, [0, 1, 65_537])
        for target in ["/name/%zz", "/name?q=%4"]:
            equal(gateway.get(target)[0], 400, f"a bad escape: {target}")
        with gateway.connect() as connection:
            before = int(connection.request("GET", "/connections").text())
            for _ in range(50):
                equal(connection.request("GET", "/name").text(), "one", "answer")
            after = int(connection.request("GET", "/connections").text())
        at_most(after - before, 1, "new connections for 50 requests in a row")
        told.append(f"{kind}: {after} connections")
    return ", ".join(told)


@case("proxy-100-mb", seconds=120)
def proxy_100_mb(world):
    told = []
    for kind in KINDS:
        server = Server(world, kind)
        told.append(f"{kind} {check_megabytes(proxied(world, server.url), server.process)}")
    return "; ".join(told)


@case("proxy-100-at-once")
def proxy_100_at_once(world):
    server = Server(world, "node")
    gateway = proxied(world, server.url)
    watch = gateway.watch()

    def one(i):
        with gateway.connect() as connection:
            for n in range(5):
                size = 1000 * i + n
                seen = connection.upload("POST", f"/{i}", size, pattern(size), chunked=i % 2 == 0).json()
                equal((seen["target"], seen["sha256"]), (f"/{i}", digest(size)), "what the server read")

    parallel(100, one)
    return f"500 uploads, {gateway.get('/connections')[2].decode()} connections, {watch.bounded()}"


@case("proxy-restart-under-load")
def proxy_restart_under_load(world):
    """Of two servers one is killed and comes back: GET requests do not notice. With one alone, errors say why."""
    one, two = Server(world, "node", "one"), Server(world, "python", "two")
    gateway = proxied(world, one.url, two.url)
    load = gateway.load("/name", "one|two", threads=4)
    until(lambda: {body for _, body, _ in load.answers} == {"one", "two"}, "answers of both")
    one.process.kill()
    killed = load.count()
    until(lambda: load.count() > killed + 200, "200 answers of the other")
    one.restart()
    back = load.count()
    until(lambda: "one" in {body for _, body, _ in load.answers[back:]}, "answers of the first again")
    load.end()
    equal(load.failures(), [], "failed requests")
    alone = proxied(world, one.url)
    load = alone.load("/name", "one", threads=4)
    until(lambda: load.count() > 50, "50 answers")
    one.process.kill()
    until(lambda: load.bad_answers(), "an error")
    one.restart()
    good = load.count()
    until(lambda: load.answers[good:] and load.answers[-1][0] == 200, "answers again")
    load.end()
    equal(load.errors + load.cuts, [], "requests without an answer")
    statuses = sorted({status for status, _, _ in load.answers if status != 200})
    true(set(statuses) <= {502, 503}, f"other errors: {statuses}")
    alone.process.wait_line(f"Cannot connect to {one.url}: connection refused")
    return f"two servers: {killed + back} answers, none failed; one alone: {len(load.bad_answers())} errors {statuses}"


@case("proxy-killed-in-mid-response")
def proxy_killed(world):
    for kind in KINDS:
        server = Server(world, kind)
        gateway = proxied(world, server.url)
        with gateway.connect() as connection:
            response = connection.request("GET", "/die")
            try:
                response.body()
            except Cut:
                continue
            # A reset can overtake what was sent before it: then nothing was passed on yet, and the client is told so.
            equal((response.status, response.header("content-length") == "1000000"), (502, False), "a response that was cut ended cleanly")
    return "cut"


@case("proxy-odd-servers")
def proxy_odd_servers(world):
    """Servers that close after each response, speak HTTP/1.0, answer early or slowly; and what is no response."""
    old = Server(world, "python", version="1.0")
    gateway = proxied(world, old.url)
    check_server(gateway, "python")
    with gateway.connect() as connection:
        size = 100_000
        equal(connection.upload("POST", "/sum", size, pattern(size)).json()["sha256"], digest(size), "a body with a length")
        refused = connection.upload("POST", "/sum", size, pattern(size), chunked=True)
        equal(refused.status, 411, "a body without one")
        true("HTTP/1.0" in refused.text(), "the reason")

    def closing(connection, number):
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    server = Raw(world, closing)
    gateway = proxied(world, server.url)
    for _ in range(20):
        equal(gateway.get("/", method="DELETE")[::2], (200, b"ok"), "a server that closes after each response")
    equal(server.connections, 20, "connections")
    for kind in KINDS:
        gateway = proxied(world, Server(world, kind).url)
        for chunked in (False, True):
            with gateway.connect() as connection:
                response = connection.upload("POST", "/early", 20 * MIB, pattern(20 * MIB), chunked)
                equal((response.status, response.text()), (413, "enough"), f"an early answer of {kind}")
    gateway = proxied(world, Server(world, "node").url, keys=['timeout = "300ms"'])
    equal(gateway.get("/slow?ms=20")[2], b"slow", "a slow answer")
    equal(gateway.get("/slow?ms=5000")[0], 504, "one slower than the route's timeout")
    ok = b"HTTP/1.1 200 OK\r\n"
    bad = {
        "garbage": b"\x00\x01garbage\r\n\r\n",
        "two lengths": ok + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "length and chunks": ok + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
        "a folded header": ok + b"X: a\r\n b\r\n\r\n",
        "an endless head": ok + b"X: y\r\n" * 100_000,
        "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "nothing": b"",
    }
    for what, data in bad.items():

        def serve(connection, number, data=data):
            read_head(connection)
            connection.sendall(data)

        gateway = proxied(world, Raw(world, serve).url)
        watch = gateway.watch()
        status, _, body = gateway.get("/", method="POST")
        equal(status, 502, what)
        true(b"http://127.0.0.1:" in body, f"the answer to {what} does not name the upstream: {body}")
        watch.bounded()
    poison = ok + b"Content-Length: 1\r\n\r\n"

    def poisoned(connection, number):
        read_head(connection)
        connection.sendall(poison + b"%d" % (number % 10) + poison + b"!")
        connection.recv(1)

    gateway = proxied(world, Raw(world, poisoned).url)
    for n in range(10):
        equal(gateway.get("/")[2], b"%d" % n, "an answer beside bytes that nobody asked for")
    return f"{len(bad)} kinds of bad responses are 502, bytes left over reach nobody"


@case("proxy-client-goes")
def proxy_client_goes(world):
    """A client that goes away ends the request at the server: its connection is closed."""
    server = Waiting(world)
    gateway = proxied(world, server.url)
    for fields in ([], [("Content-Length", 1_000_000)]):
        server.asked.clear()
        server.gone.clear()
        with gateway.connect() as connection:
            connection.send_head("POST" if fields else "GET", "/", fields)
            connection.socket.sendall(b"a" * 1000 if fields else b"")
            true(server.asked.wait(10), "the server was not asked")
            connection.reset()
        true(server.gone.wait(10), "the server's connection stays open")
    return "closed, before and within a body"


@case("proxy-health")
def proxy_health(world):
    """Health checks keep requests from an unwell server; the log says why."""
    one, two = Server(world, "python", "one"), Server(world, "node", "two")
    keys = ['health = "/health"', 'health_interval = "100ms"']
    gateway = proxied(world, one.url, two.url, keys=keys)
    gateway.process.wait_line(f"{one.url} is well")
    gateway.process.wait_line(f"{two.url} is well")
    one.set_well(False)
    gateway.process.wait_line(f"{one.url} is not well, and gets no requests until it is: GET /health: it answers 503")
    equal({gateway.get("/name")[2] for _ in range(20)}, {b"two"}, "who answers")
    two.process.kill()
    gateway.process.wait_line(f"{two.url} is not well.*connection refused")
    status, fields, body = gateway.get("/name")
    equal((status, fields.get("retry-after")), (503, "1"), "with no server left")
    true(one.url.encode() in body and two.url.encode() in body, f"the answer names them: {body}")
    one.set_well(True)
    gateway.process.wait_line(f"{one.url} is well", count=2)
    equal(gateway.get("/name")[2], b"one", "who answers at the end")
    return body.decode()


@case("proxy-policies")
def proxy_policies(world):
    """max_in_flight, timeout, retry, hold, nocache and body limits hold for upstreams as for services."""
    server = Server(world, "node")
    dead = Server(world, "node", "dead")
    asked = []

    def dying(connection, number):
        asked.append(read_head(connection).split(b" ")[0])

    died = Raw(world, dying)
    gateway = world.gateway(
        ("GET /one/*rest", [server.url], "max_in_flight = 1"),
        ("ANY /auto/*rest", [died.url, server.url]),
        ("ANY /never/*rest", [died.url], 'retry = "never"'),
        ("POST /always/*rest", [died.url, server.url], 'retry = "always"'),
        ("GET /held/*rest", [dead.url], 'hold = "10s"', 'health = "/health"', 'health_interval = "100ms"'),
        ("GET /fresh/*rest", [server.url], "nocache = true"),
        ("POST /sized/*rest", [server.url], "min = { body_size = 2 }", "max = { body_size = 4 }"),
        mesh_keys="shards = 1",
    )
    with gateway.connect() as first:
        first.send_head("GET", "/one/slow?ms=800")
        server.process.wait_line("seen slow")
        status, fields, body = gateway.get("/one/name")
        equal((status, fields.get("retry-after")), (503, "1"), "a second request")
        true(b"max_in_flight" in body, f"the limit is not named: {body}")
        equal(first.response().text(), "slow", "the first request")

    def was_asked():
        # The server is drawn for each request.
        equal(gateway.get("/auto/name")[::2], (200, b"one"), "a GET that one of the servers dies of")
        return b"GET" in asked

    until(was_asked, "the dying server was asked")
    asked.clear()
    equal(gateway.get("/never/name")[0], 502, "a GET without a retry")
    equal(asked, [b"GET"], "what the dying server was asked")
    for _ in range(6):
        equal(gateway.get("/always/name", method="POST")[::2], (200, b"one"), "a POST that may be repeated")
    dead.process.kill()
    gateway.process.wait_line(f"{dead.url} is not well")
    timer = threading.Timer(0.3, dead.restart)
    timer.start()
    equal(gateway.get("/held/name")[2], b"dead", "a request that was held until the server was well")
    timer.join()
    fields = gateway.get("/fresh/")[1]
    true("no-store" in fields["cache-control"] and "etag" not in fields, f"nocache: {fields}")
    for size, want in ((1, 400), (2, 200), (4, 200), (5, 413)):
        with gateway.connect() as connection:
            equal(connection.upload("POST", "/sized/x", size, pattern(size)).status, want, f"a body of {size} bytes")
    return "as for services"


@case("proxy-loop")
def proxy_loop(world):
    """An upstream that leads back to the gateway: a request goes round a few times, not until connections run out."""
    gateway = proxied(world, "http://127.0.0.1:1")
    gateway.process.stop()
    config = gateway.folder / "config.toml"
    config.write_text(config.read_text().replace("http://127.0.0.1:1\"", f"http://127.0.0.1:{gateway.port}\""))
    gateway.restart()
    before = gateway.process.descriptors()
    with gateway.connect() as connection:
        response = connection.request("GET", "/")
        equal(response.status, 502, "status of a request that goes round")
        true("passed more than 8 flatend gateways" in response.text(), "the reason")
    at_most(gateway.process.descriptors() - before, 40, "connections of one request that goes round")
