// The service of the comparison as the published npm package makes it.
// Arguments: the package's folder, the gateway's address. Ends with standard input, as the services in Rust do.
// `ctx.write` cuts what it is given into Data packets of 2,048 bytes, whatever its size.
const { once } = require("events");
const { Node } = require(process.argv[2]);

// Twin of src/pattern.rs: bytes that repeat after a prime number of them.
const PERIOD_BYTES = 65521;
const PIECE_BYTES = 65536;

function makePattern() {
  const bytes = Buffer.alloc(PERIOD_BYTES + PIECE_BYTES);
  const word = (value) => BigInt.asUintN(64, value);
  let state = 0x2545f4914f6cdd1dn;
  for (let at = 0; at < PERIOD_BYTES; at++) {
    state ^= word(state << 13n);
    state ^= state >> 7n;
    state ^= word(state << 17n);
    bytes[at] = Number((state >> 32n) & 0xffn);
  }
  bytes.copy(bytes, PERIOD_BYTES, 0, PERIOD_BYTES);
  bytes.copy(bytes, 2 * PERIOD_BYTES, 0, PIECE_BYTES - PERIOD_BYTES);
  return bytes;
}

const pattern = makePattern();

const services = {
  hello: (ctx) => {
    ctx.header("content-type", "text/plain; charset=utf-8");
    ctx.send("Hello world!\n");
  },

  // params.count bytes of the pattern, each piece when the one before has left.
  bytes: async (ctx) => {
    const total = Number(ctx.headers["params.count"]);
    ctx.header("content-type", "application/octet-stream");
    ctx.header("content-length", String(total));
    for (let sent = 0; sent < total; ) {
      const from = sent % PERIOD_BYTES;
      const length = Math.min(PIECE_BYTES, total - sent);
      if (!ctx.write(pattern.subarray(from, from + length))) await once(ctx, "drain");
      sent += length;
    }
    ctx.end();
  },
};

process.stdin.on("end", () => process.exit());
process.stdin.resume();

Node.start({ addrs: [process.argv[3]], services }).catch((error) => {
  console.error("failed to start:", error);
  process.exit(1);
});
