/** moving-addresses.test.ts: names whose address changes while brokers run, as pods get new ones: over real loopback sockets. */
import { createServer, type LookupFunction, type Server } from "node:net";
import { ownTimeMs } from "@varve/base/testing";
import { afterEach, expect, test } from "vitest";
import { createNodeLink } from "./node/link.js";
import { eventually, Rig } from "./testing/rig.js";

/** What the change of a name may take, on a machine that is not busy. */
const WITHIN_MS = 5_000;
/** For busy machines. */
const DEADLINE_MS = 30_000;

const rigs: Rig[] = [];
const servers: Server[] = [];

afterEach(() => {
  for (const rig of rigs.splice(0)) rig.hub.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Names of the test, which it may move. */
class Names {
  readonly addresses = new Map<string, string>();
  readonly link = createNodeLink(((name, _, done) => {
    const address = this.addresses.get(name);
    if (address === undefined) done(Object.assign(new Error("no such name"), { code: "ENOTFOUND" }), "", 4);
    else done(null, [{ address, family: 4 }]);
  }) as LookupFunction);
}

function broker(brokerId: number, names: Names, hello: object = {}): Rig {
  const rig = new Rig({ brokerId, link: names.link, hello });
  rigs.push(rig);
  return rig;
}

/** Time of this process until `condition` holds, milliseconds. */
async function took(what: string, condition: () => boolean): Promise<number> {
  const startedMs = ownTimeMs();
  await eventually(what, condition, DEADLINE_MS);
  return ownTimeMs() - startedMs;
}

test("a broker that comes back at another address under its name is found at once", async () => {
  const names = new Names();
  const a = broker(1, names);
  const before = broker(2, names);
  const { port } = await before.hub.listen("127.0.0.2", 0);
  names.addresses.set("varve-1", "127.0.0.2");
  a.hub.connect(`varve-1:${port}`);
  await eventually("link up", () => a.hub.isConnected(2));
  before.hub.destroy();
  await eventually("link down", () => !a.hub.isConnected(2));
  const after = broker(2, names, { bootId: "boot-after" });
  await after.hub.listen("127.0.0.3", port);
  names.addresses.set("varve-1", "127.0.0.3");
  expect(await took("link up again", () => a.hub.isConnected(2))).toBeLessThan(WITHIN_MS);
  expect(a.ups.at(-1)?.bootId).toBe("boot-after");
});

test("also when nothing answers at the old address any more, not even with a refusal", async () => {
  const names = new Names();
  const a = broker(1, names);
  const silent = createServer((socket) => socket.on("error", () => {}));
  servers.push(silent);
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.2", resolve));
  const address = silent.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  names.addresses.set("varve-1", "127.0.0.2");
  a.hub.connect(`varve-1:${port}`);
  const b = broker(2, names);
  await b.hub.listen("127.0.0.3", port);
  names.addresses.set("varve-1", "127.0.0.3");
  expect(await took("link up", () => a.hub.isConnected(2))).toBeLessThan(WITHIN_MS);
});

test("a name that leads to another broker for a while costs neither of them its link", async () => {
  const names = new Names();
  const a = broker(1, names);
  const b = broker(2, names);
  const c = broker(3, names);
  const { port } = await b.hub.listen("127.0.0.2", 0);
  await c.hub.listen("127.0.0.3", port);
  // The resolver still has the address of 2 from before, which is that of 3 now.
  names.addresses.set("varve-1", "127.0.0.3").set("varve-2", "127.0.0.3");
  a.hub.connect(`varve-1:${port}`, new Set([2]));
  await eventually("3 is up under the name of 2", () => a.hub.isConnected(3));
  a.hub.connect(`varve-2:${port}`, new Set([3]));
  names.addresses.set("varve-1", "127.0.0.2");
  expect(await took("both up", () => a.hub.isConnected(2) && a.hub.isConnected(3))).toBeLessThan(WITHIN_MS);
});

test("brokers that have exchanged addresses since they were last heard of get their links all the same", async () => {
  const names = new Names();
  const a = broker(1, names);
  const b = broker(2, names);
  const c = broker(3, names);
  const { port } = await b.hub.listen("127.0.0.2", 0);
  await c.hub.listen("127.0.0.3", port);
  a.hub.connect(`127.0.0.3:${port}`, new Set([2]));
  a.hub.connect(`127.0.0.2:${port}`, new Set([3]));
  await eventually("both up", () => a.hub.isConnected(2) && a.hub.isConnected(3));
});

test("an address that led to a broker with a link already is tried again within seconds", async () => {
  const names = new Names();
  const a = broker(1, names);
  const b = broker(2, names);
  const { port } = await b.hub.listen("127.0.0.2", 0);
  names.addresses.set("varve-1", "127.0.0.2").set("varve-2", "127.0.0.2");
  a.hub.connect(`varve-1:${port}`);
  await eventually("link up", () => a.hub.isConnected(2));
  a.hub.connect(`varve-2:${port}`);
  const c = broker(3, names);
  await c.hub.listen("127.0.0.3", port);
  names.addresses.set("varve-2", "127.0.0.3");
  expect(await took("link up", () => a.hub.isConnected(3))).toBeLessThan(WITHIN_MS);
});
