"""Start and end of the gateway process: draining, clear refusals, exit codes."""

import hashlib
import re
import signal
import socket
import sys
import time
from pathlib import Path

from harness.checks import at_most, case, equal, true, until
from harness.http import Cut
from harness.pattern import digest
from harness.process import free_port

SIZE = 50_000_000
HARNESS = Path(__file__).resolve().parent.parent / "harness"


def half_read(connection):
    """Begins a download of SIZE bytes and gives its stream when 1 MB has been read."""
    stream = connection.request("GET", f"/pattern?bytes={SIZE}").stream()
    read = []
    while sum(map(len, read)) < 1_000_000:
        read.append(next(stream))
    return read, stream


@case("drain", seconds=60)
def drain(world):
    """SIGTERM: new connections are refused, the running download ends whole, exit code 0."""
    gateway = world.gateway(("GET /pattern", "pattern"), ("GET /hello", "hello_world"))
    node = world.npm(gateway, "pattern", "hello_world")
    with gateway.connect() as busy, gateway.connect() as idle:
        equal(idle.request("GET", "/hello").text(), "Hello world!", "answer before")
        read, stream = half_read(busy)
        begin = time.monotonic()
        gateway.process.signal(signal.SIGTERM)
        until(lambda: refused(gateway.port), "new connections to be refused")
        true(gateway.process.alive(), "the gateway left before its download ended")
        total = hashlib.sha256(b"".join(read))
        for piece in stream:
            total.update(piece)
        equal(total.hexdigest(), digest(SIZE), "the download")
        equal(idle.file.read(1), b"", "an idle connection")
        equal(gateway.process.wait_exit(10), 0, "exit code")
        seconds = time.monotonic() - begin
    true(node.alive(), "the service died of the gateway's end")
    return f"drained in {seconds:.1f} s, exit code 0"


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return False
    except OSError:
        return True


@case("drain-is-bounded", seconds=60)
def drain_is_bounded(world):
    """A download that outlasts `shutdown` is cut, never ended; the exit code is still 0."""
    gateway = world.gateway(("GET /pattern", "pattern"), timeouts='shutdown = "1s"')
    node = world.npm(gateway, "pattern")
    with gateway.connect() as connection:
        stream = connection.request("GET", "/pattern?bytes=1000000&then=hang").stream()
        next(stream)
        begin = time.monotonic()
        gateway.process.signal(signal.SIGTERM)
        try:
            for _ in stream:
                pass
        except Cut:
            pass
        else:
            raise AssertionError("a download that was cut off ended cleanly")
        equal(gateway.process.wait_exit(10), 0, "exit code")
        seconds = time.monotonic() - begin
    at_most(seconds, 5.0, "seconds until the end")
    true(seconds > 0.9, f"left after {seconds:.1f} s: `shutdown` was not waited for")
    true(node.alive(), "the service died of the gateway's end")
    return f"{seconds:.1f} s"


@case("second-signal")
def second_signal(world):
    """SIGINT drains too; a second signal ends the process at once."""
    gateway = world.gateway(("GET /pattern", "pattern"), timeouts='shutdown = "30s"')
    world.npm(gateway, "pattern")
    with gateway.connect() as connection:
        stream = connection.request("GET", "/pattern?bytes=1000000&then=hang").stream()
        next(stream)
        gateway.process.signal(signal.SIGINT)
        until(lambda: refused(gateway.port), "new connections to be refused")
        gateway.process.signal(signal.SIGINT)
        begin = time.monotonic()
        gateway.process.wait_exit(5)
    return f"gone {time.monotonic() - begin:.2f} s after the second"


def run_once(world, config, *arguments):
    """Runs the gateway on what it must refuse: (exit code, lines other than warnings and `Listening …`)."""
    folder = world.subfolder("refused")
    (folder / "config.toml").write_text(config)
    process = world.process("gateway", [world.binary("flatend"), *arguments], folder, {"HOME": str(folder)})
    code = process.wait_exit(10)
    return code, [line for line in process.lines if line.strip() and not re.search("Listening for|: warning: ", line)]


@case("port-in-use")
def port_in_use(world):
    """One line that names the address, exit code 1."""
    seen = []
    for family in ("mesh", "http"):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            taken, free = holder.getsockname()[1], free_port()
            mesh, http = (taken, free) if family == "mesh" else (free, taken)
            code, lines = run_once(world, f'addr = "127.0.0.1:{mesh}"\nstate_dir = "."\n[[http]]\naddr = "127.0.0.1:{http}"\n')
            equal((code, len(lines)), (1, 1), f"exit code and lines ({lines})")
            true(f"127.0.0.1:{taken}" in lines[0] and re.search("in use", lines[0]), f"does not say what is in use: {lines[0]}")
            seen.append(lines[0])
    return " | ".join(seen)


@case("second-gateway")
def second_gateway(world):
    """Two gateways must not share a port in silence."""
    gateway = world.gateway(("GET /hello", "hello_world"))
    code, lines = run_once(world, (gateway.folder / "config.toml").read_text())
    equal((code, len(lines)), (1, 1), f"exit code and lines ({lines})")
    return lines[0]


@case("bad-config")
def bad_config(world):
    """One line with file, line and column, and exit code 1, from the run and from `check`."""
    base = f'addr = "127.0.0.1:{free_port()}"\n[[http]]\naddr = "127.0.0.1:{free_port()}"\n'
    bad = {
        "an unknown key": (base + 'adress = ":3000"\n', "addr"),
        "a value of another type": (base + "addrs = 3000\n", "config.toml:4:"),
        "not TOML": (base + "= 3\n", "config.toml:4:"),
        "a bad duration": (base + '[http.timeout]\nread = "fast"\n', "config.toml:5:"),
        "a bad route": (base + '[[http.routes]]\npath = "hello"\nservice = "a"\n', "config.toml:5:"),
    }
    for what, (config, word) in bad.items():
        for arguments in ([], ["check"]):
            code, lines = run_once(world, config, *arguments)
            equal(code, 1, f"exit code for {what} {arguments}")
            true(lines and re.search(r"config\.toml:\d+:\d+: ", lines[0]) and word in lines[0], f"{what}: {lines}")
            if not arguments:
                equal(len(lines), 1, f"lines for {what} ({lines})")
    return lines[0]


@case("no-io-uring")
def no_io_uring(world):
    """Forbidden, as containers do by default: one line with the cause and the remedy, exit code 1, no panic."""
    folder = world.subfolder("forbidden")
    command = [sys.executable, str(HARNESS / "without_io_uring.py"), world.binary("flatend"), "-p", str(free_port())]
    process = world.process("gateway", command, folder, {"HOME": str(folder)})
    equal(process.wait_exit(10), 1, "exit code")
    lines = [line for line in process.lines if line.strip() and "Unable to find a configuration" not in line]
    equal(len(lines), 1, f"lines ({lines})")
    true("io_uring is forbidden" in lines[0] and "--security-opt" in lines[0], lines[0])
    return lines[0][:100]


@case("no-config")
def no_config(world):
    """No configuration file: one line says so, and the node runs as a plain mesh node."""
    folder, port = world.subfolder("empty"), free_port()
    process = world.process("gateway", [world.binary("flatend"), "-p", str(port)], folder, {"HOME": str(folder)})
    process.wait_line(r"Unable to find a configuration file")
    process.wait_line(rf"Listening for Flatend nodes on '127\.0\.0\.1:{port}'\.")
    node = world.npm(None, "name", addresses=[f"127.0.0.1:{port}"])
    process.wait_line(r"<anon> has connected\. Services: \[name\]")
    equal(process.stop(), 0, "exit code")
    true(node.alive(), "the service died of the node's end")
    return process.grep("Unable")[0].split(" ", 2)[-1]
