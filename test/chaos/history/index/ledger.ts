/**
 * ledger.ts: what all checks share: every value with its fate, every partition, every life of a topic, and a stream of sightings.
 *
 * A sighting is one statement that a value stands at a place: an acknowledgement with quorum, a record that a poll returned, that a handler finished,
 * or that a replica holds at the end. An acknowledgement with less than quorum is none: its record may go and its offset be given to another.
 *
 * Memory: proportional to the number of distinct values and of (partition, offset), not to the number of events.
 */
import type { Step } from "../events.js";
import { GroupOffsets } from "./group-offsets.js";
import { PartitionLife } from "./partition-life.js";
import { Sent } from "./sent.js";
import { Sessions } from "./sessions.js";
import { TopicLives } from "./topic-lives.js";

/** Who says that a value stands at a place. */
export type Witness = "ack" | "poll" | "process" | "final";

/** One statement that a value stands at a place. */
export interface Sighting {
  readonly by: Witness;
  readonly i: number;
  /** null: a record without a value, which nobody sent. */
  readonly sent: Sent | null;
  readonly topic: string;
  readonly number: number;
  /** null when nobody can tell in which life of the topic it was. */
  readonly partition: PartitionLife | null;
  readonly offset: number;
  /** undefined when the witness does not name it. */
  readonly key: string | null | undefined;
}

interface TopicIndex {
  readonly lives: TopicLives;
  /** By life, then by partition. */
  readonly partitions: Map<number, PartitionLife>[];
}

/** What all checks share. */
export class Ledger {
  readonly values = new Map<string, Sent>();
  /** Every reader, followed. */
  readonly sessions = new Sessions((topic, partition) => this.partitionNow(topic, partition));
  /** What groups committed and were told. */
  readonly groupOffsets = new GroupOffsets(this);
  /** Events so far. */
  events = 0;
  /** The time of the last event. */
  lastT = 0;
  private readonly topics = new Map<string, TopicIndex>();

  /** Takes one step and hands on what it shows, before any check sees the step. */
  feed(step: Step, sight: (sighting: Sighting) => void): void {
    this.events++;
    this.lastT = step.t;
    switch (step.f) {
      case "createTopic":
      case "deleteTopic":
        this.livesOf(step.ask.topic).feed(step);
        return;
      case "send":
        this.feedSend(step, sight);
        return;
      case "poll":
        this.feedPoll(step, sight);
        return;
      case "assign":
        this.sessions.feed(step);
        this.groupOffsets.feed(step);
        return;
      case "commit":
      case "seek":
      case "fetchOffsets":
        this.groupOffsets.feed(step);
        return;
      case "process":
        sight(this.sightingOf("process", step.i, step.said));
        return;
      case "final":
        this.feedFinal(step, sight);
        return;
      default:
        return;
    }
  }

  /** The end of the history, before any check finishes. */
  finish(): void {
    this.sessions.finish();
    this.groupOffsets.finish();
  }

  /** Every partition in every life, in the order of their first mention. */
  *partitions(): Generator<PartitionLife> {
    for (const { partitions } of this.topics.values()) for (const life of partitions) yield* life.values();
  }

  /** The lives of a topic name. */
  livesOf(topic: string): TopicLives {
    return this.topicOf(topic).lives;
  }

  /** A partition in one life. */
  partitionOf(topic: string, life: number, partition: number): PartitionLife {
    const { partitions } = this.topicOf(topic);
    while (partitions.length <= life) partitions.push(new Map());
    const ofLife = partitions[life] ?? new Map<number, PartitionLife>();
    let found = ofLife.get(partition);
    if (found === undefined) {
      found = new PartitionLife(topic, life, partition);
      ofLife.set(partition, found);
    }
    return found;
  }

  /** A partition now; null when nobody can tell in which life it is. */
  partitionNow(topic: string, partition: number): PartitionLife | null {
    const { endedMin, endedMax } = this.livesOf(topic);
    return endedMin === endedMax ? this.partitionOf(topic, endedMin, partition) : null;
  }

  /** Whether a life of a topic may be over: nothing of it need be there any more. */
  mayBeGone(partition: PartitionLife): boolean {
    return partition.life < this.livesOf(partition.topic).endedMax;
  }

  private topicOf(topic: string): TopicIndex {
    let found = this.topics.get(topic);
    if (found === undefined) {
      found = { lives: new TopicLives(topic), partitions: [] };
      this.topics.set(topic, found);
    }
    return found;
  }

  private valueOf(value: string): Sent {
    let found = this.values.get(value);
    if (found === undefined) {
      found = new Sent(value);
      this.values.set(value, found);
    }
    return found;
  }

  private feedSend(step: Extract<Step, { f: "send" }>, sight: (sighting: Sighting) => void): void {
    const { topic, key, value, acks } = step.ask;
    const sent = this.valueOf(value);
    if (step.type === "invoke") {
      const moment = { i: step.i, t: step.t };
      if (sent.firstBegun === null) {
        sent.firstBegun = moment;
        sent.topic = topic;
        sent.key = key;
        sent.acks = acks;
        sent.lifeMin = this.livesOf(topic).endedMin;
      }
      sent.lastBegun = moment;
      sent.open++;
      return;
    }
    sent.open--;
    if (step.type === "ok" && acks === "quorum") this.acknowledge(sent, step, sight);
    else if (step.type === "ok") sent.weaklyAcknowledged = true;
    else if (step.type === "fail") sent.refusedAt = step.i;
    else sent.unknown++;
  }

  private acknowledge(
    sent: Sent,
    step: Extract<Step, { f: "send"; type: "ok" }>,
    sight: (sighting: Sighting) => void,
  ): void {
    const { partition, offset } = step.answer;
    const { i, t, begun } = step;
    sent.lifeMax = Math.min(sent.lifeMax, this.livesOf(step.ask.topic).endedMax);
    const hasPlace = offset >= 0 && partition >= 0;
    const sighting = hasPlace ? this.sightingOf("ack", i, { ...step.ask, partition, offset }) : null;
    const at = sighting?.partition ?? null;
    sent.acknowledged ??= { i, t, begun, place: at === null ? null : { partition: at, offset } };
    if (sighting !== null) sight(sighting);
  }

  private feedPoll(step: Extract<Step, { f: "poll" }>, sight: (sighting: Sighting) => void): void {
    const records = step.type === "ok" ? step.answer.records : [];
    for (const { topic, partition, offset, key, value } of records) {
      const sighting = this.sightingOf("poll", step.i, { topic, partition, offset, key, value });
      this.sessions.read(step.proc, step.i, sighting);
      sight(sighting);
    }
    this.sessions.feed(step);
  }

  private feedFinal(step: Extract<Step, { f: "final" }>, sight: (sighting: Sighting) => void): void {
    const { topic, partition, broker, logStart, highWatermark, records } = step.said;
    this.partitionNow(topic, partition)?.dumps.push({ i: step.i, broker, logStart, highWatermark });
    for (const { offset, key, value } of records)
      sight(this.sightingOf("final", step.i, { topic, partition, offset, key, value }));
  }

  private sightingOf(
    by: Witness,
    i: number,
    seen: {
      readonly topic: string;
      readonly partition: number;
      readonly offset: number;
      readonly key?: string | null | undefined;
      readonly value: string | null;
    },
  ): Sighting {
    const { topic, partition: number, offset, key } = seen;
    const sent = seen.value === null ? null : this.valueOf(seen.value);
    const partition = sent === null ? this.partitionNow(topic, number) : this.place(sent, topic, number);
    if (sent !== null && partition !== null) {
      sent.firstPlace ??= { partition, offset };
      if (!partition.occupants.has(offset)) partition.occupants.set(offset, { sent, i });
    }
    if (sent !== null && by === "final" && sent.firstFinalAt < 0) sent.firstFinalAt = i;
    if (sent !== null && (by === "poll" || by === "process") && sent.firstReadAt < 0) sent.firstReadAt = i;
    return { by, i, sent, topic, number, partition, offset, key };
  }

  /** In which life of its topic a value stands that was seen just now. */
  private place(sent: Sent, topic: string, partition: number): PartitionLife | null {
    sent.lifeMax = Math.min(sent.lifeMax, this.livesOf(topic).endedMax);
    return sent.lifeMin === sent.lifeMax ? this.partitionOf(topic, sent.lifeMax, partition) : null;
  }
}
