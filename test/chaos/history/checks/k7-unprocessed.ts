/**
 * k7-unprocessed.ts: K7: every acknowledged record is finished by some member of each group that works on its topic. Promise C4.
 *
 * A group works on a topic when the history shows its handler finishing anything of it: polls alone may belong to a program that records no `process`.
 * Not owed are records below the lowest start that the group was ever assigned in a partition, those that retention may have taken, and those that are
 * lost (K1).
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { Step } from "../events.js";
import type { Ledger } from "../index/ledger.js";
import type { PartitionLife } from "../index/partition-life.js";
import type { Sent } from "../index/sent.js";
import { lostWrites } from "./k1-lost-write.js";

interface Work {
  readonly group: string;
  /** By topic: what was finished. */
  readonly finished: Map<string, Set<string>>;
  readonly starts: Map<PartitionLife, number>;
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
      const { starts } = this.workOf(step.ask.group);
      for (const { topic, partition, startOffset } of step.answer.partitions) {
        const place = this.ledger.partitionNow(topic, partition);
        if (place !== null)
          starts.set(place, Math.min(startOffset ?? 0, starts.get(place) ?? Number.POSITIVE_INFINITY));
      }
    }
  }

  finish(): Verdict {
    const findings = new Findings();
    const groups = [...this.groups.values()].filter(({ finished }) => finished.size > 0);
    if (groups.length === 0) return findings.verdict(this);
    const lost = new Set<Sent>();
    for (const { sent } of lostWrites(this.ledger)) lost.add(sent);
    for (const sent of this.ledger.values.values()) {
      const place = sent.acknowledged?.place ?? null;
      if (sent.acknowledged === null || place === null || lost.has(sent)) continue;
      if (this.ledger.mayBeGone(place.partition) || !isRetained(place.partition, place.offset)) continue;
      const { i } = sent.acknowledged;
      for (const { group, finished, starts } of groups) {
        const values = finished.get(place.partition.topic);
        if (values === undefined || values.has(sent.value) || place.offset < (starts.get(place.partition) ?? 0))
          continue;
        const where = `${place.partition.name}@${place.offset}`;
        findings.add([i], () => `${sent.value} at ${where} was finished by no member of ${group}`);
      }
    }
    return findings.verdict(this);
  }

  private workOf(group: string): Work {
    let work = this.groups.get(group);
    if (work === undefined) {
      work = { group, finished: new Map(), starts: new Map() };
      this.groups.set(group, work);
    }
    return work;
  }
}

/** Whether retention cannot have taken the offset: no replica's log starts above it at the end. */
export function isRetained({ dumps }: PartitionLife, offset: number): boolean {
  return dumps.every(({ logStart }) => logStart <= offset);
}
