// RingCentral's own JavaScript packages; they do what standard input says, and tell on standard output what comes
// of it and what they are told, one JSON object a line each.
//
//   node ringcentral.mjs <server> <client id> <client secret> <jwt> [<event filter>...]
//
// A line on standard input is {"id", "root", "chain"}: calls to be made one after another, each on what the one
// before returned, as [name, argument...]. Roots are `platform` (@ringcentral/sdk), `control`
// (ringcentral-call-control), `session <id>` (one of its sessions), `subscription` (@ringcentral/subscriptions,
// whose events feed `control`), and `rc` (@rc-ex/core). Where a filter is the account's, `control` is at account
// level. It ends when its standard input does.

import { createInterface } from "node:readline";

import core from "@rc-ex/core";
import { SDK } from "@ringcentral/sdk";
import subscriptions from "@ringcentral/subscriptions";
import callControl from "ringcentral-call-control";

const [server, clientId, clientSecret, jwt, ...filters] = process.argv.slice(2);
const tell = (line) => console.log(JSON.stringify(line));

const sdk = new SDK({ server, clientId, clientSecret });
const rc = new (core.default ?? core)({ server, clientId, clientSecret });
const roots = { platform: sdk.platform(), rc };

async function start() {
  await sdk.login({ jwt });
  await rc.authorize({ jwt });
  const accountLevel = filters.some((filter) => !filter.includes("/extension/"));
  const control = new callControl.RingCentralCallControl({ sdk, accountLevel });
  control.on("new", (session) => {
    tell({ new: session.id });
    session.on("status", (change) => tell({ status: { session: session.id, party: change.party } }));
  });
  await control.initialize();
  roots.control = control;
  if (filters.length > 0) {
    const subscription = new subscriptions.Subscriptions({ sdk }).createSubscription();
    subscription.on("notification", (event) => {
      tell({ event });
      control.onNotificationEvent(event);
    });
    subscription.setEventFilters(filters);
    roots.subscription = subscription;
    roots.socket = await subscription.register();
  }
  tell({ ready: { extension: control.extensionId, account: control.accountId, devices: control.devices } });
}

function root(name) {
  const [kind, id] = name.split(" ");
  return kind === "session" ? roots.control.sessionsMap.get(id) : roots[kind];
}

async function shown(value) {
  if (typeof value?.text === "function" && "status" in value) {
    const text = await value.text();
    return { status: value.status, body: text ? JSON.parse(text) : null };
  }
  return typeof value?.toJSON === "function" ? value.toJSON() : (value ?? null);
}

async function carryOut({ id, root: from, chain }) {
  try {
    let value = root(from);
    for (const [name, ...given] of chain) {
      const on = await value;
      value = typeof on[name] === "function" ? on[name](...given) : on[name];
    }
    tell({ answer: { id, value: await shown(await value) } });
  } catch (error) {
    tell({ answer: { id, error: String(error.message), status: error.response?.status ?? null } });
  }
}

await start();
createInterface({ input: process.stdin })
  .on("line", (line) => carryOut(JSON.parse(line)))
  .on("close", () => process.exit(0));
