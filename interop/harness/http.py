"""A raw HTTP/1.1 client that streams, and that tells a body that ended from one that was cut.

Owns: the bytes of one connection. Refuses: retrying, redirects, hiding an error.
Invariant: `body` and `stream` return only if the body's framing said that it is complete.
"""

import hashlib
import json
import socket
import struct
import threading

READ_BYTES = 1 << 17


class Cut(Exception):
    """The connection ended within a response."""


class Response:
    def __init__(self, connection, method, status, fields):
        self.status, self.fields, self._connection, self._method = status, fields, connection, method
        self.trailers = []

    def header(self, name):
        """All values of a field joined, or None."""
        values = [value for key, value in self.fields if key == name]
        return ", ".join(values) if values else None

    def stream(self):
        """Yields the body; raises Cut if it does not end as its framing says."""
        read = self._connection.file.read1
        if self._method == "HEAD" or self.status in (204, 304):
            return
        try:
            if (self.header("transfer-encoding") or "").lower() == "chunked":
                yield from self._chunks()
            elif (length := self.header("content-length")) is not None:
                left = int(length)
                while left:
                    piece = read(min(left, READ_BYTES))
                    if not piece:
                        raise Cut(f"{left} of {length} bytes are missing")
                    left -= len(piece)
                    yield piece
            else:
                raise Cut("neither content-length nor chunked: an end could not be told from a cut")
        except ConnectionError as error:
            raise Cut(str(error)) from error

    def _chunks(self):
        file = self._connection.file
        while True:
            line = file.readline(64)
            if not line.endswith(b"\r\n"):
                raise Cut("no chunk size")
            left = size = int(line.split(b";")[0], 16)
            while left:
                piece = file.read1(min(left, READ_BYTES))
                if not piece:
                    raise Cut("within a chunk")
                left -= len(piece)
                yield piece
            if size == 0:
                return self._trailers()
            if file.readline(64) != b"\r\n":
                raise Cut("no line end after a chunk")

    def _trailers(self):
        while (line := self._connection.file.readline(1 << 16)) != b"\r\n":
            if not line.endswith(b"\r\n"):
                raise Cut("within the trailers")
            self.trailers.append(line[:-2].decode("latin-1"))

    def body(self):
        return b"".join(self.stream())

    def text(self):
        return self.body().decode()

    def json(self):
        return json.loads(self.body())

    def digest(self):
        """(bytes, SHA-256 in hex) of the body."""
        total, size = hashlib.sha256(), 0
        for piece in self.stream():
            total.update(piece)
            size += len(piece)
        return size, total.hexdigest()


class Connection:
    """One connection; `seconds` is the longest that any single read or write may wait."""

    def __init__(self, port, seconds=30, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(seconds)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb", READ_BYTES)
        self.port = port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def reset(self):
        """Ends the connection with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send_head(self, method, target, fields=()):
        lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *(f"{name}: {value}" for name, value in fields)]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def send_body(self, pieces, chunked):
        for piece in pieces:
            self.socket.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            self.socket.sendall(b"0\r\n\r\n")

    def response(self, method="GET"):
        status, fields = self._head()
        while status == 100:
            status, fields = self._head()
        return Response(self, method, status, fields)

    def _head(self):
        line = self._line()
        version, status = line.split(" ", 2)[:2]
        if version != "HTTP/1.1":
            raise Cut(f"not HTTP/1.1: {line!r}")
        fields = []
        while line := self._line():
            name, value = line.split(":", 1)
            fields.append((name.lower(), value.strip()))
        return int(status), fields

    def _line(self):
        try:
            line = self.file.readline(1 << 17)
        except ConnectionError as error:
            raise Cut(str(error)) from error
        if not line.endswith(b"\r\n"):
            raise Cut(f"the connection ended before the response: {line!r}")
        return line[:-2].decode("latin-1")

    def request(self, method, target, fields=()):
        """A request without a body."""
        self.send_head(method, target, fields)
        return self.response(method)

    def upload(self, method, target, size, pieces, chunked=False, fields=()):
        """A request whose body a thread sends while the caller reads the response.

        What becomes of the sending is in `self.sent` (an error or None) once `self.sender` has ended: a gateway may
        answer before it has read everything, and the answer counts.
        """
        framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", size)
        self.send_head(method, target, [*fields, framing])
        self.sent = None

        def send():
            try:
                self.send_body(pieces, chunked)
            except OSError as error:
                self.sent = error

        self.sender = threading.Thread(target=send, daemon=True)
        self.sender.start()
        return self.response(method)


def get(port, target, fields=(), seconds=30, method="GET"):
    """One request on a connection of its own: (status, fields as a dict, body)."""
    with Connection(port, seconds) as connection:
        response = connection.request(method, target, fields)
        return response.status, dict(response.fields), response.body()
