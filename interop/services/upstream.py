"""A plain HTTP server for the cases, as Python's library serves: port, name and HTTP version as arguments.

Twin of upstream.js. Prints `ready`, and `seen …` for what a handler noticed.
"""

import hashlib
import json
import os
import sys
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness.pattern import pattern  # noqa: E402

PORT, NAME, VERSION = int(sys.argv[1]), sys.argv[2], sys.argv[3]
PIECE_BYTES = 1 << 16


class Handler(BaseHTTPRequestHandler):
    protocol_version = f"HTTP/{VERSION}"
    connections = 0
    # The library's default sends headers in a small packet of their own, and the body waits for its acknowledgement.
    wbufsize = PIECE_BYTES
    disable_nagle_algorithm = True

    def setup(self):
        Handler.connections += 1
        super().setup()

    def log_message(self, *_):
        pass

    def pieces(self):
        """The request's body."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        left = int(self.headers.get("Content-Length", 0))
        while left:
            piece = self.rfile.read1(min(left, PIECE_BYTES))
            if not piece:
                print("seen cut", flush=True)
                raise ConnectionAbortedError
            left -= len(piece)
            yield piece

    def begin(self, status, fields):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()

    def whole(self, status, body, fields=()):
        self.begin(status, [*fields, ("Content-Length", len(body))])
        if self.command != "HEAD":
            self.wfile.write(body)

    def stream(self, pieces, length):
        self.begin(200, [("Transfer-Encoding", "chunked") if length is None else ("Content-Length", length)])
        for piece in pieces:
            self.wfile.write(piece if length is not None else b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.flush()
        if length is None:
            self.wfile.write(b"0\r\n\r\n")

    def handle_any(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        kind = url.path.rsplit("/", 1)[-1]
        if kind == "echo":
            return self.stream(self.pieces(), self.headers.get("Content-Length"))
        if kind == "early":
            self.close_connection = True
            return self.whole(413, b"enough")
        total, size = hashlib.sha256(), 0
        for piece in self.pieces():
            total.update(piece)
            size += len(piece)
        if kind == "pattern":
            bytes_ = int(query["bytes"])
            length = query.get("length")
            self.stream(pattern(bytes_), None if length is None else int(length))
            self.wfile.flush()
        elif kind == "die":
            self.begin(200, [("Content-Length", 1_000_000)])
            self.wfile.write(b"x" * 100_000)
            self.wfile.flush()
            os._exit(1)
        elif kind == "exit":
            os._exit(1)
        elif kind == "slow":
            print("seen slow", flush=True)
            time.sleep(int(query["ms"]) / 1000)  # the slowness that is tested
            self.whole(200, b"slow")
        elif kind == "name":
            self.whole(200, NAME.encode())
        elif kind == "status":
            status = int(query["status"])
            self.begin(status, [("ETag", '"x"'), *([] if status in (204, 304) else [("Content-Length", 0)])])
        elif kind == "connections":
            self.whole(200, str(Handler.connections).encode())
        elif kind == "health":
            self.whole(200 if not Path(f"{NAME}.unwell").exists() else 503, b"")
        else:
            seen = {
                "method": self.command,
                "target": self.path,
                "headers": [[name.lower(), value] for name, value in self.headers.items()],
                "bytes": size,
                "sha256": total.hexdigest(),
            }
            cookies = [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2"), ("X-Kind", "python"), ("ETag", '"x"')]
            self.whole(200, json.dumps(seen).encode(), cookies)


for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
    setattr(Handler, f"do_{method}", Handler.handle_any)


class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


server = Server(("127.0.0.1", PORT), Handler)
print("ready", flush=True)
server.serve_forever()
