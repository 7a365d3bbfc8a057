"""One side of one link: bytes in, events and bytes out. An event is a tuple whose first member names it. No sockets, no clock."""

import os

import session
import wire
from session import ACCEPTOR, DIALER, Frames, Hello, Schedule
from wire import ACK, CREDIT, DATA, END, FIND_NODE, GOODBYE, HELLO, LEGACY_NODES, MORE, NODES, PING, REQUEST, RESET, RESPONSE
from wire import SERVICES, TRAILERS, WINDOW, Fault, Message, Reader

WINDOW_BYTES = 65_536
REFUSED = 0
PIECE = 65_524


class Stream:
    def __init__(self, ours, ended):
        self.ours = ours
        self.may_send = WINDOW_BYTES
        self.may_receive = WINDOW_BYTES
        self.taken = 0
        self.head = not ours  # the peer's head is there: a request of theirs begins with it
        self.their_end = ended and not ours
        self.our_head = ours
        self.our_end = ended and ours


class Link:
    """`node` has key, instance, network_key, services, grant, speaks_flatend2, takes_legacy and expects (a pinned key or None)."""

    def __init__(self, role, node, secret=None):
        self.role, self.node, self.secret = role, node, secret or os.urandom(32)
        self.input, self.out, self.events = bytearray(), bytearray(), []
        self.phase, self.hello, self.services, self.epoch, self.parts = "keys", None, None, 0, (None, [])
        self.streams, self.next, self.theirs = {}, 1 + role, 0
        self.granted_to_us, self.granted_to_them, self.taken, self.token = 0, node.grant, 0, 0
        self.asked, self.open_questions = set(), []
        self.said_goodbye = self.heard_goodbye = False
        if role == DIALER:
            self.own = self.public(True)
            self.out += self.own

    def public(self, may_mark):
        key = session.public(self.secret)
        return session.marked(key) if may_mark and self.node.speaks_flatend2 else key

    # ---- bytes in

    def feed(self, data):
        """Takes bytes; gives events. A Fault ends the link."""
        self.input += data
        while self.turn():
            pass
        events, self.events = self.events, []
        return events

    def turn(self):
        if self.phase == "keys":
            if len(self.input) < 32:
                return False
            theirs = bytes(self.input[:32])
            del self.input[:32]
            self.agree(theirs)
            return True
        if self.phase.startswith("legacy"):
            plaintext = self.opener.take(self.input, session.LEGACY_FRAME_MAX, 20)
            if plaintext is None:
                return False
            self.on_legacy(plaintext)
            return True
        most = session.FIRST_FRAME_MAX if self.phase == "hello" else session.FRAME_MAX
        plaintext = self.opener.take(self.input, most, session.FRAME_MIN)
        if plaintext is None:
            return False
        for message in wire.messages(plaintext):
            if self.phase == "hello":
                self.on_hello(message, alone=len(plaintext) == 12 + len(message.body))
            else:
                self.receive(message)
        return True

    def agree(self, theirs):
        if self.role == ACCEPTOR:
            self.own = self.public(session.is_marked(theirs))
        self.dialer, self.acceptor = (self.own, theirs) if self.role == DIALER else (theirs, self.own)
        if session.is_marked(self.dialer) and session.is_marked(self.acceptor):
            schedule = Schedule(self.secret, theirs, self.dialer, self.acceptor, self.node.network_key)
            self.binding = schedule.binding
            self.sealer, self.opener = Frames(schedule.chain(self.role)), Frames(schedule.chain(1 - self.role))
            self.phase = "hello"
            if self.role == ACCEPTOR:
                self.out += self.own
                self.say_hello()
            return
        if not self.node.takes_legacy:
            raise Fault("LegacyRefused")
        key = session.blake2b(session.shared_secret(self.secret, theirs), digest_size=32).digest()
        self.sealer, self.opener = Frames(key=key), Frames(key=key)
        self.phase = "legacy"
        if self.role == ACCEPTOR:
            self.out += self.own
        else:
            self.out += self.sealer.seal(b"\0\0\0\1\0" + self.handshake())

    # ---- legacy: a Handshake with its trailer and empty answers to questions, no more

    def handshake(self):
        names = [name.encode() for name in self.node.services]
        identity = session.raw(self.node.key) + b"\0\x7f\0\0\1" + self.node.port.to_bytes(2, "big")
        body = b"\1" + identity + bytes([len(names)]) + b"".join(map(wire.name, names))
        body += self.node.key.sign(identity + b"".join(names))
        if self.node.speaks_flatend2:
            body += session.make_trailer(self.node.key, self.role, self.dialer, self.acceptor)
        return body

    def on_legacy(self, plaintext):
        seq = int.from_bytes(plaintext[:4], "big")
        is_reply = seq != 0 and seq % 2 == 1 - self.role
        opcode, body = (None, plaintext[4:]) if is_reply else (plaintext[4], plaintext[5:])
        if is_reply or opcode == 0:
            self.check_handshake(body)
            self.phase = "legacy up"
            self.events.append(("legacy", self.services))
        if opcode == 0:
            self.out += self.sealer.seal(plaintext[:4] + self.handshake())
        elif opcode == 4:
            self.out += self.sealer.seal(plaintext[:4] + b"\0")

    def check_handshake(self, body):
        reader, shown = Reader(body, "handshake"), None
        if reader.number(1):
            begin = reader.at
            shown = reader.take(32)
            wire.take_address(reader)
            identity = body[begin : reader.at]
        names = [reader.name() for _ in range(reader.number(1))]
        if shown is not None and not session.verify(shown, reader.take(64), identity + b"".join(names)):
            raise Fault("Identity", "signature")
        if self.node.speaks_flatend2 and session.is_trailer(reader.rest(), 1 - self.role, self.dialer, self.acceptor, shown):
            raise Fault("Identity", "somebody cleared the bits")
        self.services = [name.decode() for name in names]

    # ---- flatend/2

    def say(self, kind, said, stream=0, flags=0):
        self.out += self.sealer.seal(Message(kind, flags, stream, wire.encode(kind, said)).encode())

    def say_hello(self):
        hello = Hello(session.raw(self.node.key), self.node.instance, self.node.grant, software=b"python oracle")
        body = hello.encode(self.role, self.binding, self.node.key)
        self.out += self.sealer.seal(Message(HELLO, 0, 0, body).encode())

    def say_services(self):
        self.epoch += 1
        entries = [{"name": name.encode(), "version": b"", "weight": 1, "labels": []} for name in self.node.services]
        self.say(SERVICES, {"epoch": self.epoch, "services": entries})

    def on_hello(self, message, alone):
        if message.kind != HELLO:
            raise Fault("BeforeHandshake")
        if not alone:
            raise Fault("Hello", "not alone")
        self.hello = Hello.decode(message.body, 1 - self.role, self.binding)
        if self.node.expects not in (None, self.hello.public_key):
            raise Fault("Identity", "another key than expected")
        self.granted_to_us = self.hello.first_grant
        self.phase = "services"
        if self.role == DIALER:
            self.say_hello()
        self.say_services()

    def receive(self, message):
        kind, stream = message.kind, message.stream
        if kind == HELLO:
            raise Fault("Hello", "twice")
        said = wire.decode(message)
        if kind in wire.OF_STREAMS:
            self.on_stream(kind, stream, said, message)
        elif kind == PING and not message.has(ACK):
            self.say(PING, said, flags=ACK)
        elif kind == PING:
            self.events.append(("pong", said["payload"]))
        elif kind == GOODBYE:
            self.heard_goodbye = True
            for number in sorted(self.streams):
                open_ = self.streams[number]
                if open_.ours and not open_.head and number >= 1 + self.role + 2 * said["requests_taken"]:
                    del self.streams[number]
                    self.events.append(("reset", number, REFUSED, b"goodbye"))
            self.events.append(("goodbye", said))
        elif kind == SERVICES:
            self.on_services(said, message.has(MORE))
        elif kind == FIND_NODE:
            if len(self.open_questions) == 256:
                raise Fault("Flood", "questions")
            self.open_questions.append(said["token"])
            self.events.append(("find_node", said["token"], said["key"]))
        elif kind in (NODES, LEGACY_NODES):
            if said["token"] not in self.asked:
                raise Fault("UnknownReply")
            named = said["records"] if kind == NODES else said["nodes"]
            if len(named) > wire.RECORDS_MAX:
                raise Fault("Flood", "nodes in an answer")
            if kind == NODES:
                self.asked.remove(said["token"])
                self.events.append(("nodes", said["token"], named))
            else:
                self.events.append(("hearsay", said["token"], [node for node in named if node[2]]))
        elif kind == CREDIT:
            self.granted_to_us += said["requests"]

    def on_services(self, said, more):
        epoch, entries = self.parts
        entries = (entries if epoch == said["epoch"] else []) + said["services"]
        if len(entries) > wire.SERVICES_MAX:
            raise Fault("Flood", "services")
        self.parts = (said["epoch"], entries) if more else (None, [])
        if not more:
            self.services, self.phase = [entry["name"].decode() for entry in entries], "up"
            self.events.append(("services", self.services))

    def on_stream(self, kind, number, said, message):
        if kind == REQUEST:
            return self.on_request(number, said, message.has(END))
        stream = self.streams.get(number)
        if stream is None:
            used = number < self.next if number % 2 == self.next % 2 else number <= self.theirs
            if not used:
                raise Fault("UnknownStream", str(number))
            return None  # late
        if kind == RESPONSE:
            if not stream.ours or stream.head:
                raise Fault("StreamState", "a response that does not belong here")
            stream.head = True
            self.events.append(("response", number, said["status"], said["headers"]))
        elif kind in (DATA, TRAILERS):
            if not stream.head or stream.their_end:
                raise Fault("StreamState", "before the response or behind the end")
            if kind == DATA:
                stream.may_receive -= len(said["data"])
                if stream.may_receive < 0:
                    raise Fault("WindowExceeded", str(number))
                if said["data"]:
                    self.events.append(("data", number, said["data"]))
            else:
                self.events.append(("trailers", number, said["headers"]))
        elif kind == RESET:
            del self.streams[number]
            self.note_over(stream)
            self.events.append(("reset", number, said["code"], said["reason"]))
            return None
        elif kind == WINDOW:
            stream.may_send += said["bytes"]
            if stream.may_send > 0xFFFFFFFF:
                raise Fault("StreamState", "a window of more than 4 GiB")
            self.events.append(("window", number, said["bytes"]))
        if kind == TRAILERS or (kind in (RESPONSE, DATA) and message.has(END)):
            stream.their_end = True
            self.events.append(("end", number))
            self.sweep(number)

    def on_request(self, number, said, ended):
        if number % 2 != self.role or number <= self.theirs:
            raise Fault("StreamState", "a number that does not rise, or of the wrong side")
        self.theirs = number
        if self.said_goodbye or self.granted_to_them == 0:
            return self.say(RESET, {"code": REFUSED, "reason": b""}, number)
        self.granted_to_them -= 1
        self.taken += 1
        self.streams[number] = Stream(False, ended)
        self.events.append(("request", number, said))
        if ended:
            self.events.append(("end", number))

    def sweep(self, number):
        stream = self.streams.get(number)
        if stream and stream.our_end and stream.their_end:
            del self.streams[number]
            self.note_over(stream)

    def note_over(self, stream):
        if not stream.ours and not self.said_goodbye:
            self.granted_to_them += 1
            self.say(CREDIT, {"requests": 1})

    # ---- what our side wants

    def ask(self, services, headers=(), end=True, deadline_ms=0):
        if self.phase != "up" or self.granted_to_us == 0 or self.heard_goodbye or self.said_goodbye:
            raise RuntimeError("the peer takes no request now")
        number, self.next = self.next, self.next + 2
        self.granted_to_us -= 1
        self.streams[number] = Stream(True, end)
        said = {"deadline_ms": deadline_ms, "services": services, "headers": list(headers)}
        self.say(REQUEST, said, number, END if end else 0)
        return number

    def respond(self, number, status, headers=(), end=False):
        self.streams[number].our_head, self.streams[number].our_end = True, end
        self.say(RESPONSE, {"status": status, "headers": list(headers)}, number, END if end else 0)
        self.sweep(number)

    def send(self, number, data):
        """Sends what the window allows of `data`; gives how much that was."""
        stream = self.streams[number]
        count = min(len(data), stream.may_send)
        for at in range(0, count, PIECE):
            self.say(DATA, {"data": data[at : min(at + PIECE, count)]}, number)
        stream.may_send -= count
        return count

    def end(self, number, trailers=None):
        if trailers is None:
            self.say(DATA, {"data": b""}, number, END)
        else:
            self.say(TRAILERS, {"headers": trailers}, number)
        self.streams[number].our_end = True
        self.sweep(number)

    def reset(self, number, code, reason=b""):
        stream = self.streams.pop(number, None)
        if stream:
            self.say(RESET, {"code": code, "reason": reason}, number)
            self.note_over(stream)

    def credit(self, number, count):
        """The reader took `count` bytes."""
        stream = self.streams.get(number)
        if stream and not stream.their_end:
            stream.taken += count
            if stream.taken >= WINDOW_BYTES // 4:
                stream.may_receive += stream.taken
                self.say(WINDOW, {"bytes": stream.taken}, number)
                stream.taken = 0

    def find_node(self, key):
        self.token += 1
        self.asked.add(self.token)
        self.say(FIND_NODE, {"token": self.token, "key": key})
        return self.token

    def answer(self, token, records):
        self.open_questions.remove(token)
        self.say(NODES, {"token": token, "records": records})

    def ping(self, payload):
        self.say(PING, {"payload": payload})

    def goodbye(self, code=0, reason=b""):
        self.said_goodbye = True
        self.say(GOODBYE, {"requests_taken": self.taken, "code": code, "after_ms": 0, "reason": reason})
