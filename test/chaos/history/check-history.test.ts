import { describe, expect, test } from "vitest";
import { BAD_CLUSTERS } from "./cases/bad-clusters.js";
import { BAD_GROUPS } from "./cases/bad-groups.js";
import { BAD_LOGS } from "./cases/bad-logs.js";
import { GOOD } from "./cases/good.js";
import { CHECK_IDS } from "./check.js";
import { checkHistory, type Judgement } from "./check-history.js";
import { Script } from "./script.js";

const BAD = [...BAD_LOGS, ...BAD_GROUPS, ...BAD_CLUSTERS];

function judge(script: Script): Extract<Judgement, { kind: "judged" }> {
  const judgement = checkHistory(script.lines);
  if (judgement.kind === "unreadable") throw new Error(`line ${judgement.line}: ${judgement.problem}`);
  return judgement;
}

describe("a history that breaks a promise is found out:", () => {
  test.each(BAD)("$check: $why", ({ check, also = [], count = 1, write }) => {
    const script = new Script();
    const expected = write(script);
    const { valid, verdicts } = judge(script);
    const found = verdicts.find((verdict) => verdict.check === check);
    const invalid = verdicts.filter((verdict) => !verdict.valid);
    expect(invalid.map((verdict) => verdict.check)).toEqual(
      CHECK_IDS.filter((id) => id === check || also.includes(id)),
    );
    expect(valid).toBe(false);
    expect(found?.count).toBe(count);
    expect(found?.offending).toEqual(expect.arrayContaining([...expected]));
    expect(found?.findings[0]?.what).not.toBe("");
  });

  test("every check has several such histories", () => {
    for (const id of CHECK_IDS) expect(BAD.filter(({ check }) => check === id).length, id).toBeGreaterThan(1);
  });
});

describe("a history that breaks nothing passes every check:", () => {
  test.each(GOOD)("$why", ({ write }) => {
    const script = new Script();
    write(script);
    const { valid, verdicts } = judge(script);
    expect(verdicts.filter((verdict) => !verdict.valid)).toEqual([]);
    expect(valid).toBe(true);
    expect(verdicts.map(({ check }) => check)).toEqual(CHECK_IDS);
  });
});
