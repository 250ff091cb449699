/**
 * sender.ts: one producer with several sends on their way, each written down.
 *
 * Values are `producer:sequence`, unique in the run; sequences are in the order of the calls of `send`. A lane is one client of the
 * history: it sends, waits for the answer, and sends again at its pace.
 */
import { Prng } from "@varve/base/testing";
import type { AcksName, SendResult, Varve } from "@varve/client";
import { nowMs, pause } from "../clock.js";
import { Proc, type Recorder } from "../recorder.js";
import { evenKeys } from "./keys.js";

/** Lanes: enough to send on to the other partitions while one has no leader, as long as a delivery may take. */
const LANES_MAX = 600;

export interface SenderOptions {
  readonly varve: Varve;
  readonly recorder: Recorder;
  readonly name: string;
  readonly topic: string;
  /** How many the topic was made with. */
  readonly partitions: number;
  readonly acks: AcksName;
  readonly sendsPerSecond: number;
  readonly deliveryTimeoutMs: number;
  readonly seed: number;
  /** Bytes that each record carries in a header, for loads that are counted in bytes; the history has none of them. Default 0. */
  readonly paddingBytes?: number;
  /** Hears of each acknowledged record. */
  readonly onAck: (result: SendResult, atMs: number) => void;
}

/** Sends until `signal` is aborted; resolves when every send has its answer. */
export async function sendUntil(signal: AbortSignal, options: SenderOptions): Promise<void> {
  const { varve, recorder, name, topic, acks, deliveryTimeoutMs, onAck } = options;
  const producer = varve.producer({ acks, deliveryTimeoutMs });
  const prng = new Prng(options.seed);
  const keys = evenKeys(options.partitions);
  const headers = options.paddingBytes === undefined ? {} : { padding: Buffer.alloc(options.paddingBytes, "x") };
  const lanes = Math.min(LANES_MAX, Math.ceil((options.sendsPerSecond * deliveryTimeoutMs) / 1_000));
  const beatMs = (1_000 * lanes) / options.sendsPerSecond;
  let sequence = 0;
  const lane = async (at: number): Promise<void> => {
    const proc = new Proc(recorder, `${name}.${at}`);
    await pause(prng.between(0, Math.floor(beatMs)), signal);
    while (!signal.aborted) {
      const begunMs = nowMs();
      const record = { topic, key: prng.pick(keys), value: `${name}:${sequence++}` };
      const result = await proc.operate(
        "send",
        { ...record, acks },
        () => producer.send({ ...record, headers }),
        ({ partition, offset, epoch }) => ({ partition, offset, epoch }),
      );
      if (result !== null) onAck(result, nowMs());
      await pause(Math.max(0, begunMs + beatMs - nowMs()), signal);
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, at) => lane(at)));
  await producer.close();
}
