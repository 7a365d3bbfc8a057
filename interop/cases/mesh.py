"""Links between the gateway, nodes of ours and npm nodes: joining, finding each other, coming back."""

import signal

from harness.checks import at_most, case, equal, parallel, true, until
from harness.http import get
from harness.process import free_port

HELLO = b"Hello world!"
RUST_NODES = 5
# The package's bootstrap asks again for ever if an ID is repeated to it; seen: thousands of requests and no return.
START_SECONDS_MAX = 10


@case("five-nodes", seconds=120)
def five_nodes(world):
    """Five identified nodes of ours and npm joiners, anonymous and identified: Node.start returns for each."""
    gateway = world.gateway(("GET /name", "name"), ("GET /hello", "hello_world"))
    nodes = [world.rust_node(gateway.address) for _ in range(RUST_NODES)]
    gateway.process.wait_line(r"has connected|now connected", count=RUST_NODES)
    addresses = [gateway.address, *(listen for _, listen in nodes)]
    joiners = []
    for i in range(4):
        bind = f"127.0.0.1:{free_port()}" if i % 2 else None
        joiners.append(world.npm(gateway, "name", name=f"joiner {i}", bind=bind, wait=False, addresses=addresses[: 1 + i]))
        joiners[-1].wait_line("^ready$", seconds=START_SECONDS_MAX)
    joiners[0].wait_line(r"Discovered \d+ peer")
    seen = set()

    def all_answer():
        seen.add(gateway.get("/name")[2].decode())
        return len(seen) == len(joiners)

    until(all_answer, "an answer of each joiner", seconds=20)
    for process in [gateway.process, *(node for node, _ in nodes), *joiners]:
        true(process.alive(), f"{process.name} died")
    equal(gateway.get("/hello")[2], HELLO, "the service of our nodes")
    return f"{len(joiners)} joiners: {', '.join(line.split('flatend ')[-1] for joiner in joiners for line in joiner.grep('Discovered'))}"


@case("identified-npm-node")
def identified_npm_node(world):
    """An npm node with a key and a listener: one link, one provider, and requests over it."""
    gateway = world.gateway(("GET /name", "name"))
    node = world.npm(gateway, "name", name="identified", bind=(bind := f"127.0.0.1:{free_port()}"))
    gateway.process.wait_line(rf"{bind} has connected\. Services: \[name\]")
    for _ in range(20):
        equal(gateway.get("/name")[::2], (200, b"identified"), "answer")
    true(node.alive(), "the service died")
    return f"{bind} has connected"


@case("gateway-dials-npm")
def gateway_dials_npm(world):
    """The gateway's bootstrap address is an npm node: it dials, and dials again after that node restarts."""
    bind = f"127.0.0.1:{free_port()}"
    start = lambda name: world.npm(None, "name", "echo", name=name, bind=bind, addresses=[])  # noqa: E731
    node = start("first")
    gateway = world.gateway(("GET /name", "name"), mesh_keys=f'bootstrap = ["{bind}"]')
    until(lambda: gateway.get("/name")[2] == b"first", "an answer of the dialed node")
    node.kill()
    node = start("second")
    until(lambda: gateway.get("/name")[2] == b"second", "an answer after its restart", seconds=20)
    true(node.alive(), "the service died")
    return "dialed, and dialed again"


def restart(world, end):
    gateway = world.gateway(("GET /hello", "hello_world"))
    node = world.npm(gateway, "hello_world")
    for _ in range(2):
        equal(gateway.get("/hello")[2], HELLO, "before the restart")
        end(gateway.process)
        gateway.restart()
        # The process is young: a request may be held until the service has dialed again.
        until(lambda: gateway.get("/hello")[2] == HELLO, "the service to be back by itself", seconds=10)
    true(node.alive(), "the service died")
    return f"back by itself, {len(node.grep('You have connected'))} connections in all"


@case("gateway-restart")
def gateway_restart(world):
    return restart(world, lambda process: equal(process.stop(), 0, "exit code"))


@case("gateway-killed")
def gateway_killed(world):
    return restart(world, lambda process: process.kill())


@case("gateway-restart-under-load", seconds=90)
def gateway_restart_under_load(world):
    """SIGTERM with requests in flight, twice: the npm process must see no reset, which would end it."""
    gateway = world.gateway(("GET /hello", "hello_world"), ("POST /echo", "echo"))
    node = world.npm(gateway, "hello_world", "echo")
    for _ in range(2):
        load = gateway.load("/hello", HELLO.decode(), threads=4)
        until(lambda: load.count() > 100, "100 answers")
        gateway.process.signal(signal.SIGTERM)
        equal(gateway.process.wait_exit(15), 0, "exit code")
        load.end()
        equal(load.bad_answers(), [], "answers other than hello")
        gateway.restart()
        until(lambda: gateway.get("/hello")[2] == HELLO, "the service to be back", seconds=10)
    true(node.alive(), "the service died")
    return f"the service lives, {len(node.grep('You have connected'))} connections in all"


@case("many-npm-services", seconds=90)
def many_npm_services(world):
    """Ten npm processes with a service each, started at once."""
    names = [f"service-{i}" for i in range(10)]
    gateway = world.gateway(*((f"GET /{name}", name) for name in names))
    nodes = [world.npm(gateway, f"{name}=name", name=name, wait=False) for name in names]
    for node in nodes:
        node.wait_line("^ready$", seconds=20)
    answers = parallel(len(names), lambda i: get(gateway.port, f"/{names[i]}")[2].decode())
    equal(answers, names, "answers")
    at_most(len(gateway.process.grep("has connected")), len(names), "connections")
    return f"{len(names)} services answer"
