/**
 * message-faults.ts: loses, repeats and delays whole messages between hubs, which TCP cannot do, but a protocol above must bear: a link that
 * breaks loses messages, and one that is dialed anew may let later ones pass earlier ones of the other lane.
 *
 * It stands between a hub and its user's `onMessage`; calls and streams are not touched.
 */
import type { BrokerId, Clock, TimerHandle } from "@varve/base";
import type { Prng } from "@varve/base/testing";
import type { Lane, PeerHubOptions } from "../api.js";

/** What happens to messages of a directed pair. Ratios in 0 .. 1; a delay lets later messages pass. */
export interface MessageFate {
  readonly dropRatio?: number;
  /** A second copy, delayed by 0 .. `delayMsMax`. */
  readonly duplicateRatio?: number;
  readonly delayRatio?: number;
  readonly delayMsMax?: number;
}

type OnMessage = PeerHubOptions["onMessage"];

export class MessageFaults {
  private readonly clock: Clock;
  private readonly prng: Prng;
  private readonly fates = new Map<string, MessageFate>();
  private defaultFate: MessageFate = {};

  constructor(clock: Clock, prng: Prng) {
    this.clock = clock;
    this.prng = prng;
  }

  /** Of every pair without a fate of its own. */
  setDefault(fate: MessageFate): void {
    this.defaultFate = fate;
  }

  set(from: BrokerId, to: BrokerId, fate: MessageFate): void {
    this.fates.set(`${from}>${to}`, fate);
  }

  /** No faults from now on; what is delayed still arrives. */
  clear(): void {
    this.fates.clear();
    this.defaultFate = {};
  }

  /** The `onMessage` to give to the hub of broker `to`. `detach` when it crashes: what is delayed is lost. */
  attach(to: BrokerId, onMessage: OnMessage): { readonly onMessage: OnMessage; detach(): void } {
    const timers = new Set<TimerHandle>();
    let attached = true;
    const later = (delayMs: number, deliver: () => void): void => {
      const timer = this.clock.setTimer(delayMs, () => {
        timers.delete(timer);
        deliver();
      });
      timers.add(timer);
    };
    return {
      onMessage: (from: BrokerId, lane: Lane, kind: number, payload: Uint8Array) => {
        if (!attached) return;
        const deliver = (): void => onMessage(from, lane, kind, payload);
        for (const delayMs of this.delaysMs(from, to)) {
          if (delayMs === 0) deliver();
          else later(delayMs, deliver);
        }
      },
      detach: () => {
        attached = false;
        for (const timer of timers) timer.cancel();
        timers.clear();
      },
    };
  }

  /** A delay per copy that is delivered. */
  private delaysMs(from: BrokerId, to: BrokerId): readonly number[] {
    const fate = this.fates.get(`${from}>${to}`) ?? this.defaultFate;
    const { dropRatio = 0, duplicateRatio = 0, delayRatio = 0, delayMsMax = 0 } = fate;
    if (this.prng.chance(dropRatio)) return [];
    const first = this.prng.chance(delayRatio) ? this.prng.ratio() * delayMsMax : 0;
    return this.prng.chance(duplicateRatio) ? [first, this.prng.ratio() * delayMsMax] : [first];
  }
}
