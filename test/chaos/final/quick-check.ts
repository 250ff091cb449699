/** quick-check.ts: the first things that a history must hold: acknowledged records are in every replica, refused ones in none. */
import { readFileSync } from "node:fs";

interface Event {
  readonly i: number;
  readonly proc: string;
  readonly type: string;
  readonly f: string;
  readonly value?: string;
  readonly partition?: number;
  readonly offset?: number;
  readonly broker?: number;
  readonly records?: readonly { readonly offset: number; readonly value: string }[];
}

/** What is broken, a line each. */
export function quickCheck(path: string): string[] {
  const problems: string[] = [];
  const open = new Map<string, string>();
  const acked = new Map<string, string>();
  const refused = new Set<string>();
  const finals: Event[] = [];
  for (const line of readFileSync(path, "utf8").trimEnd().split("\n")) {
    const event = JSON.parse(line) as Event;
    if (event.f === "final") finals.push(event);
    if (event.f !== "send") continue;
    if (event.type === "invoke") open.set(event.proc, event.value ?? "");
    const value = open.get(event.proc) ?? "";
    if (event.type === "ok") acked.set(`${event.partition}@${event.offset}`, value);
    if (event.type === "fail") refused.add(value);
  }
  const places = new Map<string, string>();
  for (const { broker, partition, records = [] } of finals) {
    const replica = `broker ${broker} partition ${partition}`;
    const found = new Map(records.map(({ offset, value }) => [`${partition}@${offset}`, value]));
    for (const [place, value] of acked) {
      if (place.startsWith(`${partition}@`) && found.get(place) !== value)
        problems.push(`${replica} lacks ${value} at ${place}`);
    }
    for (const [place, value] of found) {
      if (refused.has(value)) problems.push(`${replica} has ${value}, which was refused`);
      if ((places.get(place) ?? value) !== value) problems.push(`${replica} differs at ${place}`);
      places.set(place, value);
    }
  }
  return problems;
}
