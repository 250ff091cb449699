/** good.ts: histories that look suspicious and break nothing: each must pass every check. */
import { record, type Script } from "../script.js";

/** A history that every check must pass. */
export interface GoodCase {
  readonly why: string;
  readonly write: (script: Script) => void;
}

const GROUP = { group: "g" };

function latest(h: Script, offset: number): void {
  h.did("l", "listOffsets", { topic: "o", at: "latest" }, { offsets: [{ partition: 0, offset }] });
}

function commit(h: Script, proc: string, offset: number, memberEpoch: number): void {
  h.did(proc, "commit", { ...GROUP, topic: "o", partition: 0, offset, memberEpoch });
}

function fetch(h: Script, offset: number | null): void {
  const offsets = [{ topic: "o", partition: 0, offset }];
  h.did("f", "fetchOffsets", GROUP, { offsets });
}

const LOGS: readonly GoodCase[] = [
  { why: "nothing happens", write: () => {} },
  {
    why: "records are sent, read by two readers, and held by three replicas",
    write: (h) => {
      const values = ["p:1", "q:1", "p:2"];
      for (const [offset, value] of values.entries()) h.send(value, offset);
      latest(h, 3);
      for (const reader of ["r", "s"])
        h.poll(
          reader,
          values.map((value, offset) => record(offset, value)),
        );
      for (const broker of [1, 2, 3]) h.final(broker, values);
    },
  },
  {
    why: "a send of unknown end is there after all, another is not",
    write: (h) => {
      h.unknown("p:1", "c1");
      h.unknown("p:2", "c2");
      h.poll("r", [record(0, "p:1")]);
      for (const broker of [1, 2]) h.final(broker, ["p:1"]);
    },
  },
  {
    why: "an unknown send takes effect behind one that began later",
    write: (h) => {
      h.unknown("p:1", "c1");
      h.send("q:1", 0);
      h.final(1, ["q:1", "p:1"]);
    },
  },
  {
    why: "a repeated send is acknowledged with the offset that it had",
    write: (h) => {
      h.unknown("p:1", "c1");
      h.send("p:2", 1, { proc: "c2" });
      h.send("p:1", 0, { proc: "c2" });
      h.send("p:1", 0, { proc: "c3" });
      h.final(1, ["p:1", "p:2"]);
    },
  },
  {
    why: "a refused send is sent again, behind later ones of its producer",
    write: (h) => {
      h.refused("p:1");
      h.send("p:2", 0);
      h.send("p:1", 1);
      h.final(1, ["p:2", "p:1"]);
    },
  },
  {
    why: "refused and unknown sends leave gaps in their producer's count",
    write: (h) => {
      h.send("p:1", 0);
      h.refused("p:2");
      h.unknown("p:3", "c3");
      h.send("p:4", 1);
      h.final(1, ["p:1", "p:4"]);
    },
  },
  {
    why: "sends of one leader acknowledged alone are gone, and others have their offsets",
    write: (h) => {
      h.send("p:1", 0, { acks: "leader" });
      h.send("p:2", 1, { acks: "leader" });
      h.send("q:1", 0, { epoch: 2 });
      h.send("q:2", -1, { acks: "none" });
      h.final(1, ["q:1"]);
    },
  },
  {
    why: "sends that are under way together take effect in any order",
    write: (h) => {
      for (const proc of ["a", "b"]) h.beginSend(`${proc}:1`, { proc });
      h.acked(1, { proc: "a" });
      h.acked(0, { proc: "b" });
      latest(h, 2);
    },
  },
  {
    why: "latest is asked while a send is under way, and answers either",
    write: (h) => {
      h.beginSend("p:1");
      latest(h, 0);
      latest(h, 1);
      h.acked(0);
    },
  },
  {
    why: "records have no key, are in several topics, and values have no producer",
    write: (h) => {
      h.send("alone", 0, { key: null });
      h.send("alone too", 0, { topic: "other", key: "" });
      h.final(1, ["alone"], { key: null });
      h.final(1, ["alone too"], { topic: "other", key: "" });
      h.final(1, [], { topic: "empty", partition: 7 });
    },
  },
  {
    why: "retention took the start of the log before anybody read it",
    write: (h) => {
      for (const offset of [0, 1, 2]) h.send(`p:${offset}`, offset);
      h.assign("r", 0);
      h.poll("r", [record(2, "p:2")]);
      h.final(1, ["p:2"], { logStart: 2 });
      h.final(2, ["p:1", "p:2"], { logStart: 1 });
      h.final(3, [], { logStart: 3 });
    },
  },
];

const READERS: readonly GoodCase[] = [
  {
    why: "a poll after an assignment jumps back, and another one ahead",
    write: (h) => {
      for (const offset of [0, 1, 2, 3]) h.send(`p:${offset}`, offset);
      h.assign("r", 0);
      h.poll("r", [record(0, "p:0"), record(1, "p:1")]);
      h.assign("r", 0);
      h.poll("r", [record(0, "p:0")]);
      h.assign("r", 2);
      h.poll("r", [record(2, "p:2"), record(3, "p:3")]);
    },
  },
  {
    why: "a reader was told that records are gone, and goes on behind them",
    write: (h) => {
      h.poll("r", []);
      for (const offset of [0, 1, 2]) h.send(`p:${offset}`, offset);
      h.poll("r", [record(0, "p:0")]);
      h.begin("r", "poll", { topics: ["o"] });
      h.event("r", "fail", "poll", { err: "OFFSET_OUT_OF_RANGE" });
      h.poll("r", [record(2, "p:2")]);
      h.final(1, ["p:2"], { logStart: 2 });
    },
  },
  {
    why: "partitions are read at their own pace, by several readers, from any start",
    write: (h) => {
      for (const partition of [0, 1]) for (const at of [0, 1]) h.send(`p:${partition}${at}`, at, { partition });
      h.poll("r", [record(0, "p:10", { partition: 1 }), record(0, "p:00"), record(1, "p:11", { partition: 1 })]);
      h.poll("r", [record(1, "p:01")]);
      h.poll("s", [record(1, "p:01")]);
    },
  },
  {
    why: "a record is acknowledged after the last poll began: it is delayed, not unseen",
    write: (h) => {
      h.send("p:1", 0);
      h.begin("r", "poll", { topics: ["o"] });
      h.send("p:2", 1);
      h.ok("r", "poll", { records: [record(0, "p:1")] });
      h.final(1, ["p:1", "p:2"]);
    },
  },
  {
    why: "a reader lags, and a handler that has no poll in the history sees the rest",
    write: (h) => {
      h.send("p:1", 0);
      h.poll("r", []);
      h.ok("w", "process", { ...GROUP, topic: "o", partition: 0, offset: 0, value: "p:1" });
    },
  },
];

const GROUPS: readonly GoodCase[] = [
  {
    why: "a group hands a partition over; what was in work is done twice",
    write: (h) => {
      for (const offset of [0, 1]) h.send(`p:${offset}`, offset);
      h.assign("a", 0, { epoch: 1 }, GROUP);
      h.poll("a", [record(0, "p:0"), record(1, "p:1")], GROUP);
      h.ok("a", "process", { ...GROUP, topic: "o", partition: 0, offset: 0, value: "p:0" });
      commit(h, "a", 1, 1);
      h.ok("a", "process", { ...GROUP, topic: "o", partition: 0, offset: 1, value: "p:1" });
      h.assign("b", 1, { epoch: 2 }, GROUP);
      h.poll("b", [record(1, "p:1")], GROUP);
      h.ok("b", "process", { ...GROUP, topic: "o", partition: 0, offset: 1, value: "p:1" });
      h.begin("a", "commit", { ...GROUP, topic: "o", partition: 0, offset: 2, memberEpoch: 1 });
      h.event("a", "fail", "commit", { err: "STALE_ASSIGNMENT" });
      fetch(h, 1);
      commit(h, "b", 2, 2);
      fetch(h, 2);
    },
  },
  {
    why: "a group began at the end of the log, so what was before is not its work",
    write: (h) => {
      h.send("p:0", 0);
      h.assign("a", 1, { epoch: 1 }, GROUP);
      h.send("p:1", 1);
      h.poll("a", [record(1, "p:1")], GROUP);
      h.ok("a", "process", { ...GROUP, topic: "o", partition: 0, offset: 1, value: "p:1" });
    },
  },
  {
    why: "groups poll, and no handler is recorded",
    write: (h) => {
      h.send("p:0", 0);
      h.poll("a", [record(0, "p:0")], GROUP);
    },
  },
  {
    why: "a commit of unknown end takes effect late, or never",
    write: (h) => {
      commit(h, "a", 5, 1);
      h.begin("a", "commit", { ...GROUP, topic: "o", partition: 0, offset: 8, memberEpoch: 1 });
      h.event("a", "info", "commit", { err: "TIMEOUT" });
      fetch(h, 5);
      h.assign("a2", 5, { epoch: 1 }, GROUP);
      commit(h, "a2", 7, 1);
      fetch(h, 7);
      fetch(h, 8);
    },
  },
  {
    why: "a commit that moves back is the owner's right",
    write: (h) => {
      commit(h, "a", 9, 1);
      commit(h, "a", 4, 1);
      fetch(h, 4);
    },
  },
  {
    why: "commits that are under way together leave either",
    write: (h) => {
      for (const [proc, offset] of Object.entries({ a: 4, b: 6 }))
        h.begin(proc, "commit", { ...GROUP, topic: "o", partition: 0, offset, memberEpoch: 1 });
      h.ok("b", "commit");
      h.ok("a", "commit");
      fetch(h, 6);
      fetch(h, 6);
    },
  },
  {
    why: "a group had committed before the history began",
    write: (h) => {
      fetch(h, 40);
      h.assign("a", 40, { epoch: 7 }, GROUP);
      commit(h, "a", 41, 7);
      fetch(h, 41);
    },
  },
  {
    why: "a seek that the history does not name moves a group back",
    write: (h) => {
      commit(h, "a", 9, 1);
      h.assign("a", 2, { epoch: 2 }, GROUP);
      fetch(h, 2);
      commit(h, "a", 3, 2);
      fetch(h, 3);
    },
  },
  {
    why: "a named seek moves a group back, and one of unknown end may",
    write: (h) => {
      commit(h, "a", 9, 1);
      h.did("admin", "seek", { ...GROUP, topic: "o" }, { offsets: [{ partition: 0, offset: 2 }] });
      fetch(h, 2);
      h.assign("a", 2, { epoch: 2 }, GROUP);
      h.begin("admin", "seek", { ...GROUP, topic: "o" });
      h.event("admin", "info", "seek", { err: "TIMEOUT" });
      fetch(h, 2);
      fetch(h, 5);
    },
  },
  {
    why: "a group that names no commits goes on from where a seek moved it back to",
    write: (h) => {
      fetch(h, 9);
      h.did("admin", "seek", { ...GROUP, topic: "o" }, { offsets: [{ partition: 0, offset: 2 }] });
      h.assign("a", 2, { epoch: 2 }, GROUP);
      fetch(h, 5);
      h.did("admin", "seek", { ...GROUP, topic: "o" }, { offsets: [{ partition: 0, offset: 1 }] });
      fetch(h, 1);
      fetch(h, 3);
    },
  },
  {
    why: "a group of named commits and seeks was told that nothing is committed, and begins at the start",
    write: (h) => {
      h.did("asker", "fetchOffsets", GROUP, { offsets: [{ topic: "o", partition: 0, offset: null }] });
      h.assign("m", 0, { topic: "o", partition: 0, epoch: 1 }, GROUP);
      h.did("m", "commit", { ...GROUP, topic: "o", partition: 0, offset: 3, memberEpoch: 1 });
      h.did("admin", "seek", { ...GROUP, topic: "o" }, { offsets: [{ partition: 0, offset: 2 }] });
      h.assign("m", 2, { topic: "o", partition: 0, epoch: 2 }, GROUP);
    },
  },
  {
    why: "a member that was frozen hears of its assignment when others have had the partition, and committed",
    write: (h) => {
      commit(h, "a", 5, 1);
      fetch(h, 5);
      h.assign("b", 5, { epoch: 3 }, GROUP);
      commit(h, "b", 9, 3);
      fetch(h, 9);
      h.assign("z", 5, { epoch: 2 }, GROUP);
      fetch(h, 9);
    },
  },
  {
    why: "a member that was frozen hears of its assignment, and then of the seek that came after it",
    write: (h) => {
      commit(h, "a", 5, 1);
      fetch(h, 5);
      h.did("admin", "seek", { ...GROUP, topic: "o" }, { offsets: [{ partition: 0, offset: 2 }] });
      fetch(h, 2);
      h.assign("z", 5, { epoch: 2 }, GROUP);
      h.assign("z", 2, { epoch: 3 }, GROUP);
    },
  },
  {
    why: "nobody has committed anything yet",
    write: (h) => {
      h.did("admin", "createTopic", { topic: "o" }, { topicId: "id" });
      fetch(h, null);
      fetch(h, -1);
      h.assign("a", 3, { epoch: 1 }, GROUP);
    },
  },
  {
    why: "readers without a group are assigned what they like",
    write: (h) => {
      for (const reader of ["r", "s"]) h.assign(reader, 0, { epoch: 1 });
    },
  },
];

const CLUSTERS: readonly GoodCase[] = [
  {
    why: "a topic is deleted and made again: its offsets begin anew, and nothing of it is missed",
    write: (h) => {
      h.did("admin", "createTopic", { topic: "o" }, { topicId: "id-1" });
      h.send("p:1", 0);
      h.send("p:2", 1);
      h.poll("r", [record(0, "p:1")]);
      h.did("c", "commit", { ...GROUP, topic: "o", partition: 0, offset: 1, memberEpoch: 1 });
      h.did("admin", "deleteTopic", { topic: "o" }, { topicId: "id-1" });
      h.did("admin", "createTopic", { topic: "o" }, { topicId: "id-2" });
      latest(h, 0);
      fetch(h, null);
      h.send("p:3", 0, { epoch: 1 });
      h.poll("r", [record(0, "p:3")]);
      for (const broker of [1, 2]) h.final(broker, ["p:3"]);
    },
  },
  {
    why: "a deletion of unknown end: the topic may be there or not",
    write: (h) => {
      h.send("p:1", 0);
      h.begin("admin", "deleteTopic", { topic: "o" });
      h.event("admin", "info", "deleteTopic", { err: "TIMEOUT" });
      h.send("p:2", 0);
      h.poll("r", [record(0, "p:2")]);
      h.final(1, ["p:2"]);
    },
  },
  {
    why: "a reader goes on when its topic is made anew, after a time in which nobody knew in which life it was",
    write: (h) => {
      h.did("admin", "createTopic", { topic: "o" }, { topicId: "id-1" });
      h.begin("admin", "deleteTopic", { topic: "o" });
      h.event("admin", "info", "deleteTopic", { err: "TIMEOUT" });
      h.send("p:1", 0);
      h.send("p:2", 1);
      h.poll("r", [record(0, "p:1"), record(1, "p:2")]);
      h.did("admin2", "deleteTopic", { topic: "o" }, { topicId: null });
      h.did("admin2", "createTopic", { topic: "o" }, { topicId: "id-2" });
      h.send("p:3", 0);
      h.poll("r", [record(0, "p:3")]);
      h.final(1, ["p:3"]);
    },
  },
  {
    why: "a poll that was under way while its topic was deleted returns what it had",
    write: (h) => {
      h.send("p:1", 0);
      h.begin("r", "poll", { topics: ["o"] });
      h.did("admin", "deleteTopic", { topic: "o" }, { topicId: "id-1" });
      h.ok("r", "poll", { records: [record(0, "p:1")] });
    },
  },
  {
    why: "a deletion was refused, so everything is still there",
    write: (h) => {
      h.send("p:1", 0);
      h.begin("admin", "deleteTopic", { topic: "o" });
      h.event("admin", "fail", "deleteTopic", { err: "NOT_LEADER" });
      h.poll("r", [record(0, "p:1")]);
      h.final(1, ["p:1"]);
    },
  },
  {
    why: "a topic that exists is made again with ifNotExists",
    write: (h) => {
      for (const proc of ["a", "b"]) h.did(proc, "createTopic", { topic: "o" }, { topicId: "id-1" });
      h.send("p:1", 0);
      h.did("a", "createTopic", { topic: "o" }, { topicId: "id-1" });
      h.poll("r", [record(0, "p:1")]);
    },
  },
  {
    why: "a killed leader is replaced within 5 s, and again after the broker is back",
    write: (h) => {
      h.send("p:1", 0);
      h.begin("nemesis", "nemesis", { name: "kill", target: 1 });
      h.beginSend("p:2");
      h.wait(4_000);
      h.acked(1, { epoch: 2 });
      h.wait(20_000);
      h.ok("nemesis", "nemesis");
      h.send("p:3", 2, { epoch: 3 });
    },
  },
  {
    why: "without a majority nothing is acknowledged until 5 s after it is back",
    write: (h) => {
      h.send("p:1", 0);
      h.begin("nemesis", "nemesis", { name: "kill-all", target: [1, 2, 3] });
      h.unknown("p:2", "c2");
      h.beginSend("p:3");
      h.wait(60_000);
      h.ok("nemesis", "nemesis");
      h.wait(4_000);
      h.acked(1, { epoch: 2 });
    },
  },
  {
    why: "nobody sends for an hour",
    write: (h) => {
      h.send("p:1", 0);
      h.wait(3_600_000);
      h.send("p:2", 1);
    },
  },
  {
    why: "sends that can never succeed are refused for long",
    write: (h) => {
      h.send("p:1", 0);
      for (let at = 0; at < 20; at++) {
        h.wait(900);
        h.refused(`q:${at}`, "RECORD_TOO_LARGE");
      }
    },
  },
  {
    why: "leaders change as often as faults explain, and three times more",
    write: (h) => {
      for (let epoch = 1; epoch <= 8; epoch++) {
        h.send(`p:${epoch}`, epoch - 1, { epoch });
        if (epoch <= 1) h.did("nemesis", "nemesis", { name: "kill", target: 1 });
      }
    },
  },
  {
    why: "three leader changes in each of many minutes",
    write: (h) => {
      for (let epoch = 1; epoch <= 30; epoch++) h.wait(21_000).send(`p:${epoch}`, epoch - 1, { epoch });
    },
  },
  {
    why: "other tools add operations, announcements and fields of their own",
    write: (h) => {
      h.did("x", "subscribe", { topics: ["o"] }, { surprising: true });
      h.ok("x", "rss", { mib: 80 });
      h.did(
        "c",
        "send",
        { topic: "o", key: null, value: "p:1", more: 1 },
        { partition: 0, offset: 0, epoch: 1, ms: 3 },
      );
    },
  },
];

export const GOOD: readonly GoodCase[] = [...LOGS, ...READERS, ...GROUPS, ...CLUSTERS];
