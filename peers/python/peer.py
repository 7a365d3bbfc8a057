"""A node over asyncio: dials, accepts, offers services, asks for them. Bodies are bytes; windows are kept by `link.Link`."""

import asyncio
import os
from dataclasses import dataclass, field

import session
from link import Link, REFUSED
from session import ACCEPTOR, DIALER
from wire import Fault


@dataclass
class Node:
    key: object = field(default_factory=session.new_identity)
    instance: bytes = field(default_factory=lambda: os.urandom(16))
    network_key: bytes = None
    expects: bytes = None
    services: dict = field(default_factory=dict)
    grant: int = 100
    port: int = 9_000
    speaks_flatend2: bool = True
    takes_legacy: bool = True
    records: list = field(default_factory=list)


class Exchange:
    """One stream as a handler or an asker sees it."""

    def __init__(self, peer, number, said=None):
        self.peer, self.number, self.said = peer, number, said
        self.status = self.headers = self.trailers = self.code = None
        self.pieces, self.ended, self.changed, self.keeps_up = [], False, asyncio.Event(), True

    async def until(self, what):
        while not what():
            if self.peer.fault or self.peer.closed:
                raise ConnectionError(str(self.peer.fault or "the link has ended"))
            self.changed.clear()
            await self.changed.wait()

    async def head(self):
        await self.until(lambda: self.status is not None or self.code is not None)
        return self.status

    async def piece(self):
        """The next piece of the body; None behind the last one, or if it was reset."""
        await self.until(lambda: self.pieces or self.ended or self.code is not None)
        if not self.pieces:
            return None
        piece = self.pieces.pop(0)
        self.peer.link.credit(self.number, len(piece))
        self.peer.flush()
        return piece

    async def body(self):
        pieces = []
        while (piece := await self.piece()) is not None:
            pieces.append(piece)
        return b"".join(pieces)

    async def write(self, data):
        while data:
            await self.until(lambda: self.code is not None or self.room() > 0)
            if self.code is not None:
                raise ConnectionResetError(f"reset with code {self.code}")
            data = data[self.peer.link.send(self.number, data) :]
            await self.peer.drain()

    def room(self):
        stream = self.peer.link.streams.get(self.number)
        return stream.may_send if stream else 0


class Peer:
    """A link and its socket."""

    def __init__(self, node, role, reader, writer):
        self.node, self.reader, self.writer = node, reader, writer
        self.link = Link(role, node)
        self.exchanges, self.answers, self.tasks = {}, {}, set()
        self.fault, self.closed, self.goodbye, self.pongs, self.hearsay = None, False, None, [], set()
        self.changed = asyncio.Event()
        self.flush()
        self.task = asyncio.ensure_future(self.run())

    def flush(self):
        if self.link.out:
            self.writer.write(bytes(self.link.out))
            self.link.out.clear()

    async def drain(self):
        self.flush()
        await self.writer.drain()

    def wake(self):
        self.changed.set()
        for exchange in self.exchanges.values():
            exchange.changed.set()

    async def until(self, what):
        while not what():
            if self.fault or self.closed:
                raise ConnectionError(str(self.fault or "the link has ended"))
            self.changed.clear()
            await self.changed.wait()

    async def ready(self):
        await self.until(lambda: self.link.phase in ("up", "legacy up"))
        return self

    async def run(self):
        try:
            while data := await self.reader.read(1 << 18):
                for event in self.link.feed(data):
                    self.happened(*event)
                self.wake()
                await self.drain()
        except Fault as fault:
            self.fault = fault
        except ConnectionError as error:
            self.fault = self.fault or error
        self.closed = True
        self.wake()
        self.writer.close()

    def happened(self, what, *rest):
        if what == "request":
            number, said = rest
            exchange = self.exchanges[number] = Exchange(self, number, said)
            handler = next((self.node.services[n.decode()] for n in said["services"] if n.decode() in self.node.services), None)
            if handler is None:
                self.link.reset(number, REFUSED)
            else:
                task = asyncio.ensure_future(handler(exchange))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
        elif what == "find_node":
            self.link.answer(rest[0], self.node.records)
        elif what == "nodes":
            self.answers[rest[0]] = rest[1]
        elif what == "hearsay":
            self.hearsay |= set(rest[1])
        elif what == "goodbye":
            self.goodbye = rest[0]
        elif what == "pong":
            self.pongs.append(rest[0])
        elif rest and isinstance(rest[0], int) and rest[0] in self.exchanges:
            exchange = self.exchanges[rest[0]]
            if what == "response":
                exchange.status, exchange.headers = rest[1], rest[2]
            elif what == "data":
                exchange.pieces.append(rest[1])
            elif what == "trailers":
                exchange.trailers = rest[1]
            elif what == "end":
                exchange.ended = True
            elif what == "reset":
                exchange.code = rest[1]

    async def ask(self, services, headers=(), end=True, deadline_ms=0):
        number = self.link.ask([name.encode() for name in services], headers, end, deadline_ms)
        exchange = self.exchanges[number] = Exchange(self, number)
        await self.drain()
        return exchange

    async def find_node(self, key):
        token = self.link.find_node(key)
        self.flush()
        await self.until(lambda: token in self.answers)
        return self.answers.pop(token)

    async def ping(self, payload):
        self.link.ping(payload)
        self.flush()
        await self.until(lambda: payload in self.pongs)

    async def finish(self):
        """FIN, and the peer's."""
        self.flush()
        if not self.closed:
            self.writer.write_eof()
        await self.task


async def dial(node, host, port):
    return Peer(node, DIALER, *await asyncio.open_connection(host, port))


async def listen(node, on_peer, host="127.0.0.1", port=0):
    server = await asyncio.start_server(lambda r, w: on_peer(Peer(node, ACCEPTOR, r, w)), host, port)
    return server, server.sockets[0].getsockname()[1]
