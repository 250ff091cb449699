/**
 * sessions.ts: follows every reader: where its polls should go on, where they jumped instead, and how far it came.
 *
 * A session is one proc from one `assign` to the next (or from its first poll, or to its last). Within it the offsets of a partition follow each other
 * without a gap, beginning at the assignment's start where that is known. A poll that ended with OFFSET_OUT_OF_RANGE or DIVERGED told its reader that
 * records are gone, so the next one may begin anywhere. A partition in a new life of its topic, or in one
 * that nobody knows, begins anywhere, too.
 */
import type { Step } from "../events.js";
import type { PartitionLife } from "./partition-life.js";

/** A poll that did not go on where it should. */
export interface Jump {
  readonly i: number;
  readonly proc: string;
  readonly partition: PartitionLife;
  readonly expected: number;
  readonly found: number;
  /** It is the first of its session: `expected` is where the assignment said that it starts. */
  readonly isFirst: boolean;
}

/** How far a session came in a partition. */
export interface Reach {
  /** The next offset that it would have read. */
  readonly next: number;
  /** The invoke of the last poll that could have returned more. */
  readonly lastPollBegunAt: number;
}

interface Position {
  partition: PartitionLife | null;
  next: number | null;
  hasRead: boolean;
}

interface Reader {
  /** By topic, then by partition. */
  readonly positions: Map<string, Map<number, Position>>;
  /** Invoke of the last answered poll of a topic in this session. */
  readonly lastPolls: Map<string, number>;
  wasAssigned: boolean;
}

/** One record of a poll, in its place. */
export interface PolledPlace {
  readonly topic: string;
  readonly number: number;
  readonly partition: PartitionLife | null;
  readonly offset: number;
}

const TOLD_OF_A_GAP: ReadonlySet<string> = new Set(["OFFSET_OUT_OF_RANGE", "DIVERGED"]);

/** Follows every reader of a history. */
export class Sessions {
  /** In the order of the history. */
  readonly jumps: Jump[] = [];
  /** How far the sessions came in each partition. */
  readonly reaches = new Map<PartitionLife, Reach[]>();
  /** Readers that never got anything of a topic, nor were assigned any: the last invoke of a poll of each topic. */
  readonly fruitless = new Map<string, number>();
  private readonly readers = new Map<string, Reader>();

  constructor(private readonly partitionNow: (topic: string, partition: number) => PartitionLife | null) {}

  /** One record that the poll which ends with event `i` returned, in the order of the answer. */
  read(proc: string, i: number, { topic, number, partition, offset }: PolledPlace): void {
    const position = positionOf(this.readerOf(proc), topic, number);
    const isSameLife = partition !== null && position.partition === partition;
    if (isSameLife && position.next !== null && position.next !== offset) {
      const isFirst = !position.hasRead;
      this.jumps.push({ i, proc, partition, expected: position.next, found: offset, isFirst });
    }
    position.partition = partition;
    position.next = offset + 1;
    position.hasRead = true;
  }

  feed(step: Step): void {
    if (step.f === "assign" && step.type === "ok") {
      const reader = this.readerOf(step.proc);
      this.close(reader);
      reader.wasAssigned = true;
      for (const { topic, partition, startOffset } of step.answer.partitions) {
        const position = positionOf(reader, topic, partition);
        position.partition = this.partitionNow(topic, partition);
        position.next = startOffset;
      }
    } else if (step.f === "poll" && step.type === "ok") {
      const { lastPolls } = this.readerOf(step.proc);
      for (const topic of step.ask.topics) lastPolls.set(topic, step.begun.i);
    } else if (step.f === "poll" && step.type !== "invoke" && TOLD_OF_A_GAP.has(step.err ?? "")) {
      for (const topic of step.ask.topics) this.readerOf(step.proc).positions.delete(topic);
    }
  }

  /** The end of the history: every session ends. */
  finish(): void {
    for (const reader of this.readers.values()) this.close(reader);
  }

  private close(reader: Reader): void {
    for (const [topic, lastPollBegunAt] of reader.lastPolls) {
      const positions = reader.positions.get(topic);
      if (positions === undefined && !reader.wasAssigned)
        this.fruitless.set(topic, Math.max(lastPollBegunAt, this.fruitless.get(topic) ?? -1));
      for (const { partition, next } of positions?.values() ?? [])
        if (partition !== null && next !== null) this.reach(partition, { next, lastPollBegunAt });
    }
    reader.positions.clear();
    reader.lastPolls.clear();
  }

  private reach(partition: PartitionLife, reach: Reach): void {
    const reaches = this.reaches.get(partition);
    if (reaches === undefined) this.reaches.set(partition, [reach]);
    else reaches.push(reach);
  }

  private readerOf(proc: string): Reader {
    let reader = this.readers.get(proc);
    if (reader === undefined) {
      reader = { positions: new Map(), lastPolls: new Map(), wasAssigned: false };
      this.readers.set(proc, reader);
    }
    return reader;
  }
}

function positionOf(reader: Reader, topic: string, partition: number): Position {
  let positions = reader.positions.get(topic);
  if (positions === undefined) {
    positions = new Map();
    reader.positions.set(topic, positions);
  }
  let position = positions.get(partition);
  if (position === undefined) {
    position = { partition: null, next: null, hasRead: false };
    positions.set(partition, position);
  }
  return position;
}
