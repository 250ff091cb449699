/** member-watch.test.ts: who waits for news is woken by news, by time, by the end, and by nothing else. */
import { SimClock } from "@varve/base/testing";
import { expect, test } from "vitest";
import { MemberWatch } from "./member-watch.js";

function setUp() {
  const clock = new SimClock();
  const watch = new MemberWatch(clock);
  const ended: string[] = [];
  const wait = (group: string, memberId: string, hasNews: () => boolean, signal = new AbortController().signal) =>
    watch.wait({ group, memberId }, 1_000, signal, hasNews).then(() => void ended.push(`${group}/${memberId}`));
  return { clock, watch, ended, wait };
}

test("a change of the group wakes those for whom it is news", async () => {
  const { watch, ended, wait, clock } = setUp();
  let news = false;
  wait("g", "one", () => news).catch(() => {});
  wait("g", "two", () => false).catch(() => {});
  wait("other", "one", () => news).catch(() => {});
  news = true;
  watch.groupChanged("g");
  await clock.runUntil(10);
  expect(ended).toEqual(["g/one"]);
});

test("news that is there already is not waited for", async () => {
  const { ended, wait } = setUp();
  await wait("g", "m", () => true);
  expect(ended).toEqual(["g/m"]);
});

test("a wait ends with its time, its signal, a later wait of the same member, or the watch", async () => {
  const { clock, watch, ended, wait } = setUp();
  const never = (): boolean => false;
  wait("g", "late", never).catch(() => {});
  await clock.runUntil(1_001);
  expect(ended.splice(0)).toEqual(["g/late"]);
  const controller = new AbortController();
  wait("g", "aborted", never, controller.signal).catch(() => {});
  controller.abort();
  await clock.runUntil(1_002);
  expect(ended.splice(0)).toEqual(["g/aborted"]);
  wait("g", "twice", never).catch(() => {});
  wait("g", "twice", never).catch(() => {});
  await clock.runUntil(1_003);
  expect(ended.splice(0)).toEqual(["g/twice"]);
  watch.close();
  await clock.runUntil(1_004);
  expect(ended.splice(0)).toEqual(["g/twice"]);
  await wait("g", "after", never);
});
