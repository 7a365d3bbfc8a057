"""Static files over time: large ones, cold disks, files that change while they are sent, clients that leave."""

import hashlib
import os
import socket
import time

from cases.files import served, site
from harness.checks import at_most, case, equal, milliseconds, parallel, true, until
from harness.http import Connection, Cut
from harness.pattern import digest, pattern

BIG = 100_000_000


def big(folder, name="big", size=BIG):
    with open(folder / name, "wb") as file:
        for piece in pattern(size):
            file.write(piece)
    return folder / name


def open_files(gateway, folder):
    """How often the gateway has a file below the folder open."""
    own, count = f"/proc/{gateway.process.pid}/fd", 0
    for entry in os.listdir(own):
        try:
            count += os.readlink(f"{own}/{entry}").startswith(f"{folder}/")
        except FileNotFoundError:  # closed meanwhile
            pass
    return count


@case("files-large", seconds=90)
def large(world):
    """100 MB, warm and cold, whole and gone on with, in flat memory."""
    folder = site(world, {})
    path = big(folder)
    gateway = served(world, folder)
    gateway.get("/big", [("Range", "bytes=0-0")])
    before = gateway.process.memory()
    times = []
    for cold in [True, False]:
        if cold:
            cool(path)
        begin = time.monotonic()
        with gateway.connect() as connection:
            equal(connection.request("GET", "/big").digest(), (BIG, digest(BIG)), f"the download, cold: {cold}")
        times.append(time.monotonic() - begin)
    # Broken off in the middle, gone on with as curl -C does.
    with gateway.connect() as connection:
        response = connection.request("GET", "/big")
        etag, read, total = response.header("etag"), 0, hashlib.sha256()
        for piece in response.stream():
            read += len(piece)
            total.update(piece)
            if read > BIG // 3:
                break
    status, fields, rest = gateway.get("/big", [("Range", f"bytes={read}-"), ("If-Range", etag)])
    total.update(rest)
    equal((status, total.hexdigest()), (206, digest(BIG)), "the two halves")

    def one(_):
        with gateway.connect() as connection:
            return connection.request("GET", "/big").digest()

    cool(path)
    equal(parallel(4, one), [(BIG, digest(BIG))] * 4, "four at once, cold")
    grown = gateway.process.memory("VmHWM") - before
    at_most(grown, 40_000_000, "bytes that the gateway grew by")
    return f"cold {times[0]:.2f} s, warm {times[1]:.2f} s, {grown / 1e6:.1f} MB more at most"


def cool(path):
    """Throws a file out of the page cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@case("files-change", seconds=60)
def change(world):
    """Files that are replaced, grow or shrink while they are sent; a whole folder put in another's place."""
    size = 30_000_000
    folder = site(world, {"page": "one", "log": "first\n"})
    path = big(folder, size=size)
    gateway = served(world, folder)

    def begun(target):
        """A download of which the first bytes are here, and the rest cannot be in the sockets' buffers."""
        connection = gateway.connect(receive_buffer=65536)
        response = connection.request("GET", target)
        stream = response.stream()
        return connection, response, stream, [next(stream)]

    # Replaced by rename: the old one to its end, then the new one.
    connection, response, stream, read = begun("/big")
    (folder / "new").write_bytes(b"new" * 1_000_000)
    os.rename(folder / "new", path)
    whole = hashlib.sha256(b"".join([*read, *stream])).hexdigest()
    equal(whole, digest(size), "the download that had begun")
    connection.close()
    status, fields, body = gateway.get("/big")
    true(body == b"new" * 1_000_000 or hashlib.sha256(body).hexdigest() == digest(size), "a mix of old and new")
    until(lambda: gateway.get("/big")[2] == b"new" * 1_000_000, "the new file")
    true(gateway.get("/big")[1]["etag"] != response.header("etag"), "the tag is the old one")
    # Written over in place, again and again: head and body are of one file each time.
    for number in range(40):
        letter, length = b"abcdefghij"[number % 10 : number % 10 + 1], 100_000 + number % 3 * 50_000
        path.write_bytes(letter * length)
        status, fields, body = gateway.get("/big")
        equal((status, int(fields["content-length"])), (200, len(body)), "length")
        true(body == letter * length, f"round {number}: {len(body)} bytes that begin {body[:4]!r}")
    # Small files are seen within the cache's second.
    for text in ["two", "three", "x"]:
        (folder / "page").write_text(text)
        until(lambda: gateway.get("/page")[2] == text.encode(), f"'{text}'", seconds=5)
    # Growing: to the announced length.
    big(folder, size=size)
    until(lambda: gateway.get("/big", method="HEAD")[1]["content-length"] == str(size), "the old file again")
    connection, response, stream, read = begun("/big")
    with open(path, "ab") as file:
        file.write(b"more" * 1000)
    equal(hashlib.sha256(b"".join([*read, *stream])).hexdigest(), digest(size), "a file that grew")
    equal(connection.request("GET", "/page").text(), "x", "the next request of that connection")
    connection.close()
    # Shrinking: cut.
    connection, response, stream, read = begun("/big")
    os.truncate(path, size // 2)
    try:
        got = sum(map(len, stream)) + len(read[0])
        raise AssertionError(f"a file that shrank ended cleanly after {got} bytes")
    except Cut:
        pass
    connection.close()
    # Gone: 404, and its room is given back.
    os.remove(path)
    until(lambda: gateway.get("/big")[0] == 404, "404 for a file that was removed")
    until(lambda: open_files(gateway, folder) == 0, "its descriptor to be closed", seconds=15)
    # A deploy: the folder itself is another one.
    other = folder.parent / "next"
    other.mkdir()
    (other / "page").write_text("the next version")
    os.rename(folder, folder.parent / "old")
    until(lambda: gateway.get("/page")[0] == 503, "503 while the folder is away", seconds=5)
    gateway.process.wait_line("which a route serves: [Nn]o such file or directory\\.$")
    os.rename(other, folder)
    until(lambda: gateway.get("/page")[::2] == (200, b"the next version"), "the new folder", seconds=5)
    return "old, new or cut, never a mix"


@case("files-clients", seconds=60)
def clients(world):
    """Clients that leave, that take nothing, and a gateway that drains: descriptors come back, nothing ends as if whole."""
    folder = site(world, {"index.html": "x"})
    size = 30_000_000
    big(folder, size=size)
    gateway = served(world, folder, timeouts='write = "1s"')
    for _ in range(20):
        with gateway.connect(receive_buffer=65536) as connection:
            next(connection.request("GET", "/big").stream())
            connection.reset()
    # One is the cache's own, for ten seconds.
    until(lambda: open_files(gateway, folder) <= 1, "the descriptors of clients that left")
    slow = [gateway.connect(receive_buffer=65536) for _ in range(5)]
    for connection in slow:
        connection.request("GET", "/big")
    begin = time.monotonic()
    equal(gateway.get("/")[2], b"x", "another client meanwhile")
    at_most(time.monotonic() - begin, 0.5, "seconds that it took")
    for connection in slow:
        # They took nothing for longer than `write`: reset.
        until(lambda: gateway.process.alive() and is_gone(connection), "a client that takes nothing to be given up", seconds=15)
        connection.close()
    # A slow one that reads on lives longer than `write`.
    with gateway.connect(receive_buffer=65536) as connection:
        response, read, begin = connection.request("GET", "/big"), 0, time.monotonic()
        for piece in response.stream():
            read += len(piece)
            if time.monotonic() - begin < 2.5:
                time.sleep(0.02)  # a slow reader
        equal(read, size, "bytes of a slow download")
    until(lambda: open_files(gateway, folder) == 0, "the cache to close the file", seconds=15)
    # Drain: the download ends whole.
    with gateway.connect(receive_buffer=65536) as connection:
        stream = connection.request("GET", "/big").stream()
        read = len(next(stream))
        gateway.process.signal(15)
        until(lambda: gateway.process.grep("Shutting down"), "the drain")
        equal(read + sum(map(len, stream)), size, "bytes of a download that the drain waited for")
    equal(gateway.process.wait_exit(10), 0, "exit code")
    return "given back"


def is_gone(connection):
    """Whether a connection was reset, seen without reading from it."""
    return connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 or tcp_state(connection.socket) == 7


def tcp_state(sock):
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


@case("files-cold", seconds=60)
def cold(world):
    """One shard, cold files read all the time: a request that needs no disk does not wait for those that do."""
    folder = site(world, {"index.html": "x"})
    paths = [big(folder, f"big{number}", 20_000_000) for number in range(8)]
    gateway = served(world, folder, ("GET /hello", "hello_world"))
    world.npm(gateway, "hello_world")
    stop, read = [], [0] * 4

    def reader(index):
        while not stop:
            for path in paths[index * 2 : index * 2 + 2]:
                cool(path)
                with Connection(gateway.port) as connection:
                    equal(connection.request("GET", f"/{path.name}").digest()[0], 20_000_000, path.name)
                read[index] += 20_000_000

    def probe():
        times = []
        with gateway.connect() as connection:
            for number in range(200):
                begin = time.monotonic()
                connection.request("GET", "/hello" if number % 2 else "/").body()
                times.append(time.monotonic() - begin)
        return times

    quiet = probe()

    def run(index):
        if index < 4:
            return reader(index)
        try:
            until(lambda: all(read), "every reader to have read once", seconds=30)
            return probe()
        finally:
            stop.append(True)

    busy = parallel(5, run)[4]
    # Not a measure of speed, on a machine that others use: a shard that waited for the disk would show in every request.
    at_most(sorted(busy)[len(busy) // 2], 0.1, "median seconds of a request beside cold reads")
    return f"alone {milliseconds(quiet)}; beside {sum(read) // 1_000_000} MB of cold reads {milliseconds(busy)}"
