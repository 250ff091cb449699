/**
 * sender.ts: one producer with several sends on their way, each written down.
 *
 * Values are `producer:sequence`, unique in the run; sequences are in the order of the calls of `send`. A lane is one client of the
 * history: it sends, waits for the answer, and sends again at its pace.
 */
import { Prng } from "@varve/base/testing";
import type { AcksName, Varve } from "@varve/client";
import { nowMs, pause } from "../clock.js";
import { Proc, type Recorder } from "../recorder.js";

const LANES = 16;
const KEYS = 64;

export interface SenderOptions {
  readonly varve: Varve;
  readonly recorder: Recorder;
  readonly name: string;
  readonly topic: string;
  readonly acks: AcksName;
  readonly sendsPerSecond: number;
  readonly deliveryTimeoutMs: number;
  readonly seed: number;
  /** Hears of each acknowledged record. */
  readonly onAck: (partition: number, atMs: number) => void;
}

/** Sends until `signal` is aborted; resolves when every send has its answer. */
export async function sendUntil(signal: AbortSignal, options: SenderOptions): Promise<void> {
  const { varve, acks, deliveryTimeoutMs, sendsPerSecond } = options;
  const producer = varve.producer({ acks, deliveryTimeoutMs });
  const prng = new Prng(options.seed);
  let sequence = 0;
  const lane = async (at: number): Promise<void> => {
    const proc = new Proc(options.recorder, `${options.name}.${at}`);
    const beatMs = (1_000 * LANES) / sendsPerSecond;
    await pause(prng.between(0, Math.floor(beatMs)), signal);
    while (!signal.aborted) {
      const begunMs = nowMs();
      const record = {
        topic: options.topic,
        key: `k${prng.between(0, KEYS - 1)}`,
        value: `${options.name}:${sequence++}`,
      };
      const answer = await proc.operate(
        "send",
        { ...record, acks },
        () => producer.send(record),
        ({ partition, offset, epoch }) => ({ partition, offset, epoch }),
      );
      if (answer !== null) options.onAck(answer.partition, nowMs());
      await pause(Math.max(0, begunMs + beatMs - nowMs()), signal);
    }
  };
  await Promise.all(Array.from({ length: LANES }, (_, at) => lane(at)));
  await producer.close();
}
