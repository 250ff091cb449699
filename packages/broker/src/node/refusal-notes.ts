/**
 * refusal-notes.ts: counts the TLS connections that were refused, and logs each reason of each address once in a while: whoever wants to
 * can make thousands a second.
 */
import { type Logger, SECOND_MS } from "@varve/base";
import type { TlsListener } from "../ops/index.js";

/** Between two lines of the same address and reason. */
const AGAIN_MS = 600 * SECOND_MS;
/** Reasons remembered; beyond that nothing more is logged until the oldest may be again. */
const NOTES_MAX = 256;

export class RefusalNotes {
  private readonly logger: Logger;
  private readonly loggedMs = new Map<string, number>();
  /** Since the start. */
  count = 0;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  note(listener: TlsListener, address: string, why: string): void {
    this.count++;
    const nowMs = performance.now();
    const key = `${listener} ${address} ${why}`;
    if (nowMs - (this.loggedMs.get(key) ?? -Infinity) < AGAIN_MS) return;
    this.loggedMs.delete(key);
    const [oldest] = this.loggedMs;
    if (this.loggedMs.size >= NOTES_MAX && oldest !== undefined) {
      if (nowMs - oldest[1] < AGAIN_MS) return;
      this.loggedMs.delete(oldest[0]);
    }
    this.loggedMs.set(key, nowMs);
    this.logger.warn({ listener, address, reason: why }, "a TLS connection was refused");
  }
}
