/** asker.ts: asks for the ends of a topic's partitions again and again: answers must never be older than the question. */
import type { Varve } from "@varve/client";
import { pause } from "../clock.js";
import { Proc, type Recorder } from "../recorder.js";

const EVERY_MS = 150;

export interface AskerOptions {
  readonly varve: Varve;
  readonly recorder: Recorder;
  readonly name: string;
  readonly topic: string;
}

/** Asks until `signal` is aborted. */
export async function askUntil(signal: AbortSignal, { varve, recorder, name, topic }: AskerOptions): Promise<void> {
  const proc = new Proc(recorder, name);
  for (let time = 0; !signal.aborted; time++) {
    const at = time % 8 === 7 ? "earliest" : "latest";
    await ask(proc, varve, topic, at);
    await pause(EVERY_MS, signal);
  }
}

/** One question, written down. @returns the offsets by partition; null: no answer. */
export async function ask(
  proc: Proc,
  varve: Varve,
  topic: string,
  at: "earliest" | "latest",
): Promise<number[] | null> {
  const answer = await proc.operate(
    "listOffsets",
    { topic, at },
    () => varve.admin.listOffsets({ topic, at }),
    (offsets) => ({ offsets }),
  );
  if (answer === null) return null;
  const offsets: number[] = [];
  for (const { partition, offset } of answer) offsets[partition] = offset;
  return offsets;
}
