// A CometD client that tells on standard output, one JSON object a line, what its library tells it.
//
//   node cometd.mjs <url> <authorization> [--websocket] [--ack] <channel>...
//
// It subscribes to the channels after each handshake, as the library's documentation has it, and ends when its
// standard input does. With --websocket its websockets carry the credentials, as a browser's carry its cookies;
// without, they are refused, and it falls back to long-polling. With --ack it acknowledges what it gets.

import { adapt } from "cometd-nodejs-client";

adapt(); // before the library looks for the browser's XMLHttpRequest and WebSocket
const { CometD } = await import("cometd");
const { AckExtension } = await import("cometd/AckExtension.js");

const [url, authorization, ...rest] = process.argv.slice(2);
const options = rest.filter((text) => text.startsWith("--"));
const channels = rest.filter((text) => !text.startsWith("--"));
const tell = (line) => console.log(JSON.stringify(line));

if (options.includes("--websocket")) {
  const { WebSocket } = window;
  window.WebSocket = class extends WebSocket {
    constructor(address, protocols) {
      super(address, protocols, { headers: { Authorization: authorization } });
    }
  };
}

const client = new CometD();
client.configure({ url, requestHeaders: { Authorization: authorization }, backoffIncrement: 100 });
if (options.includes("--ack")) {
  client.registerExtension("ack", new AckExtension());
}
client.addListener("/meta/handshake", (reply) => {
  tell({ handshake: reply.successful });
  if (reply.successful) {
    client.batch(() => {
      for (const channel of channels) {
        client.subscribe(
          channel,
          (event) => tell({ event }),
          (subscribed) =>
            tell({
              subscribed: subscribed.subscription,
              successful: subscribed.successful,
              transport: client.getTransport().type,
            }),
        );
      }
    });
  }
});
client.addListener("/meta/unsuccessful", (reply) => tell({ unsuccessful: reply.channel, error: reply.error }));
client.addListener("/meta/disconnect", (told) => tell({ disconnected: told.id === undefined ? "by server" : "by client" }));
client.handshake();

process.stdin.on("end", () => client.disconnect(() => process.exit(0)));
process.stdin.resume();
