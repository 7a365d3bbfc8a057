"""HTTP/1.1 to the letter, over sockets: what a request may be. The rules stand in docs/http.md."""

import gzip
import json
import os
from email.utils import parsedate_to_datetime

from harness.checks import case, equal, true
from harness.raw import GET, ask, chunked, get, joined, post, refused


@case("strict-hosts")
def hosts(world):
    """A host that is none, in every form; and hosts that are."""
    gateway = world.gateway(("GET /headers", "headers"))
    world.npm(gateway, "headers")
    wrong = ["a:b", "[::1", "a b", "", "u@h", "a:99999", "a:", ":80", "a:1:2", "a,b", "a/b", "a\\b", "[::1]x", "::1", "%", "a%4", "a%zz", "\xe9", "http://a", "a\tb"]
    for host in wrong:
        refused(gateway, get("/headers", host=f"Host: {host}\r\n"), 400, "Host")
        refused(gateway, get("http://x/headers", host=f"Host: {host}\r\n"), 400, "Host")
    refused(gateway, get("/headers", host=""), 400, "no Host")
    refused(gateway, get("http://x/headers", host=""), 400, "no Host")
    for second in ("x", "y"):
        refused(gateway, get("/headers", host=f"Host: x\r\nHost: {second}\r\n"), 400, "more than one Host")
        refused(gateway, get("/headers", version="1.0", host=f"Host: x\r\nHost: {second}\r\n"), 400, "more than one Host")
    right = ["a", "A.example.", "a:80", "a:0", "127.0.0.1:65535", "[::1]", "[::1]:8080", "a%41", "a_b-c~"]
    for host in right:
        status, _, body = ask(gateway, get("/headers", host=f"Host: {host}\r\n"))
        equal((status, json.loads(body)["host"], json.loads(body)[":authority"]), (200, host, host), f"host {host}")
    return f"{len(wrong)} wrong ones and {len(right)} right ones"


@case("strict-targets")
def targets(world):
    """The four forms of a target; the authority of an absolute one takes the place of Host."""
    gateway = world.gateway(("ANY /headers", "headers"), ("GET /", "headers"))
    world.npm(gateway, "headers")
    for target, host, path in [
        ("/headers?a=b", "x", "/headers?a=b"),
        ("http://y.example:81/headers?a=b", "y.example:81", "/headers?a=b"),
        ("HTTP://[::1]/headers", "[::1]", "/headers"),
        ("http://y", "y", "/"),
        ("http://y?a", "y", "/?a"),
    ]:
        status, _, body = ask(gateway, get(target))
        equal(status, 200, target)
        have = json.loads(body)
        equal((have["host"], have[":authority"], have["x-forwarded-host"], have[":path"]), (host, host, host, path), target)
    body = json.loads(ask(gateway, get("http://y/headers", version="1.0", host=""))[2])
    equal((body["host"], body[":authority"]), ("y", "y"), "HTTP/1.0 with an absolute target and no Host")
    for target, status, words in [
        ("https://y/headers", 421, "https"),
        ("http://u@y/headers", 400, "authority"),
        ("http:///headers", 400, "authority"),
        ("ftp://y/headers", 400, "neither a path"),
        ("headers", 400, "neither a path"),
        ("/headers#a", 400, "fragment"),
        ("*", 400, "neither a path"),
        ("y:80", 400, "neither a path"),
    ]:
        have, _, body = ask(gateway, get(target))
        equal(have, status, target)
        true(words in body.decode(), f"{target}: {body!r}")
    for target in ("*", "http://x"):
        status, fields, body = ask(gateway, get(target, method="OPTIONS"))
        equal((status, body), (204, b""), f"OPTIONS {target}")
        true("GET" in fields["allow"], f"allow of OPTIONS {target}: {fields}")
    for target, status in (("y:443", 405), ("y", 400), ("/headers", 400), ("http://y/", 400)):
        have, fields, _ = ask(gateway, get(target, method="CONNECT"))
        equal((have, "allow" in fields), (status, status == 405), f"CONNECT {target}")
    have, fields, body = ask(gateway, get("/headers", "X-Secret: s\r\n", method="TRACE"))
    equal((have, b"X-Secret" in body), (405, False), "TRACE")
    true(fields.get("allow"), "no allow")
    return "origin, absolute, authority, asterisk"


@case("strict-hops")
def hops(world):
    """What belongs to one hop ends here; Max-Forwards counts it."""
    gateway = world.gateway(("ANY /headers", "headers"), ("GET /named", "headers"))
    world.npm(gateway, "headers")
    fields = (
        "Connection: x-mine, Keep-Alive, host, content-length\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nTrailer: y\r\nUpgrade: h2c\r\n"
        "Proxy-Connection: keep-alive\r\nProxy-Authorization: b\r\nProxy-Authenticate: c\r\nX-Kept: 2\r\nAuthorization: Basic eDp5\r\nVia: 1.0 first\r\nX-List: a\r\nx-list: b\r\n"
    )
    seen = json.loads(ask(gateway, get("/headers", fields))[2])
    gone = {"connection", "x-mine", "keep-alive", "te", "trailer", "upgrade", "proxy-connection", "proxy-authorization", "proxy-authenticate"}
    equal(sorted(gone & set(seen)), [], "fields of this hop that passed")
    equal((seen["x-kept"], seen["via"], seen["x-list"], seen["host"], seen["authorization"]), ("2", "1.0 first", "a, b", "x", "Basic eDp5"), "fields of the end")
    for value, want in (("3", "2"), ("1", "0"), ("300", "255"), ("9" * 30, "255")):
        status, _, body = ask(gateway, get("/headers", f"Max-Forwards: {value}\r\n", method="OPTIONS"))
        equal((status, json.loads(body)["max-forwards"]), (200, want), f"Max-Forwards: {value}")
    for path in ("/headers", "/named"):
        status, answered, body = ask(gateway, get(path, "Max-Forwards: 0\r\n", method="OPTIONS"))
        equal((status, body), (204, b""), "Max-Forwards: 0")
        true({"GET", "OPTIONS"} <= set(answered["allow"].split(", ")), f"allow: {answered}")
    equal(ask(gateway, get("/headers", "Max-Forwards: -1\r\n", method="OPTIONS"))[0], 400, "Max-Forwards: -1")
    equal(json.loads(ask(gateway, get("/headers", "Max-Forwards: 0\r\n"))[2])["max-forwards"], "0", "Max-Forwards of GET")
    return f"{len(gone)} fields end here"


@case("strict-limits")
def limits(world):
    """The last value that passes and the first that does not, of each limit; the answer names it."""
    gateway = world.gateway(
        ("GET /hello", "hello_world"),
        ("POST /sum", "sum"),
        http_keys="min = { body_size = 2 }\nmax = { body_size = 5, header_size = 2000 }",
        timeouts='read = "400ms"\nread_header = "400ms"',
    )
    world.npm(gateway, "hello_world", "sum")
    line = len(get(fields="X: \r\n"))
    spare = len(get("/"))
    extension = lambda bytes: chunked(b"2;%b\r\nab\r\n0\r\n\r\n" % (b"a" * bytes))
    trailers = lambda count: chunked(b"2\r\nab\r\n0\r\n" + b"a: b\r\n" * count + b"\r\n")
    trailer = lambda bytes: chunked(b"2\r\nab\r\n0\r\nX: " + b"a" * (bytes - 7) + b"\r\n\r\n")
    twins = [
        (post(body=b"ab"), post(body=b"a"), 400, "http.min.body_size = 2"),
        (chunked(b"2\r\nab\r\n0\r\n\r\n"), chunked(b"1\r\na\r\n0\r\n\r\n"), 400, "http.min.body_size = 2"),
        (post(body=b"abcde"), post(body=b"abcdef"), 413, "http.max.body_size = 5"),
        (chunked(b"5\r\nabcde\r\n0\r\n\r\n"), chunked(b"5\r\nabcde\r\n1\r\nf\r\n0\r\n\r\n"), 413, "http.max.body_size = 5"),
        (get(fields=f"X: {'a' * (2000 - line)}\r\n"), get(fields=f"X: {'a' * (2001 - line)}\r\n"), 431, "http.max.header_size = 2000"),
        (get("/hello?x=" + "a" * (2000 - spare - 8)), b"GET /" + b"a" * 1995, 414, "http.max.header_size = 2000"),
        (get(fields="X: y\r\n" * 127), get(fields="X: y\r\n" * 128), 431, "fields_max = 128"),
        (b"\r\n" * 4 + get(), b"\r\n" * 5 + get(), 400, "leading_empty_lines_max = 4"),
        (extension(256), extension(257), 400, "chunk_extension_bytes_max = 256"),
        (trailers(32), trailers(33), 431, "trailers_max = 32"),
        (trailer(8192), trailer(8193), 431, "trailer_bytes_max = 8192"),
        (get("/hello?" + "&".join(f"a{i}" for i in range(128))), get("/hello?" + "&".join(f"a{i}" for i in range(129))), 400, "query_parameters_max = 128"),
        (get(fields="Expect: 100-continue\r\n"), get(fields="Expect: 100-continued\r\n"), 417, "100-continue"),
        (chunked(b"2\r\nab\r\n0\r\n\r\n"), joined("POST /sum HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), 501, "transfer coding"),
        (get(version="1.9"), get(version="2.0"), 505, "HTTP/1.1"),
        (get(), get()[:-1], 408, "http.timeout.read_header = 400"),
        (post(body=b"ab"), post(body=b"a", length=2), 408, "http.timeout.read = 400"),
    ]
    for last, first, status, words in twins:
        have, _, body = ask(gateway, last)
        equal((have, body if have != 200 else b""), (200, b""), f"the last that passes, {words}")
        have, _, body = ask(gateway, first)
        equal(have, status, f"the first that fails, {words}")
        true(words in body.decode(), f"the answer does not name {words}: {body!r}")
    return f"{len(twins)} pairs"


@case("strict-chunks")
def chunks(world):
    """Extensions and trailers: good ones are passed over, bad ones are 400; in one write and in single bytes."""
    gateway = world.gateway(("POST /sum", "sum"), ("POST /headers", "headers"))
    world.npm(gateway, "sum", "headers")
    good = [b"5;a\r\nhello\r\n0;b\r\n\r\n", b'5;a="b;c\\"";d=e\r\nhello\r\n0\r\n\r\n', b"5 \r\n"[:1] + b"; a = b ;c\r\nhello\r\n000\r\nX: y\r\nZ:\r\n\r\n"]
    for body in good:
        for pieces in ([chunked(body) + GET], [bytes([byte]) for byte in chunked(body)]):
            with gateway.connect(seconds=10) as connection:
                for piece in pieces:
                    connection.socket.sendall(piece)
                equal(connection.response("POST").json()["bytes"], 5, f"bytes of {body!r}")
    bad = [
        b"5;\r\n", b"5;a=\r\n", b'5;a="\r\n', b"5;a\n", b"5;a b\r\n", b"5 \r\n", b"5;a\x00\r\n", b"5;a\rb", b"\r\n", b"x\r\n", b"0x5\r\n", b"+5\r\n",
        b"fffffffffffffffff\r\n", b"5\n", b"5\r\nhelloX", b"5\r\nhello\n", b"5\r\nhello\rX", b"0\r\n\n", b"0\r\nX\r\n\r\n", b"0\r\nX : y\r\n\r\n", b"0\r\nX: y\r\n z\r\n\r\n", b"0\r\nX: y\n\r\n",
    ]  # fmt: skip
    for body in bad:
        refused(gateway, chunked(body), 400, "")
    seen = json.loads(ask(gateway, chunked(b"1\r\na\r\n0\r\nX-Trailer: y\r\nHost: evil\r\nContent-Length: 9\r\n\r\n", "/headers"))[2])
    true("x-trailer" not in seen and "content-length" not in seen and seen["host"] == "x", f"a trailer became a header: {seen}")
    return f"{len(good)} taken, {len(bad)} refused"


@case("strict-other-protocols")
def other_protocols(world):
    """Bytes of TLS, HTTP/2 and others: a clear answer and the end."""
    gateway = world.gateway(("GET /hello", "hello_world"))
    hello = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(range(189))
    for data, status, words in [
        (hello, 400, "TLS"),
        (hello[:6], 400, "TLS"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", 505, "HTTP/1.1"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", 400, "request line"),
        (b"EHLO mail.example\r\n", 400, "request line"),
        (b"\x05\x01\x00", 400, "request line"),
        (b"GET /hello\r\n", 400, "request line"),
        (b"HTTP/1.1 200 OK\r\n\r\n", 400, "request line"),
    ]:
        refused(gateway, data, status, words)
    return "8 protocols that are not ours"


@case("strict-files")
def static_files(world):
    """What RFC 9110 asks of answers with a file: dates, the fields of 206 and 304, conditions only where they count."""
    folder = world.subfolder("files")
    (folder / "a.txt").write_text("0123456789" * 100)
    (folder / "a.txt.gz").write_bytes(gzip.compress(b"0123456789" * 100))
    os.utime(folder / "a.txt.gz", (2**32, 2**32))
    os.utime(folder / "a.txt", (2**32, 2**32))  # in the year 2106
    gateway = world.gateway(("GET /f", None, f'static = "{folder}"'))
    status, whole, _ = ask(gateway, get("/f/a.txt"))
    equal((status, "vary" in whole), (200, True), "a file from the future")
    dates = [parsedate_to_datetime(whole[name]) for name in ("last-modified", "date")]
    true(dates[0] <= dates[1], f"changed after it was sent: {whole}")
    tag = f"If-None-Match: {whole['etag']}\r\n"
    for fields, want, bare in [("Range: bytes=0-1\r\n", 206, ()), ("Range: bytes=0-1,500-501\r\n", 206, ("content-range",)), (tag, 304, ("content-length",))]:
        status, have, _ = ask(gateway, get("/f/a.txt", fields))
        equal(status, want, fields)
        true({"date", "etag", "vary"} <= set(have), f"{fields}: {have}")
        equal((have["etag"], have["vary"], [name for name in bare if name in have]), (whole["etag"], whole["vary"], []), fields)
    for method, path, want in [("GET", "/f/none", 404), ("DELETE", "/f/a.txt", 405), ("GET", "/f", 301)]:
        for condition in ('If-Match: "x"\r\n', f"{tag}Range: bytes=5000-\r\n", "If-None-Match: *\r\n"):
            equal(ask(gateway, get(path, condition, method))[0], want, f"{method} {path} with {condition}")
    return "dates, 206, 304, and 404, 405 and 301 whatever the conditions"
