"""Limits, timeouts and tries of the configuration at work, each with the last value that passes and the first that does not."""

import socket
import time

from harness.checks import Failed, case, equal, parallel, true, until
from harness.configured import Configured, route
from harness.http import Connection, Cut
from harness.pattern import digest, pattern


@case("header-and-body-sizes")
def header_and_body_sizes(world):
    """`header_size` to the byte; body sizes of the section, and routes that override them both ways."""
    gateway = Configured(
        world,
        '[[http]]\naddr = "127.0.0.1:{a}"\nmin = { body_size = 10 }\nmax = { header_size = "1KiB", body_size = 100 }\n'
        + route("POST /section", 'service = "sum"')
        + route("POST /wider", 'service = "sum"\nmin = { body_size = 0 }\nmax = { body_size = "1KiB" }')
        + route("POST /narrower", 'service = "sum"\nmin = { body_size = 20 }\nmax = { body_size = 50 }'),
    )
    world.npm(gateway, "sum")
    head = f"GET /none HTTP/1.1\r\nHost: 127.0.0.1:{gateway.ports['a']}\r\nX-Pad: \r\n\r\n"
    for size, want in ((1024, 404), (1025, 431)):
        equal(gateway.get("/none", [("X-Pad", "x" * (size - len(head)))])[0], want, f"a head of {size} bytes")
    equal(gateway.get("/" + "x" * 1100)[0], 414, "a target longer than the head may be")
    for path, limits in (("/section", (10, 100)), ("/wider", (0, 1024)), ("/narrower", (20, 50))):
        low, high = limits
        for size, want in ((low - 1, 400), (low, 200), (high, 200), (high + 1, 413)):
            if size < 0:
                continue
            for chunked in (False, True):
                with gateway.connect() as connection:
                    response = connection.upload("POST", path, size, pattern(size), chunked)
                    equal(response.status, want, f"{size} bytes to {path}, {'chunked' if chunked else 'by length'}")
                    if want != 200:
                        true(f"_size = {high if want == 413 else low}" in response.text(), "the limit is named")
    return "1024 bytes of head; three routes"


def ends(connection):
    """What comes until the other side closes."""
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


@case("client-timeouts")
def client_timeouts(world):
    """Each timeout waits for progress: slow and steady clients live, stalled ones end with the right status."""
    gateway = Configured(
        world,
        '[[http]]\naddr = "127.0.0.1:{a}"\ntimeout = { read = "300ms", read_header = "300ms", idle = "300ms", write = "300ms" }\n'
        + route("POST /sum", 'service = "sum"') + route("GET /pattern", 'service = "pattern"') + route("GET /", "status = 403"),
    )  # fmt: skip
    world.npm(gateway, "sum", "pattern")
    port, step, steps = gateway.ports["a"], 0.1, 8
    post = b"POST /sum HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8\r\n\r\n"

    def dripping(data, pieces):
        """Sends `data`, then bytes one at a time; gives what was answered and after how long."""
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            begin = time.monotonic()
            connection.sendall(data)
            for piece in pieces:
                time.sleep(step)  # the slowness that is tested
                try:
                    connection.sendall(piece)
                except OSError:
                    break
            return ends(connection).split(b"\r\n")[0], time.monotonic() - begin

    def steady_body():
        answer, seconds = dripping(post, [b"x"] * steps)
        equal(answer, b"HTTP/1.1 200 OK", "a slow and steady body")
        true(seconds > 2 * 0.3, f"{seconds} s")

    def stalled_body():
        answer, seconds = dripping(post, [b"x"])
        equal(answer, b"HTTP/1.1 408 Request Timeout", "a body that stalls")
        true(0.35 < seconds < 2, f"408 after {seconds:.2f} s")

    def dripping_head():
        """The whole head has one patience, else a byte now and then would keep it open."""
        answer, seconds = dripping(b"GET / HTTP/1.1\r\n", [b"x"] * 2 * steps)
        equal(answer, b"HTTP/1.1 408 Request Timeout", "a head in drips")

    def idle():
        with gateway.connect() as connection:
            for _ in range(3):
                response = connection.request("GET", "/")
                equal((response.status, bool(response.body())), (403, True), "a request after a pause")
                time.sleep(0.15)  # a pause shorter than `idle`
            time.sleep(0.5)  # one that is longer
            rest = ends(connection.socket)
            true(b"408" not in rest, f"an idle connection is closed without a word: {rest}")

    def steady_reader():
        size = 2_000_000
        with Connection(port, receive_buffer=4096) as connection:
            connection.send_head("GET", f"/pattern?bytes={size}&length={size}")
            read, begin = 0, time.monotonic()
            for piece in connection.response().stream():
                read += len(piece)
                if time.monotonic() - begin < 1:
                    time.sleep(0.01)  # the slowness that is tested
            equal(read, size, "bytes of a slow and steady reader")
            true(time.monotonic() - begin > 0.6, "it was not slow")

    parallel(5, lambda i: [steady_body, stalled_body, dripping_head, idle, steady_reader][i]())
    with Connection(port, receive_buffer=4096) as connection:
        connection.send_head("GET", "/pattern?bytes=20000000&length=20000000")
        stream = connection.response().stream()
        next(stream)
        time.sleep(1)  # the stall that is tested, longer than `write`
        try:
            b"".join(stream)
        except Cut:
            return "steady ones live, stalled ones end"
        raise Failed("a client that took nothing for long got everything")


@case("resting-connections")
def resting_connections(world):
    """Connections that rest for longer than a second give memory back, and answer, and end, as others do."""
    gateway = Configured(
        world,
        '[[http]]\naddr = "127.0.0.1:{a}"\ntimeout = { read_header = "2s", idle = "3s" }\n' + route("GET /", "status = 403"),
    )

    def ask(connection):
        response = connection.request("GET", "/")
        equal((response.status, bool(response.body())), (403, True), "a request after a rest")

    def rested():
        with gateway.connect() as connection:
            for pause in (1.3, 0, 2.2):
                ask(connection)
                time.sleep(pause)  # the rest that is tested
            ask(connection)
            begin = time.monotonic()
            equal(ends(connection.socket), b"", "the end of an idle connection")
            seconds = time.monotonic() - begin
            true(2.9 < seconds < 5, f"idle for {seconds:.2f} s instead of 3")

    def silent():
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", gateway.ports["a"]), timeout=10) as connection:
            ends(connection)
        seconds = time.monotonic() - begin
        true(1.9 < seconds < 4, f"a client that says nothing is left after {seconds:.2f} s instead of 2")

    def half_a_head():
        with socket.create_connection(("127.0.0.1", gateway.ports["a"]), timeout=10) as connection:
            time.sleep(1.4)  # the rest that is tested
            connection.sendall(b"GET / HTTP/1.1\r\n")
            begin = time.monotonic()
            equal(ends(connection).split(b"\r\n")[0], b"HTTP/1.1 408 Request Timeout", "half a head after a rest")
            seconds = time.monotonic() - begin
            true(1.9 < seconds < 4, f"408 after {seconds:.2f} s instead of 2")

    parallel(3, lambda i: [rested, silent, half_a_head][i]())
    return "requests after rests of 1.3 and 2.2 s, and every timeout as it is set"


@case("body-rate", seconds=40)
def body_rate(world):
    """`min.rate`: a body in drips ends with 408 after the grace; one that waits for its service does not."""
    gateway = Configured(
        world,
        '[[http]]\naddr = "127.0.0.1:{a}"\nmin = { rate = "1KiB" }\n'
        + route("POST /sum", 'service = "sum"') + route("POST /late", 'service = "late"\nhold = "30s"'),
    )  # fmt: skip
    world.npm(gateway, "sum")

    def dripping():
        with gateway.connect(30) as connection:
            begin = time.monotonic()
            connection.send_head("POST", "/sum", [("Content-Length", 1000)])
            connection.socket.settimeout(0.5)
            for _ in range(60):
                connection.socket.sendall(b"x")
                try:
                    if connection.socket.recv(1, socket.MSG_PEEK):
                        break
                except TimeoutError:
                    pass
            connection.socket.settimeout(10)
            response, seconds = connection.response(), time.monotonic() - begin
            equal(response.status, 408, "status of a body in drips")
            true("http.min.rate = 1024" in response.text() and 9.5 < seconds < 13, f"after {seconds:.1f} s")
            return seconds

    def waiting():
        """Half of it leaves at once, and no more until the service is there, long after the grace."""
        size = 2_000_000
        with gateway.connect(30) as connection:
            response = connection.upload("POST", "/late", size, pattern(size))
            equal(response.json(), {"bytes": size, "sha256": digest(size)}, "a body that waited")

    def late():
        time.sleep(11.5)  # longer than the grace
        world.npm(gateway, "late=sum")

    return f"408 after {parallel(3, lambda i: [dripping, waiting, late][i]())[0]:.1f} s"


@case("hold-and-in-flight")
def hold_and_in_flight(world):
    """`hold` waits for a service that comes; `max_in_flight` is the most that one node gets from a shard."""
    gateway = Configured(
        world,
        'shards = 1\n[[http]]\naddr = "127.0.0.1:{a}"\n'
        + route("GET /name", 'service = "name"\nhold = "10s"')
        + route("GET /one", 'service = "pattern"\nmax_in_flight = 1\nhold = "0s"'),
    )

    def held():
        return gateway.get("/name")[::2]

    answers = parallel(2, lambda i: held() if i else world.npm(gateway, "name", "pattern", name="late"))
    equal(answers[1], (200, b"late"), "a request that was held")
    with gateway.connect() as first:
        stream = first.request("GET", "/one?bytes=1&then=hang").stream()
        next(stream)
        status, fields, body = gateway.get("/one?bytes=1")
        equal((status, fields.get("retry-after")), (503, "1"), "beyond max_in_flight")
        true(b"max_in_flight" in body, body.decode())
        first.reset()
    until(lambda: gateway.get("/one?bytes=1")[0] == 200, "room again")
    return body.decode().strip()


@case("retry")
def retry(world):
    """`retry`: what is sent to a second node after the first was killed with the request in its hands."""
    gateway = Configured(
        world,
        '[[http]]\naddr = "127.0.0.1:{a}"\n'
        + "".join(route(f"ANY /{word}", f'service = "sum"\nretry = "{word}"') for word in ("auto", "always", "never")),
    )
    first = world.npm(gateway, "sum", name="first")
    wanted = {("POST", "auto"): 502, ("POST", "always"): 200, ("PUT", "never"): 502, ("PUT", "auto"): 200}
    open_requests = {}
    for number, (method, word) in enumerate(wanted):
        connection = open_requests[method, word] = gateway.connect()
        connection.send_head(method, f"/{word}", [("Content-Length", 10)])
        connection.socket.sendall(b"hello")
        first.wait_line("seen sum-begin", count=number + 1)
    second = world.npm(gateway, "sum", name="second")
    first.kill()
    gateway.process.wait_line("has disconnected")
    statuses = {}
    for key, connection in open_requests.items():
        with connection:
            if wanted[key] == 200:
                connection.socket.sendall(b"world")
            statuses[key] = connection.response().status
    equal(statuses, wanted, "statuses")
    equal(second.grep("seen sum "), ["seen sum 10"] * 2, "what the second node saw")
    return "POST always and PUT auto were repeated"
