import { expect, test } from "vitest";
import { decodeLeaders, encodeLeaders, type LeaderEntry, LeaderTable } from "./leader-table.js";

type Step = (table: LeaderTable) => void;
const GROUP = 4;
const note =
  (broker: number, term: number): Step =>
  (table) =>
    table.note(GROUP, broker, term);
const drop =
  (term: number): Step =>
  (table) =>
    table.drop(GROUP, term);

test.each<{ what: string; steps: readonly Step[]; leader: { broker: number; term: number } | null }>([
  { what: "nothing was heard", steps: [], leader: null },
  { what: "a later term wins", steps: [note(1, 5), note(2, 6)], leader: { broker: 2, term: 6 } },
  {
    what: "an earlier term that arrives late is ignored",
    steps: [note(2, 6), note(1, 5)],
    leader: { broker: 2, term: 6 },
  },
  { what: "the news that a leader is gone drops it", steps: [note(1, 5), drop(5)], leader: null },
  { what: "news about an earlier leader drops nothing", steps: [note(2, 6), drop(5)], leader: { broker: 2, term: 6 } },
  {
    what: "a leader that is told again after a drop is back",
    steps: [note(1, 5), drop(5), note(1, 5)],
    leader: { broker: 1, term: 5 },
  },
  { what: "a broker that is gone leads nothing", steps: [note(1, 5), (table) => table.dropBroker(1)], leader: null },
  {
    what: "another broker's end changes nothing",
    steps: [note(1, 5), (table) => table.dropBroker(2)],
    leader: { broker: 1, term: 5 },
  },
  { what: "a group that is removed has no leader", steps: [note(1, 5), (table) => table.remove(GROUP)], leader: null },
  {
    what: "another group's leader is another matter",
    steps: [note(1, 5), (table) => table.note(9, 2, 8)],
    leader: { broker: 1, term: 5 },
  },
])("who leads: $what", ({ steps, leader }) => {
  const table = new LeaderTable();
  for (const step of steps) step(table);
  expect(table.get(GROUP)).toEqual(leader);
});

test("who watches a group hears every word about it that counts, until it has heard enough", () => {
  const table = new LeaderTable();
  const heard: LeaderEntry[] = [];
  const enough = table.watch(GROUP, (entry) => heard.push(entry));
  for (const step of [note(1, 5), note(2, 4), note(2, 6)]) step(table);
  table.note(9, 3, 7);
  enough();
  note(3, 7)(table);
  expect(heard).toEqual([
    { broker: 1, term: 5 },
    { broker: 2, term: 6 },
  ]);
});

test("an announcement comes back as it was, large numbers too", () => {
  const entries = [
    { groupId: 0, term: 1 },
    { groupId: Number.MAX_SAFE_INTEGER, term: 2 ** 31 - 1 },
  ];
  expect(decodeLeaders(encodeLeaders(1_700_000_000_123, entries))).toEqual({ wallMs: 1_700_000_000_123, entries });
  expect(decodeLeaders(encodeLeaders(5, []))).toEqual({ wallMs: 5, entries: [] });
});

test("of a spoiled announcement only whole pairs of whole numbers count", () => {
  const bytes = encodeLeaders(5, [
    { groupId: 1.5, term: 2 },
    { groupId: 3, term: Number.NaN },
    { groupId: 6, term: 7 },
    { groupId: 8, term: 9 },
  ]);
  expect(decodeLeaders(bytes.subarray(0, bytes.length - 1)).entries).toEqual([{ groupId: 6, term: 7 }]);
  expect(decodeLeaders(new Uint8Array(7))).toEqual({ wallMs: 0, entries: [] });
});
