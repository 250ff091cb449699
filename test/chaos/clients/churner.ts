/**
 * churner.ts: makes a topic, sends a few records to it, reads them, deletes it, and makes one of the same name again: of the old one nothing may
 * ever show.
 */
import type { Producer, Varve } from "@varve/client";
import { pause } from "../clock.js";
import { Proc, type Recorder } from "../recorder.js";
import { polled } from "./reader.js";

const TOPIC = "churn";
const PARTITIONS = 2;
const RECORDS = 8;
const REST_MS = 400;
const READ_MS = 4_000;

export interface ChurnerOptions {
  readonly varve: Varve;
  readonly recorder: Recorder;
  readonly replicas: number;
}

/** Goes on until `signal` is aborted. */
export async function churnUntil(signal: AbortSignal, { varve, recorder, replicas }: ChurnerOptions): Promise<void> {
  const proc = new Proc(recorder, "churner");
  const producer = varve.producer();
  for (let life = 0; !signal.aborted; life++) {
    await proc.operate(
      "createTopic",
      { topic: TOPIC },
      () => varve.admin.createTopic({ topic: TOPIC, partitions: PARTITIONS, replicas, ifNotExists: true }),
      ({ topicId }) => ({ topicId }),
    );
    await send(proc, producer, life);
    await read(proc, varve);
    await proc.operate(
      "deleteTopic",
      { topic: TOPIC },
      () => varve.admin.deleteTopic(TOPIC),
      () => ({ topicId: null }),
    );
    await pause(REST_MS, signal);
  }
  await producer.close();
}

async function send(proc: Proc, producer: Producer, life: number): Promise<void> {
  for (let sequence = 0; sequence < RECORDS; sequence++) {
    const record = { topic: TOPIC, key: `k${sequence}`, value: `churn-${life}:${sequence}` };
    await proc.operate(
      "send",
      { ...record, acks: "quorum" },
      () => producer.send(record),
      ({ partition, offset, epoch }) => ({ partition, offset, epoch }),
    );
  }
}

async function read(proc: Proc, varve: Varve): Promise<void> {
  await proc.operate(
    "poll",
    { topics: [TOPIC], group: null },
    async () => {
      const records = [];
      const signal = AbortSignal.timeout(READ_MS);
      for await (const record of varve.reader({ topic: TOPIC, to: "end", signal })) records.push(polled(record));
      return records;
    },
    (records) => ({ records }),
  );
}
