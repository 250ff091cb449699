import { connect, createServer, type Server, type Socket } from "node:net";
import { Prng } from "@varve/base/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DirectedLink } from "./directed-link.js";
import { CLIENTS } from "./fabric.js";
import { LinkProxy } from "./link-proxy.js";

const HOST = "127.0.0.1";

/** The broker behind the proxy: says back what it hears, in capitals. */
let broker: Server;
let proxy: LinkProxy;
let port = 0;
let heard: string[] = [];
let sockets: Socket[] = [];
let accepted: Socket[] = [];
const links = new Map<string, DirectedLink>();

beforeEach(async () => {
  heard = [];
  sockets = [];
  accepted = [];
  links.clear();
  broker = createServer((socket) => {
    accepted.push(socket);
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      heard.push(bytes.toString("latin1"));
      socket.write(bytes.toString("latin1").toUpperCase());
    });
  });
  port = await freePort();
  proxy = new LinkProxy(port, await listen(broker), "peer", {
    towards: (other) => link(`${other}>1`),
    back: (other) => link(`1>${other}`),
    anyHeld: () => [...links.values()].some(({ isHeld }) => isHeld),
  });
  await proxy.setAlive(true);
});

afterEach(() => {
  proxy.close();
  broker.close();
  for (const socket of [...sockets, ...accepted]) socket.destroy();
});

test("bytes pass both ways, and links are told apart by the broker that the first frame names", async () => {
  const two = dial();
  two.send(helloOf(2));
  const three = dial();
  three.send(helloOf(3));
  await until(() => heard.length === 2);
  link("2>1").become({ kind: "held" });
  two.send("two");
  three.send("three");
  await until(() => three.got.endsWith("THREE"));
  expect(heard.join()).not.toContain("two");
  link("2>1").become({ kind: "open" });
  await until(() => two.got.endsWith("TWO"));
});

test("one direction can be held alone: the broker hears and is not heard, and nothing is lost", async () => {
  const two = dial();
  two.send(helloOf(2));
  await until(() => two.got !== "");
  const before = two.got;
  link("1>2").become({ kind: "held" });
  for (const word of ["a", "b", "c"]) two.send(word);
  await until(() => heard.join("").endsWith("abc"));
  expect(two.got).toBe(before);
  link("1>2").become({ kind: "open" });
  await until(() => two.got === `${before}ABC`);
});

test("a held link hides that an end is gone, until it opens", async () => {
  const two = dial();
  two.send(helloOf(2));
  await until(() => two.got !== "");
  link("1>2").become({ kind: "held" });
  for (const socket of accepted) socket.destroy();
  two.send("x");
  await pass();
  expect(two.isClosed).toBe(false);
  link("1>2").become({ kind: "open" });
  await until(() => two.isClosed);
});

test("a connection that begins on a held link reaches the broker when the link opens", async () => {
  link("2>1").become({ kind: "held" });
  const two = dial();
  two.send(helloOf(2));
  await pass();
  expect(heard).toEqual([]);
  link("2>1").become({ kind: "open" });
  await until(() => two.got !== "");
});

test("slow links keep the order of bytes, and lossy ones lose none while the connection lives", async () => {
  const two = dial();
  two.send(helloOf(2));
  await until(() => two.got !== "");
  const before = two.got;
  link("2>1").become({ kind: "slow", delayMsMin: 1, delayMsMax: 30 });
  link("1>2").become({ kind: "lossy", stallRatio: 0.05, resetRatio: 0 });
  const words = Array.from({ length: 100 }, (_, at) => `word-${at};`);
  for (const word of words) {
    two.send(word);
    await pass();
  }
  await until(() => two.got.length === before.length + words.join("").length);
  expect(two.got.slice(before.length)).toBe(words.join("").toUpperCase());
});

test("of a dead broker connections are refused, but not while a link of it is held: a cut network refuses nothing", async () => {
  await proxy.setAlive(false);
  const refused = dial();
  await until(() => refused.isClosed);
  expect(refused.error).toBe("ECONNREFUSED");
  link(`${CLIENTS}>1`).become({ kind: "held" });
  await proxy.adapt();
  const silent = dial();
  await pass();
  expect(silent.isClosed).toBe(false);
});

function link(name: string): DirectedLink {
  const found = links.get(name) ?? new DirectedLink(new Prng(1));
  links.set(name, found);
  return found;
}

/** What a broker sends first: the header of a frame, then magic, versions and its id. */
function helloOf(broker: number): string {
  const hello = Buffer.alloc(60, "-");
  hello.write("VRVP", 28);
  hello.writeUInt32LE(broker, 38);
  return hello.toString("latin1");
}

interface Dialed {
  got: string;
  isClosed: boolean;
  error: string | null;
  readonly send: (text: string) => void;
}

function dial(): Dialed {
  const socket = connect({ host: HOST, port });
  sockets.push(socket);
  const dialed: Dialed = {
    got: "",
    isClosed: false,
    error: null,
    send: (text) => void socket.write(text, "latin1"),
  };
  socket.on("data", (bytes: Buffer) => {
    dialed.got += bytes.toString("latin1");
  });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    dialed.error = error.code ?? "";
  });
  socket.on("close", () => {
    dialed.isClosed = true;
  });
  return dialed;
}

/** Lets everything that can happen now happen: for what must not happen there is no state to wait for. */
async function pass(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function until(isSo: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!isSo()) {
    if (performance.now() > endMs) expect.fail("not within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 5)); // Between two looks; the deadline bounds them.
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, HOST, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  const found = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return found;
}
