// An EventSource that tells on standard output, one JSON object a line, what its library tells it.
//
//   node eventsource.mjs <url> <authorization> <event type>...
//
// It ends when its standard input does.

import { EventSource } from "eventsource";

const [url, authorization, ...types] = process.argv.slice(2);
const tell = (line) => console.log(JSON.stringify(line));

const source = new EventSource(url, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, Authorization: authorization } }),
});
source.addEventListener("open", () => tell({ open: true }));
source.addEventListener("error", (error) => tell({ error: error.message ?? "", code: error.code ?? null }));
for (const type of types) {
  source.addEventListener(type, (event) =>
    tell({ event: { type: event.type, data: JSON.parse(event.data), id: event.lastEventId } }),
  );
}

process.stdin.on("end", () => {
  source.close();
  process.exit(0);
});
process.stdin.resume();
