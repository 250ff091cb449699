/**
 * truth.ts: the one committed log of each group, as the first replica to apply an entry has shown it.
 *
 * Every check compares with these logs; they only grow. `commitTerm` is the term of the replica that showed the entry: never lower than the
 * term it was committed in.
 */
import {
  batchBaseSequence,
  batchProducerEpoch,
  batchProducerId,
  batchRecordCount,
  decodeRecords,
} from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { type Frame, FrameKind, type GroupSpec } from "@varve/storage";
import { hold } from "./violation.js";

/** One committed entry. */
export interface CommittedEntry {
  readonly index: number;
  readonly term: number;
  readonly commitTerm: number;
  readonly digest: number;
  readonly baseOffset: number;
  readonly endOffset: number;
}

/** Where a value is in the committed logs. */
export interface Place {
  readonly groupId: number;
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
  readonly term: number;
}

/** What the committed log says of a producer after its entry at `index`. */
export interface ProducerPoint {
  readonly index: number;
  readonly epoch: number;
  readonly lastSequence: number;
}

/** The committed logs of all groups, and where each value is in them. */
export class Truth {
  readonly groups = new Map<number, GroupTruth>();
  private readonly places = new Map<string, Place>();
  private readonly byPartition = new Map<string, GroupTruth>();

  group(spec: GroupSpec): GroupTruth {
    let group = this.groups.get(spec.groupId);
    if (group === undefined) {
      group = new GroupTruth(spec, (value, place) => this.place(value, place));
      this.groups.set(spec.groupId, group);
      this.byPartition.set(`${spec.topicId}/${spec.partition}`, group);
    }
    return group;
  }

  ofPartition(topicId: string, partition: number): GroupTruth | null {
    return this.byPartition.get(`${topicId}/${partition}`) ?? null;
  }

  placeOf(value: string): Place | null {
    return this.places.get(value) ?? null;
  }

  private place(value: string, place: Place): void {
    const first = this.places.get(value);
    hold("S13", first === undefined, () => `${value} is committed at ${spot(first)} and at ${spot(place)}`);
    this.places.set(value, place);
  }
}

export function spot(place: Place | null | undefined): string {
  return place == null ? "no place" : `offset ${place.offset} of group ${place.groupId} (epoch ${place.term})`;
}

export class GroupTruth {
  readonly spec: GroupSpec;
  readonly producers = new Map<number, ProducerPoint[]>();
  private readonly entries: CommittedEntry[] = [];
  private readonly byOffset = new Map<number, string>();
  private readonly place: (value: string, place: Place) => void;
  /** Offset that the next record gets. */
  endOffset = 0;

  constructor(spec: GroupSpec, place: (value: string, place: Place) => void) {
    this.spec = spec;
    this.place = place;
  }

  get lastIndex(): number {
    return this.entries.length;
  }

  entry(index: number): CommittedEntry | null {
    return this.entries[index - 1] ?? null;
  }

  valueAt(offset: number): string | null {
    return this.byOffset.get(offset) ?? null;
  }

  /** The entry of this frame, which is the next of the log. Tells `onValue` of every record in it. */
  grow(frame: Frame, commitTerm: number, onValue: (value: string) => void): CommittedEntry {
    hold("S10", frame.index === this.lastIndex + 1, () => `index ${frame.index} after ${this.lastIndex}`);
    hold("S10", frame.baseOffset === this.endOffset, () => `offset ${frame.baseOffset} after ${this.endOffset}`);
    const { index, term, baseOffset } = frame;
    const endOffset = baseOffset + frame.offsetSpan;
    const entry = { index, term, commitTerm, digest: digestOf(frame), baseOffset, endOffset };
    this.entries.push(entry);
    this.endOffset = endOffset;
    if (frame.kind === FrameKind.batch) this.addBatch(frame, onValue);
    return entry;
  }

  private addBatch(frame: Frame, onValue: (value: string) => void): void {
    const { groupId, topicId, partition } = this.spec;
    for (const [at, value] of valuesOf(frame.data).entries()) {
      const offset = frame.baseOffset + at;
      this.byOffset.set(offset, value);
      this.place(value, { groupId, topicId, partition, offset, term: frame.term });
      onValue(value);
    }
    const producerId = batchProducerId(frame.data);
    if (producerId < 0) return;
    const points = this.producers.get(producerId) ?? [];
    this.producers.set(producerId, points);
    points.push({
      index: frame.index,
      epoch: batchProducerEpoch(frame.data),
      lastSequence: batchBaseSequence(frame.data) + batchRecordCount(frame.data) - 1,
    });
  }
}

const DIGEST_AT = 68;

/** A frame's own checksum, which covers its header and, through the payload's, all of it. */
export function digestOf(frame: Frame): number {
  const { buffer, byteOffset, byteLength } = frame.header;
  return new DataView(buffer, byteOffset, byteLength).getUint32(DIGEST_AT, true);
}

/** The names of a batch's values: what stands before the first space. */
export function valuesOf(batch: Uint8Array): string[] {
  return [...decodeRecords(batch, nodeCodec)].map(({ value }) => nameOf(value));
}

export function nameOf(value: Uint8Array | null): string {
  const text = Buffer.from(value ?? new Uint8Array(0)).toString("latin1");
  const end = text.indexOf(" ");
  return end < 0 ? text : text.slice(0, end);
}
