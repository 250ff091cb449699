/**
 * events.ts: what a history file says, as types. One event is one JSON object on one line.
 *
 * An operation is asked for (`invoke`, with its ask) and comes to one end: `ok` (with its answer), `fail` (it did not take effect and never will) or
 * `info` (nobody knows). Announcements (`process`, `final`) have no invoke. `parse.ts` checks single lines, `order.ts` what lines say together.
 *
 * Rules of the format:
 *   H1  `i` counts 0, 1, 2, ... without a gap; `t` never goes back
 *   H2  a proc has at most one operation open, and its end has the proc and the `f` of its invoke
 *   H3  a proc says nothing after an `info`: its client goes on under a new name
 */

/** Ends and beginnings of operations. */
export type EventType = "invoke" | "ok" | "fail" | "info";

/** What a send waits for; only `quorum` promises anything. */
export type Acks = "quorum" | "leader" | "none";

/** One partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A record as somebody read it. A value of null was never sent by anybody who writes histories. */
export interface SeenRecord {
  readonly offset: number;
  /** undefined: not said. */
  readonly key?: string | null | undefined;
  readonly value: string | null;
}

/** A record that a poll returned. */
export interface PolledRecord extends SeenRecord, TopicPartition {}

/** A partition that a reader or a member of a group was given. */
export interface AssignedPartition extends TopicPartition {
  /** The epoch at which it was given; null where there is no group. */
  readonly epoch: number | null;
  /** Where its polls go on; null when that is not known. */
  readonly startOffset: number | null;
}

/** A committed offset of a group; null, or -1 in a file: nothing is committed. */
export interface GroupOffset extends TopicPartition {
  readonly offset: number | null;
}

/** Every operation, with what its invoke says (`ask`) and what its `ok` adds (`answer`). */
export interface Operations {
  readonly send: {
    /** `value` is unique in the history: `producer:sequence`. */
    readonly ask: { readonly topic: string; readonly key: string | null; readonly value: string; readonly acks: Acks };
    /** `offset` is -1 with acks `none`; `epoch` is the leader's. */
    readonly answer: { readonly partition: number; readonly offset: number; readonly epoch: number | null };
  };
  readonly poll: {
    readonly ask: { readonly topics: readonly string[]; readonly group: string | null };
    readonly answer: { readonly records: readonly PolledRecord[] };
  };
  /** A reader or member (re)starts: a poll of the same proc after it may jump. */
  readonly assign: {
    readonly ask: { readonly group: string | null };
    readonly answer: { readonly partitions: readonly AssignedPartition[] };
  };
  readonly commit: {
    readonly ask: TopicPartition & {
      readonly group: string;
      readonly offset: number;
      readonly memberEpoch: number | null;
    };
    readonly answer: NoAnswer;
  };
  readonly fetchOffsets: {
    readonly ask: { readonly group: string };
    readonly answer: { readonly offsets: readonly GroupOffset[] };
  };
  readonly listOffsets: {
    readonly ask: { readonly topic: string; readonly at: string };
    readonly answer: { readonly offsets: readonly { readonly partition: number; readonly offset: number }[] };
  };
  readonly createTopic: {
    readonly ask: { readonly topic: string };
    readonly answer: { readonly topicId: string | null };
  };
  readonly deleteTopic: {
    readonly ask: { readonly topic: string };
    readonly answer: { readonly topicId: string | null };
  };
  /** A group is moved by an administrator: an addition to the format. A history that holds one is taken to name every seek. */
  readonly seek: {
    readonly ask: { readonly group: string; readonly topic: string; readonly partition: number | null };
    /** Where each partition stands now. */
    readonly answer: { readonly offsets: readonly { readonly partition: number; readonly offset: number }[] };
  };
  /** A fault: `invoke` when it begins, `ok` when it ended. */
  readonly nemesis: {
    readonly ask: { readonly name: string; readonly target: unknown };
    readonly answer: NoAnswer;
  };
}

/** The end of an operation that answers nothing. */
export type NoAnswer = Readonly<Record<never, never>>;

/** What is said without having been asked for; type `ok` only. */
export interface Announcements {
  /** A group's handler finished a record. */
  readonly process: TopicPartition & {
    readonly group: string;
    readonly offset: number;
    readonly value: string | null;
  };
  /** The committed log of one replica, after everything healed. */
  readonly final: TopicPartition & {
    readonly broker: number;
    readonly logStart: number;
    readonly highWatermark: number;
    readonly records: readonly SeenRecord[];
  };
}

/** The name of an operation. */
export type OperationName = keyof Operations;

/** Where and when something was said. */
export interface Moment {
  /** The event's number: its line, counted from 0. */
  readonly i: number;
  /** Milliseconds of the machine's monotonic clock. */
  readonly t: number;
}

interface Said extends Moment {
  readonly proc: string;
}

/** An operation begins. */
export interface Begun<F extends OperationName> extends Said {
  readonly f: F;
  readonly type: "invoke";
  readonly ask: Operations[F]["ask"];
}

/** An operation succeeded. */
export interface Answered<F extends OperationName> extends Said {
  readonly f: F;
  readonly type: "ok";
  readonly begun: Moment;
  readonly ask: Operations[F]["ask"];
  readonly answer: Operations[F]["answer"];
}

/** An operation failed (`fail`: not applied) or nobody knows (`info`). */
export interface Unanswered<F extends OperationName> extends Said {
  readonly f: F;
  readonly type: "fail" | "info";
  readonly begun: Moment;
  readonly ask: Operations[F]["ask"];
  /** A code of the error catalogue; null when the file names none. */
  readonly err: string | null;
}

/** Something that nobody asked for. */
export interface Announced<F extends keyof Announcements> extends Said {
  readonly f: F;
  readonly type: "ok";
  readonly said: Announcements[F];
}

/** An `f` that this checker does not know: kept in order, judged by nobody. */
export interface Foreign extends Said {
  readonly f: "foreign";
  readonly type: EventType;
}

/** One line of a history, and its invoke when it ends an operation. */
export type Step =
  | { readonly [F in OperationName]: Begun<F> | Answered<F> | Unanswered<F> }[OperationName]
  | { readonly [F in keyof Announcements]: Announced<F> }[keyof Announcements]
  | Foreign;
