/**
 * group-offsets.ts: collects the registers of committed-offsets.ts from a history.
 *
 * A group's offsets of a topic belong to the life of the topic that they were committed in; while nobody can tell which one it is, nothing is collected.
 */
import type { Answered, AssignedPartition, Step } from "../events.js";
import { OffsetRegister, type RegisterRules, type UnexplainedRead, unexplained } from "./committed-offsets.js";
import type { PartitionLife } from "./partition-life.js";
import type { TopicLives } from "./topic-lives.js";

/** What the registers need to know of topics. */
export interface Topics {
  partitionNow(topic: string, partition: number): PartitionLife | null;
  livesOf(topic: string): TopicLives;
}

interface Group {
  readonly registers: Map<PartitionLife, OffsetRegister>;
  hasCommits: boolean;
}

/** A read that nothing explains, with its register. */
export interface UnexplainedIn {
  readonly register: OffsetRegister;
  readonly read: UnexplainedRead;
}

/** The committed offsets of all groups. */
export class GroupOffsets {
  private readonly groups = new Map<string, Group>();
  private hasSeeks = false;
  /** By proc: writes its open commit or seek, given the event that ends it. */
  private readonly open = new Map<string, (endedAt: number) => void>();

  constructor(private readonly topics: Topics) {}

  feed(step: Step): void {
    switch (step.f) {
      case "commit":
        this.feedCommit(step);
        return;
      case "seek":
        this.feedSeek(step);
        return;
      case "fetchOffsets":
        if (step.type === "ok") this.feedFetch(step);
        return;
      case "assign":
        if (step.type !== "ok" || step.ask.group === null) return;
        for (const given of step.answer.partitions) this.feedStart(step, step.ask.group, given);
        return;
      default:
        return;
    }
  }

  /** The end of the history: what is open may take effect at any time. */
  finish(): void {
    for (const proc of [...this.open.keys()]) this.end(proc, Number.POSITIVE_INFINITY);
  }

  /** Registers, each with the reads that nothing explains. */
  *unexplained(): Generator<UnexplainedIn> {
    for (const { registers, hasCommits } of this.groups.values())
      for (const register of registers.values()) {
        const wasEmpty = this.topics.livesOf(register.partition.topic).wasCreated || register.partition.life > 0;
        const rules: RegisterRules = { hasCommits, hasSeeks: this.hasSeeks, wasEmpty };
        for (const read of unexplained(register, rules)) yield { register, read };
      }
  }

  private feedCommit(step: Extract<Step, { f: "commit" }>): void {
    const { group, topic, partition, offset: value } = step.ask;
    if (step.type === "invoke") {
      this.groupOf(group).hasCommits = true;
      const register = this.registerOf(group, topic, partition);
      if (register !== null)
        this.open.set(step.proc, (endedAt) => register.writes.push({ value, begunAt: step.i, endedAt }));
    } else if (step.type === "fail") {
      const refused = { proc: step.proc, value, begunAt: step.begun.i, i: step.i, err: step.err };
      this.open.delete(step.proc);
      this.registerOf(group, topic, partition)?.refused.push(refused);
    } else {
      const register = step.type === "ok" ? this.registerOf(group, topic, partition) : null;
      if (register !== null && step.begun.i > register.soughtUntil) register.soughtAt = Number.POSITIVE_INFINITY;
      this.end(step.proc, step.type === "ok" ? step.i : Number.POSITIVE_INFINITY);
    }
  }

  private feedSeek(step: Extract<Step, { f: "seek" }>): void {
    const { group, topic, partition } = step.ask;
    this.hasSeeks = true;
    if (step.type === "invoke") {
      const registers = [...this.groupOf(group).registers.values()].filter(
        ({ partition: place }) => place.topic === topic && (partition ?? place.partition) === place.partition,
      );
      this.open.set(step.proc, (endedAt) => {
        for (const { writes } of registers) writes.push({ value: null, begunAt: step.i, endedAt });
      });
      for (const register of registers) register.sought(step.i);
    } else if (step.type === "fail") this.open.delete(step.proc);
    else if (step.type === "ok" && step.answer.offsets.length > 0) {
      this.open.delete(step.proc);
      for (const { partition: sought, offset: value } of step.answer.offsets) {
        const register = this.registerOf(group, topic, sought);
        register?.writes.push({ value, begunAt: step.begun.i, endedAt: step.i });
        register?.sought(step.begun.i, step.i);
      }
    } else this.end(step.proc, step.type === "ok" ? step.i : Number.POSITIVE_INFINITY);
  }

  private end(proc: string, endedAt: number): void {
    this.open.get(proc)?.(endedAt);
    this.open.delete(proc);
  }

  /**
   * A member that was frozen hears of an assignment when it wakes, long after the coordinator read the offset. So a start is no read when a later
   * assignment was heard of before, and it may be from before a seek, until somebody commits under an assignment that came after it. Other commits in
   * between there are none: only the owner commits.
   */
  private feedStart({ proc, begun, i }: Answered<"assign">, group: string, given: AssignedPartition): void {
    const { topic, partition, epoch, startOffset: value } = given;
    const register = this.registerOf(group, topic, partition);
    if (register === null || value === null || (epoch ?? Number.POSITIVE_INFINITY) < register.epochHeard) return;
    register.epochHeard = epoch ?? register.epochHeard;
    register.reads.push({ proc, value, begunAt: Math.min(begun.i, register.soughtAt), i, by: "assign" });
  }

  private feedFetch({ proc, begun, i, ask: { group }, answer }: Answered<"fetchOffsets">): void {
    const asked = { proc, begunAt: begun.i, i, by: "fetch" } as const;
    const named = new Set<OffsetRegister>();
    for (const { topic, partition, offset: value } of answer.offsets) {
      const register = this.registerOf(group, topic, partition);
      if (register === null) continue;
      named.add(register);
      register.reads.push({ ...asked, value });
    }
    // What is not named is not committed.
    for (const register of this.groupOf(group).registers.values())
      if (!named.has(register) && this.isNow(register.partition)) register.reads.push({ ...asked, value: null });
  }

  private isNow({ topic, partition, life }: PartitionLife): boolean {
    return this.topics.partitionNow(topic, partition)?.life === life;
  }

  private registerOf(group: string, topic: string, partition: number): OffsetRegister | null {
    const place = this.topics.partitionNow(topic, partition);
    if (place === null) return null;
    const { registers } = this.groupOf(group);
    let register = registers.get(place);
    if (register === undefined) {
      register = new OffsetRegister(group, place);
      registers.set(place, register);
    }
    return register;
  }

  private groupOf(group: string): Group {
    let found = this.groups.get(group);
    if (found === undefined) {
      found = { registers: new Map(), hasCommits: false };
      this.groups.set(group, found);
    }
    return found;
  }
}
