/**
 * k15-replicas-differ.ts: K15: after healing all replicas hold the same log. Promises O1, A5.
 *
 *   R1  over the offsets that two replicas share, key and value are the same
 *   R2  their high watermarks are the same
 *   R3  a dump holds every offset from its log start to its high watermark, once, in order
 *
 * Log starts may differ: each replica deletes old segments in its own time. Records below its own log start, which a batch may hold, are left alone.
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { Announced, Step } from "../events.js";
import type { Ledger, Sighting } from "../index/ledger.js";
import type { PartitionLife } from "../index/partition-life.js";
import type { Sent } from "../index/sent.js";

interface Held {
  readonly sent: Sent | null;
  readonly key: string | null;
  readonly i: number;
}

export class ReplicasDiffer implements Check {
  readonly id = "K15";
  readonly promise = "replicas hold the same log at the end";
  readonly meaning = "replicas hold different logs after healing";
  private readonly findings = new Findings();
  /** The log of each partition, by the first replica that has the offset. */
  private readonly logs = new Map<PartitionLife, Map<number, Held>>();

  constructor(private readonly ledger: Ledger) {}

  sight({ by, partition, offset, sent, key = null, i }: Sighting): void {
    if (by !== "final" || partition === null) return;
    const log = this.logs.get(partition) ?? new Map<number, Held>();
    this.logs.set(partition, log);
    const held = log.get(offset);
    if (held === undefined) log.set(offset, { sent, key: sent?.key === key ? sent.key : key, i });
    else if (held.i !== i && (held.sent !== sent || held.key !== key))
      this.findings.add(
        [held.i, i],
        () => `R1: ${partition.name}@${offset} is ${nameOf(held)} and ${nameOf({ sent, key })}`,
      );
  }

  feed(step: Step): void {
    if (step.f === "final") this.judgeDense(step);
  }

  finish(): Verdict {
    for (const partition of this.ledger.partitions()) {
      const marks = new Set(partition.dumps.map(({ highWatermark }) => highWatermark));
      if (marks.size < 2) continue;
      const said = partition.dumps.map(({ broker, highWatermark }) => `${highWatermark} at broker ${broker}`);
      this.findings.add(
        partition.dumps.map(({ i }) => i),
        () => `R2: ${partition.name} has the high watermark ${said.join(", ")}`,
      );
    }
    return this.findings.verdict(this);
  }

  /** R3; a dump counts once. */
  private judgeDense({ i, said }: Announced<"final">): void {
    const { topic, partition, broker, logStart, highWatermark, records } = said;
    let next = logStart;
    for (const { offset } of records) {
      if (offset < logStart) continue;
      if (offset !== next) break;
      next++;
    }
    if (next === highWatermark && (records.at(-1)?.offset ?? -1) < highWatermark) return;
    const what = next < highWatermark ? `lacks offset ${next}` : "goes on beyond it";
    const log = `${topic}/${partition} at broker ${broker}, ${logStart} to ${highWatermark}`;
    this.findings.add([i], () => `R3: the log of ${log}, ${what}`);
  }
}

const nameOf = ({ sent, key }: Pick<Held, "sent" | "key">): string =>
  `${sent === null ? "nothing" : sent.value} with key ${JSON.stringify(key)}`;
