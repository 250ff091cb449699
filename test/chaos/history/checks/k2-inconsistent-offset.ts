/**
 * k2-inconsistent-offset.ts: K2: a place in a partition holds one value for ever, whoever looks. Promises O1, D5.
 *
 * Compared are acknowledgements with quorum, polls, handlers and final dumps, within one life of a topic. Each place counts once.
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { Sighting } from "../index/ledger.js";
import type { PartitionLife } from "../index/partition-life.js";

interface Disputed {
  readonly at: Set<number>;
  readonly values: Set<string>;
}

export class InconsistentOffset implements Check {
  readonly id = "K2";
  readonly promise = "a place holds one value, whoever looks";
  readonly meaning = "two values at one offset";
  private readonly disputed = new Map<PartitionLife, Map<number, Disputed>>();

  sight({ partition, offset, sent, i }: Sighting): void {
    if (partition === null || sent === null) return;
    const first = partition.occupants.get(offset);
    if (first === undefined) return;
    const known = this.disputed.get(partition)?.get(offset);
    if (first.sent === sent && known === undefined) return;
    const places = this.disputed.get(partition) ?? new Map<number, Disputed>();
    this.disputed.set(partition, places);
    const disputed = known ?? { at: new Set([first.i]), values: new Set([first.sent.value]) };
    places.set(offset, disputed);
    disputed.at.add(i);
    disputed.values.add(sent.value);
  }

  finish(): Verdict {
    const findings = new Findings();
    for (const [partition, places] of this.disputed)
      for (const [offset, { at, values }] of places)
        findings.add([...at], () => `${partition.name}@${offset} holds ${[...values].slice(0, 4).join(" and ")}`);
    return findings.verdict(this);
  }
}
