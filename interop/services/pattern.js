// Bytes that both sides can make by themselves, so that a checksum needs no transfer of its own: blocks of 64 KiB, each
// with its index in the first eight bytes. Twin of harness/pattern.py.
const crypto = require("crypto");

const BLOCK_BYTES = 65536;
const base = Buffer.concat(
  Array.from({ length: BLOCK_BYTES / 32 }, (_, i) => crypto.createHash("sha256").update(`${i}`).digest())
);

function* pattern(bytes) {
  for (let index = 0; index * BLOCK_BYTES < bytes; index++) {
    const block = Buffer.from(base);
    block.writeBigUInt64BE(BigInt(index), 0);
    yield block.subarray(0, Math.min(BLOCK_BYTES, bytes - index * BLOCK_BYTES));
  }
}

module.exports = { pattern };
