/**
 * http2-abuse.test.ts: raw HTTP/2 against a real broker: floods, lies about lengths, protocol errors. The broker lives, cuts the attacker off,
 * keeps its memory, gives every descriptor back, and another client hardly notices.
 */
import { METHODS } from "@varve/rpc";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BrokerProcess, hasProc } from "./broker-process.js";
import { HonestClient } from "./honest.js";
import { callHeaders, Flag, frame, grpcMessage, header, RawConnection, setting, Type, uint32 } from "./raw-http2.js";

/** An attack goes on for so long, on so many connections, again and again as it is cut off. */
const ATTACK_MS = 700;
/** Until the broker ends a connection, if it must. */
const ATTACK_MS_MAX = 20_000;
const CONNECTIONS = 4;
/** Between two steps of one connection. */
const PAUSE_MS = 5;
/** What a broker may grow by through all of them together. */
const RSS_GROWTH_MIB_MAX = 300;
const PRODUCE = callHeaders(METHODS.produce.path);
const SETTINGS_ID = { headerTableBytes: 1, initialWindow: 4, frameBytesMax: 5 } as const;

interface Attack {
  readonly what: string;
  /** Says the next thing; false: the connection is over. */
  readonly next: (connection: RawConnection, step: number) => Promise<boolean>;
  /** Whether the broker must end such a connection at least once; else it may go on with it. */
  readonly endsIt: boolean;
}

const repeat = (count: number, part: (at: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, at) => part(at)));

/** Ids of clients' streams are odd and rise. */
const idOf = (step: number, at: number, perStep: number): number => 2 * (step * perStep + at) + 1;

const attacks: readonly Attack[] = [
  {
    what: "rapid reset: streams that are cancelled as soon as they are opened",
    next: (connection, step) =>
      connection.say(
        repeat(200, (at) => {
          const id = idOf(step, at, 200);
          return Buffer.concat([
            frame(Type.headers, Flag.endHeaders, id, PRODUCE),
            frame(Type.rstStream, Flag.none, id, uint32(8)),
          ]);
        }),
      ),
    endsIt: true,
  },
  {
    what: "a flood of CONTINUATION frames without an end of headers",
    next: (connection, step) =>
      step === 0
        ? connection.say(frame(Type.headers, Flag.none, 1, PRODUCE))
        : connection.say(repeat(10, () => frame(Type.continuation, Flag.none, 1, header("x", "y".repeat(100))))),
    endsIt: true,
  },
  {
    what: "a flood of empty CONTINUATION frames",
    next: (connection, step) =>
      step === 0
        ? connection.say(frame(Type.headers, Flag.none, 1, PRODUCE))
        : connection.say(repeat(1_000, () => frame(Type.continuation, Flag.none, 1))),
    endsIt: true,
  },
  {
    what: "a flood of SETTINGS",
    next: (connection) =>
      connection.say(
        repeat(500, (at) => frame(Type.settings, Flag.none, 0, setting(SETTINGS_ID.initialWindow, 65_535 + at))),
      ),
    endsIt: true,
  },
  {
    what: "a flood of pings",
    next: (connection) => connection.say(repeat(500, () => frame(Type.ping, Flag.none, 0, Buffer.alloc(8)))),
    endsIt: true,
  },
  {
    what: "a flood of pings whose answers are not read",
    next: (connection) => {
      connection.socket.pause();
      return connection.say(repeat(500, () => frame(Type.ping, Flag.none, 0, Buffer.alloc(8))));
    },
    endsIt: false, // It closes, but who does not read does not learn of it.
  },
  {
    what: "frames longer than agreed",
    next: (connection) => connection.say(frame(Type.data, Flag.none, 1, Buffer.alloc(1_000), 2 ** 24 - 1)),
    endsIt: true,
  },
  {
    what: "a window that overflows",
    next: (connection) => connection.say(repeat(4, () => frame(Type.windowUpdate, Flag.none, 0, uint32(2 ** 31 - 1)))),
    endsIt: true,
  },
  {
    what: "windows that grow by nothing",
    next: (connection) => connection.say(frame(Type.windowUpdate, Flag.none, 0, uint32(0))),
    endsIt: true,
  },
  {
    what: "more data than the window of a stream and a connection",
    next: (connection, step) =>
      step === 0
        ? connection.say(frame(Type.headers, Flag.endHeaders, 1, PRODUCE))
        : connection.say(repeat(64, () => frame(Type.data, Flag.none, 1, Buffer.alloc(16_384)))),
    endsIt: false, // The stream is over at its second message.
  },
  {
    what: "a header table that is filled once and named ten thousand times",
    next: (connection, step) => {
      const big = Buffer.concat([
        Buffer.of(0x40, 1),
        Buffer.from("x"),
        Buffer.of(0x7f, 0x81, 0x1e),
        Buffer.alloc(4_000, "y"),
      ]);
      const named = Buffer.alloc(10_000, 0x80 | 62);
      return connection.say(frame(Type.headers, Flag.endHeaders, 2 * step + 1, Buffer.concat([PRODUCE, big, named])));
    },
    endsIt: true,
  },
  {
    what: "empty data frames, priorities and frames of unknown types without end",
    next: (connection, step) =>
      step === 0
        ? connection.say(frame(Type.headers, Flag.endHeaders, 1, PRODUCE))
        : connection.say(
            repeat(300, () =>
              Buffer.concat([
                frame(Type.data, Flag.none, 1),
                frame(Type.priority, Flag.none, 3, Buffer.alloc(5)),
                frame(0xfe, 0xff, 1, Buffer.alloc(10)),
              ]),
            ),
          ),
    endsIt: false,
  },
  {
    what: "streams that are opened and left alone",
    next: (connection, step) =>
      connection.say(repeat(2, (at) => frame(Type.headers, Flag.endHeaders, idOf(step, at, 2), PRODUCE))),
    endsIt: false,
  },
  {
    what: "messages that say they have 4 GiB",
    next: (connection, step) =>
      connection.say(
        frame(Type.headers, Flag.endHeaders, 2 * step + 1, PRODUCE),
        frame(Type.data, Flag.none, 2 * step + 1, grpcMessage(Buffer.alloc(100), 2 ** 32 - 1)),
      ),
    endsIt: false,
  },
  {
    what: "what is no HTTP/2 at all",
    next: (connection) => connection.say(Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), Buffer.alloc(5_000, 0x16)),
    endsIt: true,
  },
];

describe.skipIf(!hasProc)("a broker under raw HTTP/2", () => {
  let broker: BrokerProcess;
  let honest: HonestClient;
  let socketsBefore: number;

  beforeAll(async () => {
    broker = await BrokerProcess.start();
    honest = await HonestClient.of(broker);
    socketsBefore = broker.openSockets();
  });

  afterAll(async () => {
    honest?.close();
    await broker?.stop();
  });

  test.each(attacks)("$what", async ({ what, next, endsIt }) => {
    const address = `127.0.1.${attacks.findIndex((attack) => attack.what === what) + 1}`;
    let closed = 0;
    await honest.unharmedBy(async () => {
      const startMs = performance.now();
      // On a busy machine it takes longer to say enough to be cut off.
      const goesOn = (): boolean => {
        const forMs = performance.now() - startMs;
        return forMs < ATTACK_MS || (endsIt && closed === 0 && forMs < ATTACK_MS_MAX);
      };
      const attack = async (): Promise<void> => {
        while (goesOn()) {
          const connection = await RawConnection.speaking(broker.port, [], address);
          for (let step = 0; goesOn(); step++) {
            if (!(await next(connection, step))) {
              closed++;
              break;
            }
            await new Promise((resolve) => setTimeout(resolve, PAUSE_MS)); // Attacks are bounded in their rate, too.
          }
          connection.close();
        }
      };
      await Promise.all(Array.from({ length: CONNECTIONS }, attack));
    }, what);
    if (endsIt) expect(closed, "connections that the broker ended").toBeGreaterThan(0);
    expect(broker.lives).toBe(true);
  });

  test("all of them together leave no descriptor behind, little memory, and no error that nobody expected", async () => {
    // Connections that HTTP/2 itself ended are closed when a ping has found no answer, after 15 s.
    await broker.socketsReturnTo(socketsBefore);
    const rssMib = broker.rssMib();
    console.log(`resident memory after all attacks: ${rssMib.toFixed(0)} MiB`);
    expect(rssMib).toBeLessThan(RSS_GROWTH_MIB_MAX + 200);
    expect(broker.internalErrors()).toEqual([]);
  });

  test("an honest client that cancels some calls each second is not taken for an attacker", async () => {
    const { createClient } = await import("@varve/rpc/node");
    const client = createClient(broker.address);
    for (let calls = 0; calls < 100; calls++) {
      const abort = new AbortController();
      const read = client.unary(
        METHODS.read,
        { topic: "good", partition: 0, offset: 2 ** 40, maxWaitMs: 1_000 },
        { deadlineMs: 5_000, signal: abort.signal },
      );
      setImmediate(() => abort.abort());
      await read.catch(() => {});
    }
    const answer = await client.unary(METHODS.metadata, { topics: ["good"] }, { deadlineMs: 5_000 });
    expect(answer).toBeDefined();
    client.close();
  });
});
