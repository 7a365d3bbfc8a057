"""Bytes of flatend/2 as docs/flatend2.md has them: integers, names, headers, messages. Refuses what is not exact."""

import struct
from dataclasses import dataclass

HELLO, REQUEST, RESPONSE, DATA, TRAILERS, RESET, WINDOW, PING, GOODBYE, SERVICES, FIND_NODE, NODES, CREDIT = range(13)
OF_STREAMS = {REQUEST, RESPONSE, DATA, TRAILERS, RESET, WINDOW}
LEGACY_NODES = 16
OF_LINK = {HELLO, PING, GOODBYE, SERVICES, FIND_NODE, NODES, CREDIT, LEGACY_NODES}
END = ACK = MORE = 1
SERVICES_MAX = 255
RECORDS_MAX = 16
ADDRESSES_MAX = 16


class Fault(Exception):
    """The peer broke the protocol; `name` is one of the page's."""

    def __init__(self, name, says=""):
        super().__init__(f"{name}: {says}" if says else name)
        self.name = name


class Reader:
    def __init__(self, data, what=""):
        self.data, self.at, self.what = bytes(data), 0, what

    def take(self, count):
        taken = self.data[self.at : self.at + count]
        if len(taken) < count:
            raise Fault("Truncated", self.what)
        self.at += count
        return taken

    def number(self, count):
        return int.from_bytes(self.take(count), "big")

    def name(self):
        return self.take(self.number(1))

    def value(self):
        return self.take(self.number(2))

    def headers(self):
        return [(self.name(), self.value()) for _ in range(self.number(2))]

    def rest(self):
        return self.take(len(self.data) - self.at)

    def is_over(self):
        return self.at == len(self.data)

    def end(self):
        if not self.is_over():
            raise Fault("Trailing", self.what)


def name(text):
    return bytes([len(text)]) + text


def headers(pairs):
    return struct.pack(">H", len(pairs)) + b"".join(name(n) + struct.pack(">H", len(v)) + v for n, v in pairs)


def take_address(reader):
    kind = reader.number(1)
    if kind > 1:
        raise Fault("Identity", f"an address of kind {kind}")
    ip = reader.take(16 if kind else 4)
    port = reader.number(2)
    if port == 0:
        raise Fault("Identity", "port 0")
    return ip, port


def addresses(pairs):
    return b"".join(bytes([len(ip) // 16]) + ip + struct.pack(">H", port) for ip, port in pairs)


@dataclass
class Message:
    kind: int
    flags: int
    stream: int
    body: bytes

    def encode(self):
        return len(self.body).to_bytes(3, "big") + bytes([self.kind, self.flags]) + self.stream.to_bytes(7, "big") + self.body

    def has(self, flag):
        return bool(self.flags & flag)


def messages(plaintext):
    """The messages of a frame, one by one: those before a fault count."""
    reader = Reader(plaintext, "message")
    while not reader.is_over():
        length, kind, flags, stream = reader.number(3), reader.number(1), reader.number(1), reader.number(7)
        body = reader.take(length)
        if kind >= 128:
            raise Fault("UnknownOpcode", str(kind))
        if (kind in OF_LINK and stream != 0) or (kind in OF_STREAMS and stream == 0):
            raise Fault("Misplaced", f"type {kind} on {stream}")
        yield Message(kind, flags, stream, body)


def decode(message):
    """What a body says, as a dictionary."""
    reader = Reader(message.body, f"body of type {message.kind}")
    kind, said = message.kind, {}
    if kind == REQUEST:
        said["deadline_ms"] = reader.number(4)
        said["services"] = [reader.name() for _ in range(reader.number(1))]
        said["headers"] = reader.headers()
    elif kind == RESPONSE:
        said = {"status": reader.number(2), "headers": reader.headers()}
    elif kind == DATA:
        said["data"] = reader.rest()
    elif kind == TRAILERS:
        said["headers"] = reader.headers()
    elif kind == RESET:
        code = reader.number(1)
        said = {"code": code if code < 8 else 5, "reason": reader.rest()}
    elif kind == WINDOW:
        said["bytes"] = reader.number(4)
    elif kind == PING:
        said["payload"] = reader.take(8)
    elif kind == GOODBYE:
        said = {"requests_taken": reader.number(8), "code": reader.number(1), "after_ms": reader.number(4), "reason": reader.rest()}
    elif kind == SERVICES:
        said = {"epoch": reader.number(8), "services": []}
        while not reader.is_over():
            said["services"].append(service(reader))
    elif kind == FIND_NODE:
        said = {"token": reader.number(4), "key": reader.take(32)}
    elif kind == NODES:
        said = {"token": reader.number(4), "records": [reader.value() for _ in range(reader.number(1))]}
    elif kind == CREDIT:
        said["requests"] = reader.number(4)
    elif kind == LEGACY_NODES:
        said = {"token": reader.number(4), "nodes": []}
        for _ in range(reader.number(1)):
            said["nodes"].append((reader.take(32), reader.take(16 if reader.number(1) else 4), reader.number(2)))
    else:
        return {}
    reader.end()
    return said


def service(reader):
    entry = {"name": reader.name(), "version": reader.name(), "weight": reader.number(2)}
    entry["labels"] = [(reader.name(), reader.name()) for _ in range(reader.number(1))]
    if not entry["name"]:
        raise Fault("Truncated", "a service without a name")
    try:
        entry["name"].decode()
    except UnicodeDecodeError:
        raise Fault("Identity", "a service name that is no UTF-8") from None
    return entry


def encode(kind, said):
    """The body that says `said`."""
    if kind == REQUEST:
        names = said["services"]
        return struct.pack(">IB", said["deadline_ms"], len(names)) + b"".join(map(name, names)) + headers(said["headers"])
    if kind == RESPONSE:
        return struct.pack(">H", said["status"]) + headers(said["headers"])
    if kind == DATA:
        return said["data"]
    if kind == TRAILERS:
        return headers(said["headers"])
    if kind == RESET:
        return bytes([said["code"]]) + said["reason"]
    if kind == WINDOW:
        return struct.pack(">I", said["bytes"])
    if kind == PING:
        return said["payload"]
    if kind == GOODBYE:
        return struct.pack(">QBI", said["requests_taken"], said["code"], said["after_ms"]) + said["reason"]
    if kind == SERVICES:
        entries = (
            name(s["name"]) + name(s["version"]) + struct.pack(">HB", s["weight"], len(s["labels"]))
            + b"".join(name(k) + name(v) for k, v in s["labels"])
            for s in said["services"]
        )
        return struct.pack(">Q", said["epoch"]) + b"".join(entries)
    if kind == FIND_NODE:
        return struct.pack(">I", said["token"]) + said["key"]
    if kind == NODES:
        records = (struct.pack(">H", len(r)) + r for r in said["records"])
        return struct.pack(">IB", said["token"], len(said["records"])) + b"".join(records)
    if kind == CREDIT:
        return struct.pack(">I", said["requests"])
    if kind == LEGACY_NODES:
        nodes = (key + addresses([(ip, port)]) for key, ip, port in said["nodes"])
        return struct.pack(">IB", said["token"], len(said["nodes"])) + b"".join(nodes)
    raise ValueError(kind)
