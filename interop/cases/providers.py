"""npm services that die, restart or share the load."""

import time

from harness.checks import at_most, case, equal, true, until
from harness.http import Cut
from harness.pattern import BLOCK_BYTES, digest, pattern


@case("no-provider")
def no_provider(world):
    """Nobody offers the service: 503 with Retry-After, as soon as nobody can be hoped for any more."""
    gateway = world.gateway(("GET /hello", "hello_world", 'hold = "0s"'), ("GET /held", "hello_world", 'hold = "300ms"'))
    begin = time.monotonic()
    status, fields, body = gateway.get("/hello")
    equal(status, 503, "status")
    true(fields.get("retry-after"), "no Retry-After")
    equal(fields.get("x-request-id") is None, False, "no x-request-id")
    at_most(time.monotonic() - begin, 0.3, "seconds without a hold")
    begin = time.monotonic()
    equal(gateway.get("/held")[0], 503, "status after the hold")
    true(0.25 < time.monotonic() - begin < 2, f"held for {time.monotonic() - begin:.2f} s instead of 0.3")
    status, fields, body = gateway.get("/hello", [("Accept", "application/json")])
    equal(fields.get("content-type"), "application/problem+json", "content-type for a client that asks for JSON")
    return body.decode()[:120]


@case("provider-killed-in-mid-stream")
def provider_killed(world):
    """The client's response is cut, chunked or with a length, and never ended as if it were whole."""
    gateway = world.gateway(("GET /pattern", "pattern"))
    for query in ("bytes=1000000&then=hang", "bytes=1000000&length=2000000&then=hang", "bytes=500000000"):
        node = world.npm(gateway, "pattern")
        with gateway.connect() as connection:
            stream = connection.request("GET", f"/pattern?{query}").stream()
            read = 0
            while read < 10 * BLOCK_BYTES:
                read += len(next(stream))
            node.kill()
            try:
                read += sum(len(piece) for piece in stream)
            except Cut:
                continue
        raise AssertionError(f"{query}: {read} bytes ended cleanly although the service was killed")
    true(gateway.process.alive(), "the gateway died")
    begin = time.monotonic()
    equal(gateway.get("/pattern?bytes=1")[0], 503, "with no provider left")
    return f"cut three times; 503 after a hold of {time.monotonic() - begin:.1f} s"


@case("provider-killed-in-mid-upload")
def provider_killed_in_mid_upload(world):
    """No response had begun and a POST is not repeated: 502, which a client that still sends can read."""
    gateway = world.gateway(("POST /sum", "sum"))
    node, other = world.npm(gateway, "sum", name="one"), world.npm(gateway, "sum", name="two")
    with gateway.connect() as connection:
        connection.send_head("POST", "/sum", [("Content-Length", 1_000_000)])
        connection.socket.sendall(b"".join(pattern(500_000)))
        until(lambda: node.grep("sum-begin") or other.grep("sum-begin"), "the upload at one of two services")
        busy, idle = (node, other) if node.grep("sum-begin") else (other, node)
        busy.kill()
        response = connection.response()
        equal(response.status, 502, "status")
        response.body()
    equal(idle.grep("sum"), [], "what the other service saw")
    with gateway.connect() as connection:
        response = connection.upload("POST", "/sum", 1_000_000, pattern(1_000_000))
        equal(response.json()["sha256"], digest(1_000_000), "the next upload")
    return "502, and the next upload goes to the other service"


@case("two-providers")
def two_providers(world):
    """Two share the load; one is killed under it, and no GET fails."""
    gateway = world.gateway(("GET /name", "name"))
    first, second = world.npm(gateway, "name", name="first"), world.npm(gateway, "name", name="second")
    load = gateway.load("/name", "first|second")
    until(lambda: load.count() > 600, "600 answers from both", seconds=20)
    shares = [sum(body == name for _, body, _ in load.answers) for name in ("first", "second")]
    true(min(shares) > sum(shares) / 5, f"the load is not shared: {shares}")
    first.kill()
    at_kill = load.count()
    until(lambda: load.count() > at_kill + 400, "400 answers after the kill", seconds=20)
    load.end()
    equal(load.failures(), [], "failed requests")
    equal({body for _, body, _ in load.answers[at_kill + 100 :]}, {"second"}, "who answers at the end")
    true(second.alive(), "the second service died")
    return f"{shares[0]}:{shares[1]} before, {len(load.answers)} answers, none failed"


@case("service-restart-under-requests", seconds=90)
def service_restart(world):
    """The only provider restarts while requests come in: they are held, and none is lost."""
    gateway = world.gateway(("GET /name", "name", 'hold = "10s"'))
    node, load = world.npm(gateway, "name", name="0"), gateway.load("/name", r"\d")

    def answered_by(name, times):
        return lambda: sum(body == name for _, body, _ in load.answers) >= times

    for generation in range(3):
        until(answered_by(str(generation), 100), f"100 answers of process {generation}")
        node.stop() if generation % 2 else node.kill()
        node = world.npm(gateway, "name", name=str(generation + 1))
    until(answered_by("3", 100), "100 answers of the last process")
    load.end()
    equal(load.failures(), [], "lost requests")
    return f"{len(load.answers)} answers over three restarts, slowest {load.slowest():.1f} s"


@case("default-hold", seconds=60)
def default_hold(world):
    """Without a `hold`, a service that is away for a moment costs its clients a moment."""
    gateway = world.gateway(("GET /name", "name"))
    node = world.npm(gateway, "name", name="old")
    equal(gateway.get("/name")[2], b"old", "answer")
    node.kill()
    world.npm(gateway, "name", name="new", wait=False)
    equal(gateway.get("/name")[::2], (200, b"new"), "a request while the service starts")
    return "held until the service was back"


@case("route-timeout")
def route_timeout(world):
    """A handler that never answers: 504 after the route's timeout, and others on the link go on."""
    gateway = world.gateway(("GET /slow", "pattern", 'timeout = "400ms"'), ("GET /hello", "hello_world"))
    node = world.npm(gateway, "pattern", "hello_world")
    begin = time.monotonic()
    equal(gateway.get("/slow?bytes=0&then=hang")[0], 504, "status")
    at_most(time.monotonic() - begin, 2.0, "seconds")
    equal(gateway.get("/hello")[0], 200, "the next request")
    true(node.alive(), "the service died")
    return f"504 after {time.monotonic() - begin:.2f} s"
