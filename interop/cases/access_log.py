"""The access log: one line for each request, whatever becomes of it; nothing that a client sends leaves its field."""

import json
import os
import re
import signal
import socket

from harness.checks import at_most, case, equal, true, until
from harness.configured import Configured, route
from harness.http import Cut
from harness.pattern import pattern

from .lifecycle import run_once

NAMES = [
    "time", "client", "port", "id", "method", "target", "version", "host", "route", "provider", "referer", "user_agent",
    "status", "bytes_out", "tries", "bytes_in", "duration_ms", "upstream_ms", "end",
]  # fmt: skip
NO_HOLD = 'hold = "0s"'
ROUTES = [
    ("GET /pattern", "pattern"),
    ("POST /sum", "sum"),
    ("GET /hello", "hello_world"),
    ("GET /nobody", "nobody", NO_HOLD),
]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Log:
    """The lines of one file, waited for."""

    def __init__(self, gateway, name="access.log"):
        self.path = gateway.folder / name

    def lines(self):
        return self.path.read_text().splitlines() if self.path.exists() else []

    def wait(self, count):
        until(lambda: len(self.lines()) >= count, f"{count} lines in the access log")
        lines = self.lines()
        equal(len(lines), count, f"lines ({lines[-3:]})")
        return lines

    def by_target(self, count):
        return {(line := json.loads(text))["target"]: line for text in self.wait(count)}


# Lines of several shards come in blocks; one shard keeps their order.
def json_gateway(world, **keys):
    extra = 'access_log = "access.log"\naccess_log_format = "json"\n'
    gateway = world.gateway(*ROUTES, http_keys=extra + "max = { body_size = 1000 }", **keys)
    return gateway, Log(gateway)


def raw(gateway, text):
    """Sends bytes, ends our side, and reads until the connection is closed."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


@case("access-log-json")
def access_log_json(world):
    """Every way in which a request can end, each with exactly one line."""
    gateway, log = json_gateway(world)
    world.npm(gateway, "pattern", "sum", "hello_world")
    agent = [("User-Agent", "test/1"), ("Referer", "http://a.example/"), ("X-Request-Id", "one")]
    equal(gateway.get("/hello?one=1", agent)[0], 200, "status")
    equal(gateway.get("/hello?head=1", method="HEAD")[0], 200, "status of HEAD")
    equal(gateway.get("/nowhere")[0], 404, "status")
    equal(gateway.get("/hello/")[0], 301, "status")
    equal(gateway.get("/hello", method="DELETE")[0], 405, "status")
    equal(gateway.get("/nobody")[0], 503, "status")
    equal(gateway.get("/hello?bad=%zz")[0], 400, "status")
    for target, size, status in (("/sum?fits", 1000, 200), ("/sum?large", 1001, 413)):
        with gateway.connect() as connection:
            response = connection.upload("POST", target, size, pattern(size))
            equal(response.status, status, target)
            response.body()
    seen = log.by_target(9)
    one = seen["/hello?one=1"]
    equal(list(one), NAMES, "names")
    true(TIME.fullmatch(one["time"]), one["time"])
    want = {
        "client": "127.0.0.1", "id": "one", "method": "GET", "version": "HTTP/1.1", "host": f"127.0.0.1:{gateway.port}",
        "route": "GET /hello", "referer": "http://a.example/", "user_agent": "test/1", "status": 200, "bytes_out": 12, "tries": 1,
        "bytes_in": 0, "end": "complete",
    }  # fmt: skip
    equal({name: one[name] for name in want}, want, "the first line")
    true(one["provider"], f"provider: {one}")
    true(0 <= one["upstream_ms"] <= one["duration_ms"] < 5000, f"times: {one}")
    want = {
        "/hello?head=1": (200, "GET /hello", 0, 0, 1),
        "/nowhere": (404, None, 0, None, 0),
        "/hello/": (301, None, 0, None, 0),
        "/hello": (405, None, 0, None, 0),
        "/nobody": (503, "GET /nobody", 0, None, 0),
        "/hello?bad=%zz": (400, "GET /hello", 0, None, 0),
        "/sum?fits": (200, "POST /sum", 1000, None, 1),
        "/sum?large": (413, "POST /sum", 0, None, 0),
    }
    for target, (status, route, read, sent, tries) in want.items():
        line = seen[target]
        equal((line["status"], line["route"], line["bytes_in"], line["tries"]), (status, route, read, tries), target)
        equal(line["end"], "complete", target)
        true(line["id"] and (sent is None or line["bytes_out"] == sent), f"{target}: {line}")
    return f"{len(seen)} lines"


@case("access-log-unhappy-ends")
def access_log_unhappy_ends(world):
    """Heads that cannot be read, clients that go, services that break off, a drain that cuts."""
    gateway, log = json_gateway(world, timeouts='shutdown = "300ms"\nread_header = "300ms"', mesh_keys="shards = 1")
    node = world.npm(gateway, "pattern", "sum", "hello_world")
    raw(gateway, b"GET / HTTP/1.1\r\nno colon\r\n\r\n")
    raw(gateway, b"GET /half HTT")
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(b"GET /stalls")
        while connection.recv(65536):
            pass
    unread = [json.loads(line) for line in log.wait(3)]
    equal([line["status"] for line in unread], [400, 400, 408], "statuses of heads that could not be read")
    for line in unread:
        equal({line[name] for name in ("method", "target", "host", "route", "user_agent")}, {None}, "what is unknown")
        true(line["id"] and line["end"] == "complete", f"{line}")
    with gateway.connect() as connection:
        stream = connection.request("GET", "/pattern?bytes=5000&then=hang&gone").stream()
        next(stream)
        connection.reset()
    gone = json.loads(log.wait(4)[3])
    equal((gone["status"], gone["end"], gone["method"]), (200, "client_gone", "GET"), "a client that left")
    with gateway.connect() as connection:
        connection.send_head("POST", "/sum", [("Content-Length", 900)])
        connection.socket.sendall(b"x" * 100)
        node.wait_line("seen sum-begin")
        connection.reset()
    gone = json.loads(log.wait(5)[4])
    want = {"status": None, "end": "client_gone", "route": "POST /sum", "bytes_in": 100, "bytes_out": 0, "tries": 1}
    equal({name: gone[name] for name in want}, want, "an upload that was broken off")
    with gateway.connect() as connection:
        stream = connection.request("GET", "/pattern?bytes=5000&then=hang&broken").stream()
        next(stream)
        node.kill()
        try:
            b"".join(stream)
        except Cut:
            pass
    broken = json.loads(log.wait(6)[5])
    equal((broken["status"], broken["end"], broken["bytes_out"]), (200, "cut", 5000), "a service that broke off")
    node = world.npm(gateway, "pattern")
    with gateway.connect() as connection:
        stream = connection.request("GET", "/pattern?bytes=5000&then=hang&cut").stream()
        next(stream)
        gateway.process.signal(signal.SIGTERM)
        try:
            b"".join(stream)
        except Cut:
            pass
        equal(gateway.process.wait_exit(10), 0, "exit code")
    cut = json.loads(log.wait(7)[6])
    equal((cut["status"], cut["end"]), (200, "cut"), "cut at the end")
    equal(cut["bytes_out"], 5000, "bytes of it")
    return ", ".join(str(line["status"]) for line in unread)


@case("access-log-injection")
def access_log_injection(world):
    """The text form: what a client sends stays in its quotes, and long values are cut."""
    gateway = world.gateway(*ROUTES, http_keys='access_log = "access.log"', mesh_keys="shards = 1")
    log = Log(gateway)
    evil = '"\\" 200 0 "x" end=complete\x80\xff\t\x0b'
    head = f"GET /hello?q=\"'<> HTTP/1.1\r\nHost: x\r\nUser-Agent: {evil[:-1]}\r\nReferer: {'r' * 3000}\r\n\r\n"
    raw(gateway, head.encode("latin-1"))
    raw(gateway, b"GET /hello?" + b"q" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    with gateway.connect() as connection:
        connection.socket.sendall(b"".join(b"GET /nowhere?%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(50)))
        equal([connection.response().body() and n for n in range(50)], list(range(50)), "answers to piped requests")
    lines = log.wait(52)
    field = r'"(?:[^"\\]|\\.)*"'
    shape = re.compile(
        rf"127\.0\.0\.1 - - \[{TIME.pattern}\] {field} (?:\d+|-) \d+ {field} {field} id=\S+ host={field} route={field} "
        rf"provider={field} tries=\d+ bytes_in=\d+ duration_ms=\d+ upstream_ms=(?:\d+|-) end=(?:complete|cut|client_gone)"
    )
    for line in lines:
        true(line.isascii() and line.isprintable() and shape.fullmatch(line), line)
    true(r'"\"\\\" 200 0 \"x\" end=complete\x80\xff' in lines[0], f"escaped: {lines[0]}")
    true("r" * 512 + r'\..."' in lines[0] and "r" * 513 not in lines[0], "a long referer is cut")
    true('q' * 2000 in lines[1] and r"\... HTTP/1.1" in lines[1] and len(lines[1]) < 3000, "a long target is cut")
    equal([re.search(r"/nowhere\?(\d+) ", line)[1] for line in lines[2:]], [str(n) for n in range(50)], "piped requests")
    return lines[0][:120]


@case("access-log-rotation")
def access_log_rotation(world):
    """A renamed file is opened anew within a second or so, a truncated one is appended to; nothing is lost."""
    gateway = world.gateway(*ROUTES, http_keys='access_log = "access.log"')
    log, old = Log(gateway), Log(gateway, "access.log.1")
    gateway.get("/a")
    log.wait(1)
    os.rename(log.path, old.path)
    until(log.path.exists, "a new file")
    gateway.get("/b")
    equal([len(log.wait(1)), len(old.wait(1))], [1, 1], "lines")
    os.truncate(log.path, 0)
    gateway.get("/c")
    true("/c" in log.wait(1)[0] and log.path.stat().st_size < 1000, "after copytruncate")
    return "renamed, truncated"


@case("access-log-full-disk")
def access_log_full_disk(world):
    """A device that is full: said once, and requests are served as before."""
    gateway = world.gateway(*ROUTES, http_keys='access_log = "/dev/full"')
    world.npm(gateway, "hello_world")
    for _ in range(3):
        equal(gateway.get("/hello")[0], 200, "status")
        gateway.process.wait_line(r"The access log '/dev/full' cannot be written: no space left on device; its lines are lost until it can\.")
    equal(gateway.process.stop(), 0, "exit code")
    equal(len(gateway.process.grep("access log")), 1, "lines about it")
    text = (gateway.folder / "config.toml").read_text().replace("/dev/full", "/proc/access.log")
    code, lines = run_once(world, text)
    equal((code, len(lines)), (1, 1), f"a file that cannot be made: {lines}")
    true("cannot open the access log '/proc/access.log'" in lines[0], lines[0])
    return gateway.process.grep("access log")[0][20:]


@case("access-log-standard-output")
def access_log_standard_output(world):
    """`-`: lines on standard output, the last ones too when the gateway ends at once after a burst."""
    gateway = world.gateway(*ROUTES, http_keys='access_log = "-"\naccess_log_format = "json"')
    with gateway.connect() as connection:
        for n in range(500):
            connection.request("GET", f"/nowhere?{n}").body()
    equal(gateway.process.stop(), 0, "exit code")
    targets = [json.loads(line)["target"] for line in gateway.process.grep(r"^\{")]
    equal(targets, [f"/nowhere?{n}" for n in range(500)], "lines")
    return f"{len(targets)} lines"


@case("access-log-stuck-reader", seconds=90)
def access_log_stuck_reader(world):
    """Standard output that nobody reads: requests go on, memory is bounded, and each line is written or counted."""
    pipe = world.subfolder("pipe") / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)  # both ways, so that opening it waits for nobody
    config = 'shards = 1\n[[http]]\naddr = "127.0.0.1:{a}"\naccess_log = "-"\n' + route("GET /*rest", "status = 204")
    gateway = Configured(world, config, command=["sh", "-c", f"exec \"$0\" >'{pipe}'"])
    # Lines of 2 KB: more of them than the pipe and the queue hold.
    batch, batches = 100, 130
    requests = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 1900) * batch
    with gateway.connect() as connection:
        for _ in range(batches):
            connection.socket.sendall(requests)
            for _ in range(batch):
                equal(connection.response().status, 204, "status")
    gateway.process.wait_line("standard output cannot be written as fast as requests come: lines are being lost")
    at_most(gateway.process.memory("VmHWM"), 100 << 20, "bytes of memory")
    seen, rest = [], b""

    def read():
        nonlocal rest
        try:
            while piece := os.read(reader, 1 << 20):
                *lines, rest = (rest + piece).split(b"\n")
                seen.extend(line[:60] for line in lines)
        except BlockingIOError:
            pass
        written = sum(not line.startswith(b"# ") for line in seen)
        lost = [int(re.search(rb"Z (\d+) lines were lost", line)[1]) for line in seen if line.startswith(b"# ")]
        return (written, sum(lost)) if written + sum(lost) == batch * batches else None

    written, lost = until(read, "every line to be written or counted", seconds=20)
    true(lost > 0, "nothing was lost: the queue was never full")
    gateway.process.signal(signal.SIGTERM)
    equal(gateway.process.wait_exit(10), 0, "exit code")
    os.close(reader)
    return f"{written} written, {lost} counted"
