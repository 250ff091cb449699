import type { GroupId } from "@varve/base";
import { describe, expect, test } from "vitest";
import { CatchUp, type LeaderSays, type ReplicaHere } from "./catch-up.js";

const follower = (groupId: GroupId, given: Partial<ReplicaHere> = {}): ReplicaHere => ({
  groupId,
  replicaId: 10 * groupId,
  isServing: false,
  term: 3,
  appliedIndex: 0,
  ...given,
});
const says = (groupId: GroupId, given: Partial<LeaderSays> = {}): LeaderSays => ({
  groupId,
  epoch: 3,
  inSync: [],
  commit: 100,
  ...given,
});
const byGroup = (...replicas: ReplicaHere[]) => new Map(replicas.map((replica) => [replica.groupId, replica]));

describe("a broker has caught up", () => {
  test("at once when nothing is wanted here, and not before it has looked", () => {
    const catchUp = new CatchUp();
    expect([catchUp.isOver, catchUp.behind]).toEqual([false, null]);
    expect(catchUp.look([], 0)).toEqual([]);
    expect([catchUp.isOver, catchUp.behind]).toEqual([true, 0]);
  });

  test("where it leads and serves, without asking", () => {
    const catchUp = new CatchUp();
    expect(catchUp.look([follower(1, { isServing: true })], 0)).toEqual([]);
    expect(catchUp.isOver).toBe(true);
  });

  test("when what the leader had committed is applied here, however much has been committed since", () => {
    const catchUp = new CatchUp();
    expect(catchUp.look([follower(1)], 0)).toEqual([1]);
    catchUp.heard(byGroup(follower(1)), [says(1)]);
    expect(catchUp.look([follower(1, { appliedIndex: 99 })], 0)).toEqual([]);
    expect([catchUp.isOver, catchUp.behind]).toEqual([false, 1]);
    catchUp.look([follower(1, { appliedIndex: 100 })], 0);
    expect(catchUp.isOver).toBe(true);
  });

  test("when the leader counts the replica as complete, as one of an earlier version only does", () => {
    const catchUp = new CatchUp();
    catchUp.heard(byGroup(follower(1)), [says(1, { inSync: [10], commit: null })]);
    catchUp.look([follower(1)], 0);
    expect(catchUp.isOver).toBe(true);
  });

  test("not while a leader answers that is of an earlier term (C3)", () => {
    const catchUp = new CatchUp();
    catchUp.heard(byGroup(follower(1)), [says(1, { epoch: 2, inSync: [10], commit: 0 })]);
    expect(catchUp.look([follower(1)], 0)).toEqual([1]);
    expect(catchUp.isOver).toBe(false);
  });

  test("not while a replica is missing or damaged", () => {
    const catchUp = new CatchUp();
    catchUp.look([follower(1, { isServing: true })], 1);
    expect([catchUp.isOver, catchUp.behind]).toEqual([false, 1]);
  });

  test("replica by replica: who led once need not lead at the end", () => {
    const catchUp = new CatchUp();
    catchUp.look([follower(1, { isServing: true }), follower(2)], 0);
    catchUp.look([follower(1), follower(2, { isServing: true })], 0);
    expect(catchUp.isOver).toBe(true);
  });

  test("not by what the replica before it had caught up with (C2)", () => {
    const catchUp = new CatchUp();
    catchUp.look([follower(1, { isServing: true }), follower(2)], 0);
    catchUp.look([follower(1, { replicaId: 77 }), follower(2, { isServing: true })], 0);
    expect([catchUp.isOver, catchUp.behind]).toEqual([false, 1]);
  });

  test("for good: neither a lost leader nor a replica that is made later undoes it (C1)", () => {
    const catchUp = new CatchUp();
    catchUp.look([follower(1, { isServing: true })], 0);
    expect(catchUp.look([follower(1), follower(2)], 5)).toEqual([]);
    expect([catchUp.isOver, catchUp.behind]).toEqual([true, 0]);
  });
});
