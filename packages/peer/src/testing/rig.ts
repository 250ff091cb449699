/**
 * rig.ts: hubs that write down what happens to them, over any transport; for the tests of this package.
 */
import { type BrokerId, type Clock, type Link, type Logger, type Random, silentLogger } from "@varve/base";
import { nodeClock } from "@varve/base/node";
import { Prng, type SimClock } from "@varve/base/testing";
import type { Lane, LinkDownReason, PeerHello, PeerHub, PeerHubOptions } from "../api.js";
import { createPeerHub } from "../hub.js";

export interface RigMessage {
  readonly from: BrokerId;
  readonly lane: Lane;
  readonly kind: number;
  readonly payload: Uint8Array;
}

export interface RigOptions {
  readonly brokerId: BrokerId;
  readonly link: Link;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly hello?: Partial<PeerHello>;
  readonly options?: Partial<PeerHubOptions>;
}

/** A hub with its history. */
export class Rig {
  readonly brokerId: BrokerId;
  readonly hub: PeerHub;
  readonly messages: RigMessage[] = [];
  readonly ups: PeerHello[] = [];
  readonly downs: { readonly brokerId: BrokerId; readonly reason: LinkDownReason; readonly atMs: number }[] = [];
  readonly refusals: string[] = [];
  readonly warnings: string[] = [];
  hello: PeerHello;

  constructor(rig: RigOptions) {
    const { brokerId } = rig;
    const clock = rig.clock ?? nodeClock;
    this.brokerId = brokerId;
    this.hello = {
      brokerId,
      clusterId: null,
      directoryId: `directory-${brokerId}`,
      bootId: `boot-${brokerId}`,
      protocolMin: 1,
      protocolMax: 1,
      ...rig.hello,
    };
    const logger: Logger = { ...silentLogger, warn: (_fields, message) => this.warnings.push(message) };
    this.hub = createPeerHub({
      link: rig.link,
      clock,
      random: rig.random ?? new Prng(brokerId),
      logger,
      hello: () => this.hello,
      queueBytesMax: 64 * 2 ** 20,
      onMessage: (from, lane, kind, payload) => this.messages.push({ from, lane, kind, payload }),
      onLinkUp: (peer) => this.ups.push(peer),
      onLinkDown: (id, reason) => this.downs.push({ brokerId: id, reason, atMs: clock.monotonicMs() }),
      onRefused: (_address, reason) => this.refusals.push(reason),
      ...rig.options,
    });
  }
}

/** Waits, in real time, until `condition` holds. */
export async function eventually(what: string, condition: () => boolean, withinMs = 10_000): Promise<void> {
  const endMs = nodeClock.monotonicMs() + withinMs;
  while (!condition()) {
    if (nodeClock.monotonicMs() > endMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise<void>((resolve) => nodeClock.defer(resolve));
  }
}

/** Runs simulated time until `condition` holds. */
export async function simEventually(
  clock: SimClock,
  what: string,
  condition: () => boolean,
  withinMs = 30_000,
): Promise<void> {
  const endMs = clock.monotonicMs() + withinMs;
  await clock.runUntil(clock.monotonicMs());
  while (!condition()) {
    const nextAtMs = clock.nextAtMs();
    if (nextAtMs === null || nextAtMs > endMs) throw new Error(`not within ${withinMs} simulated ms: ${what}`);
    await clock.runUntil(nextAtMs);
  }
}

/** `length` bytes that differ by `salt` and position. */
export function patternBytes(length: number, salt: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + salt * 17 + (at >>> 8)) & 0xff;
  return bytes;
}

/** The seed of property tests: SEED if set, else a fresh one; always put it into the test's title. */
export function testSeed(): number {
  return Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
}
