/**
 * produce-order.test.ts: who sends batches of one partition one after another, without waiting, through a broker that does not lead it, has them
 * appended in that order: by a stream and by unary calls, while the leadership moves.
 *
 * What is judged is I2: OUT_OF_ORDER_SEQUENCE is told only to a producer of whose earlier batches one had been told as failed before.
 */
import { toVarveError, type VarveError } from "@varve/base";
import { fromErrorStatus, METHODS, type RpcChannel } from "@varve/rpc";
import { startCluster, type TestCluster } from "@varve/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { batchOf, connect, DEADLINE, readAll } from "./raw.js";

const TOPIC = "ordered";
/** Leaderships moved while batches are under way, per test. */
const MOVES = 5;
const IN_FLIGHT = 60;

let cluster: TestCluster;
let channel: RpcChannel;

beforeAll(async () => {
  cluster = await startCluster({ brokers: 3 });
  channel = connect(cluster.bootstrap[0]);
  await channel.unary(METHODS.createTopic, { topic: TOPIC, partitions: 1, replicas: 3 }, DEADLINE);
  await lead(2);
});

afterAll(async () => {
  channel?.close();
  await cluster?.close();
});

/** Moves the leadership, however long that takes where others need the processors. */
async function lead(to: number): Promise<void> {
  const untilMs = performance.now() + 120_000;
  for (;;) {
    try {
      await channel.unary(METHODS.transferLeadership, { topic: TOPIC, partition: 0, to }, DEADLINE);
      return;
    } catch (error) {
      if (performance.now() > untilMs) throw error;
    }
  }
}

interface Sender {
  /** Sends without waiting for those before. @throws VarveError. */
  send(batch: Buffer): Promise<unknown>;
  end(): void;
}

function byUnaryCalls(): Sender {
  return {
    send: (batch) => channel.unary(METHODS.produce, { topic: TOPIC, partition: 0, batch }, DEADLINE),
    end: () => {},
  };
}

function byStream(): Sender {
  const stream = channel.bidi(METHODS.produceStream, {});
  const open = new Map<number, { resolve: (answer: unknown) => void; reject: (error: unknown) => void }>();
  void (async () => {
    for await (const { correlationId, error, result } of stream.responses) {
      const sent = open.get(correlationId);
      open.delete(correlationId);
      if (error === null) sent?.resolve(result);
      else sent?.reject(fromErrorStatus(error));
    }
  })().catch((error: unknown) => {
    for (const { reject } of open.values()) reject(error);
  });
  let lastId = 0;
  return {
    send: (batch) =>
      new Promise((resolve, reject) => {
        const correlationId = ++lastId;
        open.set(correlationId, { resolve, reject });
        stream.write({ correlationId, produce: { topic: TOPIC, partition: 0, batch } }).catch(reject);
      }),
    end: () => stream.end(),
  };
}

/** An idempotent producer that knows nothing of leaders: it keeps batches in flight until it is told to stop or of a failure. */
class Producer {
  readonly acked: string[] = [];
  /** In the order in which they were told. */
  readonly failures: VarveError[] = [];
  private readonly sender: Sender;
  private readonly producerId: number;
  private readonly open = new Set<Promise<void>>();
  private sequence = 0;

  constructor(sender: Sender, producerId: number) {
    this.sender = sender;
    this.producerId = producerId;
  }

  async run(isOver: () => boolean): Promise<void> {
    while (!isOver() && this.failures.length === 0) {
      while (this.open.size < IN_FLIGHT) this.send();
      await Promise.race(this.open);
    }
    await Promise.all(this.open);
  }

  private send(): void {
    const value = `${this.producerId}:${this.sequence}`;
    const batch = batchOf([value], { producerId: this.producerId, producerEpoch: 0, baseSequence: this.sequence++ });
    const sent: Promise<void> = this.sender
      .send(batch)
      .then(
        () => void this.acked.push(value),
        (thrown: unknown) => void this.failures.push(toVarveError(thrown)),
      )
      .finally(() => this.open.delete(sent));
    this.open.add(sent);
  }
}

test.each([
  { how: "a stream", open: byStream },
  { how: "unary calls", open: byUnaryCalls },
])("batches sent by $how keep their order while leaders change", async ({ open }) => {
  const acked: string[] = [];
  const causeless: string[] = [];
  let moving = true;
  const moves = (async () => {
    for (let move = 1; move <= MOVES; move++) await lead(2 + (move % 2));
  })().finally(() => {
    moving = false;
  });
  moves.catch(() => {});
  while (moving) {
    const { producerId } = await channel.unary(METHODS.initProducer, {}, DEADLINE);
    const sender = open();
    const producer = new Producer(sender, producerId);
    await producer.run(() => !moving);
    sender.end();
    acked.push(...producer.acked);
    const [first] = producer.failures;
    if (first?.code === "OUT_OF_ORDER_SEQUENCE") causeless.push(first.message);
  }
  await moves;
  expect(causeless).toEqual([]);
  const written = new Set(await readAll(channel, TOPIC, 0));
  expect(acked.filter((value) => !written.has(value))).toEqual([]);
});
