/**
 * check-history.ts: runs every check over a history, line by line.
 *
 * A line that cannot be read ends it: half a history proves nothing.
 */
import type { Check, CheckFactory, Verdict } from "./check.js";
import { LostWrite } from "./checks/k1-lost-write.js";
import { InconsistentOffset } from "./checks/k2-inconsistent-offset.js";
import { PollOrder } from "./checks/k3-poll-order.js";
import { LinearizableLog } from "./checks/k4-linearizable-log.js";
import { RefusedWrite } from "./checks/k5-refused-write.js";
import { Duplicates } from "./checks/k6-duplicates.js";
import { Unprocessed } from "./checks/k7-unprocessed.js";
import { FencedCommit } from "./checks/k8-fenced-commit.js";
import { CommittedOffset } from "./checks/k9-committed-offset.js";
import { DeletedTopic } from "./checks/k10-deleted-topic.js";
import { Unseen } from "./checks/k11-unseen.js";
import { Phantom } from "./checks/k12-phantom.js";
import { Availability } from "./checks/k14-availability.js";
import { ReplicasDiffer } from "./checks/k15-replicas-differ.js";
import { LeaderChanges } from "./checks/k16-leader-changes.js";
import { Ledger, type Sighting } from "./index/ledger.js";
import { Order } from "./order.js";
import { Refused } from "./shape.js";

/** In the order of their names. */
const CHECKS: readonly CheckFactory[] = [
  LostWrite,
  InconsistentOffset,
  PollOrder,
  LinearizableLog,
  RefusedWrite,
  Duplicates,
  Unprocessed,
  FencedCommit,
  CommittedOffset,
  DeletedTopic,
  Unseen,
  Phantom,
  Availability,
  ReplicasDiffer,
  LeaderChanges,
];

/** The checks' verdicts on a history. */
export interface Judged {
  readonly kind: "judged";
  /** Whether no check found anything. */
  readonly valid: boolean;
  readonly events: number;
  /** One of each check, in the order of their names. */
  readonly verdicts: readonly Verdict[];
}

/** No history. */
export interface Unreadable {
  readonly kind: "unreadable";
  /** Counted from 1. */
  readonly line: number;
  readonly problem: string;
}

/** What was found in a history. */
export type Judgement = Judged | Unreadable;

/**
 * Judges a history.
 *
 * @param lines its lines in order, without their ends; read once.
 */
export function checkHistory(lines: Iterable<string>): Judgement {
  const order = new Order();
  const ledger = new Ledger();
  const checks: readonly Check[] = CHECKS.map((Factory) => new Factory(ledger));
  const watching = checks.filter((check) => check.sight !== undefined);
  const fed = checks.filter((check) => check.feed !== undefined);
  const sight = (sighting: Sighting): void => {
    for (const check of watching) check.sight?.(sighting);
  };
  let line = 0;
  let blanks = 0;
  try {
    for (const text of lines) {
      line++;
      // Empty lines at the end are no matter; elsewhere something is missing.
      if (text === "") blanks++;
      if (text === "") continue;
      if (blanks > 0) throw new Refused("an empty line comes before it");
      const step = order.read(text);
      ledger.feed(step, sight);
      for (const check of fed) check.feed?.(step);
    }
  } catch (error) {
    if (error instanceof Refused) return { kind: "unreadable", line, problem: error.message };
    throw error;
  }
  ledger.finish();
  const verdicts = checks.map((check) => check.finish());
  return { kind: "judged", valid: verdicts.every(({ valid }) => valid), events: ledger.events, verdicts };
}
