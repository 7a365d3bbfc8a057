"""Bodies of all sizes, both ways at once, with checksums."""

import time

from harness.checks import case, equal, parallel, true, until
from harness.load import MIB
from harness.pattern import digest, pattern

SIZES = [0, 1, 2047, 2048, 2049, 65536, MIB]


def echo(connection, size, chunked):
    """Sends `size` bytes and reads them back at the same time."""
    response = connection.upload("POST", "/echo", size, pattern(size), chunked)
    equal(response.status, 200, f"status of an echo of {size} bytes")
    equal(response.digest(), (size, digest(size)), f"echo of {size} bytes")
    connection.sender.join(30)
    equal(connection.sent, None, "sending")


@case("echo-sizes", seconds=120)
def echo_sizes(world):
    gateway = world.gateway(("POST /echo", "echo"))
    world.npm(gateway, "echo")
    with gateway.connect() as connection:
        for size in SIZES:
            for chunked in (False, True):
                echo(connection, size, chunked)
    return f"{', '.join(map(str, SIZES))} bytes, by length and chunked"


@case("echo-300-mb", seconds=180)
def echo_300_mb(world):
    gateway = world.gateway(("POST /echo", "echo"))
    world.npm(gateway, "echo")
    watch, begin = gateway.watch(), time.monotonic()
    with gateway.connect() as connection:
        echo(connection, 300_000_000, chunked=False)
    return f"{300 / (time.monotonic() - begin):.0f} MB/s, {watch.bounded()}"


@case("streams-at-both-ends")
def streams_at_both_ends(world):
    """A response begins while its request still runs: an answer to the first half before the second is sent."""
    gateway = world.gateway(("POST /echo", "echo"))
    world.npm(gateway, "echo")
    with gateway.connect() as connection:
        half = b"".join(pattern(65536))
        connection.send_head("POST", "/echo", [("Content-Length", 2 * len(half))])
        connection.socket.sendall(half)
        stream = connection.response().stream()
        have = b""
        while len(have) < len(half):
            have += next(stream)
        equal(have, half, "the first half")
        connection.socket.sendall(half)
        equal(b"".join(stream), half, "the second half")
    return "the first half was back before the second left"


@case("streams-50", seconds=120)
def streams_50(world):
    """Fifty echoes of 1 MiB over one link, no two of one kind of framing side by side."""
    gateway = world.gateway(("POST /echo", "echo"))
    world.npm(gateway, "echo")
    watch = gateway.watch()

    def one(i):
        with gateway.connect() as connection:
            echo(connection, MIB + i, chunked=i % 2 == 0)

    parallel(50, one)
    return watch.bounded()


@case("answer-without-reading", seconds=90)
def answer_without_reading(world):
    """A handler that answers and never reads: the client sees the answer, not a reset; the service lives."""
    gateway = world.gateway(("POST /ignore", "ignore"), ("GET /hello", "hello_world"))
    node = world.npm(gateway, "ignore", "hello_world")
    for size in (MIB, 20 * MIB):
        for chunked in (False, True):
            with gateway.connect() as connection:
                response = connection.upload("POST", "/ignore", size, pattern(size), chunked)
                equal((response.status, response.text()), (200, "not read"), f"answer to {size} bytes")
            equal(gateway.get("/hello")[2], b"Hello world!", "the next request")
    true(node.alive(), "the service died")
    return "answered at 1 and 20 MiB"


@case("uploads-are-summed")
def uploads(world):
    gateway = world.gateway(("POST /sum", "sum"))
    world.npm(gateway, "sum")
    size = 5 * MIB + 3
    with gateway.connect() as connection:
        for chunked in (False, True):
            response = connection.upload("POST", "/sum", size, pattern(size), chunked)
            equal(response.json(), {"bytes": size, "sha256": digest(size)}, "what the service read")
    return f"{size} bytes twice"


@case("size-limits")
def size_limits(world):
    """[http.max] and [http.min]: the last value that passes, the first that does not; a cut body is never a whole one."""
    gateway = world.gateway(("POST /sum", "sum"), http_keys="min = { body_size = 10 }\nmax = { body_size = 100000 }")
    node = world.npm(gateway, "sum")
    for size, chunked, want in [
        (10, False, 200),
        (10, True, 200),
        (9, False, 400),
        (9, True, 400),
        (100_000, False, 200),
        (100_000, True, 200),
        (100_001, False, 413),
        (100_001, True, 413),
    ]:
        with gateway.connect() as connection:
            response = connection.upload("POST", "/sum", size, pattern(size), chunked)
            equal(response.status, want, f"{size} bytes, {'chunked' if chunked else 'by length'}")
            response.body()
    until(lambda: len(node.grep("seen sum 1")) == 4, "four whole bodies at the service")
    # The chunked 9 bytes were whole and only too few: whether the service saw their end is left open.
    equal(sorted(set(node.grep(r"seen sum \d")) - {"seen sum 9"}), ["seen sum 10", "seen sum 100000"], "bodies taken for whole")
    return "400 below, 413 above"


def gigabyte(world, upload):
    gateway = world.gateway(("POST /sum", "sum"), ("GET /pattern", "pattern"))
    world.npm(gateway, "sum", "pattern")
    size = 1_000_000_000
    want = digest(size)
    watch, begin = gateway.watch(every=5), time.monotonic()
    with gateway.connect(seconds=60) as connection:
        if upload:
            response = connection.upload("POST", "/sum", size, pattern(size))
            equal(response.json(), {"bytes": size, "sha256": want}, "what the service read")
        else:
            response = connection.request("GET", f"/pattern?bytes={size}&length={size}")
            equal(response.digest(), (size, want), "download")
    return f"{size / 1e6 / (time.monotonic() - begin):.0f} MB/s, {watch.bounded()}"


@case("download-1-gb", seconds=300)
def download_1_gb(world):
    return gigabyte(world, upload=False)


@case("upload-1-gb", seconds=300)
def upload_1_gb(world):
    return gigabyte(world, upload=True)
