"""Plain HTTP servers behind a gateway or an agent: real ones as processes, and one that says what a case tells it to.

Owns: their ports and processes. Refuses: judging. Invariant: `Raw` ends with its case.
"""

import socket
import threading

from .checks import Failed
from .process import free_port
from .world import IN_USE, INTEROP, START_TRIES

KINDS = ("python", "node")


class Server:
    """A server process; `restart` keeps its port."""

    def __init__(self, world, kind, name="one", version="1.1"):
        self.world, self.kind, self.name, self._version = world, kind, name, version
        self.folder = world.subfolder("server")
        for _ in range(START_TRIES):
            self.port = free_port()
            if self.restart():
                return
        raise Failed(f"no free port after {START_TRIES} tries")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def restart(self):
        script = INTEROP / "services" / ("upstream.py" if self.kind == "python" else "upstream.js")
        program = ["python3", "-u"] if self.kind == "python" else ["node"]
        argv = [*program, str(script), str(self.port), self.name, self._version]
        self.process = self.world.process(f"{self.kind} server", argv, self.folder)
        try:
            self.process.wait_line(r"^ready$")
            return True
        except Failed:
            if self.process.ended and self.process.grep(IN_USE):
                return False
            raise

    def set_well(self, well):
        """What its health path says from now on."""
        mark = self.folder / f"{self.name}.unwell"
        mark.unlink(missing_ok=True) if well else mark.touch()


class Raw:
    """A server that hands each connection to `serve(connection, number)` in a thread of its own."""

    def __init__(self, world, serve):
        self.connections, self._serve = 0, serve
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        world.until_closed(self)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(20)
            number, self.connections = self.connections, self.connections + 1
            threading.Thread(target=self._run, args=(connection, number), daemon=True).start()

    def _run(self, connection, number):
        with connection:
            try:
                self._serve(connection, number)
            except OSError:
                pass  # the gateway closed it, which some cases are about

    def end(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Waiting(Raw):
    """Reads a request's head and then on until the connection ends: `asked` and `gone` tell when."""

    def __init__(self, world):
        self.asked, self.gone = threading.Event(), threading.Event()
        super().__init__(world, self._wait)

    def _wait(self, connection, number):
        read_head(connection)
        self.asked.set()
        try:
            while connection.recv(1 << 16):
                pass
        finally:
            self.gone.set()


def read_head(connection):
    """The head of a request, byte by byte so that nothing behind it is taken; empty at the end of the connection."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return b""
        head += byte
    return head
