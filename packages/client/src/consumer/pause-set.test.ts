/** pause-set.test.ts: what is paused after which calls. */
import { expect, test } from "vitest";
import { PauseSet } from "./pause-set.js";

function paused(pauses: PauseSet): string[] {
  const all = ["t", "u"].flatMap((topic) => [0, 1, 2].map((partition) => ({ topic, partition })));
  return all.filter(({ topic, partition }) => pauses.has(topic, partition)).map((each) => each.topic + each.partition);
}

test("topics and partitions are paused and resumed; the last word counts", () => {
  const pauses = new PauseSet();
  expect(paused(pauses)).toEqual([]);
  pauses.set(["t"], true);
  expect(paused(pauses)).toEqual(["t0", "t1", "t2"]);
  pauses.set([{ topic: "t", partitions: [1] }], false);
  expect(paused(pauses)).toEqual(["t0", "t2"]);
  pauses.set([{ topic: "u", partitions: [0, 2] }], true);
  expect(paused(pauses)).toEqual(["t0", "t2", "u0", "u2"]);
  pauses.set([{ topic: "t" }, "u"], false);
  expect(paused(pauses)).toEqual([]);
});

test.each([{ selector: 3 }, { selector: null }, { selector: { topic: "t", partitions: [-1] } }, { selector: "a b" }])(
  "$selector is refused, and nothing changes",
  ({ selector }) => {
    const pauses = new PauseSet();
    expect(() => pauses.set(["t", selector as never], true)).toThrow();
    expect(paused(pauses)).toEqual([]);
  },
);
