/** bad-groups.ts: histories in which groups go wrong: K7 to K9. */
import { type Rest, record, type Script } from "../script.js";
import type { BadCase } from "./bad-case.js";

const GROUP = { group: "g" };

/** Partition 0 of `o` is given to a member; the number of the ok. */
function give(h: Script, proc: string, epoch: number, startOffset = 0): number {
  return h.assign(proc, startOffset, { epoch }, GROUP);
}

function beginCommit(h: Script, proc: string, offset: number, memberEpoch: number): void {
  h.begin(proc, "commit", { ...GROUP, topic: "o", partition: 0, offset, memberEpoch });
}

/** The number of the ok. */
function commit(h: Script, proc: string, offset: number, memberEpoch = 1): number {
  beginCommit(h, proc, offset, memberEpoch);
  return h.ok(proc, "commit");
}

/** The number of the fail. */
function refusedCommit(h: Script, proc: string, offset: number, memberEpoch: number, err: string): number {
  beginCommit(h, proc, offset, memberEpoch);
  return h.event(proc, "fail", "commit", { err });
}

/** What the group is told; null: it is not named. The number of the ok. */
function fetch(h: Script, offset: number | null): number {
  const offsets = offset === null ? [] : [{ topic: "o", partition: 0, offset }];
  return h.did("f", "fetchOffsets", GROUP, { offsets });
}

function finish(h: Script, offset: number, value: string, rest: Rest = {}): number {
  return h.ok("w", "process", { ...GROUP, topic: "o", partition: 0, offset, value, ...rest });
}

export const BAD_GROUPS: readonly BadCase[] = [
  {
    check: "K7",
    why: "a member died with a record in work, and nobody took it over",
    write: (h) => {
      h.send("p:1", 0);
      const owed = h.send("p:2", 1);
      h.poll("w", [record(0, "p:1"), record(1, "p:2")], GROUP);
      finish(h, 0, "p:1");
      return [owed];
    },
  },
  {
    check: "K7",
    why: "one group finished it, the other did not",
    write: (h) => {
      h.send("p:1", 0);
      const owed = h.send("p:2", 1);
      finish(h, 0, "p:1");
      finish(h, 1, "p:2");
      finish(h, 0, "p:1", { group: "h" });
      return [owed];
    },
  },
  {
    check: "K7",
    why: "one group finishes, the other only polls",
    write: (h) => {
      const owed = h.send("p:1", 0);
      finish(h, 0, "p:1");
      h.poll("v", [record(0, "p:1")], { group: "h" });
      return [owed];
    },
  },
  {
    check: "K7",
    why: "a partition was never worked on",
    write: (h) => {
      h.send("p:1", 0);
      const owed = h.send("p:2", 0, { partition: 1 });
      finish(h, 0, "p:1");
      return [owed];
    },
  },
  {
    check: "K8",
    why: "two members own a partition at one epoch",
    write: (h) => [give(h, "a", 3), give(h, "b", 3)],
  },
  {
    check: "K8",
    why: "a zombie's commit is acknowledged",
    write: (h) => {
      give(h, "a", 1);
      const given = give(h, "b", 2);
      return [given, commit(h, "a", 5, 1)];
    },
  },
  {
    check: "K8",
    why: "a member commits what it owned before, under its new epoch",
    write: (h) => {
      give(h, "a", 1);
      const given = give(h, "b", 2);
      return [given, commit(h, "a", 5, 3)];
    },
  },
  {
    check: "K8",
    why: "a member commits with an epoch older than its assignment",
    write: (h) => [give(h, "a", 2), commit(h, "a", 5, 1)],
  },
  {
    check: "K8",
    why: "a member commits a partition that only another was given",
    write: (h) => {
      const given = give(h, "a", 1);
      h.assign("b", 0, { epoch: 1, partition: 1 }, GROUP);
      return [given, commit(h, "b", 5, 1)];
    },
  },
  {
    check: "K8",
    why: "a fenced commit took effect",
    also: ["K9"],
    write: (h) => {
      give(h, "a", 1);
      give(h, "b", 2);
      commit(h, "b", 10, 2);
      const refused = refusedCommit(h, "a", 5, 1, "FENCED_MEMBER");
      return [refused, fetch(h, 5)];
    },
  },
  {
    check: "K8",
    why: "a fenced commit is where the next owner starts",
    also: ["K9"],
    write: (h) => {
      give(h, "a", 1);
      give(h, "b", 2);
      commit(h, "b", 10, 2);
      const refused = refusedCommit(h, "a", 5, 1, "STALE_ASSIGNMENT");
      return [refused, give(h, "c", 3, 5)];
    },
  },
  {
    check: "K9",
    why: "an older commit is back",
    write: (h) => {
      commit(h, "a", 5);
      const newer = commit(h, "a", 10);
      return [newer, fetch(h, 5)];
    },
  },
  {
    check: "K9",
    why: "a commit is gone",
    write: (h) => [commit(h, "a", 5), fetch(h, null)],
  },
  {
    check: "K9",
    why: "an offset nobody committed is told",
    write: (h) => [commit(h, "a", 5), fetch(h, 7)],
  },
  {
    check: "K9",
    why: "a commit that was refused for another reason is there",
    write: (h) => {
      commit(h, "a", 5);
      return [refusedCommit(h, "a", 9, 1, "BROKER_OVERLOADED"), fetch(h, 9)];
    },
  },
  {
    check: "K9",
    why: "of two questions the later one is told the older commit, and one wrong answer is blamed once",
    write: (h) => {
      commit(h, "a", 5);
      beginCommit(h, "a", 10, 1);
      const told = fetch(h, 10);
      h.ok("a", "commit");
      const back = fetch(h, 5);
      fetch(h, 10);
      return [told, back];
    },
  },
  {
    check: "K9",
    why: "without commits in the history, an offset goes back",
    write: (h) => {
      fetch(h, 5);
      fetch(h, 10);
      return [fetch(h, 5)];
    },
  },
  {
    check: "K9",
    why: "without commits in the history, an offset goes back after a seek to it",
    write: (h) => {
      fetch(h, 9);
      h.did("admin", "seek", { ...GROUP, topic: "o", partition: 0 }, { offsets: [{ partition: 0, offset: 2 }] });
      fetch(h, 2);
      fetch(h, 5);
      return [fetch(h, 2)];
    },
  },
  {
    check: "K9",
    why: "a new owner starts below the last commit though the history names seeks",
    write: (h) => {
      commit(h, "z", 4);
      h.did("admin", "seek", { ...GROUP, topic: "o", partition: 0 }, { offsets: [{ partition: 0, offset: 3 }] });
      give(h, "a", 1, 3);
      const committed = commit(h, "a", 10);
      return [committed, give(h, "b", 2, 0)];
    },
  },
];
