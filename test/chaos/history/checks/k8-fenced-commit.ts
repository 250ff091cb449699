/**
 * k8-fenced-commit.ts: K8: one owner per partition and epoch, and only the owner commits. Promises C1, C2; KIP-848, KIP-1251.
 *
 *   F1  no two members are given a partition at one epoch
 *   F2  no commit is acknowledged that began after another member was given the partition at a later epoch than the committing one, that names an older
 *       epoch than the one at which the partition was given, or that comes from a member which was given other partitions, never this one
 *   F3  a commit that was refused because its member is fenced is never seen as committed
 *
 * A client that goes on under a new name after an `info` is the same member: it may name the epoch of its old name.
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { AssignedPartition, Moment, Step } from "../events.js";
import { isFenced } from "../index/committed-offsets.js";
import type { Ledger } from "../index/ledger.js";
import type { PartitionLife } from "../index/partition-life.js";

interface Given {
  readonly proc: string;
  readonly epoch: number;
  readonly i: number;
}

type Committed = Extract<Step, { f: "commit"; type: "ok" }>;

export class FencedCommit implements Check {
  readonly id = "K8";
  readonly promise = "one owner per partition and epoch, and only owners commit";
  readonly meaning = "two owners in one epoch, or a commit of one who owns no more";
  private readonly findings = new Findings();
  /** By group: who was given each partition, in the order of the history. */
  private readonly given = new Map<string, Map<PartitionLife, Given[]>>();
  /** By group: procs that were assigned anything. */
  private readonly members = new Map<string, Set<string>>();
  /** By proc: the event of its info. */
  private readonly retired = new Map<string, number>();

  constructor(private readonly ledger: Ledger) {}

  feed(step: Step): void {
    if (step.type === "info") this.retired.set(step.proc, step.i);
    if (step.f === "assign" && step.type === "ok" && step.ask.group !== null) {
      if (step.answer.partitions.length > 0) this.join(step.ask.group, step.proc);
      for (const given of step.answer.partitions) this.give(step.ask.group, step.proc, step.i, step.begun, given);
    } else if (step.f === "commit" && step.type === "ok") this.judgeCommit(step);
  }

  finish(): Verdict {
    for (const { register, read } of this.ledger.groupOffsets.unexplained()) {
      const fenced = register.refused.find(
        (commit) => isFenced(commit) && commit.value === read.value && commit.begunAt < read.i,
      );
      if (fenced === undefined) continue;
      const what = `F3: ${register.name} is at ${read.value}, whose commit was refused with ${fenced.err}`;
      this.findings.add([fenced.i, read.i], () => what);
    }
    return this.findings.verdict(this);
  }

  private join(group: string, proc: string): void {
    const members = this.members.get(group) ?? new Set<string>();
    this.members.set(group, members.add(proc));
  }

  /** F1. */
  private give(
    group: string,
    proc: string,
    i: number,
    begun: Moment,
    { topic, partition, epoch }: AssignedPartition,
  ): void {
    const place = this.ledger.partitionNow(topic, partition);
    if (place === null || epoch === null) return;
    const all = this.givenOf(group, place);
    const isGoneBefore = (other: string): boolean => (this.retired.get(other) ?? Number.POSITIVE_INFINITY) < begun.i;
    const twin = all.find((other) => other.epoch === epoch && other.proc !== proc && !isGoneBefore(other.proc));
    if (twin !== undefined)
      this.findings.add(
        [twin.i, i],
        () => `F1: ${group} gave ${place.name} to ${twin.proc} and to ${proc}, both at epoch ${epoch}`,
      );
    all.push({ proc, epoch, i });
  }

  /** F2. */
  private judgeCommit({ proc, i, begun, ask }: Committed): void {
    const place = this.ledger.partitionNow(ask.topic, ask.partition);
    if (place === null) return;
    const before = this.givenOf(ask.group, place).filter((given) => given.i < begun.i);
    const own = before.findLast((given) => given.proc === proc) ?? null;
    const fence = this.fenceOf({ proc, memberEpoch: ask.memberEpoch, group: ask.group }, own, before);
    if (fence === null) return;
    const what =
      `F2: ${proc} committed ${ask.offset} of ${place.name} for ${ask.group} at epoch ${ask.memberEpoch}, ` +
      `but ${fence.proc} was given it at epoch ${fence.epoch} before`;
    this.findings.add([fence.i, i], () => what);
  }

  /** What should have refused a commit; null when nothing should. */
  private fenceOf(
    {
      proc,
      memberEpoch,
      group,
    }: { readonly proc: string; readonly memberEpoch: number | null; readonly group: string },
    own: Given | null,
    before: readonly Given[],
  ): Given | null {
    if (own !== null && memberEpoch !== null && memberEpoch < own.epoch) return own;
    const epoch = own?.epoch ?? memberEpoch ?? Number.POSITIVE_INFINITY;
    const later = before.find((given) => given.proc !== proc && given.epoch > epoch);
    if (later !== undefined || own !== null) return later ?? null;
    // Its assignments are known, and this partition is in none of them.
    const owner = before.reduce<Given | null>((top, given) => (given.epoch >= (top?.epoch ?? -1) ? given : top), null);
    const isStranger = this.members.get(group)?.has(proc) === true && owner !== null && !this.retired.has(owner.proc);
    return isStranger ? owner : null;
  }

  private givenOf(group: string, place: PartitionLife): Given[] {
    const places = this.given.get(group) ?? new Map<PartitionLife, Given[]>();
    this.given.set(group, places);
    const all = places.get(place) ?? [];
    places.set(place, all);
    return all;
  }
}
