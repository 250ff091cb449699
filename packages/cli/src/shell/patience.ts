/** patience.ts: tells a person who waits that a call is tried again, and why: once, when the wait has become noticeable. */
import { subscribe } from "node:diagnostics_channel";
import type { Output } from "./output.js";
import { inOptions } from "./tls-options.js";

/** The SDK publishes each failed attempt here. */
const CHANNEL = "varve:client:call-retry";
const NOTICEABLE_MS = 2_000;

/** From now on. Nothing is said where no person looks. */
export function sayWhatIsTriedAgain(stderr: Output, nowMs = (): number => performance.now()): void {
  if (!stderr.isTerminal) return;
  const sinceMs = nowMs();
  let isSaid = false;
  subscribe(CHANNEL, (message) => {
    if (isSaid || nowMs() - sinceMs < NOTICEABLE_MS) return;
    isSaid = true;
    const { error } = message as { readonly error: Error };
    void stderr.write(`no answer yet, still trying (Ctrl-C ends): ${inOptions(error.message)}\n`);
  });
}
