/**
 * k5-refused-write.ts: K5: what was refused (`fail`, NOT_APPLIED) is never in the log. Promise D4; Jepsen's name for its reading is G1a, aborted read.
 *
 * A value that was sent again after it was refused is judged by all its sends together: it is refused when all of them were.
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { Ledger } from "../index/ledger.js";

export class RefusedWrite implements Check {
  readonly id = "K5";
  readonly promise = "what was refused is never seen";
  readonly meaning = "said to be NOT_APPLIED, and seen";

  constructor(private readonly ledger: Ledger) {}

  finish(): Verdict {
    const findings = new Findings();
    for (const sent of this.ledger.values.values()) {
      if (!sent.isRefused || (sent.firstReadAt < 0 && sent.firstFinalAt < 0)) continue;
      const who = sent.firstReadAt >= 0 ? "a reader got it" : "a replica holds it";
      findings.add(
        [sent.refusedAt, sent.firstReadAt, sent.firstFinalAt],
        () => `${sent.value} was refused, and ${who}`,
      );
    }
    return findings.verdict(this);
  }
}
