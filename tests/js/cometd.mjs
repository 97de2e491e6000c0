// A CometD client that tells on standard output, one JSON object a line, what its library tells it.
//
//   node cometd.mjs <url> <authorization> <channel>...
//
// It subscribes to the channels after each handshake, as the library's documentation has it, and ends when its
// standard input does.

import { adapt } from "cometd-nodejs-client";

adapt(); // before the library looks for the browser's XMLHttpRequest and WebSocket
const { CometD } = await import("cometd");

const [url, authorization, ...channels] = process.argv.slice(2);
const tell = (line) => console.log(JSON.stringify(line));

const client = new CometD();
client.configure({ url, requestHeaders: { Authorization: authorization }, backoffIncrement: 100 });
client.addListener("/meta/handshake", (reply) => {
  tell({ handshake: reply.successful });
  if (reply.successful) {
    client.batch(() => {
      for (const channel of channels) {
        client.subscribe(
          channel,
          (event) => tell({ event }),
          (subscribed) => tell({ subscribed: subscribed.subscription, successful: subscribed.successful }),
        );
      }
    });
  }
});
client.addListener("/meta/unsuccessful", (reply) => tell({ unsuccessful: reply.channel, error: reply.error }));
client.handshake();

process.stdin.on("end", () => client.disconnect(() => process.exit(0)));
process.stdin.resume();
