/**
 * k7-unprocessed.ts: K7: every acknowledged record is finished by some member of each group that works on its topic. Promise C4.
 *
 * A history without any `process` records no handlers, and nothing is judged. In others a group works on the topics of which it finished, polled or was
 * assigned anything. Not owed are records below the lowest start that the group was ever assigned in a partition (or that it ever polled there, when it
 * was assigned nothing and finished nothing of the topic), those that retention may have taken, and those that are lost (K1).
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { Step } from "../events.js";
import type { Ledger } from "../index/ledger.js";
import type { PartitionLife } from "../index/partition-life.js";
import type { Place, Sent } from "../index/sent.js";
import { lostWrites } from "./k1-lost-write.js";

interface Work {
  readonly group: string;
  /** By topic: what was finished. */
  readonly finished: Map<string, Set<string>>;
  /** The lowest start that was assigned, and the lowest offset that was polled. */
  readonly assigned: Map<PartitionLife, number>;
  readonly polled: Map<PartitionLife, number>;
}

export class Unprocessed implements Check {
  readonly id = "K7";
  readonly promise = "groups finish every acknowledged record";
  readonly meaning = "acknowledged, and finished by no member of a group";
  private readonly groups = new Map<string, Work>();

  constructor(private readonly ledger: Ledger) {}

  feed(step: Step): void {
    if (step.f === "process") {
      const { group, topic, value } = step.said;
      const { finished } = this.workOf(group);
      const values = finished.get(topic) ?? new Set<string>();
      finished.set(topic, values);
      if (value !== null) values.add(value);
    } else if (step.f === "assign" && step.type === "ok" && step.ask.group !== null) {
      const { assigned } = this.workOf(step.ask.group);
      for (const { topic, partition, startOffset } of step.answer.partitions)
        lower(assigned, this.ledger.partitionNow(topic, partition), startOffset ?? 0);
    } else if (step.f === "poll" && step.type === "ok" && step.ask.group !== null) {
      const { polled } = this.workOf(step.ask.group);
      for (const { topic, partition, offset } of step.answer.records)
        lower(polled, this.ledger.partitionNow(topic, partition), offset);
    }
  }

  finish(): Verdict {
    const findings = new Findings();
    const groups = [...this.groups.values()];
    if (groups.every(({ finished }) => finished.size === 0)) return findings.verdict(this);
    const lost = new Set<Sent>();
    for (const { sent } of lostWrites(this.ledger)) lost.add(sent);
    for (const sent of this.ledger.values.values()) {
      const place = sent.acknowledged?.place ?? null;
      if (sent.acknowledged === null || place === null || lost.has(sent)) continue;
      if (this.ledger.mayBeGone(place.partition) || !isRetained(place.partition, place.offset)) continue;
      const { i } = sent.acknowledged;
      for (const work of groups) {
        if (!isOwed(work, place) || work.finished.get(place.partition.topic)?.has(sent.value)) continue;
        const where = `${place.partition.name}@${place.offset}`;
        findings.add([i], () => `${sent.value} at ${where} was finished by no member of ${work.group}`);
      }
    }
    return findings.verdict(this);
  }

  private workOf(group: string): Work {
    let work = this.groups.get(group);
    if (work === undefined) {
      work = { group, finished: new Map(), assigned: new Map(), polled: new Map() };
      this.groups.set(group, work);
    }
    return work;
  }
}

function lower(starts: Map<PartitionLife, number>, partition: PartitionLife | null, offset: number): void {
  if (partition !== null && offset < (starts.get(partition) ?? Number.POSITIVE_INFINITY)) starts.set(partition, offset);
}

/** Whether a group had to finish what stands at a place. */
function isOwed({ finished, assigned, polled }: Work, { partition, offset }: Place): boolean {
  const isWorkedOn = finished.has(partition.topic);
  const start = assigned.get(partition) ?? (isWorkedOn ? 0 : (polled.get(partition) ?? Number.POSITIVE_INFINITY));
  return offset >= start;
}

/** Whether retention cannot have taken the offset: no replica's log starts above it at the end. */
export function isRetained({ dumps }: PartitionLife, offset: number): boolean {
  return dumps.every(({ logStart }) => logStart <= offset);
}
