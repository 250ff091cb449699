import { expect, test } from "vitest";
import type { DirectoryProof } from "./commands.js";
import { judgeDirectory } from "./directory-proof.js";
import type { DirectoryRecord } from "./model.js";

const DIRECTORY = "dir-a";

function proof(bootIds: readonly string[], brokerId = 1): DirectoryProof {
  return { brokerId, directoryId: DIRECTORY, bootId: bootIds.at(-1) ?? "", priorBootIds: bootIds.slice(0, -1) };
}

function record(bootIds: readonly string[], refusedBootIds: readonly string[] = []): DirectoryRecord {
  return { directoryId: DIRECTORY, brokerId: 1, bootIds, refusedBootIds, retired: false, decommissionedFrom: null };
}

const starts = (first: number, last: number): string[] =>
  Array.from({ length: last - first + 1 }, (_, at) => `s${first + at}`);

test.each([
  { why: "a directory that was never seen", known: null, listed: ["s1"], kept: ["s1"] },
  { why: "the same start again", known: record(["s1"]), listed: ["s1"], kept: ["s1"] },
  { why: "the next start", known: record(["s1"]), listed: ["s1", "s2"], kept: ["s1", "s2"] },
  { why: "starts between that the cluster never saw", known: record(["s1"]), listed: starts(1, 9), kept: starts(1, 9) },
  {
    why: "a full list whose window has moved past older starts",
    known: record(starts(1, 64)),
    listed: starts(2, 65),
    kept: starts(2, 65),
  },
  {
    why: "a list full of starts that never reached the cluster",
    known: record(["s1"]),
    listed: starts(2, 65),
    kept: starts(2, 65),
  },
])("accepts $why", ({ known, listed, kept }) => {
  const verdict = judgeDirectory(known, proof(listed));
  expect(verdict).toMatchObject({ kind: "accepted", record: { bootIds: kept, brokerId: 1 } });
});

test.each([
  { why: "a list without the newest accepted start", known: record(["s1", "s2"]), listed: ["s1", "x1"] },
  { why: "a list that is new altogether, but not full", known: record(["s1"]), listed: starts(2, 64) },
  {
    why: "a full list that has an older accepted start and lacks the newest",
    known: record(starts(1, 64)),
    listed: [...starts(2, 63), "x1", "x2"],
  },
  { why: "a start that follows a refused one", known: record(["s1", "s2"], ["x1"]), listed: ["s1", "x1", "x2"] },
])("refuses as rolled back, and remembers it: $why", ({ known, listed }) => {
  const verdict = judgeDirectory(known, proof(listed));
  expect(verdict).toMatchObject({ kind: "refused", refusal: { code: "DATA_DIR_UNUSABLE" } });
  expect(verdict.record?.refusedBootIds.at(-1)).toBe(listed.at(-1));
  expect(verdict.record?.bootIds).toEqual(known.bootIds);
});

test("a rolled-back disk stays refused after 64 further starts, as long as it keeps asking", () => {
  const good = starts(1, 3);
  let known = record(good);
  let listed = starts(1, 2);
  for (let start = 0; start < 200; start++) {
    listed = [...listed, `x${start}`].slice(-64);
    const verdict = judgeDirectory(known, proof(listed));
    expect(verdict.kind, `start ${start}`).toBe("refused");
    known = verdict.record ?? known;
  }
  expect(judgeDirectory(known, proof([...good, "s4"])).kind).toBe("accepted");
});

test("a late command of an earlier start is refused and condemns nobody", () => {
  const known = record(["s1", "s2"]);
  const verdict = judgeDirectory(known, proof(["s1"]));
  expect(verdict).toMatchObject({ kind: "refused", refusal: { code: "INVALID_ARGUMENT" }, record: null });
  expect(judgeDirectory(known, proof(["s1", "s2", "s3"])).kind).toBe("accepted");
});

test("a directory that was started under another broker id is refused and stays with its owner", () => {
  const known = record(["s1"]);
  const verdict = judgeDirectory(known, proof(["s1", "s2"], 2));
  expect(verdict).toMatchObject({ kind: "refused", record: null, refusal: { details: { ownerBrokerId: 1 } } });
});
