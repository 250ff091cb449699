/** partition-life.ts: one partition in one life of its topic, with what several checks need to know of it. */
import type { Sent } from "./sent.js";

/** What one replica said of its log at the end. */
export interface Dump {
  readonly i: number;
  readonly broker: number;
  readonly logStart: number;
  readonly highWatermark: number;
}

/** One record as somebody saw it first at its offset. */
export interface Occupant {
  readonly sent: Sent;
  readonly i: number;
}

/** One partition in one life of its topic. */
export class PartitionLife {
  /** Who stands at an offset, by the first who said so. */
  readonly occupants = new Map<number, Occupant>();
  /** The final dumps of its replicas, in the order of the history. */
  readonly dumps: Dump[] = [];

  constructor(
    readonly topic: string,
    /** Deletions of the topic before this life. */
    readonly life: number,
    readonly partition: number,
  ) {}

  /** `orders/0`; of a later life than the first `orders#2/0`. */
  get name(): string {
    return this.life === 0 ? `${this.topic}/${this.partition}` : `${this.topic}#${this.life + 1}/${this.partition}`;
  }
}
