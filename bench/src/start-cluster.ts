/** start-cluster.ts: what a test waits for: `startCluster` of @varve/testing in a process that has loaded nothing yet, until all brokers are ready. */
import { answer, programInput } from "./processes.js";

export interface StartInput {
  readonly brokers: number;
}

export interface StartAnswer {
  /** To load the package, milliseconds. */
  readonly loadMs: number;
  /** From the call until it resolved, milliseconds. */
  readonly startMs: number;
}

const { brokers } = programInput<StartInput>();
const beginMs = performance.now();
const { startCluster } = await import("@varve/testing");
const loadedMs = performance.now();
const cluster = await startCluster({ brokers });
const readyMs = performance.now();
await cluster.close();
answer({ loadMs: loadedMs - beginMs, startMs: readyMs - loadedMs } satisfies StartAnswer);
