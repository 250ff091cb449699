/** bad-logs.ts: histories in which records are lost, doubled, altered, invented, or come in the wrong order: K1 to K6. */
import { record } from "../script.js";
import type { BadCase } from "./bad-case.js";

export const BAD_LOGS: readonly BadCase[] = [
  {
    check: "K1",
    why: "the end of the log is gone on every replica",
    write: (h) => {
      h.send("p:1", 0);
      const lost = h.send("p:2", 1);
      for (const broker of [1, 2, 3]) h.final(broker, ["p:1"]);
      return [lost];
    },
  },
  {
    check: "K1",
    why: "a record in the middle is gone, so its producer has a gap",
    also: ["K2", "K6"],
    write: (h) => {
      h.send("p:1", 0);
      const lost = h.send("p:2", 1);
      h.send("p:3", 2);
      h.final(1, ["p:1", "p:3"]);
      return [lost];
    },
  },
  {
    check: "K1",
    why: "a log is empty at the end",
    count: 2,
    write: (h) => {
      const lost = [h.send("p:1", 0), h.send("q:1", 1, { key: null })];
      h.final(1, []);
      return lost;
    },
  },
  {
    check: "K1",
    why: "a replica has a hole where it was",
    also: ["K15"],
    write: (h) => {
      const lost = h.send("p:1", 0);
      h.send("q:1", 1);
      h.ok("end", "final", {
        broker: 1,
        ...{ topic: "o", partition: 0, logStart: 0, highWatermark: 2 },
        records: [{ offset: 1, key: "k", value: "q:1" }],
      });
      return [lost];
    },
  },
  {
    check: "K1",
    why: "it lies above the log start of one replica",
    write: (h) => {
      const lost = h.send("p:1", 5);
      h.final(1, [], { logStart: 6 });
      h.final(2, [], { logStart: 5 });
      return [lost];
    },
    also: ["K15"],
  },
  {
    check: "K2",
    why: "two replicas hold different values at one offset",
    also: ["K15"],
    write: (h) => {
      h.unknown("p:1", "c1");
      h.unknown("q:1", "c2");
      return [h.final(1, ["p:1"]), h.final(2, ["q:1"])];
    },
  },
  {
    check: "K2",
    why: "an acknowledgement and a poll disagree",
    write: (h) => {
      h.unknown("q:1", "c2");
      return [h.send("p:1", 0), h.poll("r", [record(0, "q:1")])];
    },
  },
  {
    check: "K2",
    why: "two acknowledgements name one offset",
    write: (h) => {
      h.beginSend("p:1", { proc: "a" });
      h.beginSend("q:1", { proc: "b" });
      return [h.acked(0, { proc: "a" }), h.acked(0, { proc: "b" })];
    },
  },
  {
    check: "K3",
    why: "a poll leaves out a record, which another reader has",
    write: (h) => {
      for (const [offset, value] of ["p:1", "p:2", "p:3"].entries()) h.send(value, offset);
      h.poll("r", [record(0, "p:1"), record(1, "p:2"), record(2, "p:3")]);
      h.poll("s", [record(0, "p:1")]);
      return [h.poll("s", [record(2, "p:3")])];
    },
  },
  {
    check: "K3",
    why: "a poll goes back without an assignment",
    write: (h) => {
      for (const [offset, value] of ["p:1", "p:2"].entries()) h.send(value, offset);
      h.poll("r", [record(0, "p:1"), record(1, "p:2")]);
      return [h.poll("r", [record(1, "p:2")])];
    },
  },
  {
    check: "K3",
    why: "one poll holds records in the wrong order",
    count: 3,
    write: (h) => {
      for (const [offset, value] of ["p:1", "p:2", "p:3"].entries()) h.send(value, offset);
      return [h.poll("r", [record(0, "p:1"), record(2, "p:3"), record(1, "p:2"), record(1, "p:2")])];
    },
  },
  {
    check: "K3",
    why: "the first poll does not begin where the assignment says",
    also: ["K11"],
    write: (h) => {
      for (const [offset, value] of ["p:1", "p:2"].entries()) h.send(value, offset);
      h.assign("r", 0);
      return [h.poll("r", [record(1, "p:2")])];
    },
  },
  {
    check: "K4",
    why: "a record sent after an acknowledgement gets a lower offset",
    write: (h) => [h.send("a:1", 7), h.send("b:1", 6)],
  },
  {
    check: "K4",
    why: "a record sent after a read stands before what was read",
    write: (h) => {
      h.unknown("a:1", "c1");
      return [h.poll("r", [record(3, "a:1")]), h.send("b:1", 2)];
    },
  },
  {
    check: "K4",
    why: "latest lies below what was acknowledged before",
    write: (h) => [
      h.send("a:1", 4),
      h.did("l", "listOffsets", { topic: "o", at: "latest" }, { offsets: [{ partition: 0, offset: 4 }] }),
    ],
  },
  {
    check: "K4",
    why: "latest goes back",
    write: (h) =>
      [9, 8].map((offset) =>
        h.did("l", "listOffsets", { topic: "o", at: "latest" }, { offsets: [{ partition: 0, offset }] }),
      ),
  },
  {
    check: "K4",
    why: "earliest goes back",
    write: (h) =>
      [9, 8].map((offset) =>
        h.did("l", "listOffsets", { topic: "o", at: "earliest" }, { offsets: [{ partition: 0, offset }] }),
      ),
  },
  {
    check: "K4",
    why: "the log ends below what latest said",
    write: (h) => [
      h.did("l", "listOffsets", { topic: "o", at: "latest" }, { offsets: [{ partition: 0, offset: 1 }] }),
      h.final(1, []),
    ],
  },
  {
    check: "K4",
    why: "a record is read before it is sent",
    write: (h) => {
      const read = h.poll("r", [record(0, "a:1")]);
      const begun = h.beginSend("a:1");
      h.acked(0);
      return [read, begun];
    },
  },
  {
    check: "K5",
    why: "a reader gets what was refused",
    write: (h) => [h.refused("p:1", "NOT_ENOUGH_REPLICAS"), h.poll("r", [record(0, "p:1")])],
  },
  {
    check: "K5",
    why: "a replica holds what was refused",
    write: (h) => [h.refused("p:1"), h.final(1, ["p:1"])],
  },
  {
    check: "K5",
    why: "a handler had it before it was refused",
    write: (h) => {
      h.beginSend("p:1");
      const seen = h.ok("w", "process", { group: "g", topic: "o", partition: 0, offset: 0, value: "p:1" });
      return [seen, h.event("c", "fail", "send", { err: "NOT_LEADER" })];
    },
  },
  {
    check: "K6",
    why: "a record stands twice in the log",
    write: (h) => {
      const acked = h.send("p:1", 0);
      return [acked, h.final(1, ["p:1", "p:1"])];
    },
  },
  {
    check: "K6",
    why: "a record stands in two partitions",
    write: (h) => [h.send("p:1", 0), h.poll("r", [record(0, "p:1"), record(0, "p:1", { partition: 1 })])],
  },
  {
    check: "K6",
    why: "a repeated send is acknowledged at another offset",
    write: (h) => {
      h.unknown("p:1", "c1");
      return [h.send("p:1", 0, { proc: "c2" }), h.send("p:1", 1, { proc: "c3" })];
    },
  },
  {
    check: "K6",
    why: "a producer's sends under way together come in the wrong order",
    write: (h) => {
      h.beginSend("p:1", { proc: "a" });
      h.beginSend("p:2", { proc: "b" });
      return [h.acked(0, { proc: "b" }), h.acked(1, { proc: "a" })];
    },
  },
];
