// A node of the published package that calls services of others: it joins, finds who offers them, and streams.
// Arguments: one JSON object {addrs, bytes}. Uploads `bytes` of the pattern to `upload`, downloads as many from `download`, and
// prints what it saw as JSON.
const crypto = require("crypto");
const { Node } = require("flatend");
const { pattern } = require("./pattern");

const options = JSON.parse(process.argv[2]);

async function* upload() {
  for (const block of pattern(options.bytes)) yield block;
}

async function* nothing() {}

// The whole body of a response: its bytes and its checksum.
async function drain(stream) {
  const hash = crypto.createHash("blake2b512");
  const pieces = [];
  let bytes = 0;
  for await (const chunk of stream.body) {
    bytes += chunk.length;
    hash.update(chunk);
    if (bytes < 1000) pieces.push(chunk);
  }
  return { bytes, b2sum: hash.digest("hex"), text: Buffer.concat(pieces).toString() };
}

// The package knows whom it has met; who offers a name may still be on its way.
async function ask(node, service, headers, body) {
  for (let tries = 0; ; tries++) {
    try {
      return await node.push([service], headers, body());
    } catch (err) {
      if (tries === 100) throw err;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function main() {
  const node = await Node.start({ addrs: options.addrs, services: {} });
  await drain(await ask(node, "download", { "query.bytes": "1" }, nothing));
  const sent = crypto.createHash("blake2b512");
  for (const block of pattern(options.bytes)) sent.update(block);
  const uploaded = await drain(await node.push(["upload"], {}, upload()));
  const response = await node.push(["download"], { "query.bytes": String(options.bytes) }, nothing());
  const downloaded = await drain(response);
  console.log(
    JSON.stringify({
      sent: sent.digest("hex"),
      uploaded: JSON.parse(uploaded.text),
      downloaded: { bytes: downloaded.bytes, b2sum: downloaded.b2sum, said: response.headers["x-b2sum"] },
    }),
  );
  process.exit(0);
}

main().catch((err) => {
  console.error("failed:", err);
  process.exit(1);
});
