/**
 * topic-lives.ts: how often each topic name was deleted, and so which life of the name an event belongs to.
 *
 * A name has a life of its own after each deletion. `endedMin` counts deletions that are certain, `endedMax` those that may have happened: at any
 * moment the topic is in a life from `endedMin` to `endedMax`. A deletion begins to be possible with its invoke and is certain with its ok.
 */
import type { Step } from "../events.js";

/** The lives of one topic name so far. */
export class TopicLives {
  endedMin = 0;
  endedMax = 0;
  /** The number of the deletion's ok after which there is certainly no such topic; null when there may be one. */
  goneSince: number | null = null;
  /** The topic id of the newest life that is known to have begun. */
  topicId: string | null = null;
  /** Ids of lives that are certainly over. */
  readonly endedIds = new Set<string>();
  /** Whether the history shows the topic being made, so nothing of it is older than the history. */
  wasCreated = false;
  private goneBeforeCreate: number | null = null;

  constructor(readonly topic: string) {}

  /** What a createTopic or deleteTopic says about the lives. */
  feed(step: Step): void {
    if (step.f === "deleteTopic") {
      if (step.type === "invoke") this.endedMax++;
      else if (step.type === "fail") this.endedMax = Math.max(this.endedMin, this.endedMax - 1);
      else if (step.type === "ok") this.deleted(step.i, step.answer.topicId);
    } else if (step.f === "createTopic") {
      if (step.type === "invoke") this.mayExist();
      else if (step.type === "fail") this.goneSince = this.goneBeforeCreate;
      else if (step.type === "ok") this.created(step.answer.topicId);
    }
  }

  private deleted(i: number, topicId: string | null): void {
    this.endedMin = Math.min(this.endedMin + 1, this.endedMax);
    const ended = topicId ?? this.topicId;
    if (ended !== null) this.endedIds.add(ended);
    if (this.endedMin === this.endedMax) this.goneSince = i;
  }

  /** Once a creation was asked for, the topic may be there at any time. */
  private mayExist(): void {
    this.goneBeforeCreate = this.goneSince;
    this.goneSince = null;
  }

  private created(topicId: string | null): void {
    this.wasCreated = true;
    this.goneSince = null;
    const isAnother = topicId !== null && this.topicId !== null && topicId !== this.topicId;
    // Another id proves a deletion that nobody was sure of, or that the history does not show.
    if (isAnother && this.endedMin === this.endedMax && !this.endedIds.has(this.topicId ?? "")) this.endedMax++;
    if (isAnother) {
      this.endedMin = this.endedMax;
      if (this.topicId !== null) this.endedIds.add(this.topicId);
    }
    if (topicId !== null) this.topicId = topicId;
  }
}
