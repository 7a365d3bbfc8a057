"""Whom a gateway takes: lists of keys that change live, a network key, old peers refused, known or let in with what they may offer."""

import signal

from harness.checks import case, equal, true, until
from harness.configured import Configured, route
from harness.upstreams import Server

HTTP = '[[http]]\naddr = "127.0.0.1:{a}"\n'
HELLO, API = route("GET /hello", 'service = "hello_world"\n'), route("GET /api", 'service = "api"\n')


def made_key(world, folder, name, *more):
    """Makes a key file and gives its public key."""
    process = world.process("keygen", [world.binary("flatend"), "keygen", *more, name], folder)
    equal(process.wait_exit(), 0, f"exit code of keygen {name}")
    return process.lines[-1]


def service(world, gateway, pin, keys, server):
    """A second gateway without HTTP, which offers `api` and dials the first, of which it expects the key."""
    config = f'bootstrap = ["{gateway.address}#{pin}"]\n{keys}\n[[services]]\nname = "api"\nupstream = "{server.url}"\n'
    return Configured(world, config, listeners=0)


def status(gateway, path):
    return gateway.get(path)[0]


def reread(gateway, config):
    """Writes another configuration, and has it read again."""
    path = gateway.folder / "config.toml"
    path.write_text(config)
    before = len(gateway.process.grep("Read again who may"))
    gateway.process.signal(signal.SIGHUP)
    gateway.process.wait_line("Read again who may", count=before + 1)


@case("trust-lists", seconds=60)
def trust_lists(world):
    """`peers`, `offers` and `legacy_services`, with a pinned bootstrap node; a key taken off and put on by SIGHUP."""
    keys = world.subfolder("keys")
    own, theirs, other = (made_key(world, keys, name) for name in ("own.key", "theirs.key", "other.key"))
    head = f'secret_key = "{keys}/own.key"\n'
    lists = 'peers = ["{key}"]\nlegacy_services = ["hello_world"]\n'
    offers = '\n[offers]\n{key} = ["api"]\n'
    gateway = Configured(world, head + lists.format(key=theirs) + HTTP + HELLO + API + offers.format(key=theirs))
    npm = world.npm(gateway, "hello_world", "api", wait=False)
    gateway.process.wait_line(r"offers what its key may not: \[api\]")
    until(lambda: status(gateway, "/hello") == 200, "an answer of the old peer")
    equal(status(gateway, "/api"), 503, "what the old peer may not offer")
    server = Server(world, "python")
    node = service(world, gateway, own, f'secret_key = "{keys}/theirs.key"', server)
    until(lambda: status(gateway, "/api") == 200, "an answer of the peer on the list")
    stranger = service(world, gateway, own, f'secret_key = "{keys}/other.key"', server)
    gateway.process.wait_line(f"its key {other} is not among the peers")
    text = (gateway.folder / "config.toml").read_text()
    reread(gateway, text.replace(theirs, other))
    until(lambda: status(gateway, "/api") == 503 or stranger.process.grep("now connected"), "the change")
    gateway.process.wait_line(f"its key {theirs} is not among the peers")
    until(lambda: status(gateway, "/api") == 200, "an answer of the other one", seconds=20)
    (gateway.folder / "config.toml").write_text("peers = 1\n")
    gateway.process.signal(signal.SIGHUP)
    gateway.process.wait_line("stays as it was")
    equal(status(gateway, "/api"), 200, "after a file with errors")
    wrong = service(world, gateway, theirs, f'secret_key = "{keys}/other.key"', server)
    wrong.process.wait_line("the key is not the expected one")
    true(npm.alive() and node.process.alive(), "a peer died")
    return "in, out by SIGHUP, another one in; an old peer with what it may offer"


@case("trust-network-key", seconds=60)
def trust_network_key(world):
    """A network key keeps out old peers and nodes with none; who has it gets in."""
    keys = world.subfolder("keys")
    made_key(world, keys, "network.key", "--network")
    own = made_key(world, keys, "own.key")
    network = f'network_key = "{keys}/network.key"\n'
    gateway = Configured(world, network + f'secret_key = "{keys}/own.key"\n' + HTTP + HELLO + API)
    server = Server(world, "python")
    without = service(world, gateway, own, "", server)
    without.process.wait_line("another network key, or none")
    world.npm(gateway, "hello_world", wait=False)
    gateway.process.wait_line("does not speak flatend/2")
    service(world, gateway, own, network, server)
    until(lambda: status(gateway, "/api") == 200, "an answer of the node with the key")
    equal(status(gateway, "/hello"), 503, "the old peer's service")
    return without.process.grep("network key")[0]


@case("trust-known-keys", seconds=60)
def trust_known_keys(world):
    """`legacy = "known"`: keys that spoke flatend/2 are written down, and forgotten on request; `"refuse"` takes no old peer."""
    keys = world.subfolder("keys")
    own, theirs = (made_key(world, keys, name) for name in ("own.key", "theirs.key"))
    head = f'secret_key = "{keys}/own.key"\nlegacy = "known"\n'
    gateway = Configured(world, head + HTTP + HELLO + API)
    service(world, gateway, own, f'secret_key = "{keys}/theirs.key"', Server(world, "python"))
    known = gateway.folder / "known_keys"
    until(lambda: known.exists() and theirs in known.read_text(), "the key in the file")
    world.npm(gateway, "hello_world", wait=False)
    until(lambda: status(gateway, "/hello") == 200, "an old peer without a known key")
    forget = lambda key: world.process("forget", [world.binary("flatend"), "forget", key], gateway.folder)  # noqa: E731
    equal(forget(theirs).wait_exit(), 0, "exit code of forget")
    true(theirs not in known.read_text(), "the key is still there")
    again = forget(theirs)
    equal(again.wait_exit(), 1, "exit code of forget, the second time")
    text = (gateway.folder / "config.toml").read_text()
    reread(gateway, text.replace('"known"', '"refuse"'))
    until(lambda: status(gateway, "/hello") == 503, "the old peer is out")
    equal(status(gateway, "/api"), 200, "the new one stays")
    return again.lines[0]
