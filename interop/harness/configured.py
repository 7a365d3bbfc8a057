"""A gateway whose whole configuration a case writes.

Owns: its ports and its folder. Refuses: fixed ports. Invariant: `{a}`, `{b}`, `{c}` and `{mesh}` in a configuration are ports
that were free a moment ago.
"""

from .checks import Failed
from .http import Connection, get
from .process import free_port
from .world import IN_USE, START_TRIES


def route(path, keys):
    return f'[[http.routes]]\npath = "{path}"\n{keys}\n'


class Configured:
    """A gateway whose whole configuration the case writes; `{a}`, `{b}`, … in it are free ports, `{mesh}` the mesh's."""

    def __init__(self, world, config, env=None, listeners=1, command=()):
        self.folder = world.subfolder("gateway")
        for _ in range(START_TRIES):
            self.ports = {name: free_port() for name in ("mesh", "a", "b", "c")}
            text = f'addr = "127.0.0.1:{self.ports["mesh"]}"\nstate_dir = "{self.folder}"\n{config}'
            for name, port in self.ports.items():
                text = text.replace("{" + name + "}", str(port))
            (self.folder / "config.toml").write_text(text)
            self.process = world.process("gateway", [*command, world.binary("flatend")], self.folder, {"HOME": str(self.folder), **(env or {})})
            try:
                self.process.wait_line(r"Listening for Flatend nodes on '")
                if listeners:
                    self.process.wait_line(r"Listening for HTTP requests on '", count=listeners)
                return
            except Failed:
                if not (self.process.ended and self.process.grep(IN_USE)):
                    raise
        raise Failed(f"no free port after {START_TRIES} tries")

    @property
    def address(self):
        return f"127.0.0.1:{self.ports['mesh']}"

    def get(self, target, fields=(), method="GET", port="a"):
        return get(self.ports[port], target, fields, method=method)

    def connect(self, seconds=10, port="a"):
        return Connection(self.ports[port], seconds)
