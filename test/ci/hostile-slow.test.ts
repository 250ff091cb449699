/**
 * hostile-slow.test.ts: clients that hold on to a broker without using it: silent ones, those that speak byte by byte, those that never read.
 * Deadlines end them, what they make the broker keep in memory is bounded, and another client hardly notices.
 */
import { KIB, MIB } from "@varve/base";
import { encodeBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { METHODS } from "@varve/rpc";
import { createClient } from "@varve/rpc/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BrokerProcess, hasProc } from "../hostile/broker-process.js";
import { HonestClient } from "../hostile/honest.js";
import {
  callHeaders,
  Flag,
  frame,
  grpcMessage,
  PREFACE,
  RawConnection,
  setting,
  Type,
  uint32,
} from "../hostile/raw-http2.js";
import { until } from "../integration/varve-process.js";

const MESSAGE_MS = 2_000;
/** The smallest that may be configured. */
const RESPONSE_BYTES_MAX = 64 * MIB;
const UNFINISHED_BYTES_MAX = 32 * MIB;
const STORED_BYTES = 96 * MIB;
/**
 * Measured: 420 to 460 MiB. What is bounded twice (subscriptions, answers), and what it costs to bring it there: of each answer there are three
 * copies on its way (read, encoded, framed), and the collector takes buffers outside of its heap late.
 */
const RSS_GROWTH_MIB_MAX = 700;
/** Reading what the memory holds, several times over, on a machine that has other work. */
const GRAB_MS = 90_000;
const WINDOW_MAX = 2 ** 31 - 1;
const INITIAL_WINDOW = 4;

const openWindows = [setting(INITIAL_WINDOW, WINDOW_MAX)];
const openConnection = frame(Type.windowUpdate, Flag.none, 0, uint32(WINDOW_MAX - 65_535));
const call = (path: string, id: number): Buffer => frame(Type.headers, Flag.endHeaders, id, callHeaders(path));
const data = (id: number, message: Uint8Array): Buffer => frame(Type.data, Flag.none, id, grpcMessage(message));

describe.skipIf(!hasProc)("a broker and clients that take their time", () => {
  let broker: BrokerProcess;
  let honest: HonestClient;
  let socketsBefore: number;
  let rssBefore: number;

  beforeAll(async () => {
    broker = await BrokerProcess.start({
      messageMs: MESSAGE_MS,
      responseBytesMax: RESPONSE_BYTES_MAX,
      unfinishedRequestBytesMax: UNFINISHED_BYTES_MAX,
      tailCacheBytesMax: 4 * MIB,
    });
    await fill(broker);
    honest = await HonestClient.of(broker);
    socketsBefore = broker.openSockets();
    rssBefore = broker.rssMib();
  });

  afterAll(async () => {
    honest?.close();
    await broker?.stop();
  });

  test("silence, half a preface, headers and messages byte by byte: each is ended by a deadline", async () => {
    const kinds: readonly ((connection: RawConnection) => readonly Buffer[])[] = [
      () => [],
      () => [PREFACE.subarray(0, 10)],
      () => [PREFACE],
      () => [PREFACE, frame(Type.settings, Flag.none, 0), frame(Type.headers, Flag.none, 1, callHeaders("/x"))],
    ];
    const opened: RawConnection[] = [];
    await honest.unharmedBy(async () => {
      for (const kind of kinds) {
        for (let count = 0; count < 50; count++) {
          const connection = await RawConnection.open(broker.port);
          await connection.say(...kind(connection));
          opened.push(connection);
        }
      }
      const trickle = setInterval(() => {
        for (const { socket } of opened.slice(50, 100)) if (!socket.destroyed) socket.write(PREFACE.subarray(10, 11));
      }, 1_000);
      // Who does not answer a ping of HTTP/2 is gone after 15 s.
      await until("all of them are ended", () => (opened.every(({ isClosed }) => isClosed) ? true : null));
      clearInterval(trickle);
    }, "200 slow connections");
    await broker.socketsReturnTo(socketsBefore);
  });

  test("messages that never end are cancelled after their time, and take no more memory than is set", async () => {
    const connections: RawConnection[] = [];
    const begin = async (): Promise<void> => {
      for (const connection of connections.splice(0)) connection.close();
      for (let count = 0; count < 20; count++) {
        const connection = await RawConnection.speaking(broker.port, openWindows);
        connections.push(connection);
        for (let stream = 0; stream < 20; stream++) {
          const id = 2 * stream + 1;
          const begun = grpcMessage(Buffer.alloc(15 * KIB), 8 * MIB);
          await connection.say(call(METHODS.produce.path, id), frame(Type.data, Flag.none, id, begun));
        }
      }
      const more = frame(Type.data, Flag.none, 0, Buffer.alloc(15 * KIB));
      for (let round = 0; round < 20; round++) {
        for (const connection of connections) {
          for (let stream = 0; stream < 20; stream++) {
            more.writeUInt32BE(2 * stream + 1, 5);
            if (!connection.isClosed) connection.socket.write(Buffer.from(more));
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 20)); // The attack is bounded in its rate, too.
      }
    };
    const hold = async (): Promise<void> => {
      const stillTaken = async (): Promise<number> => Number((await metricOf(broker, "unfinished_requests")) ?? 0);
      expect(await stillTaken()).toBeLessThanOrEqual(UNFINISHED_BYTES_MAX + MIB);
      await until("all are cancelled", async () => ((await stillTaken()) === 0 ? true : null));
    };
    await honest.unharmedBy(hold, "400 unfinished messages", begin);
    for (const connection of connections) connection.close();
    await broker.socketsReturnTo(socketsBefore);
  });

  test("consumers that grant everything and never read: what they hold is bounded, and given back when they are gone", async () => {
    const connections: RawConnection[] = [];
    let rssMost = 0;
    const grab = async (): Promise<void> => {
      for (const connection of connections.splice(0)) connection.close();
      for (let count = 0; count < 30; count++) {
        const connection = await RawConnection.speaking(broker.port, openWindows);
        connection.socket.pause();
        connections.push(connection);
        const parts = [openConnection];
        for (let stream = 0; stream < 5; stream++) {
          const id = 2 * stream + 1;
          parts.push(call(METHODS.subscribe.path, id));
          parts.push(data(id, METHODS.subscribe.encodeRequest({ grant: { bytes: 64 * MIB } })));
          for (let subscription = 1; subscription <= 20; subscription++) {
            const add = { subscriptionId: subscription, topic: "good", partition: 0, offset: 0 };
            parts.push(data(id, METHODS.subscribe.encodeRequest({ add })));
          }
        }
        for (let read = 10; read < 30; read++) {
          const request = { topic: "good", partition: 0, offset: 0, maxBytes: 8 * MIB };
          parts.push(call(METHODS.read.path, 2 * read + 1));
          const message = grpcMessage(METHODS.read.encodeRequest(request));
          parts.push(frame(Type.data, Flag.endStream, 2 * read + 1, message));
        }
        await connection.say(...parts);
      }
      let held = "";
      await until(
        "what is held stands still",
        async () => {
          rssMost = Math.max(rssMost, broker.rssMib());
          const before = held;
          held = `${await metricOf(broker, "responses")} ${await metricOf(broker, "subscriptions_all")}`;
          return before === held ? true : null;
        },
        GRAB_MS,
      );
    };
    const hold = async (): Promise<void> => {
      const endMs = performance.now() + 3_000;
      while (performance.now() < endMs) {
        rssMost = Math.max(rssMost, broker.rssMib());
        await new Promise((resolve) => setTimeout(resolve, 100)); // Between two looks; `endMs` bounds them.
      }
    };
    await honest.unharmedBy(hold, "30 never-reading consumers", grab);
    console.log(`resident memory: ${rssBefore.toFixed(0)} MiB before, ${rssMost.toFixed(0)} MiB at most`);
    expect(rssMost - rssBefore).toBeLessThan(RSS_GROWTH_MIB_MAX);
    for (const connection of connections) connection.close();
    await broker.socketsReturnTo(socketsBefore);
    await until("nothing is held", async () => ((await metricOf(broker, "subscriptions_all")) === "0" ? true : null));
    expect(broker.lives).toBe(true);
    expect(broker.internalErrors()).toEqual([]);
  });
});

/** Stores more than the tail cache holds, so that reads come from the disk into memory of their own. */
async function fill(broker: BrokerProcess): Promise<void> {
  const client = createClient(broker.address);
  const records = Array.from({ length: 2 }, () => ({ timestampMs: 1, value: Buffer.alloc(1_000 * KIB, "v") }));
  const batch = encodeBatch({ records }, nodeCodec);
  for (let bytes = 0; bytes < STORED_BYTES; bytes += batch.length)
    await client.unary(METHODS.produce, { topic: "good", partition: 0, batch }, { deadlineMs: 30_000 });
  client.close();
}

/** Bytes in use under a bound of memory, as the operators' port shows them; asked seldom, since all metrics are work for the broker. */
async function metricOf(broker: BrokerProcess, bound: string): Promise<string | undefined> {
  await new Promise((resolve) => setTimeout(resolve, 300)); // Between two looks; the caller's deadline bounds them.
  // A connection that waited for the next question may be closed just when that comes.
  const text = await until("the metrics", () =>
    fetch(`http://127.0.0.1:${broker.port + 2}/metrics`).then(
      (response) => response.text(),
      () => null,
    ),
  );
  return new RegExp(`^varve_memory_bound_used_bytes\\{bound="${bound}"\\} (\\S+)`, "m").exec(text)?.[1];
}
