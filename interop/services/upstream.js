// A plain HTTP server for the cases, as Node serves: port and name as arguments. Twin of upstream.py.
const crypto = require("crypto");
const fs = require("fs");
const http = require("http");
const { once } = require("events");
const { pattern } = require("./pattern");

const [port, name] = [Number(process.argv[2]), process.argv[3]];
let connections = 0;

function pairs(raw) {
  const all = [];
  for (let i = 0; i < raw.length; i += 2) all.push([raw[i].toLowerCase(), raw[i + 1]]);
  return all;
}

async function handle(req, res) {
  const url = new URL(req.url, "http://upstream");
  const query = Object.fromEntries(url.searchParams);
  const kind = url.pathname.split("/").pop();
  if (kind === "echo") {
    if (req.headers["content-length"]) res.setHeader("Content-Length", req.headers["content-length"]);
    req.on("aborted", () => console.log("seen cut"));
    return req.pipe(res);
  }
  if (kind === "early") {
    res.writeHead(413, { "Content-Length": 6, Connection: "close" });
    return res.end("enough");
  }
  const total = crypto.createHash("sha256");
  let size = 0;
  for await (const piece of req) {
    total.update(piece);
    size += piece.length;
  }
  if (kind === "pattern") {
    if (query.length) res.setHeader("Content-Length", query.length);
    for (const block of pattern(Number(query.bytes))) {
      if (!res.write(block)) await once(res, "drain");
    }
    return res.end();
  }
  if (kind === "die") {
    res.writeHead(200, { "Content-Length": 1000000 });
    return res.write("x".repeat(100000), () => process.exit(1));
  }
  if (kind === "exit") process.exit(1);
  if (kind === "slow") {
    console.log("seen slow");
    return setTimeout(() => res.end("slow"), Number(query.ms));
  }
  if (kind === "name") return res.end(name);
  if (kind === "status") {
    res.writeHead(Number(query.status), { ETag: '"x"' });
    return res.end();
  }
  if (kind === "connections") return res.end(String(connections));
  if (kind === "health") {
    res.statusCode = fs.existsSync(`${name}.unwell`) ? 503 : 200;
    return res.end();
  }
  res.setHeader("Set-Cookie", ["a=1; Path=/", "b=2"]);
  res.setHeader("X-Kind", "node");
  res.setHeader("ETag", '"x"');
  const seen = { method: req.method, target: req.url, headers: pairs(req.rawHeaders), bytes: size, sha256: total.digest("hex") };
  const body = JSON.stringify(seen);
  res.setHeader("Content-Length", Buffer.byteLength(body));
  res.end(req.method === "HEAD" ? undefined : body);
}

const server = http.createServer((req, res) => handle(req, res).catch((err) => res.destroy(err)));
server.on("connection", () => {
  connections += 1;
});
server.listen({ port, host: "127.0.0.1", backlog: 1024 }, () => console.log("ready"));
