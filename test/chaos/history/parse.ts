/**
 * parse.ts: one line of a history, from JSON to a checked shape.
 *
 * Fields that a reader of the format need not know are left alone; a field that it does know has its type, or the line is refused: what is read
 * half would be judged half. Source: the table of history files in the contracts, repeated in README.md.
 */
import type { Acks, Announcements, EventType, OperationName, Operations, SeenRecord } from "./events.js";
import { type Fields, fieldsOf, list, listOf, nullable, number, own, Refused, text, whole } from "./shape.js";

/** One line, before it is joined with its invoke. */
export interface ParsedLine {
  readonly i: number;
  readonly t: number;
  readonly proc: string;
  readonly type: EventType;
  readonly f: string;
  readonly fields: Fields;
}

const TYPES: readonly string[] = ["invoke", "ok", "fail", "info"] satisfies EventType[];
const ACKS: readonly string[] = ["quorum", "leader", "none"] satisfies Acks[];

/** @throws Refused when the line is no event. */
export function parseLine(line: string): ParsedLine {
  const fields = fieldsOf(parseJson(line), "the line");
  const type = text(fields, "type");
  if (!isType(type)) throw new Refused(`type is ${JSON.stringify(type)}; ${TYPES.join(", ")} are possible`);
  return { i: whole(fields, "i"), t: number(fields, "t"), proc: procOf(fields), type, f: text(fields, "f"), fields };
}

/** Some tools number their clients. */
function procOf(fields: Fields): string {
  const proc = fields["proc"];
  return typeof proc === "number" ? String(proc) : text(fields, "proc");
}

/** The error code of a `fail` or `info`. */
export const errOf = (fields: Fields): string | null => nullable(fields, "err", text);

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new Refused(`no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const isType = (type: string): type is EventType => TYPES.includes(type);
const isAcks = (acks: string): acks is Acks => ACKS.includes(acks);

/** Whether an `f` names an operation, with an invoke and an end. */
export const isOperation = (f: string): f is OperationName => Object.hasOwn(ASKS, f);

/** Whether an `f` is said without an invoke. */
export const isAnnouncement = (f: string): f is keyof Announcements => Object.hasOwn(ANNOUNCEMENTS, f);

/** What an invoke of each operation says. */
export const ASKS: { readonly [F in OperationName]: (fields: Fields) => Operations[F]["ask"] } = {
  send: (fields) => ({
    topic: text(fields, "topic"),
    key: nullable(fields, "key", text),
    value: text(fields, "value"),
    acks: acksOf(fields),
  }),
  poll: (fields) => ({ topics: list(fields, "topics").map(topicName), group: nullable(fields, "group", text) }),
  assign: (fields) => ({ group: nullable(fields, "group", text) }),
  commit: (fields) => ({
    group: text(fields, "group"),
    topic: text(fields, "topic"),
    partition: whole(fields, "partition"),
    offset: whole(fields, "offset"),
    memberEpoch: nullable(fields, "memberEpoch", number),
  }),
  fetchOffsets: (fields) => ({ group: text(fields, "group") }),
  listOffsets: (fields) => ({ topic: text(fields, "topic"), at: pointOf(fields) }),
  createTopic: (fields) => ({ topic: text(fields, "topic") }),
  deleteTopic: (fields) => ({ topic: text(fields, "topic") }),
  seek: (fields) => ({
    group: text(fields, "group"),
    topic: text(fields, "topic"),
    partition: nullable(fields, "partition", whole),
  }),
  nemesis: (fields) => ({ name: text(fields, "name"), target: own(fields, "target") ?? null }),
};

/** What an ok of each operation adds. */
export const ANSWERS: { readonly [F in OperationName]: (fields: Fields) => Operations[F]["answer"] } = {
  send: (fields) => ({
    partition: wholeOrMinusOne(fields, "partition"),
    offset: wholeOrMinusOne(fields, "offset"),
    epoch: nullable(fields, "epoch", number),
  }),
  poll: (fields) => ({
    records: listOf(fields, "records", (record) => ({
      topic: text(record, "topic"),
      partition: whole(record, "partition"),
      ...seenRecord(record),
    })),
  }),
  assign: (fields) => ({
    partitions: listOf(fields, "partitions", (given) => ({
      topic: text(given, "topic"),
      partition: whole(given, "partition"),
      epoch: nullable(given, "epoch", number),
      startOffset: offsetOrNone(given, "startOffset"),
    })),
  }),
  commit: () => ({}),
  fetchOffsets: (fields) => ({
    offsets: listOf(fields, "offsets", (stored) => ({
      topic: text(stored, "topic"),
      partition: whole(stored, "partition"),
      offset: offsetOrNone(stored, "offset"),
    })),
  }),
  listOffsets: (fields) => ({ offsets: partitionOffsets(fields) }),
  createTopic: (fields) => ({ topicId: nullable(fields, "topicId", text) }),
  deleteTopic: (fields) => ({ topicId: nullable(fields, "topicId", text) }),
  seek: (fields) => ({ offsets: own(fields, "offsets") === undefined ? [] : partitionOffsets(fields) }),
  nemesis: () => ({}),
};

/** What each announcement says. */
export const ANNOUNCEMENTS: {
  readonly [F in keyof Announcements]: (fields: Fields) => Announcements[F];
} = {
  process: (fields) => ({
    group: text(fields, "group"),
    topic: text(fields, "topic"),
    partition: whole(fields, "partition"),
    offset: whole(fields, "offset"),
    value: nullable(fields, "value", text),
  }),
  final: (fields) => ({
    broker: number(fields, "broker"),
    topic: text(fields, "topic"),
    partition: whole(fields, "partition"),
    logStart: whole(fields, "logStart"),
    highWatermark: whole(fields, "highWatermark"),
    records: listOf(fields, "records", seenRecord),
  }),
};

function seenRecord(fields: Fields): SeenRecord {
  return {
    offset: whole(fields, "offset"),
    key: own(fields, "key") === undefined ? undefined : nullable(fields, "key", text),
    value: nullable(fields, "value", text),
  };
}

const partitionOffsets = (fields: Fields): { partition: number; offset: number }[] =>
  listOf(fields, "offsets", (entry) => ({ partition: whole(entry, "partition"), offset: whole(entry, "offset") }));

/** An offset; null and anything below 0 say that there is none. */
function offsetOrNone(fields: Fields, name: string): number | null {
  const offset = nullable(fields, name, number);
  return offset === null || offset < 0 ? null : offset;
}

/** A place that an acknowledgement with acks `none` does not know is -1. */
const wholeOrMinusOne = (fields: Fields, name: string): number => (own(fields, name) === -1 ? -1 : whole(fields, name));

function topicName(topic: unknown): string {
  if (typeof topic !== "string") throw new Refused("topics holds something that is no text");
  return topic;
}

function acksOf(fields: Fields): Acks {
  const acks = nullable(fields, "acks", text) ?? "quorum";
  if (!isAcks(acks)) throw new Refused(`acks is ${JSON.stringify(acks)}; ${ACKS.join(", ")} are possible`);
  return acks;
}

/** `latest`, `earliest`, or some other point, of which nothing is judged. */
function pointOf(fields: Fields): string {
  const at = own(fields, "at");
  if (typeof at !== "string" && (typeof at !== "object" || at === null)) throw new Refused("at is no point in a log");
  return typeof at === "string" ? at : JSON.stringify(at);
}
