"""Keys, frames, HELLO, records and the downgrade trailer of flatend/2 (docs/flatend2.md), and the session of legacy (docs/protocol.md)."""

import struct
from dataclasses import dataclass, field
from hashlib import blake2b

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import wire
from wire import Fault, Reader

DIALER, ACCEPTOR = 0, 1
TAG = 16
FRAME_MAX, FRAME_MIN, FIRST_FRAME_MAX = 65_552, 28, 16_384
LEGACY_FRAME_MAX = 131_072
RECORD_MAX = 417
# y of the points of small order, sign bit cleared: strict checks refuse them as keys and as R.
SMALL_ORDER = {
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
}


def raw(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def cleared(key):
    return key[:31] + bytes([key[31] & 0x7F])


def marked(key):
    return key[:31] + bytes([key[31] | 0x80])


def is_marked(key):
    return bool(key[31] & 0x80)


def verify(key, signature, message):
    """Strictly."""
    if len(signature) != 64 or cleared(key) in SMALL_ORDER or cleared(signature[:32]) in SMALL_ORDER:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


def shared_secret(secret, theirs):
    try:
        shared = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(cleared(theirs)))
    except ValueError:
        shared = bytes(32)
    if shared == bytes(32):
        raise Fault("LowOrderKey")
    return shared


def out(key, label):
    return blake2b(label, key=key, digest_size=64).digest()


def public(secret):
    return raw(X25519PrivateKey.from_private_bytes(secret))


class Chain:
    """The keys of one direction; it goes forward only."""

    def __init__(self, secret):
        self.secret, self.step = secret, 0

    def key(self, step):
        if step < self.step:
            raise ValueError("a key of the past")
        while self.step < step:
            self.secret, self.step = out(self.secret, b"next"), self.step + 1
        return out(self.secret, b"key")[:32]


class Schedule:
    def __init__(self, secret, theirs, dialer, acceptor, network_key=None):
        self.shared = shared_secret(secret, theirs)
        self.secret_0 = out(network_key or bytes(32), b"flatend/2 extract" + self.shared + dialer + acceptor)
        self.binding = out(self.secret_0, b"flatend/2 binding")[:32]

    def chain(self, role):
        return Chain(out(self.secret_0, b"flatend/2 " + (b"acceptor" if role else b"dialer")))


class Frames:
    """One direction of sealed frames. With a `chain` flatend/2, else legacy with its one key."""

    def __init__(self, chain=None, key=None, number=0):
        self.chain, self.number, self.of = chain, number, -1
        self.aead = AESGCM(key) if key else None

    def begin(self, length):
        if self.chain and self.of != self.number >> 20:
            self.of = self.number >> 20
            self.aead = AESGCM(self.chain.key(self.of))
        nonce = struct.pack(">QI", self.number, 0)
        return nonce, length if self.chain else None

    def seal(self, plaintext):
        length = struct.pack(">I", len(plaintext) + TAG)
        nonce, covered = self.begin(length)
        self.number += 1
        return length + self.aead.encrypt(nonce, bytes(plaintext), covered)

    def open(self, frame):
        length, sealed = bytes(frame[:4]), bytes(frame[4:])
        nonce, covered = self.begin(length)
        try:
            plaintext = self.aead.decrypt(nonce, sealed, covered)
        except InvalidTag:
            raise Fault("Tag" if self.number else "FirstFrame") from None
        self.number += 1
        return plaintext

    def take(self, buffer, most, least):
        """The plaintext of the frame that `buffer` begins with, or None if it is not whole; drops it."""
        if len(buffer) < 4:
            return None
        length = int.from_bytes(buffer[:4], "big")
        if not least <= length <= most:
            raise Fault("FrameLength", str(length))
        if len(buffer) < 4 + length:
            return None
        plaintext = self.open(buffer[: 4 + length])
        del buffer[: 4 + length]
        return plaintext


@dataclass
class Hello:
    public_key: bytes
    instance: bytes
    first_grant: int
    shards: int = 1
    lane: int = 0
    capabilities: int = 0
    plaintext_log2: int = 0
    addresses: list = field(default_factory=list)
    software: bytes = b""
    record: bytes = None

    @staticmethod
    def signed(role, binding, fields):
        return b"flatend/2 identity" + bytes([role]) + binding + blake2b(fields, digest_size=64).digest()

    def encode(self, role, binding, key):
        fields = {
            1: b"\0\2", 2: struct.pack(">I", self.capabilities), 3: bytes([self.plaintext_log2]), 4: self.public_key,
            5: wire.addresses(self.addresses), 6: self.instance, 7: struct.pack(">HH", self.shards, self.lane),
            8: struct.pack(">I", self.first_grant), 9: self.software,
        }
        if self.record:
            fields[10] = self.record
        body = b"".join(bytes([tag]) + struct.pack(">H", len(value)) + value for tag, value in fields.items())
        return body + b"\xff\0\x40" + key.sign(self.signed(role, binding, body))

    @classmethod
    def decode(cls, body, role, binding):
        reader, fields, last = Reader(body, "hello"), {}, -1
        while 255 not in fields:
            before = reader.at
            if reader.is_over():
                raise Fault("Hello", "no signature")
            tag, value = reader.number(1), reader.value()
            if tag <= last:
                raise Fault("Hello", f"field {tag} is repeated or out of order")
            fields[tag], last = value, tag
            size = {1: 2, 2: 4, 3: 1, 4: 32, 6: 16, 7: 4, 8: 4}.get(tag, len(value))
            if len(value) != size or len(value) > {9: 255, 10: RECORD_MAX}.get(tag, 65_535):
                raise Fault("Hello", f"field {tag} is of a wrong size")
            if tag == 5:
                addresses = cls.take_addresses(value)
        reader.end()
        if fields.get(1) != b"\0\2" or not {4, 6, 7, 8} <= fields.keys():
            raise Fault("Hello", "a field is missing, or another version")
        if len(fields[255]) != 64:
            raise Fault("Hello", "field 255 is of a wrong size")
        if not verify(fields[4], fields[255], cls.signed(role, binding, body[:before])):
            raise Fault("Identity", "signature")
        shards, lane = struct.unpack(">HH", fields[7])
        return cls(
            fields[4], fields[6], int.from_bytes(fields[8], "big"), shards, lane, int.from_bytes(fields.get(2, b""), "big"),
            min(int.from_bytes(fields.get(3, b""), "big"), 8), addresses if 5 in fields else [], fields.get(9, b""),
            cls.own_record(fields.get(10), fields[4]),
        )

    @staticmethod
    def own_record(record, key):
        try:
            return record if record and read_record(record)["public_key"] == key else None
        except Fault:
            return None

    @staticmethod
    def take_addresses(value):
        reader, found = Reader(value, "address"), []
        while not reader.is_over():
            found.append(wire.take_address(reader))
            if len(found) > wire.ADDRESSES_MAX:
                raise Fault("Flood", "addresses")
        return found


def make_record(key, addresses, made_s, lifetime_s, capabilities=0):
    said = raw(key) + bytes([len(addresses)]) + wire.addresses(addresses) + struct.pack(">IQI", capabilities, made_s, lifetime_s)
    return said + key.sign(b"flatend/2 record" + said)


def read_record(record):
    said, signature = record[:-64], record[-64:]
    reader = Reader(said if len(record) > 64 else b"", "record")
    key, count = reader.take(32), reader.number(1)
    if count > wire.ADDRESSES_MAX:
        raise Fault("Flood", "addresses")
    found = {"public_key": key, "addresses": [wire.take_address(reader) for _ in range(count)]}
    found["capabilities"], found["made_s"], found["lifetime_s"] = reader.number(4), reader.number(8), reader.number(4)
    reader.end()
    if not verify(key, signature, b"flatend/2 record" + said):
        raise Fault("Identity", "signature")
    return found


def downgrade_signed(role, dialer, acceptor):
    return b"flatend/2 downgrade" + bytes([role]) + cleared(dialer) + cleared(acceptor)


def make_trailer(key, role, dialer, acceptor):
    return b"FL2" + raw(key) + key.sign(downgrade_signed(role, dialer, acceptor))


def is_trailer(trailing, role, dialer, acceptor, shown=None):
    """Whether these bytes prove that the peer, whose role is `role`, speaks flatend/2."""
    key, signature = trailing[3:35], trailing[35:99]
    if trailing[:3] != b"FL2" or len(signature) < 64 or (shown is not None and shown != key):
        return False
    return verify(key, signature, downgrade_signed(role, dialer, acceptor))


def new_identity(seed=None):
    return Ed25519PrivateKey.from_private_bytes(seed) if seed else Ed25519PrivateKey.generate()
