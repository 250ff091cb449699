/** ledger.test.ts: the ledger notices each way in which a log may disagree with what a producer said. */
import { expect, test } from "vitest";
import { isTrue, Ledger } from "./ledger.js";

/** Records 0 and 1 acknowledged, 2 NOT_APPLIED, 3 UNKNOWN, 4 open. */
function ledger(): Ledger {
  const made = new Ledger(5);
  for (let record = 0; record < 5; record++) expect(made.begin()).toBe(record);
  made.acknowledged(0, 1, 10);
  made.acknowledged(1, 1, 11);
  made.failed(2, "NOT_APPLIED");
  made.failed(3, "UNKNOWN");
  return made;
}

test("counts sends by what became of them", () => {
  expect(ledger().counts).toEqual({ sent: 5, acknowledged: 2, notApplied: 1, unknown: 1, open: 1 });
});

test.each([
  { why: "what was said, with the unknown record", log: [0, 1, 3], holds: true },
  { why: "what was said, without the unknown record", log: [0, 1], holds: true },
  { why: "an acknowledged record is missing", log: [0], holds: false, breach: { missing: 1 } },
  { why: "a record that was NOT_APPLIED is there", log: [0, 1, 2], holds: false, breach: { notAppliedPresent: 1 } },
  { why: "a record is there twice", log: [0, 1, 3, 3], holds: false, breach: { repeated: 1 } },
  { why: "a record was never sent", log: [0, 1, 9], holds: false, breach: { strangers: 1 } },
  { why: "a record is where it should not be", log: [0, 3, 1], holds: false, breach: { misplaced: 1 } },
  { why: "records changed places", log: [1, 0], holds: false, breach: { outOfOrder: 1 } },
])("$why: $log", ({ log, holds, breach = {} }) => {
  const found = ledger();
  log.forEach((record, at) => {
    found.read(record, 1, 10 + at);
  });
  expect(isTrue(found.verdict())).toBe(holds);
  expect(found.verdict()).toMatchObject(breach);
});
