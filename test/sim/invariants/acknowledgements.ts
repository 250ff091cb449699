/**
 * acknowledgements.ts: a batch that was acknowledged is in the committed log where the answer said; one that was answered NOT_APPLIED
 * never is. (That no batch is there twice is checked where the committed log grows.)
 *
 * Source: the contract of produce: `effect` of every error, and idempotent producers (KIP-98).
 */
import type { GroupTruth } from "../truth.js";
import { hold } from "../violation.js";

export class Acknowledgements {
  /** Values that were acknowledged, with their offsets, by group. */
  readonly acked = new Map<number, Map<string, number>>();
  private readonly refused = new Set<string>();
  count = 0;

  onAcked(truth: GroupTruth, value: string, offset: number, epoch: number): void {
    const place = truth.placeOf(value);
    hold("acknowledgements", place !== null, () => `${value} was acknowledged and is not committed`);
    hold(
      "acknowledgements",
      place?.offset === offset && place.term === epoch,
      () => `${value} was acknowledged at ${offset} of epoch ${epoch}, it is at ${place?.offset} of ${place?.term}`,
    );
    const group = this.acked.get(truth.groupId) ?? new Map<string, number>();
    this.acked.set(truth.groupId, group.set(value, offset));
    this.count++;
  }

  /** Every attempt with this value was answered NOT_APPLIED. */
  onRefused(truth: GroupTruth, value: string): void {
    this.refused.add(value);
    const place = truth.placeOf(value);
    hold("acknowledgements", place === null, () => `${value} was answered NOT_APPLIED and is at ${place?.offset}`);
  }

  onCommitted(value: string | null, offset: number): void {
    const isRefused = value !== null && this.refused.has(value);
    hold("acknowledgements", !isRefused, () => `${value} was answered NOT_APPLIED and is committed at ${offset}`);
  }
}
