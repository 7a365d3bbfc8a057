// Records vectors from the published npm package: fixed keys go in, everything that its session, packets and ids make of them comes
// out. Run: node codec/vectors/record.js [path to a node_modules that holds flatend 0.0.8]
"use strict";
const fs = require("fs");
const path = require("path");

const modules = path.resolve(process.argv[2] || path.join(__dirname, "../../interop/node_modules"));
const root = path.join(modules, "flatend");
const version = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")).version;
if (version !== "0.0.8") throw new Error(`flatend 0.0.8 is needed, ${root} holds ${version}`);

// The package exports its surface only; the parts are files beside it.
const dist = path.dirname(require.resolve(root));
const part = (name) => require(path.join(dist, name));
const { x25519, Session } = part("session");
const packets = part("packet");
const { ID } = part("kademlia");
const { prefixLength, RPC, Streams } = part("stream");
const from = (name) => require(require.resolve(name, { paths: [root] }));
const nacl = from("tweetnacl");
const ipaddr = from("ipaddr.js");

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const fill = (byte) => new Uint8Array(32).fill(byte);

const dialer = nacl.box.keyPair.fromSecretKey(fill(0xd1));
const acceptor = nacl.box.keyPair.fromSecretKey(fill(0xa2));
const shared = nacl.scalarMult(dialer.secretKey, acceptor.publicKey);
const key = x25519(dialer.secretKey, acceptor.publicKey);
if (hex(key) !== hex(x25519(acceptor.secretKey, dialer.publicKey))) throw new Error("the two sides disagree");

const id = (seed, address, port) => {
  const keys = nacl.sign.keyPair.fromSeed(fill(seed));
  return { keys, seed: hex(fill(seed)), id: new ID(keys.publicKey, ipaddr.parse(address), port), address, port };
};
const ids = [id(0x01, "127.0.0.1", 9000), id(0x02, "192.168.0.255", 65535), id(0x03, "2001:db8::1", 1)];

const handshake = (who, services) => {
  const packet = new packets.HandshakePacket(who && who.id, services, undefined);
  if (who) packet.signature = nacl.sign.detached(packet.payload, who.keys.secretKey);
  return packet;
};

// One session: what the dialer writes, then what the acceptor writes, in order.
const rpc = { dialer: new RPC(true), acceptor: new RPC(false) };
const streams = { dialer: new Streams(true), acceptor: new Streams(false) };
const opcode = (code, body) => Buffer.concat([Buffer.of(code), body]);
const Opcode = packets.Opcode;

const shown = handshake(ids[0], ["hello", "world"]);
const answered = handshake(ids[1], ["all_todos", "add_todo"]);

const request = (side, services, headers) => {
  const stream = streams[side].register();
  return [stream.id, new packets.ServiceRequestPacket(stream.id, services, headers).encode()];
};
const [first, firstRequest] = request("dialer", ["all_todos", "add_todo"], { "params.id": "7", "content-type": "text/plain" });
const [second, secondRequest] = request("acceptor", ["hello"], {});

const script = {
  dialer: [
    ["handshake", rpc.dialer.request(opcode(Opcode.Handshake, shown.encode()))[0]],
    ["find_node", rpc.dialer.request(opcode(Opcode.FindNodeRequest, new packets.FindNodeRequest(ids[0].id.publicKey).encode()))[0]],
    ["service_request", rpc.dialer.message(0, opcode(Opcode.ServiceRequest, firstRequest))],
    ["data", rpc.dialer.message(0, opcode(Opcode.Data, new packets.DataPacket(first, Buffer.from("body of the request")).encode()))],
    ["data_end", rpc.dialer.message(0, opcode(Opcode.Data, new packets.DataPacket(first, Buffer.of()).encode()))],
    ["service_response_refused", rpc.dialer.message(0, opcode(Opcode.ServiceResponse, new packets.ServiceResponsePacket(second, false, {}).encode()))],
  ],
  acceptor: [
    ["handshake_reply", rpc.acceptor.message(1, answered.encode())],
    ["nodes", rpc.acceptor.message(0x80000001, new packets.FindNodeResponse([ids[1].id, ids[2].id]).encode())],
    ["service_response", rpc.acceptor.message(0, opcode(Opcode.ServiceResponse, new packets.ServiceResponsePacket(first, true, { "content-type": "application/json", empty: "" }).encode()))],
    ["data", rpc.acceptor.message(0, opcode(Opcode.Data, new packets.DataPacket(first, Buffer.from("[1,2,3]")).encode()))],
    ["data_end", rpc.acceptor.message(0, opcode(Opcode.Data, new packets.DataPacket(first, Buffer.of()).encode()))],
    ["service_request", rpc.acceptor.message(0, opcode(Opcode.ServiceRequest, secondRequest))],
    ["data_end", rpc.acceptor.message(0, opcode(Opcode.Data, new packets.DataPacket(second, Buffer.of()).encode()))],
  ],
};

const seal = (side) => {
  const session = new Session(key);
  return script[side].map(([kind, plaintext]) => ({
    kind,
    plaintext: hex(plaintext),
    frame: hex(prefixLength(session.encrypt(plaintext))),
  }));
};

const utf16 = new packets.ServiceResponsePacket(first, true, { name: "é" }).encode();
const modulo = new packets.ServiceRequestPacket(0, ["hello"], { ["n".repeat(300)]: "v" }).encode();

const vectors = {
  about: "recorded from the npm package flatend 0.0.8 by codec/vectors/record.js",
  node: process.version.replace(/\..*/, ""),
  session: {
    dialer_secret: hex(dialer.secretKey),
    dialer_public: hex(dialer.publicKey),
    acceptor_secret: hex(acceptor.secretKey),
    acceptor_public: hex(acceptor.publicKey),
    shared_secret: hex(shared),
    key: hex(key),
  },
  ids: ids.map(({ keys, seed, id, address, port }) => ({
    seed,
    public_key: hex(keys.publicKey),
    address,
    port,
    encoded: hex(id.encode()),
  })),
  handshake: {
    services: shown.services,
    signed: hex(shown.payload),
    signature: hex(shown.signature),
    body: hex(shown.encode()),
    anonymous: hex(handshake(undefined, ["hello"]).encode()),
  },
  frames: { dialer: seal("dialer"), acceptor: seal("acceptor") },
  malformed: {
    non_ascii_response: hex(opcode(Opcode.ServiceResponse, utf16)),
    long_name_request: hex(opcode(Opcode.ServiceRequest, modulo)),
  },
};

const file = path.join(__dirname, "npm-0.0.8.json");
fs.writeFileSync(file, JSON.stringify(vectors, null, 2) + "\n");
console.log(`wrote ${path.relative(process.cwd(), file)}`);
