/** bad-clusters.ts: histories in which topics, replicas, leaders or availability go wrong: K10 to K16. */
import { record, type Script } from "../script.js";
import type { BadCase } from "./bad-case.js";

function create(h: Script, topicId: string): void {
  h.did("admin", "createTopic", { topic: "o" }, { topicId });
}

function remove(h: Script, topicId: string): number {
  return h.did("admin", "deleteTopic", { topic: "o" }, { topicId });
}

export const BAD_CLUSTERS: readonly BadCase[] = [
  {
    check: "K10",
    why: "a record of the deleted topic is in the new one",
    write: (h) => {
      create(h, "id-1");
      const old = h.send("p:1", 0);
      remove(h, "id-1");
      create(h, "id-2");
      return [old, h.poll("r", [record(0, "p:1")])];
    },
  },
  {
    check: "K10",
    why: "a replica of the new topic holds a record of the old one",
    write: (h) => {
      create(h, "id-1");
      const old = h.send("p:1", 0);
      remove(h, "id-1");
      create(h, "id-2");
      return [old, h.final(1, ["p:1"])];
    },
  },
  {
    check: "K10",
    why: "a deleted topic is still read",
    write: (h) => {
      const old = h.send("p:1", 0);
      remove(h, "id-1");
      return [old, h.poll("r", [record(0, "p:1")])];
    },
  },
  {
    check: "K10",
    why: "a deleted topic still lists offsets",
    write: (h) => {
      const gone = remove(h, "id-1");
      return [
        gone,
        h.did("l", "listOffsets", { topic: "o", at: "latest" }, { offsets: [{ partition: 0, offset: 0 }] }),
      ];
    },
  },
  {
    check: "K10",
    why: "a topic that was made again lists the offsets of the old one",
    write: (h) => {
      create(h, "id-1");
      for (const offset of [0, 1, 2]) h.send(`p:${offset}`, offset);
      remove(h, "id-1");
      create(h, "id-2");
      h.beginSend("p:3");
      return [h.did("l", "listOffsets", { topic: "o", at: "latest" }, { offsets: [{ partition: 0, offset: 3 }] })];
    },
  },
  {
    check: "K10",
    why: "a deleted topic acknowledges a send",
    write: (h) => [remove(h, "id-1"), h.send("p:1", 0)],
  },
  {
    check: "K10",
    why: "a topic id is used again",
    write: (h) => {
      create(h, "id-1");
      remove(h, "id-1");
      create(h, "id-1");
      return [h.last];
    },
  },
  {
    check: "K11",
    why: "the end of the log is never returned though a reader keeps polling",
    write: (h) => {
      h.send("p:1", 0);
      const owed = h.send("p:2", 1);
      h.poll("r", [record(0, "p:1")]);
      h.poll("r", []);
      h.final(1, ["p:1", "p:2"]);
      return [owed];
    },
  },
  {
    check: "K11",
    why: "a reader never gets anything",
    write: (h) => {
      const owed = h.send("p:1", 0);
      h.poll("r", []);
      h.final(1, ["p:1"]);
      return [owed];
    },
  },
  {
    check: "K11",
    why: "an assigned partition is never returned",
    write: (h) => {
      const owed = h.send("p:1", 0);
      h.assign("r", 0);
      h.poll("r", []);
      return [owed];
    },
  },
  {
    check: "K12",
    why: "a reader gets what nobody sent",
    write: (h) => [h.poll("r", [record(0, "x:1")])],
  },
  {
    check: "K12",
    why: "a record has another key than it was sent with",
    write: (h) => {
      const begun = h.beginSend("p:1", { key: "a" });
      h.acked(0);
      return [begun, h.poll("r", [record(0, "p:1", { key: "b" })])];
    },
  },
  {
    check: "K12",
    why: "a record without a key came out with one",
    write: (h) => {
      const begun = h.beginSend("p:1", { key: null });
      h.acked(0);
      return [begun, h.final(1, ["p:1"], { key: "" })];
    },
  },
  {
    check: "K12",
    why: "a record is in a topic that it was not sent to",
    also: ["K6"],
    write: (h) => {
      const begun = h.beginSend("p:1");
      h.acked(0);
      return [begun, h.poll("r", [record(0, "p:1", { topic: "other" })])];
    },
  },
  {
    check: "K12",
    why: "a record has lost its value",
    write: (h) => [h.final(1, [null])],
  },
  {
    check: "K14",
    why: "a send waits too long and nothing is wrong",
    write: (h) => {
      const before = h.send("p:1", 0);
      const begun = h.beginSend("p:2");
      h.wait(6_000);
      return [before, begun, h.acked(1)];
    },
  },
  {
    check: "K14",
    why: "one broker was killed, and its partition does not come back in time",
    write: (h) => {
      h.send("p:1", 0);
      h.begin("nemesis", "nemesis", { name: "kill", target: 1 });
      const begun = h.beginSend("p:2");
      h.wait(8_000);
      const acked = h.acked(1, { epoch: 2 });
      h.ok("nemesis", "nemesis");
      return [begun, acked];
    },
  },
  {
    check: "K14",
    why: "only a consumer was killed",
    write: (h) => {
      h.send("p:1", 0);
      h.begin("nemesis", "nemesis", { name: "member-kill", target: "worker 7" });
      const begun = h.beginSend("p:2");
      h.wait(6_000);
      return [begun, h.acked(1)];
    },
  },
  {
    check: "K14",
    why: "a fault of any name takes one broker away",
    write: (h) => {
      h.send("p:1", 0);
      h.begin("nemesis", "nemesis", { name: "disk-fails", target: "broker 2" });
      const begun = h.beginSend("p:2");
      h.wait(6_000);
      return [begun, h.acked(1)];
    },
  },
  {
    check: "K14",
    why: "every send fails for long after the fault ended",
    write: (h) => {
      h.send("p:1", 0);
      h.begin("nemesis", "nemesis", { name: "partition", target: [[1], [2], [3]] });
      h.wait(20_000);
      h.ok("nemesis", "nemesis");
      const refused = Array.from({ length: 12 }, (_, at) => {
        h.wait(500);
        return h.refused(`p:${at + 2}`, "NOT_ENOUGH_REPLICAS");
      });
      return refused;
    },
  },
  {
    check: "K14",
    why: "clients try every few seconds, in vain",
    write: (h) => {
      h.send("p:1", 0);
      return [2, 3, 4, 5].map((at) => {
        h.wait(3_000);
        return h.unknown(`p:${at}`, `c${at}`);
      });
    },
  },
  {
    check: "K14",
    why: "a partition never answers again",
    write: (h) => {
      h.send("p:1", 0);
      const begun = h.beginSend("p:2");
      h.wait(30_000).begin("r", "poll", { topics: ["o"] });
      return [begun];
    },
  },
  {
    check: "K15",
    why: "a replica's log is shorter",
    write: (h) => {
      h.send("p:1", 0);
      return [h.final(1, ["p:1"]), h.final(2, [])];
    },
  },
  {
    check: "K15",
    why: "a replica has a hole",
    write: (h) => {
      for (const [offset, value] of ["p:1", "p:2", "p:3"].entries()) h.send(value, offset);
      h.final(1, ["p:1", "p:2", "p:3"]);
      const records = [0, 2].map((offset) => ({ offset, key: "k", value: `p:${offset + 1}` }));
      const holed = { broker: 2, topic: "o", partition: 0, logStart: 0, highWatermark: 3, records };
      return [h.ok("end", "final", holed)];
    },
  },
  {
    check: "K15",
    why: "a replica holds another key",
    also: ["K12"],
    write: (h) => {
      h.send("p:1", 0);
      return [h.final(1, ["p:1"]), h.final(2, ["p:1"], { key: "other" })];
    },
  },
  {
    check: "K15",
    why: "a dump goes beyond its high watermark",
    write: (h) => {
      h.unknown("p:1", "c1");
      return [h.final(1, ["p:1"], { highWatermark: 0 })];
    },
  },
  {
    check: "K16",
    why: "an epoch goes back along the log",
    write: (h) => {
      h.send("p:1", 0, { epoch: 1 });
      const newer = h.send("p:2", 1, { epoch: 2 });
      return [newer, h.send("p:3", 2, { epoch: 1 })];
    },
  },
  {
    check: "K16",
    why: "the leader changes five times in a minute and nothing is wrong",
    count: 2,
    write: (h) => {
      const acked = [1, 2, 3, 4, 5, 6].map((epoch) => h.send(`p:${epoch}`, epoch - 1, { epoch }));
      return acked.slice(4);
    },
  },
];
