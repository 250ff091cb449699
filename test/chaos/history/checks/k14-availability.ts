/**
 * k14-availability.ts: K14: with a majority of its brokers a partition acknowledges again within 5 s. Promise A1.
 *
 * Judged are stretches of time in which clients kept asking a partition and nothing was acknowledged: sends that wait, or that fail for want of a leader
 * and are followed by others within 5 s. A stretch must end within 5 s of its begin, or of the last moment at which faults excuse it. A fault that
 * takes one broker away, alone, excuses 5 s from its begin and from its end; any other excuses all its time and 5 s more, since it may leave no majority.
 *
 * A send without an acknowledgement counts for the partition that its key went to at other times; a topic of one partition needs no key. What waits
 * longest is noted.
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { Step } from "../events.js";
import { type Fault, Faults } from "../index/faults.js";
import type { Ledger } from "../index/ledger.js";
import type { PartitionLife } from "../index/partition-life.js";
import { type Span, uncovered, union } from "../index/spans.js";

const RESUME_MS = 5_000;
/** Clients that ask again within this keep asking. */
const PAUSE_MS = 5_000;
/** Shorter times without an acknowledgement are not worth a note. */
const NOTED_MS = 1_000;
/** Waits below this cannot add up to anything: they are dropped at once. */
const QUICK_MS = 500;
/** Fewer brokers than this leave no majority when one goes. */
const BROKERS_MIN = 3;

/** Errors that a partition without a leader answers; others are the client's own fault or its will. */
const UNAVAILABLE: ReadonlySet<string> = new Set([
  "NOT_LEADER",
  "FENCED_EPOCH",
  "UNKNOWN_EPOCH",
  "NOT_ENOUGH_REPLICAS",
  "BROKER_OVERLOADED",
  "SHUTTING_DOWN",
  "COMMIT_UNKNOWN",
  "TIMEOUT",
  "UNREACHABLE",
]);

/** A send that was not answered at once. */
interface Wait extends Span {
  readonly topic: string;
  readonly key: string | null;
  readonly begunAt: number;
  readonly endedAt: number;
}

/** When a partition acknowledged; in columns, in order. */
interface Acks {
  readonly timesMs: number[];
  readonly events: number[];
}

type Send = Extract<Step, { f: "send" }>;

export class Availability implements Check {
  readonly id = "K14";
  readonly promise = "acknowledgements come again within 5 s";
  readonly meaning = "nothing acknowledged for more than 5 s, and no fault excuses it";
  private readonly findings = new Findings();
  private readonly faults = new Faults();
  private readonly acks = new Map<PartitionLife, Acks>();
  private readonly waits = new Map<PartitionLife, Wait[]>();
  /** Waits whose partition their key will tell. */
  private readonly unplaced: Wait[] = [];
  private readonly open = new Map<string, Send>();
  private longest: { readonly ms: number; readonly name: string } | null = null;

  constructor(private readonly ledger: Ledger) {}

  feed(step: Step): void {
    if (step.f === "nemesis") this.faults.feed(step);
    else if (step.f === "send" && step.ask.acks === "quorum") this.feedSend(step);
  }

  finish(): Verdict {
    for (const { ask, t, i } of this.open.values())
      this.unplaced.push({ ...ask, startMs: t, endMs: this.ledger.lastT, begunAt: i, endedAt: -1 });
    this.placeByKey();
    for (const [partition, waits] of this.waits) this.judge(partition, waits);
    if (this.longest !== null && this.longest.ms >= NOTED_MS)
      this.findings.note(
        `longest time without an acknowledgement: ${seconds(this.longest.ms)}, of ${this.longest.name}`,
      );
    return this.findings.verdict(this);
  }

  private feedSend(step: Send): void {
    if (step.type === "invoke") {
      this.open.set(step.proc, step);
      return;
    }
    this.open.delete(step.proc);
    const { i, t, begun, ask } = step;
    const wait = { ...ask, startMs: begun.t, endMs: t, begunAt: begun.i, endedAt: i };
    if (step.type !== "ok") {
      if (step.err === null || UNAVAILABLE.has(step.err)) this.unplaced.push(wait);
      return;
    }
    const place = this.ledger.partitionNow(ask.topic, step.answer.partition);
    if (place === null) return;
    const acks = this.acks.get(place) ?? { timesMs: [], events: [] };
    this.acks.set(place, acks);
    acks.timesMs.push(t);
    acks.events.push(i);
    if (t - begun.t >= QUICK_MS) this.wait(place, wait);
  }

  private wait(place: PartitionLife, wait: Wait): void {
    const waits = this.waits.get(place);
    if (waits === undefined) this.waits.set(place, [wait]);
    else waits.push(wait);
  }

  /** Gives the waits that ended without an acknowledgement to the partitions of their keys. */
  private placeByKey(): void {
    const wanted = new Set(this.unplaced.map(({ topic, key }) => JSON.stringify([topic, key])));
    const places = new Map<string, PartitionLife>();
    if (wanted.size > 0)
      for (const { topic, key, acknowledged } of this.ledger.values.values()) {
        if (key === null || acknowledged?.place === null || acknowledged?.place === undefined) continue;
        const name = JSON.stringify([topic, key]);
        if (wanted.has(name)) places.set(name, acknowledged.place.partition);
      }
    for (const wait of this.unplaced) {
      const place = places.get(JSON.stringify([wait.topic, wait.key])) ?? this.onlyPartitionOf(wait.topic);
      if (place !== null) this.wait(place, wait);
    }
  }

  private onlyPartitionOf(topic: string): PartitionLife | null {
    const all = [...this.acks.keys()].filter((partition) => partition.topic === topic);
    return all.length === 1 ? (all[0] ?? null) : null;
  }

  private judge(partition: PartitionLife, waits: readonly Wait[]): void {
    if (this.ledger.mayBeGone(partition)) return;
    const excused = this.excuses(partition);
    const acks = this.acks.get(partition) ?? { timesMs: [], events: [] };
    for (const { startMs, endMs } of union(waits, PAUSE_MS))
      for (const stretch of stretches(startMs, endMs, acks.timesMs)) {
        const ms = stretch.endMs - stretch.startMs;
        if (ms > (this.longest?.ms ?? 0)) this.longest = { ms, name: partition.name };
        if (ms <= RESUME_MS) continue;
        const begin = { startMs: stretch.startMs, endMs: stretch.startMs + RESUME_MS };
        if (uncovered(stretch, [begin, ...excused]).length === 0) continue;
        this.findings.add(eventsOf(stretch, waits, acks), () => {
          return `${partition.name} acknowledged nothing for ${seconds(ms)} from ${seconds(stretch.startMs)} on`;
        });
      }
  }

  private excuses(partition: PartitionLife): Span[] {
    const all = this.faults.all;
    const brokers = new Set(partition.dumps.map(({ broker }) => broker)).size;
    const hasSpare = brokers === 0 || brokers >= BROKERS_MIN;
    return all.flatMap((fault) => {
      const end = fault.ended?.t ?? Number.POSITIVE_INFINITY;
      const isAlone = !all.some((other) => other !== fault && overlaps(other, fault));
      const whole = { startMs: fault.begun.t, endMs: end + RESUME_MS };
      if (!fault.isOneBroker || !hasSpare || !isAlone) return [whole];
      return [
        { startMs: fault.begun.t, endMs: fault.begun.t + RESUME_MS },
        { startMs: end, endMs: end + RESUME_MS },
      ];
    });
  }
}

function overlaps(left: Fault, right: Fault): boolean {
  const leftEnd = left.ended?.t ?? Number.POSITIVE_INFINITY;
  const rightEnd = right.ended?.t ?? Number.POSITIVE_INFINITY;
  return left.begun.t <= rightEnd && right.begun.t <= leftEnd;
}

/** The parts of a time between acknowledgements. */
function stretches(startMs: number, endMs: number, acksMs: readonly number[]): Span[] {
  const inside: number[] = [];
  for (let next = firstAfter(acksMs, startMs); (acksMs[next] ?? endMs) < endMs; next++)
    inside.push(acksMs[next] ?? endMs);
  const edges = [startMs, ...inside, endMs];
  return edges.slice(1).map((edge, at) => ({ startMs: edges[at] ?? startMs, endMs: edge }));
}

/** The index of the first time above `ms`. */
function firstAfter(timesMs: readonly number[], ms: number): number {
  let first = 0;
  let end = timesMs.length;
  while (first < end) {
    const middle = (first + end) >>> 1;
    if ((timesMs[middle] ?? 0) <= ms) first = middle + 1;
    else end = middle;
  }
  return first;
}

/** The acknowledgement before, the sends that waited, and the acknowledgement after. */
function eventsOf({ startMs, endMs }: Span, waits: readonly Wait[], { timesMs, events }: Acks): number[] {
  const before = events[firstAfter(timesMs, startMs) - 1] ?? -1;
  const after = events[timesMs.findIndex((ms) => ms >= endMs)] ?? -1;
  const waited = waits.filter((wait) => wait.startMs < endMs && wait.endMs > startMs);
  return [before, ...waited.flatMap(({ begunAt, endedAt }) => [begunAt, endedAt]), after];
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
