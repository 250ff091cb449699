import { describe, expect, test } from "vitest";
import { CHECK_IDS, type Verdict } from "./check.js";
import { checkHistory, type Judged } from "./check-history.js";
import { eventText, jsonOf, textOf } from "./report.js";
import { Script } from "./script.js";

/** A history in which many writes are lost. */
function lossy(): Script {
  const script = new Script();
  for (let offset = 0; offset < 40; offset++) script.send(`p:${offset}`, offset);
  script.final(1, []);
  return script;
}

function judged(script: Script): Judged {
  const judgement = checkHistory(script.lines);
  if (judgement.kind === "unreadable") throw new Error(judgement.problem);
  return judgement;
}

describe("a report", () => {
  test("for programs is one line, with every offending event", () => {
    const text = jsonOf(judged(lossy()));
    expect(text.indexOf("\n")).toBe(text.length - 1);
    const said = JSON.parse(text) as { valid: boolean; checks: Verdict[] };
    expect(Object.keys(said)).toEqual(["valid", "checks"]);
    expect(said.checks.map(({ check }) => check)).toEqual(CHECK_IDS);
    const offending = Array.from({ length: 40 }, (_, at) => 2 * at + 1);
    expect(said.checks[0]).toEqual({ check: "K1", valid: false, count: 40, offending });
    expect(said.checks[1]).toEqual({ check: "K2", valid: true, count: 0, offending: [] });
  });

  test("for people shows the first breaches, and says how many more there are", () => {
    const script = lossy();
    const lines = textOf(judged(script), script.lines).split("\n");
    expect(lines[0]).toBe("K1   VIOLATED  40 breaches, by 40 events: acknowledged, and not in the log at the end");
    expect(lines[2]).toBe("         #1  0.001 s  c  send  ok  partition 0  offset 0  epoch 1");
    expect(lines).toContain("     and 32 more");
    expect(lines.at(-2)).toBe("81 events: VIOLATED: K1");
    expect(lines.length).toBeLessThan(50);
  });

  test("needs no event when nothing is broken", () => {
    const unread: Iterable<string> = {
      [Symbol.iterator]: () => {
        throw new Error("read again");
      },
    };
    expect(textOf(judged(new Script()), unread)).toMatch(/\n0 events: valid\n$/);
  });

  test("cuts long fields", () => {
    const records = Array.from({ length: 100 }, (_, offset) => ({ offset, value: "x".repeat(500) }));
    const text = eventText(JSON.stringify({ i: 7, t: 61_500, proc: "r", type: "ok", f: "poll", records }));
    expect(text).toMatch(/^#7 {2}61.500 s {2}r {2}poll {2}ok {2}records \[100 of them: /);
    expect(text.length).toBeLessThan(250);
  });
});
