/**
 * network-faults.ts: what may happen to directed links between brokers, several faults at once on one link: a link that is cut by two of them
 * opens when both are over.
 *
 * Cut and slow links are those of the simulated network, which keeps TCP's promise. Loss, duplication and reordering happen to whole Raft messages
 * before they enter it.
 */
import type { Clock } from "@varve/base";
import type { Prng } from "@varve/base/testing";
import type { PathDelay, SimNetwork } from "@varve/peer/testing";

/** What becomes of the messages of a link. */
export interface LinkFate {
  readonly dropRatio?: number;
  readonly duplicateRatio?: number;
  readonly delayRatio?: number;
  readonly delayMsMax?: number;
}

/** A directed pair of brokers, by name. */
export type Link = readonly [from: string, to: string];

const NORMAL_DELAY: PathDelay = { minMs: 0.1, maxMs: 1 };

export class NetworkFaults {
  private readonly network: SimNetwork;
  private readonly prng: Prng;
  private readonly cuts = new Map<string, number>();
  private readonly fates = new Map<string, LinkFate>();

  constructor(network: SimNetwork, prng: Prng) {
    this.network = network;
    this.prng = prng;
  }

  /** Cuts the links; what this returns opens them again. */
  cut(links: readonly Link[]): () => void {
    for (const [from, to] of links) {
      const count = this.cuts.get(`${from}>${to}`) ?? 0;
      this.cuts.set(`${from}>${to}`, count + 1);
      if (count === 0) this.network.clog(from, to);
    }
    return () => {
      for (const [from, to] of links) {
        const count = this.cuts.get(`${from}>${to}`) ?? 0;
        this.cuts.set(`${from}>${to}`, count - 1);
        if (count === 1) this.network.unclog(from, to);
      }
    };
  }

  slow(links: readonly Link[], delay: PathDelay): () => void {
    for (const [from, to] of links) this.network.setDelay(from, to, delay);
    return () => {
      for (const [from, to] of links) this.network.setDelay(from, to, NORMAL_DELAY);
    };
  }

  disturb(links: readonly Link[], fate: LinkFate): () => void {
    for (const [from, to] of links) this.fates.set(`${from}>${to}`, fate);
    return () => {
      for (const [from, to] of links) if (this.fates.get(`${from}>${to}`) === fate) this.fates.delete(`${from}>${to}`);
    };
  }

  /** A message leaves; `clock` is its sender's: what is late dies with it. */
  send([from, to]: Link, clock: Clock, send: () => boolean): boolean {
    const fate = this.fates.get(`${from}>${to}`);
    if (fate === undefined) return send();
    const { dropRatio = 0, duplicateRatio = 0, delayRatio = 0, delayMsMax = 0 } = fate;
    const later = (): void => void clock.setTimer(this.prng.ratio() * delayMsMax, send);
    if (this.prng.chance(dropRatio)) return true;
    if (this.prng.chance(duplicateRatio)) later();
    if (!this.prng.chance(delayRatio)) return send();
    later();
    return true;
  }
}

/** Both directions between each of one side and each of the other. */
export function between(left: readonly string[], right: readonly string[]): Link[] {
  return left.flatMap((one) =>
    right.flatMap((other): Link[] => [
      [one, other],
      [other, one],
    ]),
  );
}
