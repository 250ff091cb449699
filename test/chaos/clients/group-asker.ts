/** group-asker.ts: asks for the committed offsets of groups again and again: they must never go back, nor be lost. */
import type { Varve } from "@varve/client";
import { pause } from "../clock.js";
import { Proc, type Recorder } from "../recorder.js";

const EVERY_MS = 300;

export interface GroupAskerOptions {
  readonly varve: Varve;
  readonly recorder: Recorder;
  readonly groups: readonly string[];
}

/** Asks until `signal` is aborted. */
export async function askGroupsUntil(signal: AbortSignal, options: GroupAskerOptions): Promise<void> {
  const { varve, recorder, groups } = options;
  const proc = new Proc(recorder, "group-asker");
  while (!signal.aborted && groups.length > 0) {
    for (const group of groups) {
      await proc.operate(
        "fetchOffsets",
        { group },
        () => varve.admin.describeGroup(group),
        ({ offsets }) => ({
          offsets: offsets.map(({ topic, partition, committed }) => ({ topic, partition, offset: committed })),
        }),
      );
    }
    await pause(EVERY_MS, signal);
  }
}
