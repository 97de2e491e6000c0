// Faye's client; it tells on standard output, one JSON object a line, what it is told.
//
//   node faye.mjs <url> <authorization> [--websocket] <channel>...
//
// It ends when its standard input does. Without --websocket it uses long-polling alone.

import faye from "faye";

const [url, authorization, ...rest] = process.argv.slice(2);
const channels = rest.filter((text) => !text.startsWith("--"));
const tell = (line) => console.log(JSON.stringify(line));

const client = new faye.Client(url, { retry: 0.2 });
client.setHeader("Authorization", authorization);
if (!rest.includes("--websocket")) {
  client.disable("websocket");
}
client.on("transport:down", () => tell({ transport: "down" }));
for (const channel of channels) {
  client.subscribe(channel, (data) => tell({ event: { channel, data } })).then(
    () => tell({ subscribed: channel }),
    (error) => tell({ unsuccessful: error.message }),
  );
}

process.stdin.on("end", () => {
  client.disconnect();
  setTimeout(() => process.exit(0), 200);
});
process.stdin.resume();
