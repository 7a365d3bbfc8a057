"""The Node.js examples of the npm package, each behind the gateway with the routes that its own configuration has."""

import json
from pathlib import Path

from harness.checks import case, equal, true, until
from harness.pattern import digest, pattern
from harness.process import free_port
from harness.world import INTEROP

SOURCE = Path(INTEROP / "services/seed.js")


def seed(world, which, gateway, *arguments):
    example = world.script("seed", which, gateway.address, *arguments)
    example.name = which
    example.wait_line("^ready$")
    return example


@case("seed-hello-world")
def hello_world(world):
    """It serves, and asks for its own name, which nobody else offers: the package says so, and the service lives."""
    gateway = world.gateway(("GET /hello", "hello_world"))
    example = seed(world, "hello_world", gateway, "hello_world")
    for _ in range(3):
        example.wait_line(r"No nodes were able to process your request for service\(s\): \[hello_world\]")
        status, _, body = gateway.get("/hello")
        equal((status, body), (200, b"Hello world!"), "answer")
    example.kill()
    until(lambda: gateway.process.grep(r"<anon> has disconnected"), "word that it has gone")
    return "served while it asked"


@case("seed-counter")
def counter(world):
    gateway = world.gateway(("GET /", "count"))
    seed(world, "counter", gateway)
    with gateway.connect() as connection:
        counted = [connection.request("GET", "/").text() for _ in range(50)]
    equal(counted, [str(number) for number in range(50)], "counts")
    return "0 to 49"


@case("seed-file")
def file(world):
    """A stream of the file system piped into the answer."""
    gateway = world.gateway(("GET /", "file"))
    seed(world, "file", gateway)
    for _ in range(5):
        status, _, body = gateway.get("/")
        equal((status, body), (200, SOURCE.read_bytes()), "its own source")
    return f"{SOURCE.stat().st_size} bytes of itself"


@case("seed-pipe")
def pipe(world):
    """The request piped into the answer: the example's picture of 1.6 MB, nothing, and one byte."""
    gateway = world.gateway(("POST /pipe", "pipe"))
    seed(world, "pipe", gateway)
    for size in [0, 1, 1_600_000]:
        with gateway.connect() as connection:
            response = connection.upload("POST", "/pipe", size, pattern(size))
            equal((response.status, response.digest()), (200, (size, digest(size))), f"{size} bytes piped")
    return "0 to 1,600,000 bytes"


@case("seed-todo")
def todo(world):
    """A page from the gateway's files, four services with parameters in their paths."""
    public = world.subfolder("public")
    (public / "index.html").write_text('<script src="/main.js"></script>')
    (public / "main.js").write_text("fetch('/todos')")
    gateway = world.gateway(
        ("GET /", None, f'static = "{public}"'),
        ("GET /todos", "all_todos"),
        ("GET /todos/add/:content", "add_todo"),
        ("GET /todos/remove/:id", "remove_todo"),
        ("GET /todos/done/:id", "done_todo"),
    )
    seed(world, "todo", gateway)

    def got(target):
        status, _, body = gateway.get(target)
        equal(status, 200, target)
        return json.loads(body)

    equal(gateway.get("/")[2], (public / "index.html").read_bytes(), "the page")
    equal(gateway.get("/main.js")[2], (public / "main.js").read_bytes(), "its script")
    equal(got("/todos"), [], "the list at first")
    equal(got("/todos/add/milk%20%26%20bread"), {"changes": 1, "lastInsertRowid": 1}, "what was added")
    equal(got("/todos/add/%C3%A4pfel")["lastInsertRowid"], 2, "the second one")
    equal(got("/todos/done/1"), {"changes": 1}, "what was done")
    equal(got("/todos/remove/3"), {"changes": 0}, "what is not there")
    milk = {"id": 1, "content": "milk & bread", "state": "done"}
    equal(got("/todos"), [milk, {"id": 2, "content": "äpfel", "state": ""}], "the list")
    equal(got("/todos/remove/1"), {"changes": 1}, "what was removed")
    equal([todo["id"] for todo in got("/todos")], [2], "the list at last")
    return "page and list"


@case("seed-e2e", seconds=90)
def e2e(world):
    """Three nodes that begin with one of them, as the example has it, and the gateway as a fourth."""
    first = f"127.0.0.1:{free_port()}"
    bootstrap = world.script("seed", "bootstrap", "-", "node", first)
    bootstrap.name = "bootstrap"
    bootstrap.wait_line(r"No nodes were able to process your request for service\(s\): \[node\]")
    gateway = world.gateway(("GET /bootstrap", "bootstrap"), ("GET /node", "node"), mesh_keys=f'bootstrap = ["{first}"]')
    nodes = [world.script("seed", "node", first, "bootstrap", f"127.0.0.1:{free_port()}") for _ in range(2)]
    talk(bootstrap, nodes, gateway)
    nodes[0].kill()
    for _ in range(20):
        equal(gateway.get("/node")[0], 200, "the other node")
    true(bootstrap.alive() and nodes[1].alive(), "somebody died")
    return "three nodes and the gateway"


@case("seed-e2e-by-gateway", seconds=90)
def e2e_by_gateway(world):
    """The gateway is the one that the others begin with. Two of them: whoever else begins there would search for ever (N04)."""
    gateway = world.gateway(("GET /bootstrap", "bootstrap"), ("GET /node", "node"))
    bootstrap = seed(world, "bootstrap", gateway, "node", f"127.0.0.1:{free_port()}")
    node = seed(world, "node", gateway, "bootstrap", f"127.0.0.1:{free_port()}")
    talk(bootstrap, [node], gateway)
    return "two nodes that met at the gateway"


def talk(bootstrap, nodes, gateway):
    """Everybody asks everybody, and the gateway both services."""
    size = SOURCE.stat().st_size
    for node in nodes:
        node.wait_line(rf"^got {size} bytes from bootstrap$", seconds=20)
    bootstrap.wait_line(rf"^got {size} bytes from node$", seconds=20)
    for target in ["/bootstrap", "/node"]:
        until(lambda: gateway.get(target)[:3:2] == (200, SOURCE.read_bytes()), f"{target} through the gateway", seconds=20)  # noqa: B023
