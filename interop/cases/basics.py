"""What a newcomer meets: hello, the headers, the query and the path's parameters as a service sees them."""

import json
import re
import time
import urllib.parse

from harness.checks import at_most, case, equal, milliseconds, true
from harness.http import Connection


@case("hello")
def hello(world):
    """The quickstart of the package's README, on a gateway with the README's configuration."""
    gateway = world.gateway(("GET /hello", "hello_world"))
    script = world.script("quickstart", gateway.address)
    gateway.process.wait_line(r"<anon> has connected\. Services: \[hello_world\]")
    status, fields, body = gateway.get("/hello")
    equal((status, body), (200, b"Hello world!"), "answer")
    script.wait_line(r"Discovered 0 peer\(s\)")
    equal(gateway.get("/nowhere")[0], 404, "a path that no route takes")
    refused, fields, _ = gateway.get("/hello", method="DELETE")
    equal(refused, 405, "a method that the route does not take")
    true("GET" in fields.get("allow", ""), f"allow of that answer: {fields.get('allow')}")
    return body.decode()


@case("hello-latency")
def hello_latency(world):
    """One connection, one request after the other: the package's Nagle delays must not show."""
    gateway = world.gateway(("GET /hello", "hello_world"))
    world.npm(gateway, "hello_world")
    times = []
    with gateway.connect() as connection:
        for _ in range(200):
            begin = time.monotonic()
            equal(connection.request("GET", "/hello").text(), "Hello world!", "answer")
            times.append(time.monotonic() - begin)
    at_most(sorted(times)[100], 0.010, "median seconds of 200 requests")
    return milliseconds(times)


@case("request-headers")
def request_headers(world):
    gateway = world.gateway(("GET /headers", "headers"))
    world.npm(gateway, "headers")
    sent = [
        ("X-Mixed-Case", "kept As It Is"),
        ("X-Many", "a"),
        ("X-Many", "b"),
        ("Cookie", "one=1"),
        ("Cookie", "two=2"),
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers"),
        ("query.user", "forged"),
        ("Params.id", "forged"),
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "gopher"),
        ("X-Forwarded-Host", "forged.example"),
        ("Forwarded", "for=6.6.6.6"),
        ("X-Real-IP", "6.6.6.6"),
        ("X-Request-Id", "abc-1.2_3"),
    ]
    status, fields, body = gateway.get("/headers?a=1", sent)
    equal(status, 200, "status")
    seen = json.loads(body)
    want = {
        "host": f"127.0.0.1:{gateway.port}",
        "x-mixed-case": "kept As It Is",
        "x-many": "a, b",
        "cookie": "one=1; two=2",
        "query.a": "1",
        ":method": "GET",
        ":path": "/headers?a=1",
        ":scheme": "http",
        ":authority": f"127.0.0.1:{gateway.port}",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": f"127.0.0.1:{gateway.port}",
        "x-request-id": "abc-1.2_3",
    }
    for name, value in want.items():
        equal(seen.get(name), value, name)
    equal(sorted(set(seen) - set(want)), [], "names beyond those that were sent")
    equal(fields.get("x-request-id"), "abc-1.2_3", "x-request-id of the response")
    for bad in ["has space", "x" * 129, ""]:
        _, fields, body = gateway.get("/headers", [("X-Request-Id", bad)])
        made = json.loads(body)["x-request-id"]
        true(re.fullmatch(r"[\w.-]{1,128}", made) and made != bad, f"'{made}' in place of the client's '{bad}'")
        equal(fields.get("x-request-id"), made, "x-request-id of the response")
    with gateway.connect() as connection:
        status = connection.request("GET", "/headers", [(":path", "/forged")]).status
    equal(status, 400, "a field name that begins with a colon")
    return f"{len(seen)} headers"


@case("query-and-params")
def query_and_params(world):
    gateway = world.gateway(("GET /user/:Id/files/*rest", "headers"))
    world.npm(gateway, "headers")

    def seen(target):
        status, _, body = gateway.get(target)
        equal(status, 200, target)
        return json.loads(body)

    text = "ä € 𝄞"
    headers = seen(f"/user/a%2Fb/files/x/y%20z?Name=one+two%21&name=second&empty=&flag&u={urllib.parse.quote(text)}")
    want = {
        "params.id": "a/b",
        "params.rest": "/x/y z",
        "query.name": "one two!",
        "query.empty": "",
        "query.flag": "",
        "query.u": text,
    }
    equal({name: value for name, value in headers.items() if name.startswith(("query.", "params."))}, want, "parameters")
    equal(seen("/user/1/files/").get("params.rest"), "/", "an empty rest")
    for target in ["/user/%zz/files/x", "/user/%4/files/x", "/user/1/files/x?a=%zz"]:
        equal(gateway.get(target)[0], 400, target)
    return f"{len(want)} parameters"


@case("long-names")
def long_names(world):
    """A name of 300 bytes kills an npm service behind its own gateway: it is refused before it is encoded."""
    gateway = world.gateway(("GET /headers", "headers"))
    node = world.npm(gateway, "headers")
    longest = "q" * (255 - len("query."))
    equal(json.loads(gateway.get(f"/headers?{longest}=1")[2])[f"query.{longest}"], "1", "the longest name that passes")
    equal(gateway.get(f"/headers?{longest}q=1")[0], 431, "a query name one byte longer")
    equal(gateway.get(f"/headers?{'q' * 300}=1")[0], 431, "a query name of 300 bytes")
    equal(gateway.get("/headers", [("h" * 255, "1")])[0], 200, "a field name of 255 bytes")
    equal(gateway.get("/headers", [("h" * 256, "1")])[0], 431, "a field name of 256 bytes")
    many = [(f"x-{i}", "v") for i in range(140)]
    equal(gateway.get("/headers", many)[0], 431, "140 fields")
    equal(gateway.get("/headers", [("x-big", "v" * 70000)])[0], 431, "a head over 64 KiB")
    equal(gateway.get("/headers")[0], 200, "the next request")
    true(node.alive() and len(gateway.process.grep("has connected")) == 1, "the service lost its link")
    return "431, and the service lives"


@case("pipelining-and-keep-alive")
def pipelining(world):
    """Requests written in one piece are answered in order on one connection."""
    gateway = world.gateway(("GET /headers", "headers"))
    world.npm(gateway, "headers")
    with Connection(gateway.port) as connection:
        heads = "".join(f"GET /headers?n={n} HTTP/1.1\r\nHost: x\r\n\r\n" for n in range(20))
        connection.socket.sendall(heads.encode())
        order = [connection.response().json()["query.n"] for _ in range(20)]
        equal(order, [str(n) for n in range(20)], "order")
        response = connection.request("GET", "/headers", [("Connection", "close")])
        response.body()
        equal(response.header("connection"), "close", "connection of the last response")
        equal(connection.file.read(1), b"", "what follows it")
    return "20 in order, then closed as asked"
