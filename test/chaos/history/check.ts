/** check.ts: what a check is: it is fed a history and says in the end what broke its promise. */
import type { Step } from "./events.js";
import type { Ledger, Sighting } from "./index/ledger.js";

/** The checks that the format lets us do. K13 is about transactions, which there are none of. */
export const CHECK_IDS = [
  "K1",
  "K2",
  "K3",
  "K4",
  "K5",
  "K6",
  "K7",
  "K8",
  "K9",
  "K10",
  "K11",
  "K12",
  "K14",
  "K15",
  "K16",
] as const;

/** The name of a check. */
export type CheckId = (typeof CHECK_IDS)[number];

/** One breach of a promise. */
export interface Finding {
  /** The numbers of the events that show it. */
  readonly at: readonly number[];
  /** One line for people. */
  readonly what: string;
}

/** What a check says in the end. */
export interface Verdict {
  readonly check: CheckId;
  /** What holds when nothing is found, and what is broken when something is. */
  readonly promise: string;
  readonly meaning: string;
  /** Whether nothing was found. */
  readonly valid: boolean;
  /** How many breaches there are. */
  readonly count: number;
  /** The numbers of the events that show them, in order, each once; the first `OFFENDING_MAX`. */
  readonly offending: readonly number[];
  /** The first `SHOWN_MAX` breaches. */
  readonly findings: readonly Finding[];
  /** What is worth saying though nothing is broken. */
  readonly notes: readonly string[];
}

/** One check. The ledger has taken a step before any check is fed it. */
export interface Check {
  readonly id: CheckId;
  /** What holds when it finds nothing, in a few words. */
  readonly promise: string;
  /** What is broken when it finds something, in a few words. */
  readonly meaning: string;
  feed?(step: Step): void;
  /** Called for every sighting of a step, before `feed`. */
  sight?(sighting: Sighting): void;
  /** The end of the history; called once. */
  finish(): Verdict;
}

/** Makes a check that looks into a ledger. */
export type CheckFactory = new (ledger: Ledger) => Check;

/** Offending events that a verdict holds: enough for every use, and a bound on its size. */
export const OFFENDING_MAX = 100_000;
/** Breaches that a verdict describes in words. */
export const SHOWN_MAX = 20;

/** Collects what a check finds. */
export class Findings {
  private count = 0;
  private readonly offending = new Set<number>();
  private readonly findings: Finding[] = [];
  private readonly notes: string[] = [];

  /** One more breach; `what` is called only when it will be shown. */
  add(at: readonly number[], what: () => string): void {
    this.count++;
    const known = at.filter((i) => i >= 0);
    for (const i of known) if (this.offending.size < OFFENDING_MAX) this.offending.add(i);
    if (this.findings.length < SHOWN_MAX) this.findings.push({ at: known, what: what() });
  }

  /** Something worth saying that breaks nothing. */
  note(text: string): void {
    this.notes.push(text);
  }

  verdict({ id: check, promise, meaning }: Check): Verdict {
    const { count, findings, notes } = this;
    const offending = [...this.offending].sort((left, right) => left - right);
    return { check, promise, meaning, valid: count === 0, count, offending, findings, notes };
  }
}
