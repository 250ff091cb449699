/**
 * membership.ts: keeps what a member holds in step with what the coordinator assigned: begins, lets go, starts anew after a seek.
 *
 * Invariants:
 *   B1  a partition is said to be owned from the moment that it is taken over until its records in work are finished and committed
 *   B2  partitions that an answer does not change go on undisturbed
 *   B3  what was lost or moved is never committed
 *       (finished records of a member that was blocked count again only under a new assignment: finished-before.ts)
 *   B4  a partition without a committed offset gets one as soon as it begins (with automatic commits), so that `latest` is settled once
 */
import { delay, type Offset, toVarveError, type VarveError } from "@varve/base";
import type { AssignedPartition, SessionResponse } from "@varve/rpc";
import { listOffsets } from "../admin/list-offsets.js";
import type { Cluster } from "../cluster/cluster.js";
import { mayRepeat } from "../errors.js";
import { invalidArgument } from "../options.js";
import { assignmentChange, partitionKey } from "./assignment.js";
import { Committer } from "./committer.js";
import { FinishedBefore } from "./finished-before.js";
import { type ConsumerSettings, checkOffset, type TopicPartitionOffset } from "./options.js";
import { PartitionWork } from "./partition-work.js";
import { GroupSession } from "./session.js";

export interface MembershipEvents {
  /** The coordinator spoke. */
  heard(): void;
  /** The partition begins at its cursor. */
  began(works: readonly PartitionWork[], epoch: number): void;
  /** Nothing new of it may be begun: it is being let go of, or gone. */
  stopped(work: PartitionWork): void;
  /** Let go of in order. */
  revoked(works: readonly PartitionWork[]): void;
  /** Gone at once. */
  lost(works: readonly PartitionWork[], error: VarveError): void;
  /** Wanted topics that do not exist. */
  missing(topics: readonly string[]): void;
  /** Something failed that is tried again. */
  trouble(error: VarveError): void;
  fatal(error: unknown): void;
  /** Names of the records in work. */
  inWork(): Iterable<string>;
}

const LOOK_UP_RETRY_MS = 500;

export class Membership {
  readonly session: GroupSession;
  readonly committer: Committer;
  private readonly cluster: Cluster;
  private readonly settings: ConsumerSettings<never>;
  private readonly events: MembershipEvents;
  private readonly held = new Map<string, PartitionWork>();
  /** See assignmentChange. */
  private readonly releasedAt = new Map<string, number>();
  private readonly finishedBefore = new FinishedBefore();
  private readonly closing = new AbortController();
  private missing = "";
  private isLeaving = false;
  private changed: (() => void)[] = [];

  constructor(cluster: Cluster, settings: ConsumerSettings<never>, events: MembershipEvents) {
    this.cluster = cluster;
    this.settings = settings;
    this.events = events;
    this.session = new GroupSession(cluster, settings, {
      owned: () => this.held.values(),
      inWork: () => events.inWork(),
      answered: (answer) => this.onAnswer(answer),
      lost: (error, wasBlocked) => this.loseAll(error, wasBlocked),
      trouble: (error) => events.trouble(error),
      fatal: (error) => {
        this.loseAll(error, false);
        events.fatal(error);
      },
    });
    this.committer = new Committer({
      cluster,
      group: settings.group,
      session: this.session,
      intervalMs: settings.autoCommit ? settings.commitIntervalMs : null,
      works: () => this.held.values(),
      onError: (error) => events.trouble(error),
    });
  }

  /** What is held now, in any state. */
  works(): Iterable<PartitionWork> {
    return this.held.values();
  }

  find(topic: string, partition: number): PartitionWork | null {
    for (const work of this.held.values()) if (work.topic === topic && work.partition === partition) return work;
    return null;
  }

  start(): void {
    this.session.start();
    this.committer.start();
  }

  /** Goes on at another offset under the same assignment: what was there is no longer in the log. */
  moveTo(work: PartitionWork, offset: Offset): void {
    if (this.held.get(work.key) !== work) return;
    const moved = work.movedTo(offset);
    work.state = "gone";
    this.events.stopped(work);
    this.held.set(moved.key, moved);
    moved.begin(offset, this.cluster.ports.clock.monotonicMs());
    this.events.began([moved], this.session.memberEpoch);
  }

  /** Resolves when the partition is no longer held under this assignment. */
  async untilGone(work: PartitionWork): Promise<void> {
    while (this.held.get(work.key) === work && !this.closing.signal.aborted) {
      await new Promise<void>((resolve) => this.changed.push(resolve));
    }
  }

  /** Lets everything go in order, and leaves. Nothing new of it is in work any more. */
  async leave(): Promise<void> {
    this.isLeaving = true;
    const works = [...this.held.values()];
    for (const work of works) this.beginRelease(work);
    await Promise.all(works.map((work) => work.untilIdle()));
    this.committer.stop();
    await this.commitFinished(works);
    await this.tellRevoked(works);
    this.forgetAll(works);
    await this.session.leave();
    this.close();
  }

  /** Ends now: commits what is finished if that is quick, and leaves. */
  async abandon(withinMs: number): Promise<void> {
    this.isLeaving = true;
    const works = [...this.held.values()];
    for (const work of works) this.beginRelease(work);
    this.committer.stop();
    const over = new AbortController();
    const timer = this.cluster.ports.clock.setTimer(withinMs, () => over.abort());
    if (this.settings.autoCommit) await this.committer.flush(works, { signal: over.signal }).catch(() => {});
    timer.cancel();
    for (const work of works) work.over.abort();
    await this.tellRevoked(works).catch(() => {});
    this.forgetAll(works);
    await this.session.leave();
    this.close();
  }

  private close(): void {
    this.closing.abort();
    this.committer.stop();
    this.session.stop();
    this.tellChanged();
  }

  private onAnswer(answer: SessionResponse): void {
    this.events.heard();
    if (this.isLeaving) return;
    const change = assignmentChange(this.held, this.releasedAt, answer);
    for (const [key, sequence] of this.releasedAt) if (answer.sequence >= sequence) this.releasedAt.delete(key);
    this.noteMissing(answer.missingTopics);
    for (const given of change.reset) this.drop(given);
    const begun = [
      ...change.assign.map((given) => new PartitionWork(given, false)),
      ...change.reset.map((given) => new PartitionWork(given, true)),
    ];
    for (const work of begun) this.held.set(work.key, work); // B1
    if (change.reset.length > 0) this.tellChanged();
    if (begun.length > 0) {
      this.session.acknowledge();
      this.begin(begun, answer.memberEpoch).catch((error: unknown) => this.events.fatal(error));
    }
    if (change.revoke.length > 0) this.release(change.revoke).catch((error: unknown) => this.events.fatal(error));
  }

  private drop(given: AssignedPartition): void {
    const work = this.held.get(partitionKey(given.topicId, given.partition));
    if (work === undefined) return;
    work.state = "gone"; // B3
    this.events.stopped(work);
  }

  private async begin(works: readonly PartitionWork[], epoch: number): Promise<void> {
    const chosen = await this.chosenStarts(works, epoch);
    const open = works.filter(({ key }) => !chosen.has(key));
    const found = await this.lookUp(open.filter(({ committedAtStart }) => committedAtStart === null));
    const ready = works.filter((work) => work.state === "starting" && this.held.get(work.key) === work);
    const nowMs = this.cluster.ports.clock.monotonicMs();
    const resumed: PartitionWork[] = [];
    for (const work of ready) {
      const finished = this.finishedBefore.take(work);
      const start = chosen.get(work.key) ?? finished ?? work.committedAtStart ?? found.get(work.key);
      if (start === undefined) continue;
      work.begin(start, nowMs);
      if (start === finished) resumed.push(work);
    }
    // Before anything may block the event loop again.
    if (resumed.length > 0) await this.commitFinished(resumed);
    const begun = ready.filter((work) => work.state === "working" && this.held.get(work.key) === work);
    if (begun.length > 0) this.events.began(begun, epoch);
  }

  private async chosenStarts(works: readonly PartitionWork[], epoch: number): Promise<Map<string, Offset>> {
    const { onAssign } = this.settings;
    if (onAssign === null) return new Map();
    const given = works.map(({ topic, partition, assignmentEpoch, committedAtStart: committed, seeked }) => ({
      topic,
      partition,
      epoch: assignmentEpoch,
      committed,
      seeked,
    }));
    const { signal } = this.closing;
    const assigning = Promise.resolve().then(() => onAssign(given, { epoch, signal }));
    const ended = assigning.then(
      () => {},
      () => {},
    );
    for (const work of works) work.assigning = ended;
    const answer = (await assigning) ?? [];
    const chosen = new Map<string, Offset>();
    for (const { topic, partition, offset } of answer as Iterable<TopicPartitionOffset>) {
      const work = works.find((each) => each.topic === topic && each.partition === partition);
      if (work === undefined) throw invalidArgument(`onAssign answered for ${topic}/${partition}, which was not given`);
      chosen.set(work.key, checkOffset(offset));
    }
    return chosen;
  }

  /** Offsets of the ends of partitions that have none; tries for as long as they are held. */
  private async lookUp(works: readonly PartitionWork[]): Promise<Map<string, Offset>> {
    const found = new Map<string, Offset>();
    const alike = new Map<string, PartitionWork[]>();
    for (const work of works) {
      const key = `${work.startFrom} ${work.topic}`;
      alike.set(key, [...(alike.get(key) ?? []), work]);
    }
    await Promise.all([...alike.values()].map((list) => this.lookUpAlike(list, found)));
    return found;
  }

  /** Of one topic, and to begin at the same end. */
  private async lookUpAlike(works: readonly PartitionWork[], found: Map<string, Offset>): Promise<void> {
    const { clock } = this.cluster.ports;
    const { signal } = this.closing;
    for (;;) {
      const left = works.filter((work) => this.held.get(work.key) === work && work.state === "starting");
      const [first] = left;
      if (first === undefined || signal.aborted) return;
      const { topic, startFrom: at } = first;
      try {
        const partitions = left.map(({ partition }) => partition);
        const offsets = await listOffsets(this.cluster, { topic, at, partitions }, { signal });
        for (const work of left) {
          const answer = offsets.find(({ partition }) => partition === work.partition);
          if (answer !== undefined) found.set(work.key, answer.offset);
        }
        return;
      } catch (thrown) {
        const error = toVarveError(thrown, "NONE");
        if (signal.aborted) return;
        if (!mayRepeat(error) && !error.code.startsWith("UNKNOWN_")) throw error;
        this.events.trouble(error);
        await delay(clock, LOOK_UP_RETRY_MS, signal).catch(() => {});
      }
    }
  }

  private beginRelease(work: PartitionWork): void {
    if (work.state === "gone") return;
    const hadBegun = work.state === "working";
    work.state = "releasing";
    if (!hadBegun) work.commitRefused = true; // Its prefix says nothing yet.
    this.events.stopped(work);
  }

  private async release(works: readonly PartitionWork[]): Promise<void> {
    for (const work of works) this.beginRelease(work);
    await Promise.all(works.map((work) => this.releaseOne(work)));
  }

  /** Each by itself: one that takes long does not hold up the others. */
  private async releaseOne(work: PartitionWork): Promise<void> {
    await work.assigning; // onRevoke is not called while onAssign is at it.
    await work.untilIdle();
    if (this.held.get(work.key) !== work) return;
    await this.commitFinished([work]);
    if (this.held.get(work.key) !== work) return;
    await this.tellRevoked([work]);
    if (this.held.get(work.key) !== work) return;
    this.forgetAll([work]);
    this.releasedAt.set(work.key, this.session.acknowledge());
  }

  private async commitFinished(works: readonly PartitionWork[]): Promise<void> {
    if (!this.settings.autoCommit) return;
    await this.committer.flush(works).catch((thrown: unknown) => {
      this.events.trouble(toVarveError(thrown));
    });
  }

  private async tellRevoked(works: readonly PartitionWork[]): Promise<void> {
    const { onRevoke } = this.settings;
    if (onRevoke !== null && works.length > 0) await onRevoke(names(works), { lost: false });
    if (works.length > 0) this.events.revoked(works);
  }

  private forgetAll(works: readonly PartitionWork[]): void {
    for (const work of works) {
      work.state = "gone";
      if (this.held.get(work.key) === work) this.held.delete(work.key);
    }
    this.tellChanged();
  }

  private loseAll(error: VarveError, wasBlocked: boolean): void {
    const works = [...this.held.values()];
    if (wasBlocked && this.settings.autoCommit) for (const work of works) this.finishedBefore.note(work);
    this.held.clear();
    this.releasedAt.clear();
    for (const work of works) {
      work.state = "gone"; // B3
      work.over.abort(error);
      this.events.stopped(work);
    }
    this.tellChanged();
    if (works.length === 0) return;
    this.events.lost(works, error);
    const { onRevoke } = this.settings;
    if (onRevoke === null) return;
    Promise.resolve()
      .then(() => onRevoke(names(works), { lost: true }))
      .catch((thrown: unknown) => this.events.fatal(thrown));
  }

  private noteMissing(topics: readonly string[]): void {
    const missing = topics.join(",");
    if (missing !== this.missing && topics.length > 0) this.events.missing(topics);
    this.missing = missing;
  }

  private tellChanged(): void {
    for (const resolve of this.changed.splice(0)) resolve();
  }
}

function names(works: readonly PartitionWork[]): { readonly topic: string; readonly partition: number }[] {
  return works.map(({ topic, partition }) => ({ topic, partition }));
}
