/**
 * k3-poll-order.ts: K3: a reader gets every offset once and in order, until it is assigned anew. Promises R1, R4.
 *
 * Judged by `index/sessions.ts`. The first poll of a session may lie above the start of its assignment when retention took what lies between.
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { Ledger } from "../index/ledger.js";
import type { Jump } from "../index/sessions.js";

export class PollOrder implements Check {
  readonly id = "K3";
  readonly promise = "readers get every offset once, in order";
  readonly meaning = "a reader skipped or went back without a new assignment";

  constructor(private readonly ledger: Ledger) {}

  finish(): Verdict {
    const findings = new Findings();
    for (const jump of this.ledger.sessions.jumps) {
      if (isRetention(jump)) continue;
      const { proc, partition, expected, found, i } = jump;
      const how = found > expected ? "skipped to" : "went back to";
      findings.add([i], () => `${proc} ${how} ${partition.name}@${found}; ${expected} came next`);
    }
    return findings.verdict(this);
  }
}

/** Whether a jump at the start of an assignment leads to where some replica's log starts. */
export const isRetention = ({ isFirst, found, partition: { dumps } }: Jump): boolean =>
  isFirst && dumps.some(({ logStart }) => found <= logStart);
