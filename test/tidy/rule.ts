/** rule.ts: what a rule is: a check of one file, with examples that show that it can fail and that it does not fail too soon. */
import type { Source } from "./source.js";

/** A made-up file. */
export type Example = readonly [path: string, text: string];

export interface Rule {
  /** What holds, as the test's title. */
  readonly name: string;
  /** `path:line: what breaks the rule`; empty when nothing does. */
  check(source: Source): string[];
  /** Each of these breaks the rule. A rule that cannot fail proves nothing. */
  readonly bad: readonly Example[];
  /** These look alike and keep it. */
  readonly good: readonly Example[];
}
