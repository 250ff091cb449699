/**
 * refusal-log.ts: says once what would otherwise be said at every attempt: why a handshake with an address is refused.
 */
import type { Logger } from "@varve/base";

/** Addresses remembered; beyond that the oldest is forgotten and may be logged again. */
const ADDRESSES_MAX = 256;

export class RefusalLog {
  private readonly logger: Logger;
  private readonly onRefused: ((address: string, reason: string) => void) | undefined;
  private readonly reasons = new Map<string, string>();

  constructor(logger: Logger, onRefused: ((address: string, reason: string) => void) | undefined) {
    this.logger = logger;
    this.onRefused = onRefused;
  }

  note(address: string, reason: string): void {
    if (this.reasons.get(address) === reason) return;
    this.reasons.delete(address);
    this.reasons.set(address, reason);
    if (this.reasons.size > ADDRESSES_MAX) {
      for (const oldest of this.reasons.keys()) {
        this.reasons.delete(oldest);
        break;
      }
    }
    this.logger.warn({ address, reason }, "peer link refused");
    this.onRefused?.(address, reason);
  }

  /** A handshake with the address succeeded. */
  clear(address: string): void {
    this.reasons.delete(address);
  }
}
