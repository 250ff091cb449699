/**
 * k12-phantom.ts: K12: every record that is seen was sent, to that topic, with that key. Promise D3.
 *
 * A value counts once. A record without a value is a phantom: histories have none.
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { Sighting } from "../index/ledger.js";
import type { Sent } from "../index/sent.js";

/** Events that are named for one value. */
const WITNESSES_MAX = 8;

export class Phantom implements Check {
  readonly id = "K12";
  readonly promise = "what is seen was sent like that";
  readonly meaning = "seen, and never sent like that";
  private readonly findings = new Findings();
  private readonly unsent = new Map<Sent, number[]>();
  private readonly altered = new Map<Sent, { readonly at: number[]; readonly what: string }>();

  sight(sighting: Sighting): void {
    const { sent, topic, number, offset, i } = sighting;
    if (sent === null) this.findings.add([i], () => `${topic}/${number}@${offset} has no value`);
    else if (sent.firstBegun === null) witness(this.unsent.get(sent) ?? listIn(this.unsent, sent), i);
    else {
      const what = differenceOf(sent, sighting);
      if (what === null) return;
      const known = this.altered.get(sent) ?? { at: [sent.firstBegun.i], what };
      this.altered.set(sent, known);
      witness(known.at, i);
    }
  }

  finish(): Verdict {
    // What was read before it was sent is the matter of K4.
    for (const [sent, at] of this.unsent)
      if (sent.firstBegun === null) this.findings.add(at, () => `${sent.value} was never sent`);
    for (const { at, what } of this.altered.values()) this.findings.add(at, () => what);
    return this.findings.verdict(this);
  }
}

function differenceOf(sent: Sent, { topic, number, offset, key }: Sighting): string | null {
  const where = `${sent.value} at ${topic}/${number}@${offset}`;
  if (sent.topic !== topic) return `${where} was sent to ${sent.topic}`;
  if (key === undefined || sent.key === key) return null;
  return `${where} has the key ${JSON.stringify(key)}, but was sent with ${JSON.stringify(sent.key)}`;
}

function listIn(lists: Map<Sent, number[]>, sent: Sent): number[] {
  const list: number[] = [];
  lists.set(sent, list);
  return list;
}

function witness(at: number[], i: number): void {
  if (at.length < WITNESSES_MAX && at.at(-1) !== i) at.push(i);
}
