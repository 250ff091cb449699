/**
 * consumer.ts: a member of a group, as users see it: run with a handler, or a loop; pause, resume, seek, commit, close; events.
 *
 * Invariants:
 *   G1  a record that reached no handler that finished it is never below a committed offset (with automatic commits)
 *   G2  records of one key are worked on one after another in the order of their offsets, also over retries and live seeks
 *   G3  run() ends only by close, by its signal, by a handler's decision or by an error that trying again does not change
 */
import { assertDefined, delay, onAbort, type TimerHandle, toVarveError, VarveError } from "@varve/base";
import { GROUP_METHODS } from "@varve/rpc";
import type { Cluster } from "../cluster/cluster.js";
import { aborted, closed, endOfWrite, untilAborted } from "../errors.js";
import { invalidArgument, type WaitOptions } from "../options.js";
import { checkTopicName } from "../producer/encoded-record.js";
import type { VarveRecord } from "../records/output.js";
import { movedSince, notAssigned } from "./committer.js";
import { Dispatcher, type Job, recordName } from "./dispatcher.js";
import { EventHub, type Listener } from "./event-hub.js";
import { type AssignedTopicPartition, assignedOf, type ConsumerEvents, nameOf } from "./events.js";
import { Fetcher } from "./fetcher.js";
import { HandlerRunner } from "./handler-runner.js";
import { Membership } from "./membership.js";
import {
  type ConsumerOptions,
  type ConsumerSettings,
  checkOffset,
  checkPartition,
  consumerSettings,
  type PartitionSelector,
  type RunOptions,
  runSettings,
  type TopicPartitionOffset,
} from "./options.js";
import type { PartitionWork } from "./partition-work.js";
import { PauseSet } from "./pause-set.js";
import { StallFinder } from "./stall-finder.js";
import { textOf } from "./watchdog.js";

type State = "new" | "running" | "iterating" | "ending" | "over";

const WATCH_MS = 1_000;
/** How long close() waits for handlers; afterwards their records go to other members. */
const CLOSE_WAIT_MS = 30_000;
/** How long a failed consumer waits for its other handlers, and for its last commit. */
const FAIL_WAIT_MS = 5_000;
/** Longest wait for a live seek to come back as a new assignment. */
const SEEK_WAIT_MS = 10_000;

export class Consumer<T = Buffer> implements AsyncIterable<VarveRecord<T>> {
  private readonly cluster: Cluster;
  private readonly settings: ConsumerSettings<T>;
  private readonly hub: EventHub<ConsumerEvents<T>>;
  private readonly membership: Membership;
  private readonly fetcher: Fetcher;
  private readonly pauses = new PauseSet();
  private readonly onClosed: () => void;
  private readonly forgets: (() => void)[] = [];
  private dispatcher: Dispatcher<T> | null = null;
  private state: State = "new";
  private stalls: StallFinder | null = null;
  private watch: TimerHandle | null = null;
  private isSuspended = false;
  private failure: { readonly error: unknown } | null = null;
  private ending: Promise<void> | null = null;
  private settled: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | null = null;
  /** The loop's record, and the loop that waits for one. */
  private inHand: Job<T> | null = null;
  private waiter: ((job: Job<T> | null) => void) | null = null;

  /** @internal Use `varve.consumer()`. @throws VarveError INVALID_ARGUMENT, INVALID_GROUP_NAME, INVALID_TOPIC_NAME. */
  constructor(cluster: Cluster, options: ConsumerOptions<T>, onClosed: () => void) {
    this.cluster = cluster;
    this.settings = consumerSettings(options);
    this.onClosed = onClosed;
    const { logger } = cluster.settings;
    this.hub = new EventHub((event, error) => logger.error({ event, error }, "a listener of a consumer threw"));
    this.fetcher = new Fetcher(cluster, this.settings.bufferBytesMax, {
      arrived: () => this.dispatcher?.pump(),
      outOfRange: (work, error) => this.onOutOfRange(work, error),
    });
    this.membership = new Membership(cluster, this.settings as ConsumerSettings<never>, {
      heard: () => this.suspendWhenAlone(),
      began: (works, epoch) => this.onBegan(works, epoch),
      stopped: (work) => this.onStopped(work),
      revoked: (works) => this.tell("revoked", { partitions: works.map(nameOf) }),
      lost: (works, error) => this.onLost(works, error),
      missing: (topics) => this.onMissing(topics),
      trouble: (error) => this.hub.emit("error", error, null),
      fatal: (error) => this.fail(error),
      inWork: () => this.namesInWork(),
    });
  }

  on<Name extends keyof ConsumerEvents<T>>(event: Name, listener: Listener<ConsumerEvents<T>[Name]>): this {
    this.hub.on(event, listener);
    return this;
  }

  off<Name extends keyof ConsumerEvents<T>>(event: Name, listener: Listener<ConsumerEvents<T>[Name]>): this {
    this.hub.off(event, listener);
    return this;
  }

  /** What this member works on now. */
  get assigned(): AssignedTopicPartition[] {
    return [...this.membership.works()].filter(({ state }) => state === "working").map(assignedOf);
  }

  /**
   * Joins, and works on records until `close`. @throws VarveError INVALID_ARGUMENT, ABORTED, OFFSET_OUT_OF_RANGE, FENCED_INSTANCE;
   * and whatever a handler threw when `onError` said stop.
   */
  async run(options: RunOptions<T>): Promise<void> {
    const runs = runSettings(options);
    this.refuseSecondUse();
    const finished = new Promise<void>((resolve, reject) => {
      this.settled = { resolve, reject };
    });
    const runner = new HandlerRunner<T>({
      settings: runs,
      dispatcher: () => assertDefined(this.dispatcher, "records are started by the dispatcher"),
      logger: this.cluster.settings.logger,
      random: this.cluster.ports.random,
      onHandlerError: (error, record) => this.hub.emit("error", error, record),
      onStop: (error) => this.fail(error),
    });
    this.begin("running", runs.concurrency, [this.settings.signal, runs.signal], (job) => {
      this.membership.session.guard.started(recordName(job));
      runner.run(job).catch((error: unknown) => this.fail(error));
    });
    return finished;
  }

  /**
   * Records one at a time; asking for the next one says that the one before is finished. Leaving the loop leaves the group, and does
   * not commit the record in hand.
   */
  [Symbol.asyncIterator](): AsyncIterator<VarveRecord<T>, undefined> {
    return {
      next: () => this.next(),
      return: async () => {
        if (this.inHand !== null) this.dispatcher?.giveUp(this.inHand);
        this.inHand = null;
        await this.close();
        return { done: true, value: undefined };
      },
    };
  }

  /** Starts no more records of topics or partitions; also of those assigned later. What is in work goes on. */
  async pause(selectors: readonly PartitionSelector[]): Promise<void> {
    this.setPaused(selectors, true);
  }

  async resume(selectors: readonly PartitionSelector[]): Promise<void> {
    this.setPaused(selectors, false);
  }

  /**
   * Moves the group in one partition, as `admin.seekGroup` does, and resolves when this member, if it works on it, is there. Records in
   * work finish, and no longer count. @throws VarveError OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC, UNKNOWN_PARTITION, ABORTED.
   */
  async seek(to: TopicPartitionOffset, wait: WaitOptions = {}): Promise<void> {
    const { topic } = to;
    checkTopicName(topic);
    const partition = checkPartition(to.partition);
    const offset = checkOffset(to.offset);
    const { group } = this.settings;
    const work = this.membership.find(topic, partition);
    const held = work === null || this.dispatcher?.isPaused(work.key) !== false ? null : work.key;
    if (held !== null) this.dispatcher?.pause(held);
    try {
      await this.cluster.call(
        GROUP_METHODS.seekGroup,
        { group, topic, partition, offset },
        {
          what: `seek of ${topic}/${partition}`,
          kind: "write",
          signal: wait.signal,
        },
      );
      if (work === null) return;
      const over = new AbortController();
      const late = delay(this.cluster.ports.clock, SEEK_WAIT_MS, over.signal).catch(() => {});
      const moved = Promise.race([this.membership.untilGone(work), late]).finally(() => over.abort());
      await untilAborted(moved, wait.signal, () =>
        aborted(`seek of ${topic}/${partition}`, "UNKNOWN", wait.signal?.reason),
      );
    } finally {
      if (held !== null && !this.pauses.has(topic, partition)) this.dispatcher?.resume(held);
    }
  }

  /**
   * Stores what is finished, or these offsets of partitions that this member works on. An offset below the stored one changes nothing: `seek` goes
   * back. After a seek an offset beyond the records given since is refused. @throws VarveError STALE_ASSIGNMENT, FENCED_MEMBER, TIMEOUT, ABORTED,
   * INVALID_ARGUMENT.
   */
  async commit(offsets?: readonly TopicPartitionOffset[], wait: WaitOptions = {}): Promise<void> {
    try {
      await this.store(offsets, wait);
    } catch (thrown) {
      const error = toVarveError(thrown);
      throw endOfWrite(error, error.effect);
    }
  }

  private async store(offsets: readonly TopicPartitionOffset[] | undefined, wait: WaitOptions): Promise<void> {
    if (offsets === undefined) return this.membership.committer.flush(null, wait);
    const entries = offsets.map(({ topic, partition, offset }) => {
      const work = this.membership.find(topic, partition);
      if (work === null || work.state === "starting") {
        throw notAssigned({ topic, partition }, this.settings.group);
      }
      checkOffset(offset);
      if (work.seeked && offset > work.givenTo) throw movedSince(work, offset, this.settings.group);
      return { work, offset };
    });
    return this.membership.committer.commit(entries, wait);
  }

  /**
   * Finishes records in work, commits, leaves the group. Handlers get 30 s; the records of those that need longer go to other members.
   * Do not await it inside a handler: it would wait for itself. `signal` ends the waiting for handlers.
   */
  close(wait: WaitOptions = {}): Promise<void> {
    this.ending ??= this.endInOrder(wait.signal);
    return this.ending;
  }

  private begin(
    state: State,
    concurrency: number,
    signals: (AbortSignal | undefined)[],
    start: (job: Job<T>) => void,
  ): void {
    const { clock } = this.cluster.ports;
    const { serde, bufferBytesMax } = this.settings;
    this.state = state;
    this.dispatcher = new Dispatcher<T>({
      clock,
      fetcher: this.fetcher,
      serde,
      concurrency,
      bufferBytesMax,
      isWanted: () => this.state === "running" || this.waiter !== null,
      start,
      unreadable: (work, error) => this.fail(unreadable(work, error)),
    });
    for (const signal of signals) {
      if (signal === undefined) continue;
      const onSignal = (): void => this.fail(aborted(`consuming as ${this.settings.group}`, "NONE", signal.reason));
      this.forgets.push(onAbort(signal, onSignal));
      if (signal.aborted) onSignal();
    }
    if (this.failure !== null) return;
    const { group, stallTimeoutMs, sessionTimeoutMs } = this.settings;
    this.stalls = new StallFinder({
      cluster: this.cluster,
      group,
      stallTimeoutMs,
      sessionTimeoutMs,
      membership: this.membership,
      fetcher: this.fetcher,
      dispatcher: this.dispatcher,
      onStalled: (event) => this.tell("stalled", event),
    });
    this.membership.start();
    this.watchLater();
  }

  private async next(): Promise<IteratorResult<VarveRecord<T>, undefined>> {
    if (this.state === "new") {
      this.begin("iterating", 1, [this.settings.signal], (job) => this.handOut(job));
    } else if (this.state === "running" || this.waiter !== null) {
      throw invalidArgument("a consumer is used by one run() or one loop");
    }
    const job = this.inHand;
    this.inHand = null;
    if (job !== null) this.dispatcher?.finish(job);
    if (this.state === "iterating") {
      const found = await new Promise<Job<T> | null>((resolve) => {
        this.waiter = resolve;
        this.dispatcher?.pump();
      });
      if (found !== null) return { done: false, value: found.record };
    }
    await this.ending;
    if (this.failure !== null) throw this.failure.error;
    return { done: true, value: undefined };
  }

  private handOut(job: Job<T>): void {
    const { waiter } = this;
    this.waiter = null;
    this.inHand = job;
    this.membership.session.guard.started(recordName(job));
    waiter?.(job);
  }

  private refuseSecondUse(): void {
    if (this.state === "over" || this.state === "ending") throw closed("this consumer");
    if (this.state !== "new") throw invalidArgument("a consumer is used by one run() or one loop");
  }

  private setPaused(selectors: readonly PartitionSelector[], isPaused: boolean): void {
    if (!Array.isArray(selectors)) throw invalidArgument('give a list: pause(["orders"])');
    this.pauses.set(selectors, isPaused);
    for (const work of this.membership.works()) this.applyPause(work);
  }

  private applyPause({ topic, partition, key }: PartitionWork): void {
    const { dispatcher } = this;
    if (dispatcher === null) return;
    const isPaused = this.pauses.has(topic, partition);
    if (isPaused && !dispatcher.isPaused(key)) dispatcher.pause(key);
    else if (!isPaused && dispatcher.isPaused(key)) dispatcher.resume(key);
  }

  private onBegan(works: readonly PartitionWork[], epoch: number): void {
    this.tell("assigned", { partitions: works.map(assignedOf), epoch });
    for (const work of works) {
      if (work.state !== "working") continue;
      this.applyPause(work);
      this.fetcher.add(work);
      this.dispatcher?.add(work);
    }
  }

  private onStopped(work: PartitionWork): void {
    this.dispatcher?.remove(work);
    this.fetcher.remove(work);
  }

  private onLost(works: readonly PartitionWork[], error: VarveError): void {
    const partitions = works.map(nameOf);
    this.cluster.settings.logger.warn(
      { group: this.settings.group, partitions, code: error.code },
      "partitions were lost",
    );
    this.tell("lost", { partitions, error });
  }

  private onMissing(topics: readonly string[]): void {
    const [topic = ""] = topics;
    const reason = `topic ${topics.map((each) => JSON.stringify(each)).join(", ")} does not exist; waiting for it; create it with: varve topic create ${topic}`;
    this.cluster.settings.logger.warn({ group: this.settings.group, topics }, reason);
    this.tell("stalled", { reason, topic, partition: null, sinceMs: 0, lagRecords: 0 });
  }

  /** What is committed was deleted by retention, or never was in this log. */
  private onOutOfRange(work: PartitionWork, error: VarveError): void {
    const { onOutOfRange } = this.settings;
    if (onOutOfRange === null) {
      this.fail(error);
      return;
    }
    const { logStart, highWatermark } = error.details;
    const offset = onOutOfRange === "earliest" ? logStart : highWatermark;
    if (typeof offset !== "number" || work.state !== "working") {
      this.fail(error);
      return;
    }
    const { topic, partition, cursor } = work;
    this.cluster.settings.logger.warn(
      { topic, partition, from: cursor.fetchOffset, to: offset },
      "the next records are no longer in the log; going on where onOutOfRange says",
    );
    this.membership.moveTo(work, offset);
  }

  private watchLater(): void {
    this.watch = this.cluster.ports.clock.setTimer(WATCH_MS, () => {
      if (this.state !== "running" && this.state !== "iterating") return;
      this.fetcher.watch();
      this.suspendWhenAlone();
      this.stalls?.look();
      this.watchLater();
    });
  }

  /** A member that the coordinator may have taken for dead begins nothing: another may be at its partitions. */
  private suspendWhenAlone(): void {
    const isAlone = this.membership.session.silentMs > this.settings.sessionTimeoutMs;
    if (isAlone === this.isSuspended) return;
    this.isSuspended = isAlone;
    if (isAlone) this.dispatcher?.suspend();
    else this.dispatcher?.go();
  }

  /** Listeners first, then whoever watches the process. */
  private tell<Name extends "assigned" | "revoked" | "lost" | "stalled">(
    name: Name,
    ...event: ConsumerEvents<T>[Name]
  ): void {
    this.hub.emit(name, ...event);
    const { diagnostics } = this.cluster.ports;
    const channel = `varve:consumer:${name}` as const;
    if (diagnostics.hasSubscribers(channel)) {
      diagnostics.publish(channel, { group: this.settings.group, ...event[0] });
    }
  }

  private *namesInWork(): Iterable<string> {
    for (const job of this.dispatcher?.jobs() ?? []) yield recordName(job);
  }

  private fail(error: unknown): void {
    if (this.failure !== null || this.state === "over") return;
    this.failure = { error };
    if (this.ending !== null) return;
    this.ending = this.endFailed(error);
  }

  private async endInOrder(signal: AbortSignal | undefined): Promise<void> {
    const wasNew = this.state === "new";
    this.stopStarting();
    try {
      if (!wasNew && (await this.untilIdle(CLOSE_WAIT_MS, signal))) await this.membership.leave();
      else if (!wasNew) await this.giveUpWaiting();
    } catch (error) {
      this.failure ??= { error }; // onRevoke threw: run() rejects with it.
      await this.membership.abandon(FAIL_WAIT_MS);
    }
    this.finishUp();
  }

  private async giveUpWaiting(): Promise<void> {
    const records = [...this.namesInWork()].slice(0, 10);
    this.cluster.settings.logger.warn(
      { group: this.settings.group, records },
      "closing without waiting longer for handlers; their records go to other members. A handler that awaits close() waits for itself",
    );
    this.dispatcher?.abort(closed("this consumer"));
    await this.membership.abandon(FAIL_WAIT_MS);
  }

  private async endFailed(error: unknown): Promise<void> {
    this.stopStarting();
    const isFenced = error instanceof VarveError && error.code === "FENCED_INSTANCE";
    const isAborted = error instanceof VarveError && error.code === "ABORTED";
    const waitsMs = isFenced || isAborted ? 0 : FAIL_WAIT_MS;
    if (!(await this.untilIdle(waitsMs, undefined))) this.dispatcher?.abort(error);
    await this.membership.abandon(FAIL_WAIT_MS);
    this.finishUp();
  }

  private stopStarting(): void {
    this.state = "ending";
    this.watch?.cancel();
    this.dispatcher?.suspend();
    for (const forget of this.forgets.splice(0)) forget();
    const { waiter } = this;
    this.waiter = null;
    waiter?.(null);
  }

  /** Whether nothing is in work any more, within that time. */
  private async untilIdle(withinMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    const idle = this.dispatcher?.untilIdle().then(() => true) ?? Promise.resolve(true);
    const over = new AbortController();
    const forget = signal === undefined ? null : onAbort(signal, () => over.abort());
    if (signal?.aborted) over.abort();
    const late = delay(this.cluster.ports.clock, withinMs, over.signal).then(
      () => false,
      () => false,
    );
    const isIdle = await Promise.race([idle, late]);
    forget?.();
    over.abort();
    return isIdle;
  }

  private finishUp(): void {
    this.state = "over";
    this.fetcher.close();
    this.onClosed();
    const { settled } = this;
    if (this.failure === null) settled?.resolve();
    else settled?.reject(this.failure.error);
  }
}

function unreadable(work: PartitionWork, thrown: unknown): VarveError {
  if (thrown instanceof VarveError) return thrown.withEffect("NONE");
  return new VarveError("INVALID_BATCH", {
    message: `a record of ${work.name} from offset ${work.cursor.doneOffset} on cannot be decoded: ${textOf(thrown)}; check the serde, or seek past it`,
    effect: "NONE",
    details: { topic: work.topic, partition: work.partition },
    cause: toVarveError(thrown, "NONE"),
  });
}
