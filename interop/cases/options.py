"""The options of the configuration at work: addresses, hosts, redirects, variables, the mesh's keys.

gateway-bin/tests/options.rs says for each key which case proves it.
"""

import json
import re
import socket
import urllib.parse
from pathlib import Path

from harness.checks import Failed, case, equal, true
from harness.configured import Configured, route
from harness.process import free_port
from harness.sockets import congestion


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
    for target in ["/old/%zz", "/old/1?q=%4", "/gone?q=%zz"]:
        equal(gateway.get(target)[0], 400, f"a bad escape: {target}")
    status, fields, body = gateway.get("/gone", method="DELETE")
    true(status == 410 and body.startswith(b"This path is answered with 410 Gone. (request "), f"{status} {body}")
    with gateway.connect() as connection:
        for target, want in (("/nothing", 204), ("/same", 304)):
            connection.send_head("GET", target)
            response = connection.response()
            equal((response.status, response.header("content-length")), (want, None), target)
        equal(connection.request("GET", "/gone").status, 410, "the next request of the connection")
    return "parameters, query, statuses"


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


@case("congestion-control")
def congestion_control(world):
    """`congestion`: at the top for links, accepted and dialed; in `[[http]]` for its clients; without it as the system says."""
    system = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    have = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    other = next((name for name in have if name != system), None)
    true(other, f"a second one beside {system}: reno is in every Linux, and one such as cubic or bbr is the default")
    plain = Configured(world, '[[http]]\naddr = "127.0.0.1:{a}"\n' + route("GET /", "status = 404"))
    chosen = Configured(
        world,
        f'congestion = "{other}"\nbootstrap = ["{plain.address}"]\n[[http]]\naddr = "127.0.0.1:{{a}}"\ncongestion = "{other}"\n'
        + route("GET /", "status = 404"),
    )
    world.rust_node(chosen.address)
    chosen.process.wait_line(r"has connected|You are now connected", count=2)
    for gateway, name in (plain, system), (chosen, other):
        client = gateway.connect()
        client.send_head("GET", "/")
        equal(client.response().status, 404, "a status")
        pid = gateway.process.pid
        equal(congestion(pid, local_port=gateway.ports["a"]), [name], "of the client's connection")
        equal(set(congestion(pid, local_port=gateway.ports["mesh"])), {name}, "of links that were accepted")
    equal(set(congestion(chosen.process.pid, peer_port=plain.ports["mesh"])), {other}, "of the link that was dialed")
    return f"{system}, {other}"


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
        "cert": base + 'cert = "a.pem"\nkey = "a.pem"\n' + route("GET /", 'service = "a"'),
    }
    folder = world.subfolder("later")
    (folder / "a.pem").write_text("-----BEGIN CERTIFICATE-----\n")
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
