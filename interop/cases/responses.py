"""What a service may answer, sense and nonsense, and what becomes of it in HTTP."""

import json
import urllib.parse

from harness.checks import case, equal, true
from harness.http import Cut


def respond(gateway, headers, body="body", method="GET"):
    """Asks services/node.js for exactly these response headers."""
    query = urllib.parse.urlencode({"headers": json.dumps(headers), "body": body})
    return gateway.get(f"/respond?{query}", method=method)


def one_link(gateway, node):
    """The service lives, and on the link that it came with."""
    equal(respond(gateway, {})[0], 200, "the next request")
    true(node.alive(), "the service died")
    equal(len(gateway.process.grep("has connected")), 1, "connections of the service")


@case("throwing-handler")
def throwing_handler(world):
    """The package answers for a handler that throws; its JSON arrives."""
    gateway = world.gateway(("GET /throw", "throw"), ("GET /reject", "reject"))
    node = world.npm(gateway, "throw", "reject")
    for path, message in [("/throw", "thrown on purpose"), ("/reject", "rejected on purpose")]:
        status, fields, body = gateway.get(path)
        equal((status, json.loads(body)), (200, {"error": message}), path)
        equal(fields.get("content-type"), "application/json", "content-type")
    true(node.alive(), "the service died")
    return "its JSON arrives"


@case("response-headers")
def response_headers(world):
    gateway = world.gateway(("GET /respond", "respond"))
    node = world.npm(gateway, "respond")
    sent = {"Content-Type": "text/x-test", "X-Two": "a, b", "x-empty": "", "x" * 255: "long name", "x-long": "v" * 20000}
    hop_by_hop = {"Connection": "x-two, close", "Keep-Alive": "timeout=99", "Transfer-Encoding": "gzip", "Upgrade": "h2c", "TE": "x"}
    status, fields, body = respond(gateway, sent)
    equal((status, body), (200, b"body"), "answer")
    for name, value in sent.items():
        equal(fields.get(name.lower()), value, name)
    true(fields.get("x-request-id"), "no x-request-id")
    true(fields.get("date"), "no date")
    status, fields, body = respond(gateway, hop_by_hop)
    equal((status, body), (200, b"body"), "answer with hop-by-hop headers")
    for name, value in hop_by_hop.items():
        true(fields.get(name.lower()) != value, f"hop-by-hop header passed: {name}: {value}")
    one_link(gateway, node)
    return f"{len(sent)} kept, {len(hop_by_hop)} hop-by-hop dropped"


@case("status-header")
def status_header(world):
    gateway = world.gateway(("GET /respond", "respond"))
    node = world.npm(gateway, "respond")
    for status in (200, 201, 206, 302, 404, 418, 500, 503, 599):
        have, fields, body = respond(gateway, {":status": str(status), "Location": "/x"})
        equal((have, body), (status, b"body"), ":status")
        true(":status" not in fields, ":status passed as a header")
    for status in (204, 304):
        with gateway.connect() as connection:
            query = urllib.parse.urlencode({"headers": json.dumps({":status": str(status)}), "body": "must not show"})
            for _ in range(2):  # the second one shows that nothing was left on the connection
                response = connection.request("GET", f"/respond?{query}")
                equal((response.status, response.header("transfer-encoding")), (status, None), "a status without a body")
    equal(respond(gateway, {":status": "404"}, method="HEAD")[0], 404, "HEAD")
    for status in ("abc", "99", "1000", "20x", "-1", "", "200 OK", "100", "101", "٢٠٠"):
        equal(respond(gateway, {":status": status})[0], 502, f":status '{status}'")
    one_link(gateway, node)
    return "11 pass, 10 are 502"


@case("bad-response-headers")
def bad_response_headers(world):
    """Each is a 502 for its own stream, and the link stays."""
    gateway = world.gateway(("GET /respond", "respond"))
    node = world.npm(gateway, "respond")
    bad = [
        {"x-value": "é"},
        {"x-nämé": "value"},
        {"x-value": "𝄞" * 20, "x-more": "after it"},
        {"x" * 300: "a name over 255 bytes"},
        {"x-split": "a\r\nSet-Cookie: stolen=1"},
        {"x-split": "a\nSet-Cookie: stolen=1"},
        {"x-nul": "a\x00b"},
        {"x-bell": "a\x07b"},
        {"bad name": "v"},
        {"bad:name": "v"},
        {"x\r\nSet-Cookie": "v"},
        {"": "v"},
        {":other": "v"},
    ]
    for headers in bad:
        status, fields, _ = respond(gateway, headers)
        equal(status, 502, f"status for {headers}")
        true("set-cookie" not in fields, f"{headers} split the response")
        one_link(gateway, node)
    return f"{len(bad)} kinds are 502, the link stays"


@case("content-length")
def content_length(world):
    """A service's content-length is kept if it is one number, and then holds: a short body is cut, never ended."""
    gateway = world.gateway(("GET /respond", "respond"), ("GET /pattern", "pattern"))
    node = world.npm(gateway, "respond", "pattern")
    _, fields, body = respond(gateway, {"content-length": "4"})
    equal((fields.get("content-length"), body), ("4", b"body"), "a true content-length")
    equal(respond(gateway, {"content-length": "4"}, method="HEAD")[1].get("content-length"), "4", "content-length of HEAD")
    for value in ("four", "-4", "4, 5", "+4", ""):
        status, fields, body = respond(gateway, {"content-length": value})
        equal((status, body), (200, b"body"), f"answer with content-length '{value}'")
        true(fields.get("content-length") in (None, "4"), f"content-length '{value}' passed")
    for short, announced in [(0, 10), (99_999, 100_000)]:
        try:
            gateway.get(f"/pattern?bytes={short}&length={announced}")
        except Cut:
            pass
        else:
            raise AssertionError(f"{short} of {announced} bytes ended as if they were all")
    with gateway.connect() as connection:
        try:
            response = connection.request("GET", "/pattern?bytes=100000&length=50000")
            true(len(response.body()) <= 50_000, "more than was announced")
            true(not connection.file.read(1), "bytes after the announced ones")
        except (Cut, ConnectionError):
            pass  # cut is as good an answer to a service that contradicts itself
    one_link(gateway, node)
    return "kept, enforced"


@case("head-and-options")
def head_and_options(world):
    gateway = world.gateway(("GET /headers", "headers"), ("POST /headers", "headers"))
    world.npm(gateway, "headers")
    with gateway.connect() as connection:
        for _ in range(2):
            response = connection.request("HEAD", "/headers")
            equal((response.status, response.body()), (200, b""), "HEAD")
        equal(connection.request("GET", "/headers").json()[":method"], "GET", "the next request on the connection")
    status, fields, _ = gateway.get("/headers", method="OPTIONS")
    true(status in (200, 204), f"OPTIONS: {status}")
    true({"GET", "POST"} <= set(fields.get("allow", "").replace(" ", "").split(",")), f"allow: {fields.get('allow')}")
    for method, target in (("TRACE", "/headers"), ("CONNECT", "example.com:443")):
        true(gateway.get(target, method=method)[0] in (405, 501), method)
    return "HEAD without a body, OPTIONS with allow"


@case("head-of-an-endless-body")
def head_of_an_endless_body(world):
    """The answer to HEAD ends with its head, whatever the service goes on sending; the connection lives."""
    gateway = world.gateway(("GET /pattern", "pattern"), ("GET /hello", "hello_world"))
    world.npm(gateway, "pattern", "hello_world")
    with gateway.connect(seconds=5) as connection:
        for _ in range(3):
            response = connection.request("HEAD", "/pattern?bytes=1000000&then=hang")
            equal((response.status, response.body()), (200, b""), "HEAD")
            equal(connection.request("GET", "/hello").text(), "Hello world!", "the next request")
    return "three times, one connection"
