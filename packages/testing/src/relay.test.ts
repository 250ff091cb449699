/** relay.test.ts: a relay passes everything while its broker is up, refuses while it is down, and is silent while it is cut off. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { KIB, MIB } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { freePorts } from "./free-ports.js";
import { Relay } from "./relay.js";

const STATE = { timeout: 10_000, interval: 10 };
/** Between two looks at whether bytes still move. */
const LOOK = { interval: 50, timeout: 20_000 };
const SEED = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

/** One end of a connection, and what happened to it. */
class End {
  readonly socket: Socket;
  readonly chunks: Buffer[] = [];
  receivedBytes = 0;
  state: "open" | "ended" | "broken" = "open";

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.chunks.push(chunk);
      this.receivedBytes += chunk.length;
    });
    socket.on("end", () => this.note("ended"));
    socket.on("error", () => this.note("broken"));
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }

  private note(state: "ended" | "broken"): void {
    if (this.state !== "broken") this.state = state;
  }
}

let relay: Relay;
let broker: Server;
let accepted: End[];
const clients: End[] = [];

beforeEach(async () => {
  accepted = [];
  broker = createServer({ allowHalfOpen: true }, (socket) => accepted.push(new End(socket)));
  await new Promise<void>((resolve) => broker.listen(0, "127.0.0.1", resolve));
  relay = new Relay((await freePorts(1))[0] ?? 0);
  await relay.open(brokerPort());
});

afterEach(() => {
  relay.close();
  broker.close();
  for (const { socket } of [...clients.splice(0), ...accepted]) socket.destroy();
});

function brokerPort(): number {
  return (broker.address() as AddressInfo).port;
}

function dial(): End {
  const port = Number(relay.address.split(":")[1]);
  const end = new End(connect({ host: "127.0.0.1", port, allowHalfOpen: true }));
  clients.push(end);
  return end;
}

/** A connection, seen from both ends. */
async function pair(): Promise<[client: End, broker: End]> {
  const before = accepted.length;
  const client = dial();
  const end = await vi.waitFor(() => accepted[before] ?? expect.fail("the broker has not been dialed"), STATE);
  return [client, end];
}

/** Bytes that have left a socket of this process once no more leave. */
async function bytesWhenStill(end: End): Promise<number> {
  let last = -1;
  return vi.waitFor(() => {
    const now = end.socket.bytesWritten - end.socket.writableLength;
    const isStill = now === last;
    last = now;
    expect(isStill).toBe(true);
    return now;
  }, LOOK);
}

/** Resolves after a round trip through the loopback interface that began now: what was sent before has arrived where it could. */
async function settled(): Promise<void> {
  const probe = createServer((socket) => socket.end("x"));
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  for (let round = 0; round < 20; round++) {
    const socket = connect((probe.address() as AddressInfo).port, "127.0.0.1").resume();
    await once(socket, "close");
  }
  probe.close();
}

test("bytes pass both ways, and each end closes by itself", async () => {
  const [client, end] = await pair();
  client.socket.end("question");
  await vi.waitFor(() => expect([end.text, end.state]).toEqual(["question", "ended"]), STATE);
  end.socket.end("answer");
  await vi.waitFor(() => expect([client.text, client.state]).toEqual(["answer", "ended"]), STATE);
});

test(`large transfers arrive whole, both ways at once (SEED=${SEED})`, async () => {
  const random = new Prng(SEED);
  const [up, down] = [Buffer.from(random.bytes(3 * MIB)), Buffer.from(random.bytes(5 * MIB))];
  const [client, end] = await pair();
  client.socket.end(up);
  end.socket.end(down);
  await vi.waitFor(() => expect([client.state, end.state]).toEqual(["ended", "ended"]), STATE);
  expect(Buffer.concat(end.chunks).equals(up)).toBe(true);
  expect(Buffer.concat(client.chunks).equals(down)).toBe(true);
});

test("a broken end breaks the other", async () => {
  const [client, end] = await pair();
  end.socket.resetAndDestroy();
  await vi.waitFor(() => expect(client.state).toBe("broken"), STATE);
  const [other, otherEnd] = await pair();
  other.socket.resetAndDestroy();
  await vi.waitFor(() => expect(otherEnd.state).toBe("broken"), STATE);
});

test("a broker that is down: connections break, new ones are refused; back on another port, the address stays", async () => {
  const [client] = await pair();
  relay.shut();
  await vi.waitFor(() => expect(client.state).toBe("broken"), STATE);
  const refused = dial();
  const [error] = (await once(refused.socket, "error")) as [NodeJS.ErrnoException];
  expect(error.code).toBe("ECONNREFUSED");
  await relay.open(brokerPort());
  const [again, end] = await pair();
  again.socket.write("back");
  await vi.waitFor(() => expect(end.text).toBe("back"), STATE);
});

test("cut off: nothing crosses and nobody is told; healed: what was held crosses, in order", async () => {
  const [client, end] = await pair();
  client.socket.write("1");
  await vi.waitFor(() => expect(end.text).toBe("1"), STATE);
  relay.cut();
  client.socket.write("2");
  end.socket.write("a");
  await settled();
  client.socket.end("3");
  end.socket.write("b");
  await settled();
  expect([client.text, client.state, end.text, end.state]).toEqual(["", "open", "1", "open"]);
  relay.heal();
  await vi.waitFor(() => expect([client.text, end.text, end.state]).toEqual(["ab", "123", "ended"]), STATE);
});

test("cut off: new connections open and go nowhere; healed: they reach the broker with what they said", async () => {
  relay.cut();
  const client = dial();
  await once(client.socket, "connect");
  client.socket.write("hello");
  await settled();
  expect(accepted).toHaveLength(0);
  expect(client.state).toBe("open");
  relay.heal();
  await vi.waitFor(() => expect(accepted[0]?.text).toBe("hello"), STATE);
});

test("cut off: that the broker broke a connection, went down or came back shows only after the cut", async () => {
  const [broken, brokenEnd] = await pair();
  const [client] = await pair();
  relay.cut();
  brokenEnd.socket.resetAndDestroy();
  relay.shut();
  const late = dial();
  await once(late.socket, "connect");
  await settled();
  expect([broken.state, client.state, late.state]).toEqual(["open", "open", "open"]);
  await relay.open(brokerPort());
  const before = accepted.length;
  relay.heal();
  await vi.waitFor(() => expect(broken.state).toBe("broken"), STATE);
  await vi.waitFor(() => expect(accepted.length).toBe(before + 1), STATE);
  expect(late.state).toBe("open");

  relay.cut();
  relay.shut();
  await settled();
  expect(late.state).toBe("open");
  relay.heal();
  await vi.waitFor(() => expect([client.state, late.state]).toEqual(["broken", "broken"]), STATE);
});

test("cut off: a sender that does not stop is stopped by the kernel; nothing of it is lost", async () => {
  const total = 96 * MIB;
  const chunk = Buffer.alloc(256 * KIB, 7);
  const [client, end] = await pair();
  relay.cut();
  for (let sent = 0; sent < total; sent += chunk.length) client.socket.write(chunk);
  const heldBytes = await bytesWhenStill(client);
  expect(heldBytes).toBeLessThan(32 * MIB);
  relay.heal();
  await vi.waitFor(() => expect(end.receivedBytes).toBe(total), { timeout: 20_000, interval: 20 });
});

test("closed: no listener and no connection is left, cut off or not", async () => {
  const [client] = await pair();
  relay.cut();
  const held = dial();
  await once(held.socket, "connect");
  relay.close();
  await vi.waitFor(() => expect([client.state, held.state]).toEqual(["broken", "broken"]), STATE);
  const refused = dial();
  expect(((await once(refused.socket, "error")) as [NodeJS.ErrnoException])[0].code).toBe("ECONNREFUSED");
});
