// A node of the published package with the handlers that the cases call.
// Argument: one JSON object {addrs, services: [handler or "name=handler"], name, bind}. With `bind` the node is
// identified and listens there. Prints `ready` once Node.start has returned, and `seen …` for what a handler noticed.
//
// Handlers read with ctx.on("data"): on Node.js 20 `await ctx.body()` ends the writing side and crashes the process.
const crypto = require("crypto");
const { once } = require("events");
const { Node, generateSecretKey } = require("flatend");
const { pattern } = require("./pattern");

const options = JSON.parse(process.argv[2]);
const seen = (...words) => console.log("seen", ...words);

// Writes the pattern and waits for room as a careful handler does.
async function writePattern(ctx, bytes) {
  for (const block of pattern(bytes)) {
    if (!ctx.write(block)) await once(ctx, "drain");
  }
}

const handlers = {
  hello_world: (ctx) => ctx.send("Hello world!"),
  name: (ctx) => ctx.send(options.name),
  headers: (ctx) => ctx.json(ctx.headers),
  echo: (ctx) => ctx.pipe(ctx),

  // Counts and hashes the request body; `seen sum` only if the body ended.
  sum: (ctx) => {
    const hash = crypto.createHash("sha256");
    let bytes = 0;
    ctx.on("data", (chunk) => {
      if (bytes === 0) seen("sum-begin");
      bytes += chunk.length;
      hash.update(chunk);
    });
    ctx.on("end", () => {
      seen("sum", bytes);
      ctx.json({ bytes, sha256: hash.digest("hex") });
    });
  },

  // query.bytes of the pattern; with query.length they are announced, with query.then=hang the end never comes.
  pattern: async (ctx) => {
    const bytes = Number(ctx.headers["query.bytes"]);
    if (ctx.headers["query.length"]) ctx.header("content-length", ctx.headers["query.length"]);
    await writePattern(ctx, bytes);
    if (ctx.headers["query.then"] !== "hang") ctx.end();
  },

  // Response headers and body as the query asks for, whether they make sense or not.
  respond: (ctx) => {
    for (const [name, value] of Object.entries(JSON.parse(ctx.headers["query.headers"]))) ctx.header(name, value);
    if (ctx.headers["query.body"]) ctx.send(ctx.headers["query.body"]);
    else ctx.end();
  },

  ignore: (ctx) => ctx.send("not read"),
  throw: () => {
    throw new Error("thrown on purpose");
  },
  reject: async () => {
    throw new Error("rejected on purpose");
  },
};

async function main() {
  const services = {};
  for (const entry of options.services) {
    const [name, handler = name] = entry.split("=");
    services[name] = handlers[handler];
  }
  const identity = options.bind ? { secretKey: generateSecretKey(), bindAddrs: [options.bind] } : {};
  await Node.start({ addrs: options.addrs, services, ...identity });
  console.log("ready");
}

main().catch((err) => {
  console.error("failed to start:", err);
  process.exit(1);
});
