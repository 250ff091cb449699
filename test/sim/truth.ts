/**
 * truth.ts: the one committed log of each group, as the first replica to apply an entry has shown it.
 *
 * Every check compares with this log; it only grows. `commitTerm` is the term of the replica that showed the entry: never lower than the
 * term it was committed in.
 */
import { batchRecordCount, crc32c, decodeRecords } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { type Frame, FrameKind } from "@varve/storage";
import { hold } from "./violation.js";

/** One committed entry. */
export interface CommittedEntry {
  readonly index: number;
  readonly term: number;
  readonly commitTerm: number;
  /** Of the frame's header, which holds the checksum of the rest. */
  readonly digest: number;
  readonly baseOffset: number;
  /** What the batch says it is; null for an entry without records. */
  readonly value: string | null;
}

/** Where a value is in the committed log. */
export interface Place {
  readonly offset: number;
  readonly term: number;
}

export class GroupTruth {
  readonly groupId: number;
  private readonly entries: CommittedEntry[] = [];
  private readonly places = new Map<string, Place>();
  private readonly byOffset = new Map<number, string>();
  /** Offset that the next record gets. */
  endOffset = 0;

  constructor(groupId: number) {
    this.groupId = groupId;
  }

  get lastIndex(): number {
    return this.entries.length;
  }

  entry(index: number): CommittedEntry | null {
    return this.entries[index - 1] ?? null;
  }

  placeOf(value: string): Place | null {
    return this.places.get(value) ?? null;
  }

  /** The value whose batch begins at this offset. */
  valueAt(offset: number): string | null {
    return this.byOffset.get(offset) ?? null;
  }

  /** The entry of this frame: a new one when the frame is the next of the log. */
  grow(frame: Frame, commitTerm: number): CommittedEntry {
    hold("committed-log", frame.index === this.lastIndex + 1, () => `index ${frame.index} after ${this.lastIndex}`);
    const value = frame.kind === FrameKind.batch ? batchValue(frame.data) : null;
    const entry: CommittedEntry = {
      index: frame.index,
      term: frame.term,
      commitTerm,
      digest: digestOf(frame),
      baseOffset: frame.baseOffset,
      value,
    };
    this.entries.push(entry);
    this.endOffset = frame.baseOffset + frame.offsetSpan;
    if (value !== null) {
      const first = this.places.get(value);
      hold("acknowledgements", first === undefined, () => `${value} is at ${first?.offset} and ${frame.baseOffset}`);
      this.places.set(value, { offset: frame.baseOffset, term: frame.term });
      this.byOffset.set(frame.baseOffset, value);
    }
    return entry;
  }
}

export function digestOf(frame: Frame): number {
  return crc32c(frame.header);
}

/** The value that every record of a batch carries in front, the same one in all of them. */
export function batchValue(batch: Uint8Array): string {
  const values = new Set<string>();
  let count = 0;
  for (const { value } of decodeRecords(batch, nodeCodec)) {
    const text = Buffer.from(value ?? new Uint8Array(0)).toString("latin1");
    values.add(text.slice(0, text.indexOf(" ")));
    count++;
  }
  const [value] = values;
  hold("acknowledgements", values.size === 1 && count === batchRecordCount(batch), () => "a batch mixes values");
  return value ?? "";
}
