// Faye's server, which relay's CometD is measured against. It publishes for whoever asks, from within.
//
//   node faye.cjs <port> <folder of node modules>
//
// GET /publish?channel=/bench/0&count=10&body=<JSON> publishes so many messages.

const http = require("node:http");
const { createRequire } = require("node:module");
const faye = createRequire(process.argv[3] + "/")("faye");

const bayeux = new faye.NodeAdapter({ mount: "/cometd", timeout: 30 });
const server = http.createServer((request, response) => {
  const { searchParams } = new URL(request.url, "http://localhost");
  const data = JSON.parse(searchParams.get("body"));
  for (let number = 0; number < Number(searchParams.get("count")); number += 1) {
    bayeux.getClient().publish(searchParams.get("channel"), data);
  }
  response.end("{}");
});
bayeux.attach(server);
server.listen(Number(process.argv[2]), "127.0.0.1");
