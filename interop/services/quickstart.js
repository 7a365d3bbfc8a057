// The quickstart of the npm package's README; the gateway's address alone is an argument.
const { Node, Context } = require("flatend");

const helloWorld = (ctx) => ctx.send("Hello world!");

async function main() {
  await Node.start({
    addrs: [process.argv[2]],
    services: {
      hello_world: helloWorld,
    },
  });
}

main().catch((err) => console.error(err));
