/**
 * mutations.ts: ways to break a generated history, one promise each: what a faulty cluster would have shown instead.
 *
 * A mutation takes the events of a good history and gives those of a bad one, numbered anew, or null when it finds nothing to break.
 */
import { assertDefined } from "@varve/base";
import type { Prng } from "@varve/base/testing";
import type { CheckId } from "../check.js";

/** A record in an event. */
export interface JsonRecord {
  topic?: string;
  partition?: number;
  offset: number;
  key: string | null;
  value: string;
}

/** An event as its line says it; what a mutation touches is typed. */
export interface JsonEvent {
  i: number;
  t: number;
  proc: string;
  type: string;
  f: string;
  value?: string;
  partition?: number;
  offset?: number;
  epoch?: number;
  at?: string;
  broker?: number;
  highWatermark?: number;
  records?: JsonRecord[];
  offsets?: { topic?: string; partition: number; offset: number | null }[];
  partitions?: { topic: string; partition: number; epoch: number | null; startOffset: number }[];
  [other: string]: unknown;
}

type Break = (events: JsonEvent[], prng: Prng) => JsonEvent[] | null;

/** One way to break a history, and the check that must see it. */
export interface Mutation {
  readonly check: CheckId;
  readonly what: string;
  readonly mutate: Break;
}

const dumps = (events: readonly JsonEvent[]): JsonEvent[] => events.filter(({ f }) => f === "final");
const recordsOf = (event: JsonEvent): JsonRecord[] => assertDefined(event.records, "the event has records");

function pickOr<T>(prng: Prng, found: readonly T[]): T | null {
  return found.length === 0 ? null : prng.pick(found);
}

/** An acknowledgement of an offset above 0. */
function pickAck(events: readonly JsonEvent[], prng: Prng): JsonEvent | null {
  return pickOr(
    prng,
    events.filter(({ f, type, offset }) => f === "send" && type === "ok" && (offset ?? 0) > 0),
  );
}

const invokeOf = (events: readonly JsonEvent[], end: JsonEvent): JsonEvent =>
  assertDefined(
    events.findLast(({ i, proc, type }) => i <= end.i && proc === end.proc && type === "invoke"),
    "an end has an invoke",
  );

const cutLogs: Break = (events, prng) => {
  const ack = pickAck(events, prng);
  if (ack === null) return null;
  for (const dump of dumps(events)) {
    if (dump.partition !== ack.partition) continue;
    dump.records = recordsOf(dump).filter(({ offset }) => offset < (ack.offset ?? 0));
    dump.highWatermark = dump.records.length;
  }
  return events;
};

const swapValue: Break = (events, prng) => {
  const dump = pickOr(
    prng,
    dumps(events).filter((found) => recordsOf(found).length > 1),
  );
  const [first, second] = dump === null ? [] : recordsOf(dump);
  if (first === undefined || second === undefined) return null;
  [first.value, second.value] = [second.value, first.value];
  return events;
};

const skipPolled: Break = (events, prng) => {
  const poll = pickOr(
    prng,
    events.filter(({ proc, records = [] }) => proc === "r0" && runs(records)),
  );
  if (poll === null) return null;
  const run = runAt(recordsOf(poll));
  poll.records = recordsOf(poll).filter((_, at) => at !== run + 1);
  return events;
};

/** The first of three records of one partition in a row; -1 when there are none. */
const runAt = (records: readonly JsonRecord[]): number =>
  records.findIndex(({ partition }, at) => partition === records[at + 2]?.partition);
const runs = (records: readonly JsonRecord[]): boolean => runAt(records) >= 0;

const staleLatest: Break = (events, prng) => {
  const stale = events.filter(
    (event) => event.f === "listOffsets" && event.type === "ok" && invokeOf(events, event).at === "latest",
  );
  const list = pickOr(
    prng,
    stale.filter((list) => {
      const begunAt = invokeOf(events, list).i;
      return events.some((ack) => isAck(ack) && ack.i < begunAt && ack.partition === list.offsets?.[0]?.partition);
    }),
  );
  const first = list?.offsets?.[0];
  if (first === undefined) return null;
  first.offset = 0;
  return events;
};

const isAck = ({ f, type }: JsonEvent): boolean => f === "send" && type === "ok";

const refuseAcked: Break = (events, prng) => {
  const ack = pickAck(events, prng);
  if (ack === null) return null;
  const { i, t, proc } = ack;
  return events.map((event) => (event === ack ? { i, t, proc, type: "fail", f: "send", err: "NOT_LEADER" } : event));
};

const appendTwice: Break = (events) => {
  const full = dumps(events).filter((dump) => recordsOf(dump).length > 0 && dump.partition === 0);
  for (const dump of full) {
    const records = recordsOf(dump);
    const first = assertDefined(records[0], "the log has a record");
    records.push({ ...first, offset: records.length });
    dump.highWatermark = records.length;
  }
  return full.length === 0 ? null : events;
};

/** Only what was acknowledged, with its place, is owed. */
const forgetProcessed: Break = (events, prng) => {
  const acks = events.filter((event) => isAck(event) && event.offset !== undefined);
  const owed = new Set(acks.map((ack) => invokeOf(events, ack).value));
  const done = pickOr(
    prng,
    events.filter(({ f, value }) => f === "process" && owed.has(value)),
  );
  return done === null ? null : events.filter(({ f, value }) => f !== "process" || value !== done.value);
};

const shareEpoch: Break = (events) => {
  for (const second of events.filter(({ f, type }) => f === "assign" && type === "ok"))
    for (const given of second.partitions ?? []) {
      const first = events
        .filter((event) => event.i < second.i && event.f === "assign" && event.proc !== second.proc)
        .filter((event) => invokeOf(events, event)["group"] === invokeOf(events, second)["group"])
        .flatMap(({ partitions = [] }) => partitions)
        .find(({ partition, epoch }) => partition === given.partition && epoch !== null);
      if (first === undefined || given.epoch === null) continue;
      given.epoch = first.epoch;
      return events;
    }
  return null;
};

const loseCommit: Break = (events) => {
  const commit = events.find(({ f, type }) => f === "commit" && type === "ok");
  const fetch = events.findLast(({ f, type }) => f === "fetchOffsets" && type === "ok");
  if (commit === undefined || fetch === undefined || invokeOf(events, fetch).i < commit.i) return null;
  fetch.offsets = [];
  return events;
};

const recreate: Break = (events) => {
  const end = events.findIndex(({ f }) => f === "final");
  const topic = events[end]?.["topic"];
  const before = assertDefined(events[end - 1], "a history has more than dumps");
  const event = (type: string, f: string, rest: object): JsonEvent => ({
    ...{ i: 0, t: before.t, proc: "deleter", type, f },
    ...rest,
  });
  const inserted = [
    event("invoke", "deleteTopic", { topic }),
    event("ok", "deleteTopic", { topicId: "old" }),
    event("invoke", "createTopic", { topic }),
    event("ok", "createTopic", { topicId: "new" }),
  ];
  return [...events.slice(0, end), ...inserted, ...events.slice(end)];
};

const hideEnd: Break = (events) => {
  const last = events.findLast((event) => isAck(event) && isLast(events, event));
  if (last === undefined) return null;
  const { value } = invokeOf(events, last);
  for (const event of events)
    if (event.f === "poll") event.records = event.records?.filter((record) => record.value !== value) ?? [];
  return events.filter((event) => event.f !== "process" || event.value !== value);
};

/** Whether an acknowledged record is the last of its partition. */
function isLast(events: readonly JsonEvent[], { partition, offset = 0 }: JsonEvent): boolean {
  return dumps(events).some((dump) => dump.partition === partition && dump.highWatermark === offset + 1);
}

const alterKey: Break = (events, prng) => {
  const poll = pickOr(
    prng,
    events.filter(({ f, records = [] }) => f === "poll" && records.length > 0),
  );
  const record = poll === null ? null : prng.pick(recordsOf(poll));
  if (record === null) return null;
  record.key = `${record.key}-altered`;
  return events;
};

const stall: Break = (events, prng) => {
  const ack = pickAck(events, prng);
  if (ack === null) return null;
  return events.map((event) => (event.i >= ack.i ? { ...event, t: event.t + 20_000 } : event));
};

const cutOneLog: Break = (events, prng) => {
  const dump = pickOr(
    prng,
    dumps(events).filter((found) => recordsOf(found).length > 0),
  );
  if (dump === null) return null;
  dump.records = recordsOf(dump).slice(0, -1);
  dump.highWatermark = dump.records.length;
  return events;
};

const lowerEpoch: Break = (events, prng) => {
  const ack = pickAck(events, prng);
  // The first acknowledgement of its partition has none before it.
  if (ack === null || !events.some((event) => isAck(event) && event.i < ack.i && event.partition === ack.partition))
    return null;
  const lower = events.some((event) => isAck(event) && isBelow(event, ack));
  if (!lower) return null;
  ack.epoch = 0;
  return events;
};

const isBelow = (event: JsonEvent, ack: JsonEvent): boolean =>
  event.partition === ack.partition && (event.offset ?? 0) < (ack.offset ?? 0);

/** One for each check, or more. */
export const MUTATIONS: readonly Mutation[] = [
  { check: "K1", what: "every replica loses the end of its log", mutate: cutLogs },
  { check: "K2", what: "one replica swaps two records", mutate: swapValue },
  { check: "K3", what: "a poll leaves a record out", mutate: skipPolled },
  { check: "K4", what: "listOffsets answers from long ago", mutate: staleLatest },
  { check: "K5", what: "a send that took effect is refused", mutate: refuseAcked },
  { check: "K6", what: "a record is appended twice", mutate: appendTwice },
  { check: "K7", what: "a record is never finished", mutate: forgetProcessed },
  { check: "K8", what: "two members get one epoch", mutate: shareEpoch },
  { check: "K9", what: "a commit is forgotten", mutate: loseCommit },
  { check: "K10", what: "the topic is made again with its old records", mutate: recreate },
  { check: "K11", what: "the last record is never read", mutate: hideEnd },
  { check: "K12", what: "a record comes with another key", mutate: alterKey },
  { check: "K14", what: "a partition stalls for 20 s", mutate: stall },
  { check: "K15", what: "one replica lacks its last record", mutate: cutOneLog },
  { check: "K16", what: "a leader of an older epoch acknowledges", mutate: lowerEpoch },
];

/** Breaks a history; null when the mutation finds nothing to break. */
export function mutated(lines: readonly string[], mutation: Mutation, prng: Prng): string[] | null {
  const events = lines.map((line) => JSON.parse(line) as JsonEvent);
  return mutation.mutate(events, prng)?.map((event, i) => JSON.stringify({ ...event, i })) ?? null;
}
