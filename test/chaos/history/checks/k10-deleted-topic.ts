/**
 * k10-deleted-topic.ts: K10: a deleted topic is gone, and one of the same name that is made later begins empty. Promises M1, M2.
 *
 *   T1  a poll that began after a deletion was acknowledged returns no record of before, and neither does a dump hold one
 *   T2  a deleted topic that nobody asked to make again acknowledges no send and lists no offsets
 *   T3  a topic id is never used again
 *   T4  a topic that was made again lists no more offsets than sends began since its deletion did
 *
 * A poll that was under way when the topic was deleted may return what it had. A handler may finish a record of a deleted topic: it had it before.
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { Answered, Moment, Step } from "../events.js";
import type { Ledger, Sighting } from "../index/ledger.js";
import type { Sent } from "../index/sent.js";

/** What was certain about a topic when an operation began. */
interface AtBegin {
  readonly ended: number;
  readonly goneSince: number | null;
}

export class DeletedTopic implements Check {
  readonly id = "K10";
  readonly promise = "what was deleted is gone";
  readonly meaning = "data of a deleted topic";
  private readonly findings = new Findings();
  /** By proc, then by topic: polls, sends and questions that are open; kept once a topic was deleted. */
  private readonly open = new Map<string, Map<string, AtBegin>>();
  private readonly deletedTopics = new Set<string>();
  /** By topic: sends that began since its last deletion did. */
  private readonly sendsSince = new Map<string, number>();
  /** Records of the step that is being fed, which come before it. */
  private sightings: { readonly sent: Sent; readonly sighting: Sighting }[] = [];

  constructor(private readonly ledger: Ledger) {}

  sight(sighting: Sighting): void {
    const { sent, topic, by } = sighting;
    if (sent !== null && (by === "poll" || by === "final") && this.deletedTopics.has(topic))
      this.sightings.push({ sent, sighting });
  }

  feed(step: Step): void {
    if (step.f === "deleteTopic") this.feedDeletion(step);
    else if (step.f === "createTopic" && step.type === "ok") this.judgeId(step, step.ask.topic, step.answer.topicId);
    else if (this.deletedTopics.size === 0) return;
    else if (step.f === "final") this.judgeRecords(() => this.ledger.livesOf(step.said.topic).endedMin);
    else if (step.f === "poll" || step.f === "send" || step.f === "listOffsets") this.feedOperation(step);
  }

  finish(): Verdict {
    return this.findings.verdict(this);
  }

  private feedDeletion({ type, ask: { topic } }: Extract<Step, { f: "deleteTopic" }>): void {
    this.deletedTopics.add(topic);
    // One that did not happen leaves what was sent before.
    if (type === "invoke") this.sendsSince.set(topic, 0);
    else if (type !== "ok") this.sendsSince.set(topic, Number.POSITIVE_INFINITY);
  }

  private feedOperation(step: Extract<Step, { f: "poll" | "send" | "listOffsets" }>): void {
    if (step.type === "invoke") {
      const topics = step.f === "poll" ? step.ask.topics : [step.ask.topic];
      const deleted = topics.filter((topic) => this.deletedTopics.has(topic));
      const sends = step.f === "send" ? this.sendsSince.get(step.ask.topic) : undefined;
      if (step.f === "send" && sends !== undefined) this.sendsSince.set(step.ask.topic, sends + 1);
      this.open.set(step.proc, new Map(deleted.map((topic) => [topic, this.nowOf(topic)])));
      return;
    }
    const begun = this.open.get(step.proc);
    this.open.delete(step.proc);
    if (step.type !== "ok") return;
    if (step.f === "poll") this.judgeRecords((topic) => begun?.get(topic)?.ended ?? 0);
    else {
      const atBegin = begun?.get(step.ask.topic) ?? null;
      this.judgeAnswer(step, step.ask.topic, atBegin?.goneSince ?? null);
      if (step.f === "listOffsets" && atBegin !== null) this.judgeListed(step, atBegin);
    }
  }

  private nowOf(topic: string): AtBegin {
    const { endedMin, goneSince } = this.ledger.livesOf(topic);
    return { ended: endedMin, goneSince };
  }

  /** T1. */
  private judgeRecords(endedBefore: (topic: string) => number): void {
    for (const { sent, sighting } of this.sightings) {
      const { topic, number, offset, i } = sighting;
      if (sent.lifeMax >= endedBefore(topic)) continue;
      const what = `T1: ${sent.value} of the deleted ${topic} is at ${topic}/${number}@${offset}`;
      this.findings.add([sent.acknowledged?.i ?? -1, i], () => what);
    }
    this.sightings = [];
  }

  /** T2. */
  private judgeAnswer({ i, f }: Moment & { readonly f: string }, topic: string, goneAtBegin: number | null): void {
    const { goneSince } = this.ledger.livesOf(topic);
    if (goneSince === null || goneAtBegin !== goneSince) return;
    this.findings.add([goneSince, i], () => `T2: ${f} of ${topic} was answered after the topic was deleted`);
  }

  /** T4. */
  private judgeListed({ i, ask: { topic, at }, answer }: Answered<"listOffsets">, { ended }: AtBegin): void {
    const sends = this.sendsSince.get(topic);
    const { endedMin, endedMax } = this.ledger.livesOf(topic);
    if (at !== "latest" || sends === undefined || ended !== endedMin || ended !== endedMax || ended === 0) return;
    const over = answer.offsets.find(({ offset }) => offset > sends);
    if (over === undefined) return;
    const what = `T4: latest of ${topic}/${over.partition} is ${over.offset}, but ${sends} sends began since the deletion`;
    this.findings.add([i], () => what);
  }

  /** T3. */
  private judgeId({ i }: Moment, topic: string, topicId: string | null): void {
    if (topicId === null || !this.ledger.livesOf(topic).endedIds.has(topicId)) return;
    this.findings.add([i], () => `T3: ${topic} has the id ${topicId} of a topic that was deleted`);
  }
}
