/**
 * k9-committed-offset.ts: K9: a group's committed offset is one register: who asks is told the last commit that was acknowledged, or a later one. Promise C3.
 *
 * Judged by index/committed-offsets.ts. So an offset that went back to an older commit, that is gone, that a refused commit left or that nobody ever
 * committed is found; an owner that commits a lower offset moves it back rightly. A seek moves it, too, and the format names none: a start of an
 * assignment that no commit explains is taken for one, unless the history names its seeks. In a group whose history names no commits, an offset that goes
 * back is all that is found.
 */
import { type Check, Findings, type Verdict } from "../check.js";
import type { OffsetRegister, UnexplainedRead } from "../index/committed-offsets.js";
import type { Ledger } from "../index/ledger.js";

export class CommittedOffset implements Check {
  readonly id = "K9";
  readonly promise = "committed offsets stay";
  readonly meaning = "a committed offset went back, or is lost";

  constructor(private readonly ledger: Ledger) {}

  finish(): Verdict {
    const findings = new Findings();
    for (const { register, read } of this.ledger.groupOffsets.unexplained()) {
      const refused = register.refused.find(({ value, begunAt }) => value === read.value && begunAt < read.i);
      findings.add([read.barrier?.endedAt ?? -1, refused?.i ?? -1, read.i], () => whatOf(register, read));
    }
    return findings.verdict(this);
  }
}

function whatOf(register: OffsetRegister, { value, barrier, by, i }: UnexplainedRead): string {
  const told = value === null ? "nothing committed" : `${value}`;
  const who = by === "fetch" ? "fetchOffsets" : "an assignment";
  const isCommitted = register.writes.some((write) => write.value === value && write.begunAt < i);
  const because =
    barrier === null || (value !== null && !isCommitted)
      ? "which nobody committed"
      : `but ${barrier.value ?? "nothing"} was there before`;
  return `${who} told ${register.name} ${told}, ${because}`;
}
