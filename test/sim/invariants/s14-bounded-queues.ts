/**
 * s14-bounded-queues.ts: what a broker holds in memory for others stays within its settings, whatever fails around it.
 *
 * Source: the limits of the design: uncommitted bytes per group, undrained bytes, the tail cache, queues to peers.
 */
import type { Broker } from "@varve/broker/testing";
import { hold } from "../violation.js";

/** One batch, request or message may go over a bound that it found open: in a simulated cluster none is longer. */
const ONE_MORE_BYTES = 96 * 1_024;

export function checkBounds(name: string, broker: Broker): void {
  const { settings, storage, hub } = broker;
  const { undrainedBytes, tailBytes } = storage.stats();
  const within = (what: string, bytes: number, max: number): void =>
    hold(
      "S14",
      bytes <= max + ONE_MORE_BYTES,
      () => `${name} holds ${bytes} bytes ${what}, at most ${max} are allowed`,
    );
  within("that are not drained", undrainedBytes, settings.undrainedBytesMax);
  within("of tails", tailBytes, settings.tailCacheBytesMax);
  for (const { groupId, log } of broker.host.all())
    within(`uncommitted in group ${groupId}`, log.uncommittedBytes(), settings.uncommittedBytesPerGroupMax);
  for (const { brokerId } of hub.connected())
    for (const lane of ["control", "bulk"] as const)
      within(`for broker ${brokerId}`, hub.queuedBytes(brokerId, lane), settings.peerQueueBytesMax);
}
