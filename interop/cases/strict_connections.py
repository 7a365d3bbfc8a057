"""HTTP/1.1 to the letter, over sockets: what becomes of a connection, and what an answer may be. docs/http.md."""

import json
import random
import socket
import threading
import time

from harness.checks import at_most, case, equal, true
from harness.load import MIB
from harness.raw import GET, HELLO, all_of, ask, chunked, get, joined, post, rest_of


@case("strict-pipelining")
def pipelining(world):
    """Answers leave in the order of requests, also behind bodies that nobody reads; nothing after close is a request."""
    gateway = world.gateway(("GET /hello", "hello_world"), ("POST /ignore", "ignore"), ("POST /sum", "sum"), ("GET /headers", "headers"))
    node = world.npm(gateway, "hello_world", "ignore", "sum", "headers")
    piped = b"".join(get(f"/headers?n={i}") for i in range(100))
    have = [json.loads(body)["query.n"] for _, _, body in all_of(gateway, piped)]
    equal(have, [str(i) for i in range(100)], "order of a hundred")
    body = b"x" * 300_000
    stream = post("/ignore", body=body) + GET + chunked(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body), "/ignore") + post(body=b"abc") + GET
    have = [answer[2] for answer in all_of(gateway, stream)]
    equal((have[:3], json.loads(have[3])["bytes"], have[4:]), ([b"not read", HELLO, b"not read"], 3, [HELLO]), "behind unread bodies")
    nowhere = all_of(gateway, post("/nowhere", body=body) + GET)
    equal([answer[0] for answer in nowhere], [404, 200], "behind the body of a 404")
    last = get(fields="Connection: close\r\n")
    for behind in (GET * 3, GET * 20_000, b"\x00" * 500_000):
        answers = all_of(gateway, last + behind, end=False)
        equal([(answer[0], answer[1].get("connection")) for answer in answers], [(200, "close")], "answers around close")
    refusal = all_of(gateway, GET + b"BAD\r\n\r\n" + GET, end=False)
    equal([answer[0] for answer in refusal], [200, 400], "nothing is read behind a refusal")
    true(node.alive(), "the service died")
    return "100 in order; behind unread bodies; nothing after close or a refusal"


@case("strict-early-answers")
def early_answers(world):
    """A client that sends its whole body before it reads gets the whole answer and FIN, never a reset."""
    gateway = world.gateway(("POST /sum", "sum"), ("POST /hello", "hello_world"), http_keys="max = { body_size = 1000 }")
    world.npm(gateway, "sum", "hello_world")
    size = 24 * MIB
    body = b"x" * size
    far_away = chunked(b"%x\r\n%b\r\n" % (size, body))
    for data, status in [
        (post(body=body), 413),
        (far_away, 413),
        (chunked(b"zz\r\n" + body), 400),
        (get(fields="X : y\r\n") + body, 400),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nX: " + body, 431),
        (b"GET /" + body, 414),
        (chunked(b"0\r\nX: " + body), 431),
        (joined("POST /sum HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: br, chunked\r\n\r\n", body), 501),
        (b"\x16\x03\x01" + body, 400),
    ]:
        begin = time.monotonic()
        answers = all_of(gateway, data, end=False)
        equal([answer[0] for answer in answers], [status], f"answers to {data[:60]!r} and {size} bytes")
        at_most(time.monotonic() - begin, 8.0, "seconds")
    # What is read and dropped has an end (LINGER_BYTES_MAX), beyond what the sockets hold.
    with gateway.connect(seconds=10) as connection:
        connection.socket.sendall(post(length=1 << 40))
        try:
            for _ in range(128):
                connection.socket.sendall(b"x" * MIB)
            raise AssertionError("a refused body was read on for ever")
        except ConnectionError:
            pass
    # A body without end: the answer is there although the client never stops.
    with gateway.connect(seconds=10) as connection:
        connection.send_head("POST", "/sum", [("Transfer-Encoding", "chunked")])
        connection.socket.sendall(b"%x\r\n%b" % (2 * MIB, b"x" * MIB))
        response = connection.response()
        equal(response.status, 413, "within a body")
        connection.socket.sendall(b"x" * MIB)
        true("1000" in response.text(), "the answer names no limit")
    # A body that breaks its framing behind an early answer is not waited for until `timeout.read`; nothing in it is a request.
    begin = time.monotonic()
    answers = all_of(gateway, chunked(b"zz\r\n" + GET, "/nowhere"), end=False)
    equal([answer[0] for answer in answers], [404], "broken chunks behind an answer")
    at_most(time.monotonic() - begin, 5.0, "seconds until the connection closed")
    return f"9 refusals with {size // MIB} MiB behind them"


@case("strict-half-closed")
def half_closed(world):
    """FIN after a whole request is no end of the answer; FIN within one is a broken request."""
    gateway = world.gateway(("GET /pattern", "pattern"), ("POST /sum", "sum"))
    node = world.npm(gateway, "pattern", "sum")
    answers = all_of(gateway, get("/pattern?bytes=3000000") + post(body=b"abc"))
    equal([(answer[0], len(answer[2])) for answer in answers][0], (200, 3_000_000), "a whole request, then FIN")
    equal(json.loads(answers[1][2])["bytes"], 3, "the second request before FIN")
    for data, words in [
        (b"GET /pat", "within the request head"),
        (b"GET /pattern HTTP/1.1\r\nHost: x\r\n", "within the request head"),
        (post(body=b"abc", length=4), "within the request body"),
        (chunked(b"3\r\nabc\r\n"), "within the request body"),
        (chunked(b"3\r\nabc\r\n0\r\nX: y\r\n"), "within the request body"),
    ]:
        answers = all_of(gateway, data)
        equal([answer[0] for answer in answers], [400], f"answers to {data!r}")
        true(words in answers[0][2].decode(), f"{data!r}: {answers[0][2]!r}")
    equal(all_of(gateway, b""), [], "nothing, then FIN")
    equal(node.grep(r"seen sum \d"), ["seen sum 3"], "bodies that the service took for whole")
    return "answered after FIN; 5 broken requests are 400"


@case("strict-continue")
def continues(world):
    """100 only to HTTP/1.1, only where a body is awaited, never after a refusal."""
    gateway = world.gateway(("POST /sum", "sum"), ("POST /ignore", "ignore"), ("GET /hello", "hello_world"), http_keys="max = { body_size = 1000 }")
    world.npm(gateway, "sum", "ignore", "hello_world")
    expect = "Expect: 100-continue\r\n"
    with gateway.connect(seconds=10) as connection:
        for _ in range(2):
            connection.socket.sendall(post(fields=expect, length=3))
            equal(connection.file.readline() + connection.file.readline(), b"HTTP/1.1 100 Continue\r\n\r\n", "before the body")
            connection.socket.sendall(b"abc")
            equal(connection.response("POST").json()["bytes"], 3, "after the body")

    def first_line(data):
        with gateway.connect(seconds=10) as connection:
            connection.socket.sendall(data)
            line = connection.file.readline()
            return int(line.split()[1])

    equal(first_line(post(fields=expect, length=2000)), 413, "a body that is too large")
    equal(first_line(post("/nowhere", fields=expect, length=3)), 404, "no route")
    equal(first_line(post(fields=expect, length=0)), 200, "no body")
    equal(first_line(get(fields=expect)), 200, "no framing")
    equal(first_line(post(fields=expect, body=b"abc")), 200, "a body that did not wait")
    equal(first_line(post(fields="Expect: 100-continue, x\r\n", length=3)), 417, "another expectation")
    equal(first_line(post(fields=expect, body=b"abc").replace(b"HTTP/1.1", b"HTTP/1.0")), 200, "HTTP/1.0")
    with gateway.connect(seconds=10) as connection:
        connection.socket.sendall(get(fields=expect) + GET)
        equal([connection.response().text() for _ in range(2)], ["Hello world!"] * 2, "the connection lives")
    with gateway.connect(seconds=10) as connection:  # no 100 to HTTP/1.0, though it waits for one
        connection.socket.sendall(post(fields=expect, length=3).replace(b"HTTP/1.1", b"HTTP/1.0"))
        connection.socket.settimeout(0.5)
        try:
            raise AssertionError(f"HTTP/1.0 got {connection.socket.recv(100)!r}")
        except TimeoutError:
            pass
    return "100 twice, never in seven other cases"


@case("strict-single-bytes")
def single_bytes(world):
    """Requests in single bytes; a head that takes too long in all, however steadily it comes."""
    gateway = world.gateway(("GET /hello", "hello_world"), ("POST /sum", "sum"), timeouts='read_header = "1s"\nread = "1s"')
    world.npm(gateway, "hello_world", "sum")
    stream = b"\r\n\r\n" + GET + post(body=b"hello") + chunked(b"2;a=b\r\nhi\r\n0\r\nX: y\r\n\r\n") + get(fields="Connection: close\r\n")
    with gateway.connect(seconds=10) as connection:
        for byte in stream:
            connection.socket.sendall(bytes([byte]))
        answers = rest_of(connection)
    equal([answer[0] for answer in answers], [200] * 4, "answers")
    equal([json.loads(answer[2])["bytes"] for answer in answers[1:3]], [5, 2], "bodies")
    with gateway.connect(seconds=10) as connection:  # a body that nobody wants, longer than `read` in all
        connection.socket.sendall(post("/nowhere", length=16))
        response = connection.response("POST")
        equal((response.status, b"No route" in response.body()), (404, True), "an answer before the body")
        for byte in b"sixteen bytes...":
            connection.socket.sendall(bytes([byte]))
            time.sleep(0.1)  # the slowness that is tested
        connection.socket.sendall(GET)
        equal(connection.response().text(), "Hello world!", "the request behind it")
    begin = time.monotonic()
    with gateway.connect(seconds=10) as connection:
        slow = iter(b"GET /hello HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 100)
        connection.socket.settimeout(0.05)
        status = b""
        while not status and time.monotonic() - begin < 8:
            connection.socket.sendall(bytes([next(slow)]))
            try:
                status = connection.socket.recv(4096)  # waits between two bytes, which is the slowness that is tested
            except TimeoutError:
                pass
    true(status.startswith(b"HTTP/1.1 408 ") and b"http.timeout.read_header" in status, f"a slow head: {status!r}")
    at_most(time.monotonic() - begin, 3.0, "seconds")
    return f"{len(stream)} bytes; a slow head is 408 after {time.monotonic() - begin:.1f} s"


@case("strict-responses")
def responses(world):
    """What the gateway itself must say, and must not, whatever the service does."""
    gateway = world.gateway(("ANY /respond", "respond"), ("GET /hello", "hello_world"), ("GET /pattern", "pattern"))
    node = world.npm(gateway, "respond", "hello_world", "pattern")

    def respond(headers, method="GET", version="1.1", body="body", fields=""):
        quoted = json.dumps(headers).encode().hex()
        query = "".join(f"%{quoted[i:i + 2]}" for i in range(0, len(quoted), 2))
        return ask(gateway, get(f"/respond?headers={query}&body={body}", fields, method, version), method)

    for status in ("204", "205", "304"):
        have, fields, _ = respond({":status": status})
        length = {"204": None, "205": "0", "304": None}[status]
        equal((str(have), fields.get("content-length"), fields.get("transfer-encoding")), (status, length, None), status)
    equal(respond({":status": "304", "content-length": "7"})[1].get("content-length"), "7", "content-length of 304")
    for status in ("100", "101", "103", "199"):
        have, _, body = respond({":status": status})
        equal(have, 502, f"interim {status} by a service")
        true(status in body.decode(), f"the answer does not name {status}")
    equal(respond({}, method="HEAD")[2], b"", "HEAD")
    for data in (get(host="", method="HEAD"), get(version="3.0", method="HEAD"), get("/nowhere", method="HEAD"), get(fields="X : y\r\n", method="HEAD")):
        answers = all_of(gateway, data, ["HEAD"])
        equal((len(answers), answers[0][0] >= 400), (1, True), f"a refused HEAD: {data!r}")
    for status in ("200", "301", "404", "500"):
        have, fields, _ = respond({":status": status})
        true(fields["date"].endswith(" GMT") and len(fields["date"]) == 29, f"date of {status}: {fields}")
    challenge = 'Basic realm="a, b", charset="UTF-8"'
    equal(respond({":status": "401", "www-authenticate": challenge})[1].get("www-authenticate"), challenge, "a challenge of the service")
    status, fields, _ = ask(gateway, get(method="DELETE"))
    equal((status, fields["allow"]), (405, "GET, HEAD, OPTIONS"), "405")
    for split in ("a\r\nx-evil: 1", "a\nx-evil: 1", "a\rb", "a\x00b"):
        status, fields, _ = respond({"x-split": split})
        equal((status, fields.get("x-evil")), (502, None), f"a value {split!r}")
    with gateway.connect(seconds=10) as connection:  # HTTP/1.0: no chunks, the end of the connection ends the body
        connection.socket.sendall(get("/pattern?bytes=200000", version="1.0"))
        head, _, body = connection.file.read().partition(b"\r\n\r\n")
        equal((b"transfer-encoding" in head, b"\r\nconnection: close" in head, len(body)), (False, True, 200_000), "HTTP/1.0")
    with gateway.connect(seconds=10) as connection:
        connection.socket.sendall(get(version="1.0", fields="Connection: keep-alive\r\n") * 2)
        for _ in range(2):
            response = connection.response()
            equal((response.header("connection"), response.body()), ("keep-alive", HELLO), "HTTP/1.0 that asked to stay")
    true(node.alive(), "the service died")
    return "statuses without a body, HEAD, Date, Allow, HTTP/1.0"


@case("strict-random-sequences", seconds=60)
def random_sequences(world):
    """Piped requests of every kind, cut into writes at random: each answer is the one of its request, in order."""
    gateway = world.gateway(("GET /hello", "hello_world"), ("GET /headers", "headers"), ("POST /sum", "sum"), ("POST /ignore", "ignore"))
    node = world.npm(gateway, "hello_world", "headers", "sum", "ignore")
    dice = random.Random(3)

    def body():
        return dice.randbytes(dice.choice((0, 1, 2, 100, 5000, 70_000)))

    def in_chunks(data):
        out, at = b"", 0
        while at < len(data):
            size = dice.randint(1, max(1, len(data) // 3))
            piece = data[at : at + size]
            out += b"%x%b\r\n%b\r\n" % (len(piece), dice.choice((b"", b";a", b';b="c;d"')), piece)
            at += size
        return out + b"0\r\n" + dice.choice((b"", b"X: y\r\n")) + b"\r\n"

    def step(number):
        """Bytes, method, and what the answer must satisfy."""
        data, expect = body(), dice.choice(("", "Expect: 100-continue\r\n"))
        counted = lambda answer: answer[0] == 200 and json.loads(answer[2])["bytes"] == len(data)
        kinds = [
            (GET, "GET", lambda answer: answer[2] == HELLO),
            (get(method="HEAD"), "HEAD", lambda answer: (answer[0], answer[2]) == (200, b"")),
            (get(f"/headers?n={number}"), "GET", lambda answer: json.loads(answer[2])["query.n"] == str(number)),
            (get("/nowhere"), "GET", lambda answer: answer[0] == 404),
            (get(method="OPTIONS"), "OPTIONS", lambda answer: answer[0] == 204),
            (b"\r\n" + get(method="PATCH"), "PATCH", lambda answer: answer[0] == 405),
            (post(body=data, fields=expect), "POST", counted),
            (chunked(in_chunks(data), fields=expect), "POST", counted),
            (post("/ignore", body=data), "POST", lambda answer: answer[2] == b"not read"),
            (chunked(in_chunks(data), "/nowhere"), "POST", lambda answer: answer[0] == 404),
        ]
        return dice.choice(kinds)

    count = 0
    for _ in range(60):
        steps = [step(number) for number in range(dice.randint(1, 12))]
        stream, answers = b"".join(step[0] for step in steps), []
        with gateway.connect(seconds=10) as connection:
            reader = threading.Thread(target=lambda: answers.extend(rest_of(connection, [step[1] for step in steps])))
            reader.start()
            while stream:
                size = dice.choice((1, 3, 50, 4000, 100_000))
                connection.socket.sendall(stream[:size])
                stream = stream[size:]
            connection.socket.shutdown(socket.SHUT_WR)
            reader.join()
        equal(len(answers), len(steps), "answers")
        for (data, _, check), answer in zip(steps, answers):
            true(check(answer), f"the answer to {data[:60]!r}: {answer[0]} {answer[2][:60]!r}")
        count += len(steps)
    true(node.alive() and gateway.process.alive(), "a process died")
    return f"{count} requests on 60 connections"
