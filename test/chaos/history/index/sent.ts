/**
 * sent.ts: everything that is known of one value: how it was sent, what was said of it, where it was seen first.
 *
 * A value has one send, or several when an application sends it again. It counts as acknowledged when one was acknowledged with `quorum`, as refused
 * when all were refused.
 */
import type { Acks, Moment } from "../events.js";
import type { PartitionLife } from "./partition-life.js";

/** Where a record stands. */
export interface Place {
  readonly partition: PartitionLife;
  readonly offset: number;
}

/** An acknowledgement that promises something: with acks `quorum`. */
export interface Acknowledged extends Moment {
  readonly begun: Moment;
  /** null when its answer named no place, or nobody can tell in which life of the topic it was. */
  readonly place: Place | null;
}

/** One value of a history. */
export class Sent {
  topic: string | null = null;
  key: string | null = null;
  /** What its first send waited for. */
  acks: Acks | null = null;
  /** The first and the last invoke of a send of it; null while there was none. */
  firstBegun: Moment | null = null;
  lastBegun: Moment | null = null;
  /** Sends of it that are open, refused, or of unknown end. */
  open = 0;
  unknown = 0;
  /** The number of the event that refused it last; -1 when none did. */
  refusedAt = -1;
  /** The first acknowledgement with quorum; null when there is none. */
  acknowledged: Acknowledged | null = null;
  /** Acknowledged with `leader` or `none`, which promises nothing. */
  weaklyAcknowledged = false;
  /** The least number of deletions of its topic before it was sent. */
  lifeMin = 0;
  /** The greatest number of deletions before it was in a log for certain; unlimited while nobody saw it there. */
  lifeMax = Number.POSITIVE_INFINITY;
  /** Where somebody saw it, or an acknowledgement named, first; null before that. */
  firstPlace: Place | null = null;
  /** The number of the event in which a reader saw it first; -1 before that. */
  firstReadAt = -1;
  /** The number of the first final dump that holds it; -1 when none does. */
  firstFinalAt = -1;

  /** Who sent it and as the how manieth, when the value has the form `producer:sequence`. */
  readonly origin: { readonly producer: string; readonly sequence: number } | null;

  constructor(readonly value: string) {
    this.origin = originOf(value);
  }

  /** Whether every send of it was refused. */
  get isRefused(): boolean {
    const isOpen = this.open > 0 || this.unknown > 0;
    return this.refusedAt >= 0 && !isOpen && this.acknowledged === null && !this.weaklyAcknowledged;
  }
}

function originOf(value: string): { producer: string; sequence: number } | null {
  const colon = value.lastIndexOf(":");
  const sequence = Number(value.slice(colon + 1));
  if (colon < 1 || colon === value.length - 1 || !Number.isSafeInteger(sequence)) return null;
  return { producer: value.slice(0, colon), sequence };
}
