/**
 * invariants.test.ts: every invariant notices what it is for, and is silent about what looks like it and is allowed. The broken variants of
 * `controls.ts` come to some of them only; here each file has an event that breaks it.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Broker, MessageHead } from "@varve/broker/testing";
import { stampBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import { batchOfValues } from "@varve/records/testing";
import { encodeFrame, type Frame, FrameKind, type GroupLog, type LogSnapshot, type LogWrite } from "@varve/storage";
import { describe, expect, test } from "vitest";
import { FailedSyncEnds } from "./invariants/failed-sync-ends.js";
import { HungDiskEnds } from "./invariants/hung-disk-ends.js";
import { OneLeaderOneVote } from "./invariants/s01-one-leader-one-vote.js";
import { checkLatest, checkServing } from "./invariants/s02-linearizable-reads.js";
import { checkLeaderHas, checkNewLeader } from "./invariants/s03-leader-completeness.js";
import { LogMatching } from "./invariants/s04-log-matching.js";
import { CommitOwnTerm, checkAppliedSynced, checkQuorumSynced } from "./invariants/s05-quorum-synced.js";
import { SyncedLog } from "./invariants/s06-recovery.js";
import { DamagedStaysSilent } from "./invariants/s07-damaged-stays-silent.js";
import { checkLogStart, checkSnapshot } from "./invariants/s08-log-start.js";
import { ConfigurationsOverlap } from "./invariants/s09-configurations-overlap.js";
import { SameEntries } from "./invariants/s10-same-entries.js";
import { checkAllProducers } from "./invariants/s11-producer-table.js";
import { GroupState } from "./invariants/s12-group-state.js";
import { AnswersAreTrue } from "./invariants/s13-answers-are-true.js";
import { checkBounds } from "./invariants/s14-bounded-queues.js";
import { type GroupTruth, Truth } from "./truth.js";
import { Violation } from "./violation.js";

const REPLICAS = { voters: [1, 2, 3], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false } as const;
const SPEC = { groupId: 7, replicaId: 1, topicId: "t", partition: 0, kind: "data", initial: REPLICAS } as const;
const POINTERS = {
  logStartIndex: 1,
  logStartOffset: 0,
  drainedIndex: 0,
  appliedIndex: 0,
  durableIndex: 0,
  lastIndex: 0,
  highWatermark: 0,
} as const;
const SNAPSHOT: LogSnapshot = {
  index: 2,
  term: 1,
  offset: 2,
  replicas: REPLICAS,
  sections: [],
  encoded: new Uint8Array(0),
};
const MIB = 2 ** 20;

/** A frame of one record, at offset `index - 1`. */
function frameAt(index: number, term: number, value = `v${index}`, producerId = -1): Frame {
  const producer = producerId < 0 ? {} : { producerId, producerEpoch: 0, baseSequence: 0 };
  const data = batchOfValues([value], nodeCodec, producer);
  stampBatch(data, index - 1, term);
  const place = { groupId: SPEC.groupId, index, term, baseOffset: index - 1, offsetSpan: 1, recordCount: 1 };
  return encodeFrame({ ...place, kind: FrameKind.batch, appendTimeMs: 0, data });
}

/** What an invariant asks of a log: `terms[i]` is that of index i + 1. */
function logWith({ terms = [] as readonly number[], ...given }: LogFields = {}): GroupLog {
  const log: Partial<GroupLog> = {
    spec: SPEC,
    quarantine: null,
    hardState: { term: 1, vote: 1, commit: 0 },
    replicas: REPLICAS,
    firstIndex: () => 1,
    lastIndex: () => terms.length,
    term: (index) => terms[index - 1] ?? "unavailable",
    pointers: () => ({ ...POINTERS, appliedIndex: terms.length, lastIndex: terms.length }),
    producerState: () => null,
    ...given,
  };
  return log as GroupLog;
}

type LogFields = Partial<GroupLog> & { readonly terms?: readonly number[] };

/** A log of which entries of these terms are committed, each in its own term, or in `commitTerm`. */
function committed(terms: readonly number[], commitTerm?: number): GroupTruth {
  const truth = new Truth().group(SPEC);
  for (const [at, term] of terms.entries()) truth.grow(frameAt(at + 1, term), commitTerm ?? term, () => {});
  return truth;
}

function message(given: Partial<MessageHead>): MessageHead {
  return { type: "MsgVoteResp", groupId: SPEC.groupId, from: 1, to: 2, term: 1, reject: false, ...given };
}

function saved(given: Partial<LogWrite>): LogWrite {
  return { hardState: null, frames: [], reset: null, ...given };
}

function brokerWith({ undrained = 0, tail = 0, uncommitted = 0, queued = 0 }): Broker {
  const settings = {
    undrainedBytesMax: MIB,
    tailCacheBytesMax: MIB,
    uncommittedBytesPerGroupMax: MIB,
    peerQueueBytesMax: MIB,
  };
  const broker = {
    settings,
    storage: { stats: () => ({ undrainedBytes: undrained, tailBytes: tail }) },
    host: { all: () => [{ groupId: 1, log: { uncommittedBytes: () => uncommitted } }] },
    hub: { connected: () => [{ brokerId: 2 }], queuedBytes: () => queued },
  };
  return broker as unknown as Broker;
}

interface Case {
  readonly why: string;
  readonly invariant: string;
  readonly breaks: () => unknown;
  /** The like of it that is allowed. */
  readonly allowed: () => unknown;
}

const CASES: readonly Case[] = [
  {
    why: "two leaders of one term",
    invariant: "S1",
    breaks: () => leadBoth(new OneLeaderOneVote(), 4, 4),
    allowed: () => leadBoth(new OneLeaderOneVote(), 4, 5),
  },
  {
    why: "two votes of one replica in one term, also when it says the second after a restart",
    invariant: "S1",
    breaks: () => sendAll(new OneLeaderOneVote(), [message({ to: 2 }), message({ to: 3 })]),
    allowed: () => sendAll(new OneLeaderOneVote(), [message({ to: 2 }), message({ to: 3, reject: true })]),
  },
  {
    why: "a candidate that has voted for another",
    invariant: "S1",
    breaks: () => sendAll(new OneLeaderOneVote(), [message({ to: 2 }), message({ type: "MsgVote", to: 3 })]),
    allowed: () => sendAll(new OneLeaderOneVote(), [message({ to: 2 }), message({ type: "MsgVote", to: 3, term: 2 })]),
  },
  {
    why: "an answer below what was committed before the question",
    invariant: "S2",
    breaks: () => checkLatest("t/0", 5, 4),
    allowed: () => checkLatest("t/0", 5, 5),
  },
  {
    why: "a leader that serves before it has applied what earlier terms committed",
    invariant: "S2",
    breaks: () => checkServing(committed([1, 1]), logWith({ terms: [1] }), 2),
    allowed: () => checkServing(committed([1, 1]), logWith({ terms: [1, 1] }), 2),
  },
  {
    why: "a later leader without a committed entry",
    invariant: "S3",
    breaks: () => checkNewLeader(committed([1, 1]), logWith({ terms: [1, 2] }), 3),
    allowed: () => checkNewLeader(committed([1, 1]), logWith({ terms: [1, 1, 2] }), 3),
  },
  {
    why: "an entry that is committed under a later leader who has another there",
    invariant: "S3",
    breaks: () => checkLeaderHas(lastOf(committed([1])), logWith({ terms: [2] }), 2),
    allowed: () => checkLeaderHas(lastOf(committed([1])), logWith({ terms: [2] }), 1),
  },
  {
    why: "two contents at one index and term",
    invariant: "S4",
    breaks: () => append(new LogMatching(), [frameAt(1, 1, "a")], [frameAt(1, 1, "b")]),
    allowed: () => append(new LogMatching(), [frameAt(1, 1, "a")], [frameAt(1, 2, "b")]),
  },
  {
    why: "the same entry after entries of two terms",
    invariant: "S4",
    breaks: () => append(new LogMatching(), [frameAt(1, 1), frameAt(2, 3)], [frameAt(1, 2), frameAt(2, 3)]),
    allowed: () => append(new LogMatching(), [frameAt(1, 1), frameAt(2, 3)], [frameAt(1, 1), frameAt(2, 3)]),
  },
  ...(["term", "commit", "highWatermark", "logStartOffset"] as const).map((mark) => ({
    why: `a ${mark} that goes back`,
    invariant: "S4",
    breaks: () => stand(mark, 5, 4),
    allowed: () => stand(mark, 5, 5),
  })),
  {
    why: "an entry that is committed with one synced copy of three",
    invariant: "S5",
    breaks: () => checkQuorumSynced(7, lastOf(committed([1])), [REPLICAS], (id) => id === 1),
    allowed: () => checkQuorumSynced(7, lastOf(committed([1])), [REPLICAS], (id) => id !== 1),
  },
  {
    why: "an entry that one half of a joint configuration has not",
    invariant: "S5",
    breaks: () =>
      checkQuorumSynced(7, lastOf(committed([1])), [{ ...REPLICAS, votersOutgoing: [4, 5, 6] }], (id) => id < 4),
    allowed: () =>
      checkQuorumSynced(7, lastOf(committed([1])), [{ ...REPLICAS, votersOutgoing: [3, 4] }], (id) => id > 1),
  },
  {
    why: "an entry that is applied before it is synced here",
    invariant: "S5",
    breaks: () => checkAppliedSynced(7, 1, lastOf(committed([1])), false),
    allowed: () => checkAppliedSynced(7, 1, lastOf(committed([1])), true),
  },
  {
    why: "an entry of an old term that a leader commits by counting",
    invariant: "S5",
    breaks: () => commitUpTo(logWith({ terms: [1, 1] }), 2),
    allowed: () => commitUpTo(logWith({ terms: [1, 2] }), 2),
  },
  {
    why: "a synced entry that is gone after a crash",
    invariant: "S6",
    breaks: () =>
      recover([saved({ frames: [frameAt(1, 1)] })], 1, logWith({ hardState: { term: 0, vote: 0, commit: 0 } })),
    allowed: () =>
      recover([saved({ frames: [frameAt(1, 1)] })], 0, logWith({ hardState: { term: 0, vote: 0, commit: 0 } })),
  },
  {
    why: "a synced vote that is gone after a crash",
    invariant: "S6",
    breaks: () => recover([saved({ hardState: { term: 3, vote: 2, commit: 0 } })], 1, logWith()),
    allowed: () => recover([saved({ hardState: { term: 1, vote: 1, commit: 0 } })], 1, logWith()),
  },
  {
    why: "damage where none was done",
    invariant: "S7",
    breaks: () => new DamagedStaysSilent().onSeen(logWith({ quarantine: "a bad checksum" }), false),
    allowed: () => new DamagedStaysSilent().onSeen(logWith({ quarantine: "a bad checksum" }), true),
  },
  {
    why: "a damaged replica that votes",
    invariant: "S7",
    breaks: () => sendAs(logWith({ quarantine: "a bad checksum" })),
    allowed: () => sendAs(logWith()),
  },
  {
    why: "a gap between the log start and the first frame",
    invariant: "S8",
    breaks: () => checkLogStart(committed([1, 1, 1]), logWith({ terms: [1], firstIndex: () => 3 })),
    allowed: () => checkLogStart(committed([1, 1, 1]), logWith({ terms: [1], firstIndex: () => 2 })),
  },
  {
    why: "a log start outside of the entry that it lies in",
    invariant: "S8",
    breaks: () => checkLogStart(committed([1, 1]), startingAt(2, 0)),
    allowed: () => checkLogStart(committed([1, 1]), startingAt(2, 1)),
  },
  {
    why: "a snapshot of another log",
    invariant: "S8",
    breaks: () => checkSnapshot(committed([1, 1]), logWith(), { ...SNAPSHOT, offset: 1 }),
    allowed: () => checkSnapshot(committed([1, 1]), logWith(), SNAPSHOT),
  },
  {
    why: "a configuration with a quorum that the one before has no part in",
    invariant: "S9",
    breaks: () => change([{ ...REPLICAS, voters: [4, 5, 6] }]),
    allowed: () =>
      change([
        { ...REPLICAS, voters: [4, 5, 6], votersOutgoing: [1, 2, 3] },
        { ...REPLICAS, voters: [4, 5, 6] },
      ]),
  },
  {
    why: "a second change in the middle of the first",
    invariant: "S9",
    breaks: () =>
      change([
        { ...REPLICAS, voters: [1, 2, 4], votersOutgoing: [1, 2, 3] },
        { ...REPLICAS, voters: [1, 2, 5] },
      ]),
    allowed: () =>
      change([
        { ...REPLICAS, voters: [1, 2, 4], votersOutgoing: [1, 2, 3] },
        { ...REPLICAS, voters: [1, 2, 4] },
      ]),
  },
  {
    why: "a recovered configuration that the log does not say",
    invariant: "S9",
    breaks: () => change([]).onRecovered(logWith({ replicas: { ...REPLICAS, voters: [1, 2] } })),
    allowed: () => change([]).onRecovered(logWith()),
  },
  {
    why: "an entry that is applied twice",
    invariant: "S10",
    breaks: () => apply([frameAt(1, 1), frameAt(1, 1)]),
    allowed: () => apply([frameAt(1, 1), frameAt(2, 1)]),
  },
  {
    why: "another entry than the committed one",
    invariant: "S10",
    breaks: () => apply([frameAt(1, 1, "other")]),
    allowed: () => apply([frameAt(1, 1)]),
  },
  {
    why: "a producer that the log knows and the replica does not",
    invariant: "S11",
    breaks: () => checkAllProducers(withProducer(), logWith({ terms: [1] })),
    allowed: () => checkAllProducers(withProducer(), logWith()),
  },
  {
    why: "two states after the same entries",
    invariant: "S12",
    breaks: () => compareStates("a", "b"),
    allowed: () => compareStates("a", "a"),
  },
  {
    why: "an acknowledgement of what is not there",
    invariant: "S13",
    breaks: () => new AnswersAreTrue(truthOf("v")).onAcked("v", { topicId: "t", partition: 0, offset: 1 }),
    allowed: () => new AnswersAreTrue(truthOf("v")).onAcked("v", { topicId: "t", partition: 0, offset: 0 }),
  },
  {
    why: "a value that was refused as NOT_APPLIED and is committed before or afterwards",
    invariant: "S13",
    breaks: () => new AnswersAreTrue(truthOf("v")).onRefused("v"),
    allowed: () => new AnswersAreTrue(truthOf("v")).onRefused("w"),
  },
  {
    why: "a refused value that is committed",
    invariant: "S13",
    breaks: () => commitRefused("v", "v"),
    allowed: () => commitRefused("v", "w"),
  },
  {
    why: "a value that is committed twice",
    invariant: "S13",
    breaks: () => truthOf("v", "v"),
    allowed: () => truthOf("v", "w"),
  },
  ...(["undrained", "tail", "uncommitted", "queued"] as const).map((queue) => ({
    why: `more ${queue} bytes than are allowed`,
    invariant: "S14",
    breaks: () => checkBounds("b1", brokerWith({ [queue]: 1.5 * MIB })),
    allowed: () => checkBounds("b1", brokerWith({ [queue]: MIB })),
  })),
  {
    why: "a process that runs on while its disk hangs",
    invariant: "hung-disk",
    breaks: () => look(20, new HungDiskEnds("b1", 10_000, 1_000)),
    allowed: () => look(10, new HungDiskEnds("b1", 10_000, 1_000)),
  },
  {
    why: "a process that runs on after a sync has failed",
    invariant: "failed-sync",
    breaks: () => failOnce(new FailedSyncEnds("b1", 0)),
    allowed: () => failOnce(new FailedSyncEnds("b1", 1)),
  },
];

describe.each(CASES)("$invariant: $why", ({ invariant, breaks, allowed }) => {
  test("is found", () => {
    expect(breaks).toThrow(Violation);
    expect(breaks).toThrow(expect.objectContaining({ invariant }));
  });

  test("is not what is allowed", () => expect(allowed).not.toThrow());
});

describe("the invariants", () => {
  const folder = new URL("./invariants/", import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith(".ts"));

  test.each(files)("%s names its source", (name) => {
    expect(readFileSync(new URL(name, folder), "utf8")).toMatch(/^ \* Source: \S/m);
  });

  test("are S1 to S14, each in a file of its own and each broken above", () => {
    const numbers = files.flatMap((name) => /^s(\d\d)-/.exec(name)?.[1] ?? []).map(Number);
    expect(numbers.sort((left, right) => left - right)).toEqual(Array.from({ length: 14 }, (_, at) => at + 1));
    for (const number of numbers) expect(CASES.map(({ invariant }) => invariant)).toContain(`S${number}`);
  });
});

function leadBoth(leaders: OneLeaderOneVote, term: number, other: number): void {
  leaders.onLeader(SPEC.groupId, term, 1);
  leaders.onLeader(SPEC.groupId, other, 2);
}

function sendAll(votes: OneLeaderOneVote, messages: readonly MessageHead[]): void {
  for (const each of messages) votes.onSent(each);
}

function lastOf(truth: GroupTruth): NonNullable<ReturnType<GroupTruth["entry"]>> {
  const entry = truth.entry(truth.lastIndex);
  if (entry === null) throw new Error("nothing is committed");
  return entry;
}

/** Two logs, each of which begins with its frames. */
function append(matching: LogMatching, one: readonly Frame[], other: readonly Frame[]): void {
  matching.onAppended(logWith(), one);
  matching.onAppended(logWith(), other);
}

function stand(mark: "term" | "commit" | "highWatermark" | "logStartOffset", before: number, after: number): void {
  const matching = new LogMatching();
  const log = logWith();
  const marks = { term: 1, commit: 1, highWatermark: 1, logStartOffset: 1 };
  matching.onMarks(log, { ...marks, [mark]: before });
  matching.onMarks(log, { ...marks, [mark]: after });
}

/** A leader of term 2 begins with nothing committed and goes on to `commit`. */
function commitUpTo(log: GroupLog, commit: number): void {
  const own = new CommitOwnTerm();
  own.onLeader(log, 2, 0);
  own.onLeader(log, 2, commit);
}

/** The first `durable` of the writes were called durable before the crash that left `log`. */
function recover(writes: readonly LogWrite[], durable: number, log: GroupLog): void {
  const disk = new SyncedLog();
  for (const write of writes) disk.onSaved(write);
  for (let count = 0; count < durable; count++) disk.onDurable();
  disk.onRecovered(log);
}

function sendAs(log: GroupLog): void {
  const damaged = new DamagedStaysSilent();
  damaged.onSeen(log, true);
  damaged.onSent(message({}));
}

function startingAt(logStartIndex: number, logStartOffset: number): GroupLog {
  return logWith({ terms: [1, 1], pointers: () => ({ ...POINTERS, logStartIndex, logStartOffset, appliedIndex: 2 }) });
}

function change(configurations: readonly GroupLog["replicas"][]): ConfigurationsOverlap {
  const overlap = new ConfigurationsOverlap();
  overlap.begins(SPEC.groupId, REPLICAS);
  for (const [at, replicas] of configurations.entries()) overlap.onChanged(SPEC.groupId, at + 1, replicas);
  return overlap;
}

/** A replica applies these; committed is what `frameAt` makes by itself. */
function apply(frames: readonly Frame[]): void {
  const same = new SameEntries();
  const truth = committed([1, 1]);
  const log = logWith();
  for (const frame of frames) {
    const entry = truth.entry(frame.index);
    if (entry !== null) same.onApplied(log, frame, entry);
  }
}

function withProducer(): GroupTruth {
  const truth = new Truth().group(SPEC);
  truth.grow(frameAt(1, 1, "v", 5), 1, () => {});
  return truth;
}

function compareStates(one: string, other: string): void {
  const states = new GroupState();
  for (const state of [one, other]) {
    const log = logWith();
    states.onSource(log, () => [{ tag: 16, bytes: Buffer.from(state) }]);
    states.compare(log, 8);
  }
}

function truthOf(...values: readonly string[]): Truth {
  const truth = new Truth();
  for (const [at, value] of values.entries()) truth.group(SPEC).grow(frameAt(at + 1, 1, value), 1, () => {});
  return truth;
}

function commitRefused(refused: string, value: string): void {
  const answers = new AnswersAreTrue(new Truth());
  answers.onRefused(refused);
  answers.onCommitted(value);
}

/** Once a second, at the same write. */
function look(times: number, hung: HungDiskEnds): void {
  for (let count = 0; count < times; count++) hung.check({ id: 1, path: "/data/wal/1.wal", sinceMs: 0 });
}

function failOnce(failed: FailedSyncEnds): void {
  for (let looks = 0; looks < 5; looks++) failed.check(1);
}
