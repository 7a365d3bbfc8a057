"""The options of the configuration at work, seen from outside. docs/configuration.md lists which case proves which key."""

import json
import re
import socket
import time
import urllib.parse
from pathlib import Path

from harness.checks import Failed, case, equal, parallel, true, until
from harness.http import Connection, Cut, get
from harness.pattern import digest, pattern
from harness.process import free_port
from harness.world import IN_USE, START_TRIES


class Configured:
    """A gateway whose whole configuration the case writes; `{a}`, `{b}`, … in it are free ports, `{mesh}` the mesh's."""

    def __init__(self, world, config, env=None, listeners=1, command=()):
        self.folder = world.subfolder("gateway")
        for _ in range(START_TRIES):
            self.ports = {name: free_port() for name in ("mesh", "a", "b", "c")}
            text = f'addr = "127.0.0.1:{self.ports["mesh"]}"\nstate_dir = "{self.folder}"\n{config}'
            for name, port in self.ports.items():
                text = text.replace("{" + name + "}", str(port))
            (self.folder / "config.toml").write_text(text)
            self.process = world.process("gateway", [*command, world.binary("flatend")], self.folder, {"HOME": str(self.folder), **(env or {})})
            try:
                self.process.wait_line(r"Listening for Flatend nodes on '")
                self.process.wait_line(r"Listening for HTTP requests on '", count=listeners)
                return
            except Failed:
                if not (self.process.ended and self.process.grep(IN_USE)):
                    raise
        raise Failed(f"no free port after {START_TRIES} tries")

    @property
    def address(self):
        return f"127.0.0.1:{self.ports['mesh']}"

    def get(self, target, fields=(), method="GET", port="a"):
        return get(self.ports[port], target, fields, method=method)

    def connect(self, seconds=10, port="a"):
        return Connection(self.ports[port], seconds)


@case("redirect-routes")
def redirect_routes(world):
    """`redirect` with parameters, `status`: the Location never leaves what the configuration wrote."""
    gateway = Configured(
        world,
        """
[[http]]
addr = "127.0.0.1:{a}"
[[http.routes]]
path = "ANY /old/:id"
redirect = "https://new.example:8443/:id"
[[http.routes]]
path = "GET /seen/:id"
redirect = "/x?id=:id#top"
status = 302
nocache = true
[[http.routes]]
path = "GET /docs/*rest"
redirect = "/*rest"
status = 307
[[http.routes]]
path = "ANY /gone"
status = 410
[[http.routes]]
path = "GET /nothing"
status = 204
[[http.routes]]
path = "GET /same"
status = 304
""",
    )
    for method, target, status, location in [
        ("GET", "/old/7?a=1&b", 301, "https://new.example:8443/7?a=1&b"),
        ("HEAD", "/old/7", 301, "https://new.example:8443/7"),
        ("POST", "/old/a%2Fb", 308, "https://new.example:8443/a%2Fb"),
        ("GET", "/seen/1&2?x=y", 302, "/x?id=1%262#top"),
        ("GET", "/docs/a/b", 307, "/a/b"),
        ("GET", "/docs//evil.example", 307, "/evil.example"),
        ("GET", "/docs///evil.example/?q", 307, "/evil.example/?q"),
        ("GET", "/docs/\\evil.example", 307, "/%5Cevil.example"),
        ("GET", "/old/%0d%0aX-Evil:1", 301, "https://new.example:8443/%0d%0aX-Evil:1"),
    ]:
        have, fields, body = gateway.get(target, method=method)
        equal((have, fields.get("location")), (status, location), f"{method} {target}")
        equal(bool(body), method != "HEAD", f"body of {method} {target}")
    true("no-store" in gateway.get("/seen/1")[1].get("cache-control", ""), "nocache of a redirect")
    equal(gateway.get("/old/%zz")[0], 400, "a bad escape")
    status, fields, body = gateway.get("/gone", method="DELETE")
    true(status == 410 and body.startswith(b"This path is answered with 410 Gone. (request "), f"{status} {body}")
    with gateway.connect() as connection:
        for target, want in (("/nothing", 204), ("/same", 304)):
            connection.send_head("GET", target)
            response = connection.response()
            equal((response.status, response.header("content-length")), (want, None), target)
        equal(connection.request("GET", "/gone").status, 410, "the next request of the connection")
    return "parameters, query, statuses"


def route(path, keys):
    return f'[[http.routes]]\npath = "{path}"\n{keys}\n'


@case("listen-addresses")
def listen_addresses(world):
    """Every form of an address, `addr` with `addrs`, port 0; several sections with limits and routes of their own."""
    gateway = Configured(
        world,
        '[[http]]\naddr = ":{a}"\naddrs = ["127.0.0.1:0"]\n'
        + route("GET /first", "status = 403")
        + '[[http]]\naddrs = ["127.0.0.1:{b}", "[::1]:{c}"]\nmax = { header_size = "1KiB" }\n'
        + route("GET /second", "status = 410"),
        listeners=4,
    )
    free = gateway.process.wait_line(r"HTTP requests on '127\.0\.0\.1:(?!%d)" % gateway.ports["b"])
    free = int(re.search(r":(\d+)'\.$", free)[1])
    a, b, c = (gateway.ports[name] for name in "abc")
    for host, port, path, want in [
        ("127.0.0.1", a, "/first", 403),
        ("::1", a, "/first", 403),
        ("127.0.0.1", free, "/first", 403),
        ("127.0.0.1", b, "/second", 410),
        ("::1", c, "/second", 410),
        ("127.0.0.1", a, "/second", 404),
        ("127.0.0.1", b, "/first", 404),
    ]:
        equal(status_of(host, port, path), want, f"{path} at {host} port {port}")
    for host, port in (("::1", b), ("127.0.0.1", c)):
        try:
            raise Failed(f"{host} port {port} answers with {status_of(host, port, '/')}")
        except ConnectionRefusedError:
            pass
    long = [("X-Long", "x" * 1024)]
    equal([gateway.get("/first", long)[0], gateway.get("/second", long, port="b")[0]], [403, 431], "limits of the sections")
    return "four listeners"


def status_of(host, port, path):
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return int(connection.makefile("rb").readline().split()[1])


@case("path-redirects")
def path_redirects(world):
    """`redirect_trailing_slash` and `redirect_fixed_path`, on and off."""
    routes = route("ANY /Here/:id", "status = 403") + route("ANY /there/", "status = 403")
    gateway = Configured(
        world,
        '[[http]]\naddr = "127.0.0.1:{a}"\n' + routes
        + '[[http]]\naddr = "127.0.0.1:{b}"\nredirect_trailing_slash = false\n' + routes
        + '[[http]]\naddr = "127.0.0.1:{c}"\nredirect_fixed_path = false\n' + routes,
        listeners=3,
    )  # fmt: skip
    both, no_slash, no_fixed = "a", "b", "c"
    for port, method, target, status, location in [
        (both, "GET", "/Here/1/?q=%zz", 301, "/Here/1?q=%zz"),
        (both, "POST", "/there", 308, "/there/"),
        (both, "GET", "//here/./X?q", 301, "/Here/X?q"),
        (both, "GET", "/Here/1", 403, None),
        (no_slash, "GET", "/Here/1/", 404, None),
        (no_slash, "GET", "/here/1", 301, "/Here/1"),
        (no_slash, "GET", "/here/1/", 404, None),
        (no_fixed, "GET", "/here/1", 404, None),
        (no_fixed, "GET", "/there", 301, "/there/"),
    ]:
        have, fields, _ = gateway.get(target, method=method, port=port)
        equal((have, fields.get("location")), (status, location), f"{method} {target} of section {port}")
    return "slash, case, cleaned"


@case("hosts")
def hosts(world):
    """`host`: compared without case and port, one path for several hosts, and a route for the others."""
    gateway = Configured(
        world,
        '[[http]]\naddr = "127.0.0.1:{a}"\n'
        + route("GET /", 'status = 403\nhost = "A.Example"')
        + route("GET /", 'status = 410\nhost = "b.example"')
        + route("GET /", "status = 404")
        + route("GET /only", 'status = 410\nhost = "[::1]"'),
    )

    def status(host, path="/"):
        with socket.create_connection(("127.0.0.1", gateway.ports["a"]), timeout=10) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            return int(connection.makefile("rb").readline().split()[1])

    for host, want in [("a.example", 403), ("A.EXAMPLE:8080", 403), ("b.example", 410), ("c.example", 404), ("xa.example", 404)]:
        equal(status(host), want, host)
    equal([status("[::1]:80", "/only"), status("a.example", "/only")], [410, 404], "a route of one host")
    return "five hosts"


@case("variables")
def variables(world):
    """`${NAME}`, `${NAME:-default}` and `$$`, in strings, numbers and booleans."""
    gateway = Configured(
        world,
        'shards = "${SHARDS}"\n[[http]]\naddr = "127.0.0.1:${PORT_PREFIX:-}{a}"\nredirect_trailing_slash = "${SLASH:-false}"\n'
        'max = { header_size = "${HEADER:-1KiB}" }\n'
        + route("GET /${WORD}/:id", 'redirect = "/$$/${WORD}/:id"')
        + route("GET /empty", 'status = 403\nhost = "${NOT_SET:-}"'),
        {"SHARDS": "1", "WORD": "some", "HEADER": ""},
    )
    equal(gateway.get("/some/1")[1].get("location"), "/$/some/1", "location")
    equal(gateway.get("/some/1/")[0], 404, "a slash more")
    equal(gateway.get("/empty")[0], 403, "a host that is empty is none")
    equal(gateway.get("/some/1", [("X", "x" * 1024)])[0], 431, "an empty variable is the default")
    equal(len(shards(gateway)), 1, "shards")
    return "set, default, empty"


def shards(gateway):
    tasks = Path(f"/proc/{gateway.process.pid}/task")
    names = [(task / "comm").read_text().strip() for task in tasks.iterdir()]
    return {name for name in names if "shard" in name}  # each has a helper of its name


@case("mesh-keys")
def mesh_keys(world):
    """`addr`, `public_addr`, `secret_key`, `state_dir`, `shards`: what peers and the disk see of them."""
    keys = world.subfolder("keys")
    made = world.process("keygen", [world.binary("flatend"), "keygen", "own.key"], keys)
    equal(made.wait_exit(), 0, "exit code of keygen")
    gateway = Configured(
        world,
        f'secret_key = "{keys}/own.key"\npublic_addr = "127.0.0.1:{{b}}"\nshards = 2\n[[http]]\naddr = "127.0.0.1:{{a}}"\n'
        + route("GET /", "status = 404"),
    )
    node, _ = world.rust_node(gateway.address)
    node.wait_line(rf"You are now connected to 127\.0\.0\.1:{gateway.ports['b']}\.")
    equal(len(shards(gateway)), 2, "shards")
    equal(gateway.process.grep("Made a secret key"), [], "lines about a key")
    true(not (gateway.folder / "secret.key").exists(), "a second key was made")
    other = Configured(world, '[[http]]\naddr = "127.0.0.1:{a}"\n' + route("GET /", "status = 404"))
    other.process.wait_line("Made a secret key")
    equal((other.folder / "secret.key").stat().st_mode & 0o777, 0o600, "mode of the key in the state directory")
    return f"known as 127.0.0.1:{gateway.ports['b']}"


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
    return body.decode()


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


@case("nocache")
def nocache(world):
    """`nocache` replaces what the service said of caches."""
    keys = 'service = "respond"\n'
    gateway = Configured(
        world, '[[http]]\naddr = "127.0.0.1:{a}"\n' + route("GET /kept", keys) + route("GET /fresh", keys + "nocache = true")
    )
    world.npm(gateway, "respond")
    said = {"cache-control": "max-age=60", "etag": '"1"', "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT", "x-other": "1"}
    query = urllib.parse.urlencode({"headers": json.dumps(said), "body": "x"})
    kept, fresh = (gateway.get(f"/{path}?{query}")[1] for path in ("kept", "fresh"))
    equal({name: kept.get(name) for name in said}, said, "without it")
    have = {name: fresh.get(name) for name in [*said, "pragma", "expires"]}
    want = {"cache-control": "no-cache, no-store, must-revalidate", "etag": None, "last-modified": None, "x-other": "1"}
    equal(have, {**want, "pragma": "no-cache", "expires": "0"}, "with it")
    return want["cache-control"]


@case("later-keys")
def later_keys(world):
    """Keys of later versions: `check` warns, a start is refused in a line that names key and place."""
    base = '[[http]]\naddr = "127.0.0.1:{port}"\n'
    plain = base + route("GET /", 'service = "a"')
    later = {
        "https": base + 'https = true\ndomains = ["a.example"]\n' + route("GET /", 'service = "a"'),
        "websocket": plain + "websocket = true\n",
        "grpc": plain + "grpc = true\n",
        "legacy": 'legacy = "refuse"\n' + plain,
        "peers": f'peers = ["{"0" * 64}"]\n' + plain,
        "offers": plain + f'[offers]\n{"0" * 64} = ["a"]\n',
        "legacy_services": 'legacy_services = ["a"]\n' + plain,
        "network_key": 'network_key = "network.key"\n' + plain,
        "cert": base + 'cert = "a.pem"\nkey = "a.pem"\n' + route("GET /", 'service = "a"'),
    }
    folder = world.subfolder("later")
    (folder / "a.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    (folder / "network.key").write_text("0" * 64 + "\n")
    (folder / "network.key").chmod(0o600)
    for key, config in later.items():
        (folder / "config.toml").write_text(config.replace("{port}", str(free_port())))
        for arguments, code in (["check"], 0), ([], 1):
            process = world.process("flatend", [world.binary("flatend"), *arguments], folder, {"HOME": str(folder)})
            equal(process.wait_exit(), code, f"exit code of {arguments} with {key}: {process.lines}")
            word = "warning: " if code == 0 else "cannot run "
            found = [line for line in process.lines if word in line and f"`{key}" in line]
            true(found and re.search(r"config\.toml:\d+:\d+: .*not in this version yet", found[0]), f"{key}: {process.lines}")
            equal(len(process.lines), 2 if code == 0 else 1, f"lines of {arguments} with {key}: {process.lines}")
    return found[0]


@case("several-services")
def several_services(world):
    """`service` with `services`: whoever offers one of the names answers."""
    gateway = Configured(
        world, '[[http]]\naddr = "127.0.0.1:{a}"\n' + route("GET /", 'service = "one"\nservices = ["one", "two"]\nhold = "5s"')
    )
    for name in ("two", "one"):
        node = world.npm(gateway, f"{name}=name", name=name)
        equal(gateway.get("/")[::2], (200, name.encode()), "who answers")
        node.kill()
        gateway.process.wait_line("has disconnected", count=1 if name == "two" else 2)
    return "two, then one"
