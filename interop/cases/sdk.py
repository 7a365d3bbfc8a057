"""Nodes of the Rust SDK and of the npm package that find each other through a third node, and call each other."""

import json
import re

from harness.checks import case, equal, true, until
from harness.process import free_port

BYTES = 300_000_000


def example(world, name, *arguments):
    return world.process(name, [world.binary(name), *arguments], world.subfolder(name))


@case("npm-calls-rust", seconds=120)
def npm_calls_rust(world):
    """npm finds a Rust node through the gateway, dials it, and streams 300 MB each way to it and back."""
    gateway = world.gateway(("GET /download", "download"))
    rust = example(world, "e2e", gateway.address)
    gateway.process.wait_line(r"[\d.:]+ has connected\. Services: \[download upload\]")
    watch = world.until_closed(Peak(rust))
    caller = world.script("caller", json.dumps({"addrs": [gateway.address], "bytes": BYTES}))
    line = caller.wait_line(r'^\{"sent"', seconds=100)
    equal(caller.wait_exit(), 0, "the caller's exit code")
    seen = json.loads(line)
    equal(seen["uploaded"], {"bytes": BYTES, "b2sum": seen["sent"]}, "what the Rust service read")
    downloaded = seen["downloaded"]
    equal((downloaded["bytes"], downloaded["b2sum"]), (BYTES, downloaded["said"]), "what npm read")
    # Straight, not through the gateway: the node was called by somebody who dialed it.
    true(rust.grep("has connected"), f"nobody dialed the Rust node: {rust.lines}")
    equal(gateway.process.memory("VmHWM") < 100 << 20, True, "the gateway's memory")
    return f"300 MB each way, {watch.bounded()}"


class Peak:
    """The peak of a process's memory."""

    def __init__(self, process):
        self._process, self._rest = process, process.memory()

    def end(self):
        pass

    def bounded(self):
        peak = self._process.memory("VmHWM")
        true(peak - self._rest < 64 << 20, f"the Rust node grew from {self._rest >> 20} to {peak >> 20} MiB")
        return f"the Rust node at most {peak >> 20} MiB"


@case("rust-calls-npm")
def rust_calls_npm(world):
    """A Rust service asks an npm service by name, which it found through the gateway; killed and back, it is found again."""
    gateway = world.gateway(("GET /greeting", "greeting"))
    bind = f"127.0.0.1:{free_port()}"
    start = lambda name: world.npm(gateway, "clock=name", name=name, bind=bind)  # noqa: E731
    npm = start("1")
    rust = example(world, "clock", "greeting", gateway.address)
    rust.wait_line(rf"(now connected to {bind}|{bind} has connected)")
    greeting = "Hello! {} seconds have passed since 1970."
    until(lambda: gateway.get("/greeting")[2].decode().strip() == greeting.format(1), "the time of the npm node")
    npm.kill()
    status, _, body = gateway.get("/greeting")
    equal((status, bool(re.search("no connected node offers", body.decode()))), (503, True), f"with the npm node gone ({body})")
    npm = start("2")
    until(lambda: gateway.get("/greeting")[2].decode().strip() == greeting.format(2), "the time of the new npm node", seconds=20)
    true(npm.alive() and rust.alive(), "somebody died")
    return "found, lost and found again"


@case("mesh-without-its-bootstrap", seconds=60)
def without_bootstrap(world):
    """The node through which they met is killed: the others still talk, and it is joined again when it returns."""
    gateway = world.gateway(("GET /greeting", "greeting"))
    first = world.gateway(("GET /none", "none"))
    time = example(world, "clock", "time", first.address)
    first.process.wait_line(r"has connected\. Services: \[clock\]")
    greeting = example(world, "clock", "greeting", first.address)
    greeting.wait_line(r"now connected to \S+\. Services: \[clock\]|has connected\. Services: \[clock\]")
    gateway.process.stop()
    config = gateway.folder / "config.toml"
    config.write_text(f'bootstrap = ["{first.address}"]\n' + config.read_text())
    gateway.restart()
    wanted = "seconds have passed"
    until(lambda: wanted in gateway.get("/greeting")[2].decode(), "a greeting through the mesh", seconds=20)
    first.process.kill()
    for _ in range(20):
        status, _, body = gateway.get("/greeting")
        equal((status, wanted in body.decode()), (200, True), f"without the first node ({body})")
    first.restart()
    first.process.wait_line(r"has connected\. Services: \[clock\]", seconds=40)
    first.process.wait_line(r"has connected\. Services: \[greeting\]", seconds=40)
    equal(gateway.get("/greeting")[0], 200, "after its return")
    true(time.alive() and greeting.alive(), "somebody died")
    return "20 greetings without it; joined again"
