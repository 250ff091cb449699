/** hub.test.ts: hubs over real loopback sockets: lanes, order, batching, bounds, loss of a peer, strangers. */
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";
import { type Link, type LinkConnection, VarveError } from "@varve/base";
import { ownTimeMs, Prng } from "@varve/base/testing";
import { afterEach, expect, test } from "vitest";
import { nodeLink } from "./node/link.js";
import { eventually, patternBytes, Rig, type RigOptions, testSeed } from "./testing/rig.js";

const seed = testSeed();
const rigs: Rig[] = [];

afterEach(() => {
  for (const rig of rigs.splice(0)) rig.hub.destroy();
});

function rigOf(options: Omit<RigOptions, "link"> & { readonly link?: Link }): Rig {
  const rig = new Rig({ link: nodeLink, ...options });
  rigs.push(rig);
  return rig;
}

async function listening(rig: Rig): Promise<string> {
  const { port } = await rig.hub.listen("127.0.0.1", 0);
  return `127.0.0.1:${port}`;
}

/** Broker 1 with a link to broker 2. */
async function pair(
  one: Partial<RigOptions> = {},
  two: Partial<RigOptions> = {},
): Promise<{ a: Rig; b: Rig; address: string }> {
  const a = rigOf({ brokerId: 1, ...one });
  const b = rigOf({ brokerId: 2, ...two });
  const address = await listening(b);
  a.hub.connect(address);
  await eventually("link up", () => a.hub.isConnected(2));
  return { a, b, address };
}

/** A Link that counts writes and can stand still. */
function countingLink(): { link: Link; writes: () => number; hold: (held: boolean) => void } {
  let writes = 0;
  const connections: LinkConnection[] = [];
  const wrap = (inner: LinkConnection): LinkConnection => {
    connections.push(inner);
    const write = inner.write.bind(inner);
    inner.write = (buffers) => {
      writes++;
      write(buffers);
    };
    return inner;
  };
  const link: Link = {
    listen: (host, port, onConnection) => nodeLink.listen(host, port, (connection) => onConnection(wrap(connection))),
    dial: (address) => wrap(nodeLink.dial(address)),
  };
  const hold = (held: boolean): void => {
    for (const connection of connections) held ? connection.pause() : connection.resume();
  };
  return { link, writes: () => writes, hold };
}

test(`messages arrive whole and in order on each lane, whatever their sizes (SEED=${seed})`, async () => {
  const prng = new Prng(seed);
  const { a, b } = await pair();
  const sent = { control: 0, bulk: 0 };
  for (let round = 0; round < 60; round++) {
    for (let at = prng.between(1, 20); at > 0; at--) {
      const lane = prng.pick(["control", "bulk"] as const);
      const payload = patternBytes(prng.pick([0, 1, 100, 5_000, 70_000, 300_000]), sent[lane]);
      const cut = prng.between(0, payload.length);
      expect(a.hub.send(2, lane, sent[lane]++, [payload.subarray(0, cut), payload.subarray(cut)])).toBe(true);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually("all arrived", () => b.messages.length === sent.control + sent.bulk);
  for (const lane of ["control", "bulk"] as const) {
    const messages = b.messages.filter((message) => message.lane === lane);
    for (const [at, message] of messages.entries()) {
      expect(message.from).toBe(1);
      expect(message.kind).toBe(at);
      expect(Buffer.compare(message.payload, patternBytes(message.payload.length, at))).toBe(0);
    }
  }
});

test("everything sent to a lane in one turn leaves in one socket write", async () => {
  const counting = countingLink();
  const { a, b } = await pair({ link: counting.link });
  const before = counting.writes();
  for (let at = 0; at < 500; at++) a.hub.send(2, "bulk", at, [new Uint8Array(300), new Uint8Array(9_000)]);
  await eventually("all arrived", () => b.messages.length === 500);
  expect(counting.writes() - before).toBe(1);
});

test("flush writes in the middle of a turn", async () => {
  const counting = countingLink();
  const { a } = await pair({ link: counting.link });
  const before = counting.writes();
  a.hub.send(2, "control", 1, []);
  a.hub.flush();
  expect(counting.writes() - before).toBe(1);
});

test("a peer that does not read bounds the queue: send says false, and goes on once it reads", async () => {
  const counting = countingLink();
  const queueBytesMax = 4 * 2 ** 20;
  const { a, b } = await pair({ options: { queueBytesMax } }, { link: counting.link });
  counting.hold(true);
  let sent = 0;
  let refused = 0;
  await eventually("the queue is full", () => {
    if (a.hub.send(2, "bulk", 1, [new Uint8Array(100_000)])) sent++;
    else refused++;
    expect(a.hub.queuedBytes(2, "bulk")).toBeLessThanOrEqual(queueBytesMax + 100);
    return refused > 100;
  });
  counting.hold(false);
  await eventually("the queue drains", () => a.hub.queuedBytes(2, "bulk") === 0 && b.messages.length === sent);
  expect(a.hub.send(2, "bulk", 1, [new Uint8Array(100_000)])).toBe(true);
});

test("send without a link says false and throws nothing", () => {
  const a = rigOf({ brokerId: 1 });
  expect(a.hub.send(9, "bulk", 1, [new Uint8Array(1)])).toBe(false);
  expect(a.hub.queuedBytes(9, "bulk")).toBe(0);
});

test("a killed peer is told as reset and then refused, within 50 ms", async () => {
  const { a, b } = await pair();
  const startedMs = ownTimeMs();
  b.hub.destroy();
  await eventually("refused", () => a.downs.length === 2);
  expect(a.downs.map((down) => down.reason)).toEqual(["reset", "refused"]);
  expect(ownTimeMs() - startedMs).toBeLessThan(50);
  expect(a.hub.isConnected(2)).toBe(false);
});

test("a peer that comes back at its address is linked again, and a second loss is told again", async () => {
  const { a, b, address } = await pair();
  for (const bootId of ["second", "third"]) {
    b.hub.destroy();
    for (const rig of rigs.filter((rig) => rig.brokerId === 2)) rig.hub.destroy();
    await eventually("refused", () => a.downs.at(-1)?.reason === "refused" && !a.hub.isConnected(2));
    const again = rigOf({ brokerId: 2, hello: { bootId } });
    await again.hub.listen("127.0.0.1", Number(address.split(":")[1]));
    await eventually("up again", () => a.ups.at(-1)?.bootId === bootId);
  }
  expect(a.downs.map((down) => down.reason)).toEqual(["reset", "refused", "reset", "refused"]);
});

test("a peer that closes in order is told as closed, and gets what was queued before", async () => {
  const { a, b } = await pair();
  for (let at = 0; at < 50; at++) a.hub.send(2, "bulk", at, [new Uint8Array(50_000)]);
  b.hub.connect(await listening(a));
  await eventually("both ways", () => b.hub.isConnected(1));
  await a.hub.close();
  await eventually("told", () => b.downs.length > 0);
  expect(b.downs[0]?.reason).toBe("closed");
  expect(b.messages.length).toBe(50);
});

test("disconnect ends the link and dials no more", async () => {
  const { a, b, address } = await pair();
  a.hub.disconnect(address);
  expect(a.hub.connected()).toEqual([]);
  expect(a.downs.map((down) => down.reason)).toEqual(["closed"]);
  b.hub.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(a.downs.length).toBe(1);
});

test("an address that is taken is ADDRESS_UNUSABLE", async () => {
  const { a, address } = await pair();
  const port = Number(address.split(":")[1]);
  await expect(a.hub.listen("127.0.0.1", port)).rejects.toMatchObject({ code: "ADDRESS_UNUSABLE" });
});

test("what is no address is INVALID_ARGUMENT", () => {
  const a = rigOf({ brokerId: 1 });
  for (const address of ["nonsense", "host:", "host:99999", ":1"]) {
    expect(() => a.hub.connect(address), address).toThrow(VarveError);
  }
});

test("two addresses of one peer make one link; the other address takes over when the first is given up", async () => {
  const { a, b, address } = await pair();
  const second = await listening(b);
  a.hub.connect(second);
  a.hub.connect(address);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(a.ups.length).toBe(1);
  a.hub.disconnect(address);
  await eventually("taken over", () => a.hub.isConnected(2));
  expect(a.ups.length).toBe(2);
});

test("the own address is recognised without noise", async () => {
  const a = rigOf({ brokerId: 1 });
  a.hub.connect(await listening(a));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(a.hub.connected()).toEqual([]);
  expect(a.refusals).toEqual([]);
  expect(a.warnings).toEqual([]);
});

test.each([
  { why: "another cluster", hello: { clusterId: "cluster-b" }, reason: /different/ },
  { why: "no common protocol version", hello: { protocolMin: 7, protocolMax: 9 }, reason: /no common protocol/ },
  { why: "the same broker id", hello: { brokerId: 1 }, reason: /two directories/ },
])("$why is refused by both, with its reason once", async ({ hello, reason }) => {
  const a = rigOf({ brokerId: 1, hello: { clusterId: "cluster-a" } });
  const b = rigOf({ brokerId: 2, hello });
  a.hub.connect(await listening(b));
  await eventually("refused", () => a.refusals.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 150)); // Some more attempts.
  expect(a.refusals.length).toBe(1);
  expect(b.refusals.length).toBe(1);
  expect(a.refusals[0]).toMatch(reason);
  expect(b.refusals[0]).toMatch(reason);
  expect(a.ups).toEqual([]);
});

test("a refused peer is linked once its hello fits", async () => {
  const a = rigOf({ brokerId: 1, hello: { clusterId: "cluster-a" } });
  const b = rigOf({ brokerId: 2, hello: { clusterId: "cluster-b" } });
  a.hub.connect(await listening(b));
  await eventually("refused", () => a.refusals.length > 0);
  b.hello = { ...b.hello, clusterId: "cluster-a" };
  await eventually("linked", () => a.hub.isConnected(2));
});

test("a second directory with the id of a live broker is kept out until that one is gone", async () => {
  const { a, b } = await pair();
  const impostor = rigOf({ brokerId: 2, hello: { directoryId: "wiped", bootId: "wiped-boot" } });
  a.hub.connect(await listening(impostor));
  await eventually("refused", () => a.refusals.length > 0);
  expect(a.refusals[0]).toMatch(/another directory/);
  expect(a.hub.connected()[0]?.directoryId).toBe("directory-2");
  b.hub.destroy();
  await eventually("replaced", () => a.hub.connected()[0]?.directoryId === "wiped");
});

test("the same holds between two that dialed us", async () => {
  const a = rigOf({ brokerId: 1 });
  const address = await listening(a);
  const b = rigOf({ brokerId: 2 });
  b.hub.connect(address);
  await eventually("in", () => b.hub.isConnected(1));
  const impostor = rigOf({ brokerId: 2, hello: { directoryId: "wiped", bootId: "wiped-boot" } });
  impostor.hub.connect(address);
  await eventually("refused", () => impostor.refusals.length > 0);
  expect(b.hub.isConnected(1)).toBe(true);
  b.hub.destroy();
  await eventually("in its place", () => impostor.hub.isConnected(1));
});

test("a cluster id that becomes known is announced on the links that are up", async () => {
  const changed: (string | null)[] = [];
  const { b } = await pair({ options: { onPeerChanged: (peer) => changed.push(peer.clusterId) } });
  b.hello = { ...b.hello, clusterId: "founded" };
  b.hub.announce();
  await eventually("heard", () => changed.length > 0);
  expect(changed).toEqual(["founded"]);
});

test("an announcement that no longer fits ends the link and is refused from then on", async () => {
  const { a, b } = await pair({ hello: { clusterId: "cluster-a" } });
  b.hello = { ...b.hello, clusterId: "cluster-b" };
  b.hub.announce();
  await eventually("refused", () => a.refusals.length > 0 && !a.hub.isConnected(2));
  expect(a.downs[0]?.reason).toBe("protocol");
});

async function stranger(address: string): Promise<{ socket: Socket; closed: Promise<void> }> {
  const socket = createConnection({ host: "127.0.0.1", port: Number(address.split(":")[1]) });
  socket.on("error", () => {});
  socket.resume();
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await new Promise((resolve) => socket.once("connect", resolve));
  return { socket, closed };
}

test(`strangers that send anything else are cut off and leave the links alone (SEED=${seed})`, async () => {
  const prng = new Prng(seed);
  const { a, address } = await pair();
  const inputs = [
    new TextEncoder().encode("GET / HTTP/1.1\r\nHost: varve.example\r\n\r\n"),
    new Uint8Array(100),
    ...Array.from({ length: 20 }, () => prng.bytes(prng.between(28, 5_000))),
  ];
  for (const input of inputs) {
    const { socket, closed } = await stranger(address);
    socket.write(input);
    await closed;
  }
  expect(a.hub.isConnected(2)).toBe(true);
});

test("an address where something else answers is named once", async () => {
  const server = createServer((socket) =>
    socket.end("220 mail.example ready, and some more words to fill a header\r\n"),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const a = rigOf({ brokerId: 1 });
  a.hub.connect(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  await eventually("named", () => a.refusals.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 100));
  server.close();
  expect(a.refusals).toEqual(["what answers there is no Varve broker"]);
});

test("a message that its receiver cannot decode ends the link as protocol, and it is dialed again", async () => {
  let bad = 0;
  const onMessage = (): void => {
    if (bad++ === 0) throw new VarveError("CORRUPT_BATCH", { message: "no message" });
  };
  const { a, b } = await pair({}, { options: { onMessage } });
  a.hub.send(2, "bulk", 1, [new Uint8Array(1)]);
  await eventually("down", () => a.downs.length > 0);
  expect(b.warnings.join()).toMatch(/protocol violated/);
  await eventually("up again", () => a.hub.isConnected(2));
});
