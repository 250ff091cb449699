/** group-history.test.ts: the proof of a group's history finds each way in which it can be wrong. */
import { describe, expect, test } from "vitest";
import { prove, type SeenCommitted } from "./group-history.js";
import type { Report } from "./group-report.js";
import type { GroupWorker } from "./group-workers.js";

type Line = readonly [worker: string, what: "assigned" | "started" | "done" | "lost", offset?: number];

/** Workers that said this, one line a millisecond, all of partition 0 and of one key. `assigned` starts at the offset. */
function workersOf(lines: readonly Line[]): GroupWorker[] {
  const names = [...new Set(lines.map(([name]) => name))];
  return names.map((name) => {
    const reports = lines.flatMap(([worker, what, offset = 0], atMs) =>
      worker === name ? [said(what, offset, atMs)] : [],
    );
    return { name, reports } as unknown as GroupWorker;
  });
}

function said(type: Line[1], offset: number, atMs: number): Report {
  if (type === "assigned") return { type, atMs, partitions: [{ partition: 0, epoch: atMs, startOffset: offset }] };
  if (type === "lost") return { type, atMs, partitions: [0], code: "UNKNOWN_MEMBER" };
  return { type, atMs, partition: 0, offset, key: "k" };
}

const proofOf = (lines: readonly Line[], acked: number, committed: SeenCommitted[] = []) =>
  prove(workersOf(lines), { acked: [new Set(Array(acked).keys())] }, committed);

/** Worker a does records 0 and 1 and dies; b begins at 1 and does the rest. */
const SOUND: readonly Line[] = [
  ["a", "assigned", 0],
  ["a", "started", 0],
  ["a", "done", 0],
  ["a", "started", 1],
  ["a", "done", 1],
  ["b", "assigned", 1],
  ["b", "started", 1],
  ["b", "done", 1],
  ["b", "started", 2],
  ["b", "done", 2],
];

/** The sound history with line `at` replaced. */
const changed = (at: number, ...lines: Line[]): Line[] => [...SOUND.slice(0, at), ...lines, ...SOUND.slice(at + 1)];

describe("a group's history", () => {
  test("that is sound is told with its repeats", () => {
    const committed = [{ atMs: 4.5, offsets: new Map([[0, 1]]) }];
    expect(proofOf(SOUND, 3, committed)).toEqual({ records: 3, redelivered: 1, assignments: 2, losses: 0 });
  });

  test.each([
    { what: "a record that nobody finished", lines: SOUND, acked: 4, found: "W1" },
    { what: "a record below its assignment's start", lines: changed(6, ["b", "started", 0]), acked: 3, found: "W2" },
    { what: "a record that is begun twice", lines: changed(8, ["b", "started", 1]), acked: 3, found: "W2" },
    {
      what: "a key out of order",
      lines: changed(2, ["a", "started", 5], ["a", "done", 5], ["a", "done", 0]),
      acked: 3,
      found: "W3",
    },
    { what: "a start that leaves something out", lines: changed(5, ["b", "assigned", 3]), acked: 3, found: "W4" },
    { what: "two workers at one partition", lines: [...SOUND, ["a", "started", 2] as const], acked: 3, found: "W5" },
  ])("with $what is refused", ({ lines, acked, found }) => {
    expect(() => proofOf(lines, acked)).toThrow(found);
  });

  test("with a start below what was seen committed is refused", () => {
    expect(() => proofOf(SOUND, 3, [{ atMs: 4.5, offsets: new Map([[0, 2]]) }])).toThrow("W4");
  });

  test("may have two workers at one partition when one says later that it lost it", () => {
    expect(proofOf([...SOUND, ["a", "started", 2], ["a", "lost"]], 3)).toMatchObject({ losses: 1 });
  });
});
