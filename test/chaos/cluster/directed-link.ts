/**
 * directed-link.ts: what the network does to bytes on their way from one broker to another; the way back is a link of its own.
 *
 * TCP hides loss and order from its users: a lost packet shows as a stall until it is sent again, and reordered packets as nothing at all.
 * So `lossy` means stalls, now and then with the connection broken, and there is no reordering to inject.
 */
import type { Prng } from "@varve/base/testing";

export type LinkState =
  | { readonly kind: "open" }
  /** Nothing passes, not even the news that an end has closed or broken. */
  | { readonly kind: "held" }
  | { readonly kind: "slow"; readonly delayMsMin: number; readonly delayMsMax: number }
  | { readonly kind: "lossy"; readonly stallRatio: number; readonly resetRatio: number };

/** First and longest wait of TCP before it sends a lost packet again. */
const STALL_MS_MIN = 200;
const STALL_MS_MAX = 1_600;

/** What becomes of one piece of data: it arrives after so long, or the connection breaks. */
export type Fate = { readonly kind: "arrives"; readonly afterMs: number } | { readonly kind: "breaks" };

export class DirectedLink {
  private readonly prng: Prng;
  private readonly listeners = new Set<() => void>();
  private current: LinkState = { kind: "open" };

  constructor(prng: Prng) {
    this.prng = prng;
  }

  get isHeld(): boolean {
    return this.current.kind === "held";
  }

  become(state: LinkState): void {
    this.current = state;
    for (const listener of [...this.listeners]) listener();
  }

  /** Calls `listener` whenever the state changes, until the returned function is called. */
  watch(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  fate(): Fate {
    const { current, prng } = this;
    if (current.kind === "slow") {
      return { kind: "arrives", afterMs: prng.between(current.delayMsMin, current.delayMsMax) };
    }
    if (current.kind === "lossy") {
      if (prng.chance(current.resetRatio)) return { kind: "breaks" };
      return {
        kind: "arrives",
        afterMs: prng.chance(current.stallRatio) ? prng.between(STALL_MS_MIN, STALL_MS_MAX) : 0,
      };
    }
    return { kind: "arrives", afterMs: 0 };
  }
}
