/**
 * messages.test.ts: every method of a real broker is called with messages that no honest client sends. Each gets a typed answer; the broker
 * lives, logs no failure that nobody expected, keeps its memory, and another client hardly notices.
 */
import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { promisify } from "node:util";
import { gzip, gzipSync } from "node:zlib";
import { isVarveError, MIB } from "@varve/base";
import { fuzzSeed, mutateBytes, Prng } from "@varve/base/testing";
import { encodeBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { type BidiMethod, METHODS, type RpcChannel, type UnaryMethod } from "@varve/rpc";
import { createClient } from "@varve/rpc/node";
import { CODECS, randomMessage, withOneofs } from "@varve/rpc/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BrokerProcess, hasProc } from "./broker-process.js";
import { HonestClient } from "./honest.js";

const seed = fuzzSeed();
const CALLS_PER_METHOD = 60;
const CALLS_AT_ONCE = 20;
const DEADLINE = { deadlineMs: 20_000 } as const;
/** Some calls wait for what never comes. */
const SOON = { deadlineMs: 300 } as const;
/** Where the records of a batch begin: Apache Kafka documentation, "Record Batch". */
const RECORDS_AT = 61;
/** From a broker that has just started; a bomb that goes off takes more. */
const RSS_GROWTH_MIB_MAX = 250;

type AnyUnary = UnaryMethod<unknown, unknown>;
/** What these are asked for is done, and this broker would be drained, replaced or gone; their bytes are under the fuzzer of `packages/rpc`. */
const OBEYED = /Drain|Decommission|Replace|Remove/;
const UNARY = Object.values(METHODS).filter(
  ({ kind, name }) => kind === "unary" && !OBEYED.test(name),
) as unknown as readonly AnyUnary[];
const STREAMS = Object.values(METHODS).filter(({ kind }) => kind === "bidi") as unknown as readonly BidiMethod<
  unknown,
  unknown
>[];

/** Requests of a method as an honest but careless client may send them, and what became of their bytes on the way. */
function spoiledRequests(name: string, prng: Prng, count: number): Uint8Array[] {
  const codec = CODECS.find((each) => each.name === `varve.v1.${name}Request`);
  if (codec === undefined) throw new Error(`no request of ${name}`);
  const good = Array.from({ length: 20 }, () => {
    const message = withOneofs(randomMessage(prng, codec), codec);
    // Half of them get beyond the first check of every handler.
    if (prng.chance(0.5)) for (const [key, value] of Object.entries(LIKELY)) if (key in message) message[key] = value;
    return codec.encode(message);
  });
  return Array.from({ length: count }, () =>
    prng.chance(0.3) ? prng.pick(good) : mutateBytes(prng, prng.pick(good), good),
  );
}

/** Another topic than the honest client's: some of the calls delete it. */
const LIKELY = { topic: "victim", topicId: "", partition: 0, group: "billing", deadlineMs: 100, minMetadataVersion: 0 };

describe.skipIf(!hasProc)(`a broker and messages that no honest client sends (SEED=${seed})`, () => {
  let broker: BrokerProcess;
  let honest: HonestClient;
  let channel: RpcChannel;
  let rssBefore: number;

  beforeAll(async () => {
    broker = await BrokerProcess.start();
    honest = await HonestClient.of(broker);
    channel = createClient(broker.address);
    await channel.unary(METHODS.createTopic, { topic: "victim", partitions: 1, replicas: 1 }, DEADLINE);
    rssBefore = broker.rssMib();
  });

  afterAll(async () => {
    channel?.close();
    honest?.close();
    await broker?.stop();
  });

  async function outcomeOf(call: Promise<unknown>): Promise<string> {
    return call.then(
      () => "answered",
      (error: unknown) => (isVarveError(error) ? error.code : String(error)),
    );
  }

  test("every unary method: an answer or a typed error, none of them INTERNAL", async () => {
    const prng = new Prng(seed);
    const outcomes = new Map<string, number>();
    await honest.unharmedBy(async () => {
      for (const method of UNARY) {
        const requests = spoiledRequests(method.name, prng, CALLS_PER_METHOD);
        const worker = async (): Promise<void> => {
          for (let bytes = requests.pop(); bytes !== undefined; bytes = requests.pop()) {
            const sent = bytes;
            const outcome = await outcomeOf(channel.unary({ ...method, encodeRequest: () => sent }, {}, SOON));
            outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
            expect(outcome, `${method.name} ${Buffer.from(sent).toString("hex").slice(0, 2_000)}`).toMatch(
              /^(answered|[A-Z_]+)$/,
            );
            expect(outcome, `${method.name} ${Buffer.from(sent).toString("hex").slice(0, 2_000)}`).not.toBe("INTERNAL");
          }
        };
        await Promise.all(Array.from({ length: CALLS_AT_ONCE }, worker));
      }
    }, `${UNARY.length} methods`);
    console.log([...outcomes].map(([code, count]) => `${code} ${count}`).join(", "));
    expect(outcomes.get("INVALID_ARGUMENT")).toBeGreaterThan(100);
  });

  test("every stream: messages, then a typed end or none", async () => {
    const prng = new Prng(seed + 1);
    for (const method of STREAMS) {
      for (const bytes of spoiledRequests(method.name, prng, CALLS_PER_METHOD)) {
        const stream = channel.bidi({ ...method, encodeRequest: () => bytes }, {});
        const ended = (async () => {
          for await (const _ of stream.responses);
        })();
        await stream.write({}).catch(() => {});
        stream.end();
        const patience = setTimeout(() => stream.cancel(), 50);
        expect(await outcomeOf(ended), Buffer.from(bytes).toString("hex").slice(0, 2_000)).toMatch(
          /^(answered|(?!INTERNAL)[A-Z_]+)$/,
        );
        clearTimeout(patience);
      }
    }
  });

  const likely = (fields: object): Buffer => Buffer.from(METHODS.read.encodeRequest({ topic: "good", ...fields }));
  const nested = (levels: number): Buffer => {
    let bytes: Buffer = Buffer.alloc(0);
    for (let level = 0; level < levels && bytes.length < 60_000; level++) bytes = field(1, bytes);
    return bytes;
  };
  const number = (bytes: readonly number[]): Buffer => Buffer.of(4 << 3, ...bytes);

  test.each([
    { why: "nothing at all", message: Buffer.alloc(0), status: 3 },
    { why: "messages within messages, as deep as fits", message: nested(20_000), status: 3 },
    { why: "groups within groups, which protobuf once had", message: Buffer.alloc(60_000, (9 << 3) | 3), status: 3 },
    {
      why: "fields that nobody knows",
      message: Buffer.concat([likely({}), field(1_000, Buffer.alloc(100))]),
      status: 0,
    },
    { why: "a field of another type", message: Buffer.concat([likely({}), Buffer.of((4 << 3) | 2, 1, 0)]), status: 3 },
    {
      why: "the largest number of 64 bits",
      message: Buffer.concat([likely({}), number([...Array(9).fill(0xff), 1])]),
      status: 3,
    },
    { why: "2^63 - 1", message: Buffer.concat([likely({}), number([...Array(8).fill(0xff), 0x7f])]), status: 3 },
    {
      why: "a number that does not end",
      message: Buffer.concat([likely({}), number(Array(11).fill(0xff))]),
      status: 3,
    },
    { why: "text that is not UTF-8", message: field(1, Buffer.of(0xff, 0xfe)), status: 3 },
    { why: "a name with ../", message: likely({ topic: "../../etc/passwd" }), status: 5 },
    { why: "a name of the prototype", message: likely({ topic: "__proto__" }), status: 5 },
    { why: "a name with a zero", message: likely({ topic: "a\u0000b" }), status: 5 },
    { why: "a name of a mebibyte", message: likely({ topic: "x".repeat(MIB) }), status: 5 },
    { why: "a message beyond the limit", message: Buffer.alloc(9 * MIB), status: 8 },
    { why: "a bomb of gzip", message: gzipSync(Buffer.alloc(256 * MIB)), encoding: "gzip", status: 8 },
    { why: "gzip that is none", message: Buffer.alloc(1_000, 1), encoding: "gzip" },
    { why: "a compression that nobody knows", message: Buffer.alloc(10), encoding: "brotli", status: 12 },
  ])("$why", async ({ message, encoding, status }) => {
    const session = connect(`http://${broker.address}`);
    session.on("error", () => {});
    const answer = await rawCall(session, METHODS.read.path, message, encoding);
    session.destroy();
    if (status !== undefined) expect(answer).toBe(status);
    else expect(answer).not.toBe(0);
  });

  test("a compressed batch that is a bomb is stored as it is and never inflated beyond its limit", async () => {
    // Beside the event loop: a client that answers no ping for 15 s is gone.
    const bomb = await promisify(gzip)(Buffer.alloc(512 * MIB));
    const small = encodeBatch({ records: [{ timestampMs: 1, value: null }], compression: "gzip" }, nodeCodec);
    const batch = Buffer.concat([small.subarray(0, RECORDS_AT), bomb]);
    batch.writeInt32BE(batch.length - 12, 8);
    batch.writeUInt32BE(nodeCodec.crc32c(batch.subarray(21)), 17);
    const produced = channel.unary(METHODS.produce, { topic: "good", partition: 0, batch }, DEADLINE);
    expect(await outcomeOf(produced)).toBe("answered");
    const { baseOffset: offset } = await produced;
    const read = { topic: "good", partition: 0, offset, decoded: true, maxBytes: 8 * MIB } as const;
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, () => outcomeOf(channel.unary(METHODS.read, read, DEADLINE))),
    );
    for (const outcome of outcomes) expect(outcome).not.toBe("INTERNAL");
  });

  test("after all of it: one process, no failure that nobody expected, memory as before", async () => {
    expect(broker.lives).toBe(true);
    expect(broker.internalErrors()).toEqual([]);
    console.log(`resident memory: ${rssBefore.toFixed(0)} MiB before, ${broker.rssMib().toFixed(0)} MiB after`);
    expect(broker.rssMib() - rssBefore).toBeLessThan(RSS_GROWTH_MIB_MAX);
    const { failures, count } = await honest.figures();
    expect(failures).toEqual([]);
    expect(count).toBeGreaterThan(0);
  });
});

/** A field of protobuf that holds bytes. */
function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; left >= 0; left = left > 0x7f ? Math.floor(left / 128) : -1)
    bytes.push(left > 0x7f ? (left % 128) + 0x80 : left);
  return Buffer.from(bytes);
}

/** The gRPC status that a call with this one message ends with. */
async function rawCall(session: ClientHttp2Session, path: string, message: Buffer, encoding?: string): Promise<number> {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...(encoding === undefined ? {} : { "grpc-encoding": encoding }),
  });
  stream.on("error", () => {});
  let status = -1;
  const note = (headers: Record<string, unknown>): void => {
    if (headers["grpc-status"] !== undefined) status = Number(headers["grpc-status"]);
  };
  stream.on("response", note);
  stream.on("trailers", note);
  stream.resume();
  const prefix = Buffer.alloc(5);
  prefix[0] = encoding === undefined ? 0 : 1;
  prefix.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([prefix, message]));
  await once(stream, "close");
  return status;
}
