"""`flatend call`: services of npm nodes that only dialed in, asked from the command line through a gateway that relays."""

import subprocess

from harness.checks import case, equal, true
from harness.pattern import pattern

RELAY = "relay = true"


def call(world, gateway, *arguments, body=None):
    """Status, output and errors of one call."""
    stdin = {"stdin": subprocess.DEVNULL} if body is None else {"input": body}
    argv = [world.binary("flatend"), "call", *arguments, "--node", gateway.address]
    ran = subprocess.run(argv, capture_output=True, timeout=60, **stdin)
    return ran.returncode, ran.stdout, ran.stderr.decode()


@case("call-through-a-relay", seconds=120)
def call_through_a_relay(world):
    """The npm quickstart dials a gateway with `relay = true`; `flatend call hello_world --node …` answers."""
    gateway = world.gateway(("GET /hello", "hello_world"), mesh_keys=RELAY)
    node = world.npm(gateway, "hello_world", "echo")
    for _ in range(5):
        equal(call(world, gateway, "hello_world"), (0, b"Hello world!", ""), "the quickstart")
    body = b"".join(pattern(20_000_000))
    status, echoed, error = call(world, gateway, "echo", body=body)
    equal((status, len(echoed), error), (0, len(body), ""), "20 MB there and back")
    true(echoed == body, "the bytes differ")
    status, output, error = call(world, gateway, "nobody")
    equal((status, output), (1, b""), "a name that nobody offers")
    true("no node offers 'nobody'" in error, f"it says {error!r}")
    true(node.alive() and gateway.process.alive(), "somebody died")
    equal(gateway.get("/hello")[2], b"Hello world!", "the gateway's own route")
    return "hello_world, and 20 MB through echo"


@case("call-without-a-relay")
def call_without_a_relay(world):
    """Without `relay` the same gateway answers for itself alone, and the call says what to set."""
    gateway = world.gateway(("GET /hello", "hello_world"))
    node = world.npm(gateway, "hello_world")
    status, output, error = call(world, gateway, "hello_world")
    equal((status, output), (1, b""), "the call")
    true("relay = true" in error, f"it says {error!r}")
    true(node.alive(), "the service died")
    return error.strip()
