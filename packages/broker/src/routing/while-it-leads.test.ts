import { onAbort } from "@varve/base";
import { expect, test } from "vitest";
import { LeaderTable } from "./leader-table.js";
import { LeaderReplaced, whileItLeads } from "./while-it-leads.js";

const GROUP = 4;
const LEADER = { broker: 1, term: 5 };

/** A call that nobody answers: it ends only when it is told to. */
function unanswered(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => void onAbort(signal, () => reject(new Error("ended"))));
}

test.each([
  { what: "another broker in a later term", broker: 2, term: 6, ends: true },
  { what: "another broker in an earlier term", broker: 2, term: 4, ends: false },
  { what: "the same broker in a later term", broker: 1, term: 6, ends: false },
])("a call to a leader, when the word is that it is $what: ended $ends", async ({ broker, term, ends }) => {
  const leaders = new LeaderTable();
  const caller = new AbortController();
  const call = whileItLeads(leaders, GROUP, LEADER, caller.signal, unanswered).catch((error: unknown) => error);
  leaders.note(GROUP, broker, term);
  if (!ends) caller.abort();
  const error = await call;
  if (ends) expect(error).toMatchObject({ newer: { broker, term } });
  else expect(error).not.toBeInstanceOf(LeaderReplaced);
});

test("a call begins at once, and an answer in time counts, whoever leads then", async () => {
  const leaders = new LeaderTable();
  let hasBegun = false;
  const answer = whileItLeads(leaders, GROUP, LEADER, new AbortController().signal, () => {
    hasBegun = true;
    return Promise.resolve("answer");
  });
  expect(hasBegun).toBe(true);
  expect(await answer).toBe("answer");
  leaders.note(GROUP, 2, 6);
});

test("a call whose caller is gone before it begins is told so", async () => {
  const seen = await whileItLeads(new LeaderTable(), GROUP, LEADER, AbortSignal.abort("gone"), (signal) =>
    Promise.resolve([signal.aborted, signal.reason]),
  );
  expect(seen).toEqual([true, "gone"]);
});
