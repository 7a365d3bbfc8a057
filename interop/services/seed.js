// The examples that came with the npm package, in words of our own: what each of them does with the package, and no more.
// Arguments: which of them, the address of the node to dial (`-` for none), and for `bootstrap` and `node` the name of the service
// that is asked ten times a second (the examples ask once). Those two take a last argument, the address to listen at.
const fs = require("fs");
const { Readable } = require("stream");
const { Node, generateSecretKey } = require("flatend");

const [which, dialed, asked, listened] = process.argv.slice(2);
const ASK_EVERY_MS = 100;

// The file that runs, as `file`, `bootstrap` and `node` send it.
const source = (ctx) => fs.createReadStream(__filename).pipe(ctx);

// The list of the todo example; there it is a table of SQLite.
let todos = [];
let lastTodo = 0;
let counter = 0;

const examples = {
  hello_world: { hello_world: (ctx) => ctx.send("Hello world!") },
  counter: { count: (ctx) => ctx.send(String(counter++)) },
  file: { file: source },
  pipe: { pipe: (ctx) => ctx.pipe(ctx) },
  bootstrap: { bootstrap: source },
  node: { node: source },
  todo: {
    all_todos: (ctx) => ctx.json(todos),
    add_todo: (ctx) => {
      todos.push({ id: ++lastTodo, content: ctx.headers["params.content"], state: "" });
      ctx.json({ changes: 1, lastInsertRowid: lastTodo });
    },
    remove_todo: (ctx) => {
      const left = todos.filter((todo) => String(todo.id) !== ctx.headers["params.id"]);
      const changes = todos.length - left.length;
      todos = left;
      ctx.json({ changes });
    },
    done_todo: (ctx) => {
      const found = todos.filter((todo) => String(todo.id) === ctx.headers["params.id"]);
      found.forEach((todo) => (todo.state = "done"));
      ctx.json({ changes: found.length });
    },
  },
};

// Asks on and on; says how many bytes came, or what the package says.
async function ask(node, service) {
  for (;;) {
    try {
      const stream = await node.push([service], {}, Readable.from([]));
      let bytes = 0;
      for await (const piece of stream.body) bytes += piece.length;
      console.log(`got ${bytes} bytes from ${service}`);
    } catch (err) {
      console.log(err.message);
    }
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
}

async function main() {
  const identity = listened ? { secretKey: generateSecretKey(), bindAddrs: [listened] } : {};
  const addrs = dialed === "-" ? [] : [dialed];
  const node = await Node.start({ addrs, services: examples[which], ...identity });
  console.log("ready");
  if (asked) await ask(node, asked);
}

main().catch((err) => {
  console.error("failed to start:", err);
  process.exit(1);
});
