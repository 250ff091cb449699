/**
 * s13-answers-are-true.ts: what was acknowledged is in the committed log where the answer said; what was answered NOT_APPLIED never is. (That no
 * value is there twice is checked where the committed log grows.)
 *
 * Source: the contract of produce: `effect` of every error; idempotent producers (KIP-98).
 */
import { spot, type Truth } from "../truth.js";
import { hold } from "../violation.js";

/** What a producer was told. */
export interface Acknowledged {
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
}

export class AnswersAreTrue {
  readonly acked = new Map<string, Acknowledged>();
  private readonly refused = new Set<string>();
  private readonly truth: Truth;

  constructor(truth: Truth) {
    this.truth = truth;
  }

  /** An answer of `quorum`: it is on a majority of disks. */
  onAcked(value: string, answer: Acknowledged): void {
    const place = this.truth.placeOf(value);
    hold(
      "S13",
      place?.offset === answer.offset && place.partition === answer.partition && place.topicId === answer.topicId,
      () =>
        `${value} was acknowledged at ${answer.offset} of partition ${answer.partition}, committed is ${spot(place)}`,
    );
    this.acked.set(value, answer);
  }

  /** Answered NOT_APPLIED. */
  onRefused(value: string): void {
    this.refused.add(value);
    const place = this.truth.placeOf(value);
    hold("S13", place === null, () => `${value} was answered NOT_APPLIED and is at ${spot(place)}`);
  }

  onCommitted(value: string): void {
    hold("S13", !this.refused.has(value), () => `${value} was answered NOT_APPLIED and is committed`);
  }
}
