/** patience.ts: tells a person who waits that calls are tried again, and why: once for each time of trouble that has become noticeable. */
import { subscribe } from "node:diagnostics_channel";
import type { Output } from "./output.js";
import { inOptions } from "./tls-options.js";

/** The SDK publishes each failed attempt here. */
const CHANNEL = "varve:client:call-retry";
const NOTICEABLE_MS = 2_000;
/** Longer than the SDK waits between two attempts: after it, trouble is a new one. */
const QUIET_MS = 15_000;

/** From now on, for the whole process: to be called once. Nothing is said where no person looks. */
export function sayWhatIsTriedAgain(stderr: Output, nowMs = (): number => performance.now()): void {
  if (!stderr.isTerminal) return;
  let sinceMs = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  let isSaid = false;
  subscribe(CHANNEL, (message) => {
    const atMs = nowMs();
    if (atMs - lastMs > QUIET_MS) {
      sinceMs = atMs;
      isSaid = false;
    }
    lastMs = atMs;
    if (isSaid || atMs - sinceMs < NOTICEABLE_MS) return;
    isSaid = true;
    const { error } = message as { readonly error: Error };
    void stderr.write(`no answer, still trying (Ctrl-C ends): ${inOptions(error.message)}\n`);
  });
}
