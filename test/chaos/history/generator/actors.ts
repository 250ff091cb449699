/**
 * actors.ts: who acts in generated histories: producers, readers, members of a group, an observer, a nemesis. Each has at most one operation open; a turn
 * begins one, or ends the one that is open.
 */
import type { Prng } from "@varve/base/testing";
import type { HistoryClient, HistoryWriter } from "../writer.js";
import type { ModelTopic } from "./model.js";

/** What the actors act on. */
export interface Stage {
  readonly topic: ModelTopic;
  readonly partitionCount: number;
  readonly prng: Prng;
  readonly history: HistoryWriter;
}

/** Takes turns. */
export interface Actor {
  turn(): void;
  /** Ends what is open. */
  settle(): void;
}

/** What an actor has open: called, it ends it. */
type Ending = (() => void) | null;

const RECORDS_MAX = 100;
/** How far a reader that begins again goes back. */
const REWIND_MAX = 30;
const GROUP = "workers";

abstract class OneAtATime implements Actor {
  protected ending: Ending = null;

  constructor(protected readonly stage: Stage) {}

  turn(): void {
    if (this.ending === null) this.ending = this.begin();
    else this.settle();
  }

  settle(): void {
    const ending = this.ending;
    this.ending = null;
    ending?.();
  }

  protected abstract begin(): Ending;
}

/** Sends; of a hundred, one is refused and one has an unknown end. */
export class Producer extends OneAtATime {
  private sequence = 0;
  private readonly client: HistoryClient;

  constructor(
    stage: Stage,
    private readonly name: string,
  ) {
    super(stage);
    this.client = stage.history.client(name);
  }

  protected begin(): Ending {
    const { prng, topic, partitionCount } = this.stage;
    const value = `${this.name}:${this.sequence++}`;
    const partition = prng.between(0, partitionCount - 1);
    // A key goes to one partition; without one a record goes anywhere.
    const key = prng.chance(0.1) ? null : `k${partition}-${prng.between(0, 99)}`;
    const sent = this.client.invoke("send", { topic: topic.topic, key, value, acks: "quorum" });
    if (prng.chance(0.01)) return () => sent.fail("NOT_ENOUGH_REPLICAS");
    const isEarly = prng.chance(0.5);
    const early = isEarly ? topic.append({ key, value }, partition) : null;
    if (prng.chance(0.01)) return () => sent.info("TIMEOUT");
    return () => sent.ok(early ?? topic.append({ key, value }, partition));
  }
}

/** Reads all partitions; begins again somewhere below, now and then. */
export class Reader extends OneAtATime {
  private next: number[];
  private readonly client: HistoryClient;

  constructor(stage: Stage, name: string) {
    super(stage);
    this.client = stage.history.client(name);
    this.next = Array.from({ length: stage.partitionCount }, () => 0);
  }

  protected begin(): Ending {
    return this.stage.prng.chance(0.01) ? this.assign() : this.poll();
  }

  /** Nothing more to read. */
  get isDone(): boolean {
    return this.next.every((offset, partition) => offset >= this.stage.topic.end(partition));
  }

  private assign(): Ending {
    const { prng, topic } = this.stage;
    const open = this.client.invoke("assign", { group: null });
    this.next = this.next.map((offset) => Math.max(0, offset - prng.between(0, REWIND_MAX)));
    const partitions = this.next.map((startOffset, partition) => ({
      topic: topic.topic,
      partition,
      epoch: null,
      startOffset,
    }));
    return () => open.ok({ partitions });
  }

  private poll(): Ending {
    const { topic } = this.stage;
    const open = this.client.invoke("poll", { topics: [topic.topic], group: null });
    const records = this.next.flatMap((offset, partition) => topic.read(partition, offset, RECORDS_MAX));
    for (const { partition, offset } of records) this.next[partition] = offset + 1;
    return () => open.ok({ records });
  }
}

/** Works on the partitions that it is given, commits what it did, and loses partitions to others. */
export class Member extends OneAtATime {
  private readonly client: HistoryClient;
  private readonly owned = new Map<number, { next: number; epoch: number }>();

  constructor(
    stage: Stage,
    readonly name: string,
  ) {
    super(stage);
    this.client = stage.history.client(name);
  }

  /** Takes partitions from the members that have them. */
  take(partitions: readonly number[], others: readonly Member[]): void {
    for (const other of others) other.settle();
    this.settle();
    const open = this.client.invoke("assign", { group: GROUP });
    const given = partitions.map((partition) => this.stage.topic.give(partition, this.name));
    for (const { partition, epoch, startOffset } of given) {
      for (const other of others) other.owned.delete(partition);
      this.owned.set(partition, { next: startOffset ?? 0, epoch: epoch ?? 0 });
    }
    // The assignment names all that it owns now; what it had before goes on where it is.
    const all = [...this.owned].map(([partition, { next, epoch }]) => ({
      topic: this.stage.topic.topic,
      partition,
      epoch,
      startOffset: next,
    }));
    open.ok({ partitions: all });
  }

  protected begin(): Ending {
    return this.owned.size > 0 && this.stage.prng.chance(0.3) ? this.commit() : this.poll();
  }

  get isDone(): boolean {
    return [...this.owned].every(([partition, { next }]) => next >= this.stage.topic.end(partition));
  }

  private poll(): Ending {
    const { topic } = this.stage;
    const open = this.client.invoke("poll", { topics: [topic.topic], group: GROUP });
    const records = [...this.owned].flatMap(([partition, { next }]) => topic.read(partition, next, RECORDS_MAX));
    return () => {
      open.ok({ records });
      for (const { partition, offset, value } of records) {
        const owned = this.owned.get(partition);
        if (owned !== undefined) owned.next = offset + 1;
        this.client.announce("process", { group: GROUP, topic: topic.topic, partition, offset, value });
      }
    };
  }

  private commit(): Ending {
    const { topic, prng } = this.stage;
    const [partition, { next, epoch }] = prng.pick([...this.owned]);
    const ask = { group: GROUP, topic: topic.topic, partition, offset: next, memberEpoch: epoch };
    const open = this.client.invoke("commit", ask);
    if (prng.chance(0.02)) return () => open.fail("COORDINATOR_LOADING");
    const isAccepted = topic.commit(partition, this.name, next);
    return () => (isAccepted ? open.ok({}) : open.fail("STALE_ASSIGNMENT"));
  }
}

/** Asks for offsets. */
export class Observer extends OneAtATime {
  private readonly client: HistoryClient;

  constructor(stage: Stage, name: string) {
    super(stage);
    this.client = stage.history.client(name);
  }

  protected begin(): Ending {
    const { topic, prng, partitionCount } = this.stage;
    if (prng.chance(0.5)) {
      const open = this.client.invoke("fetchOffsets", { group: GROUP });
      const offsets = topic.committed().map((offset, partition) => ({ topic: topic.topic, partition, offset }));
      return () => open.ok({ offsets });
    }
    const at = prng.chance(0.8) ? "latest" : "earliest";
    const open = this.client.invoke("listOffsets", { topic: topic.topic, at });
    const offsets = Array.from({ length: partitionCount }, (_, partition) => ({
      partition,
      offset: at === "latest" ? topic.end(partition) : 0,
    }));
    return () => open.ok({ offsets });
  }
}

/** Kills brokers; each time one partition gets another leader. */
export class Nemesis extends OneAtATime {
  private readonly client: HistoryClient;

  constructor(stage: Stage) {
    super(stage);
    this.client = stage.history.client("nemesis");
  }

  protected begin(): Ending {
    const { topic, prng, partitionCount } = this.stage;
    const open = this.client.invoke("nemesis", { name: "kill", target: prng.between(1, 3) });
    topic.elect(prng.between(0, partitionCount - 1));
    return () => open.ok({});
  }
}
