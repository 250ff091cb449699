/**
 * k4-linearizable-log.ts: K4: a partition behaves like one list, to which appends and questions come one after the other. Promises O2, R2.
 *
 * Offsets say in which order the appends took effect, so real time is all that is left to check: what ended before something else began comes before it
 * in the log. Every acknowledgement, read and answer of listOffsets(latest) makes a part of the log certain; a `Floor` remembers since when. For a total
 * order such pairs are enough (Herlihy and Wing 1990; `linearizable.test.ts` compares with an exhaustive search).
 *
 *   L1  an append that began after offset n was certain gets an offset above n
 *   L2  listOffsets(latest) that began after offset n was certain answers n + 1 or more, and the log at the end reaches what it answered
 *   L3  listOffsets(earliest) never goes back
 *   L4  no record is read before its send began
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { Step } from "../events.js";
import { Floor } from "../index/floor.js";
import type { Ledger, Sighting } from "../index/ledger.js";
import type { PartitionLife } from "../index/partition-life.js";
import type { Sent } from "../index/sent.js";

interface Certain {
  /** The greatest offset that is committed for certain. */
  readonly offset: Floor;
  readonly logStart: Floor;
  /** What listOffsets(latest) answered at most. */
  readonly latest: Floor;
}

export class LinearizableLog implements Check {
  readonly id = "K4";
  readonly promise = "the order of the log agrees with real time";
  readonly meaning = "the order of the log contradicts real time";
  private readonly findings = new Findings();
  private readonly certain = new Map<PartitionLife, Certain>();
  private readonly judged = new Set<Sent>();
  private readonly readUnsent = new Map<Sent, number>();
  /** By proc: in which life the topic was when its listOffsets began. */
  private readonly lifeAtBegin = new Map<string, number>();

  constructor(private readonly ledger: Ledger) {}

  sight(sighting: Sighting): void {
    const { sent, partition, offset, i, by } = sighting;
    if (partition === null) return;
    const { offset: floor } = this.certainOf(partition);
    if (sent !== null) this.judgeAppend(sent, partition, sighting);
    if (sent !== null && by !== "ack" && sent.firstBegun === null && !this.readUnsent.has(sent))
      this.readUnsent.set(sent, i);
    floor.raise(i, offset);
  }

  feed(step: Step): void {
    if (step.f !== "listOffsets") return;
    const { topic, at } = step.ask;
    const { endedMin, endedMax } = this.ledger.livesOf(topic);
    if (step.type === "invoke") this.lifeAtBegin.set(step.proc, endedMin);
    // A topic that was deleted meanwhile may have answered from either life.
    if (step.type !== "ok" || endedMin !== endedMax || this.lifeAtBegin.get(step.proc) !== endedMin) return;
    for (const { partition, offset } of step.answer.offsets) {
      const place = this.ledger.partitionOf(topic, endedMin, partition);
      if (at === "latest") this.judgeLatest(place, step.begun.i, step.i, offset);
      else if (at === "earliest") this.judgeEarliest(place, step.begun.i, step.i, offset);
    }
  }

  finish(): Verdict {
    for (const [sent, i] of this.readUnsent) {
      const begun = sent.firstBegun;
      if (begun !== null) this.findings.add([i, begun.i], () => `L4: ${sent.value} was read before it was sent`);
    }
    for (const [partition, { latest }] of this.certain) this.judgeEnd(partition, latest);
    return this.findings.verdict(this);
  }

  /** L1; a value counts once. */
  private judgeAppend(sent: Sent, partition: PartitionLife, { i, offset }: Sighting): void {
    // What is at another place than before is the matter of K6, and what was read before it was sent is found by L4.
    if (sent.firstBegun === null || sent.firstPlace?.offset !== offset || this.readUnsent.has(sent)) return;
    const known = this.certainOf(partition).offset.before(sent.firstBegun.i);
    if (known === null || offset > known.value || this.judged.has(sent)) return;
    this.judged.add(sent);
    const where = `${partition.name}@${offset}`;
    this.findings.add(
      [known.i, sent.firstBegun.i, i],
      () => `L1: ${sent.value} is at ${where}, but offset ${known.value} was there before it was sent`,
    );
  }

  /** L2, while the history goes on. */
  private judgeLatest(partition: PartitionLife, begunAt: number, i: number, offset: number): void {
    const certain = this.certainOf(partition);
    const known = certain.offset.before(begunAt);
    if (known !== null && offset <= known.value) {
      const what = `L2: latest of ${partition.name} is ${offset}, but offset ${known.value} was there before the question`;
      this.findings.add([known.i, i], () => what);
    }
    certain.offset.raise(i, offset - 1);
    certain.latest.raise(i, offset);
  }

  /** L2, at the end. */
  private judgeEnd(partition: PartitionLife, latest: Floor): void {
    const { top } = latest;
    if (top === null || this.ledger.mayBeGone(partition)) return;
    const after = partition.dumps.filter(({ i }) => i > top.i);
    const reached = Math.max(...after.map(({ highWatermark }) => highWatermark));
    if (after.length === 0 || reached >= top.value) return;
    const what = `L2: latest of ${partition.name} was ${top.value}, but its log ends at ${reached}`;
    this.findings.add([top.i, ...after.map(({ i }) => i)], () => what);
  }

  /** L3. */
  private judgeEarliest(partition: PartitionLife, begunAt: number, i: number, offset: number): void {
    const { logStart } = this.certainOf(partition);
    const known = logStart.before(begunAt);
    if (known !== null && offset < known.value)
      this.findings.add(
        [known.i, i],
        () => `L3: earliest of ${partition.name} went back from ${known.value} to ${offset}`,
      );
    logStart.raise(i, offset);
  }

  private certainOf(partition: PartitionLife): Certain {
    let certain = this.certain.get(partition);
    if (certain === undefined) {
      certain = { offset: new Floor(), logStart: new Floor(), latest: new Floor() };
      this.certain.set(partition, certain);
    }
    return certain;
  }
}
