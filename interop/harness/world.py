"""The processes of one case: gateways, npm nodes, nodes of ours, in a folder of their own.

Owns: what a case starts and its folder; both go when the case ends. Refuses: fixed ports, the user's own state folder.
Invariant: `close` leaves no process behind, whatever state the case ended in.
"""

import json
import shutil
import tempfile
from pathlib import Path

from . import http
from .checks import Failed
from .load import Load, Watch
from .process import Process, free_port

INTEROP = Path(__file__).resolve().parent.parent
# How often a start is tried again when somebody else was faster to take a port.
START_TRIES = 5
IN_USE = r"(?i)in use"
# The binary of our own node, below the folder given to `run --bin`, and how it is told what to do.
RUST_NODE = "examples-node"


def rust_node_arguments(listen, bootstrap):
    return ["--listen", listen, "--bootstrap", bootstrap]


class Gateway:
    """A gateway on ports of its own. `restart` keeps them."""

    def __init__(self, world, routes, http_keys="", mesh_keys="", timeouts=""):
        self.world, self.process = world, None
        self._routes, self._http_keys, self._mesh_keys, self._timeouts = routes, http_keys, mesh_keys, timeouts
        self.folder = world.subfolder("gateway")
        for _ in range(START_TRIES):
            self.mesh, self.port = free_port(), free_port()
            self.write_config()
            if self._start():
                return
        raise Failed(f"no free port after {START_TRIES} tries")

    @property
    def address(self):
        return f"127.0.0.1:{self.mesh}"

    def write_config(self):
        routes = ""
        for path, service, *keys in self._routes:
            # A route without a service names its target among its keys; a list is of plain HTTP upstreams.
            if isinstance(service, list):
                target = [f"proxy = {json.dumps(service)}"]
            else:
                target = [f'service = "{service}"'] if service else []
            routes += f'[[http.routes]]\npath = "{path}"\n' + "".join(key + "\n" for key in [*target, *keys])
        (self.folder / "config.toml").write_text(
            f'addr = "{self.address}"\nstate_dir = "{self.folder}"\n{self._mesh_keys}\n'
            f'[[http]]\naddr = "127.0.0.1:{self.port}"\n{self._http_keys}\n'
            f"[http.timeout]\n{self._timeouts}\n{routes}"
        )

    def _start(self):
        """Starts the process; False if a port was taken meanwhile."""
        self.process = self.world.process("gateway", [self.world.binary("flatend")], self.folder, {"HOME": str(self.folder)})
        try:
            self.process.wait_line(r"Listening for Flatend nodes on '")
            self.process.wait_line(r"Listening for HTTP requests on '")
            return True
        except Failed:
            if self.process.ended and self.process.grep(IN_USE):
                return False
            raise

    def restart(self):
        """Starts again on the same ports, after the old process has ended."""
        for _ in range(START_TRIES):
            if self._start():
                return
        raise Failed("the old ports are taken")

    def get(self, target, fields=(), seconds=30, method="GET"):
        return http.get(self.port, target, fields, seconds, method)

    def connect(self, seconds=30, receive_buffer=None):
        return http.Connection(self.port, seconds, receive_buffer)

    def load(self, target, want, threads=8):
        """GET requests from several threads until they are stopped; `want` is what each body must match."""
        return self.world.until_closed(Load(self, target, want, threads))

    def watch(self, every=None):
        """Watches the memory; with `every` also keeps a value each so many seconds."""
        return self.world.until_closed(Watch(self.process, every))


class World:
    """What one case has started."""

    def __init__(self, binaries):
        self._binaries, self._processes, self._threads = Path(binaries).resolve(), [], []
        self.folder = Path(tempfile.mkdtemp(prefix="flatend-interop-"))

    def binary(self, name):
        path = self._binaries / name
        if not path.exists():
            raise Failed(f"{path} is missing: cargo build --release --workspace")
        return str(path)

    def subfolder(self, name):
        return Path(tempfile.mkdtemp(prefix=name + "-", dir=self.folder))

    def process(self, name, argv, cwd, env=None):
        started = Process(name, argv, cwd, env)
        self._processes.append(started)
        return started

    def gateway(self, *routes, **keys):
        return Gateway(self, routes, **keys)

    def script(self, name, *arguments):
        """A Node.js script of `services/`; the package's debug lines are on."""
        return self.process(name, ["node", f"services/{name}.js", *arguments], INTEROP, {"DEBUG": "flatend"})

    def npm(self, gateway, *services, name="npm", bind=None, wait=True, addresses=None):
        """A node of the npm package with handlers of services/node.js; waits until Node.start has returned."""
        options = {"addrs": [gateway.address] if addresses is None else addresses, "services": services, "name": name, "bind": bind}
        node = self.script("node", json.dumps(options))
        node.name = name
        if wait:
            node.wait_line(r"^ready$")
        return node

    def rust_node(self, bootstrap):
        """A node of ours with a key of its own; gives it and its address."""
        for _ in range(START_TRIES):
            listen = f"127.0.0.1:{free_port()}"
            node = self.process("rust node", [self.binary(RUST_NODE), *rust_node_arguments(listen, bootstrap)], self.subfolder("node"))
            try:
                node.wait_line(r"Listening for Flatend nodes on '")
                return node, listen
            except Failed:
                if not (node.ended and node.grep(IN_USE)):
                    raise
        raise Failed(f"no free port after {START_TRIES} tries")

    def until_closed(self, threads):
        """Keeps what has threads of its own, so that they end with the case."""
        self._threads.append(threads)
        return threads

    def close(self):
        for threads in self._threads:
            threads.end()
        for process in self._processes:
            process.stop(seconds=0.5)
        shutil.rmtree(self.folder, ignore_errors=True)

    def logs(self, last=12):
        """The last lines of each process, for a case that failed."""
        for process in self._processes:
            code = "running" if process.alive() else f"exit {process.wait_exit()}"
            yield f"  {process.name} ({code}):"
            yield from (f"    {line[:300]}" for line in process.lines[-last:])
