import { describe, expect, test } from "vitest";
import { checkHistory } from "./check-history.js";
import { Script } from "./script.js";

/** What is wrong with the history, and where; null when it can be read. */
function problemOf(write: (script: Script) => void): string | null {
  const script = new Script();
  write(script);
  const judgement = checkHistory(script.lines);
  return judgement.kind === "judged" ? null : `${judgement.line}: ${judgement.problem}`;
}

const SEND = { topic: "o", key: null, value: "p:1", acks: "quorum" };
const DONE = { group: "g", topic: "o", partition: 0, offset: 0, value: "p:1" };
const PROCESS = { i: 0, t: 0, proc: "c", type: "ok", f: "process", ...DONE };

/** One line, said as an object. */
const say =
  (event: object) =>
  (script: Script): void =>
    void script.line(JSON.stringify(event));

describe("is no history, and says which line is not:", () => {
  test.each<[string, (script: Script) => void, RegExp]>([
    ["no JSON", (h) => h.line("{"), /^1: no JSON: /],
    ["a cut last line", (h) => h.line(JSON.stringify(PROCESS).slice(0, -5)), /^1: no JSON: /],
    ["an empty line", (h) => h.line("").line(JSON.stringify(PROCESS)), /^2: an empty line comes before it$/],
    ["no object", (h) => h.line("[1]"), /^1: the line is no object$/],
    ["no number", say({ ...PROCESS, i: undefined }), /^1: i is missing, not a whole number from 0$/],
    ["a number that is text", say({ ...PROCESS, i: "0" }), /^1: i is "0"/],
    ["no time", say({ ...PROCESS, t: null }), /^1: t is null, not a number$/],
    ["no proc", say({ ...PROCESS, proc: undefined }), /^1: proc is missing/],
    ["a type that there is not", say({ ...PROCESS, type: "done" }), /^1: type is "done"; invoke, ok, fail, info/],
    ["a first event that is not number 0", say({ ...PROCESS, i: 1 }), /^1: i is 1, but 0 comes here$/],
    [
      "a missing event",
      (h) => {
        h.event("c", "ok", "process", DONE);
        say({ ...PROCESS, i: 2 })(h);
      },
      /^2: i is 2, but 1 comes here$/,
    ],
    [
      "a number that comes twice",
      (h) => {
        for (let times = 0; times < 2; times++) say(PROCESS)(h);
      },
      /^2: i is 0, but 1 comes here$/,
    ],
    [
      "time that goes back",
      (h) => {
        say({ ...PROCESS, t: 9 })(h);
        say({ ...PROCESS, i: 1, t: 8 })(h);
      },
      /^2: t goes back from 9 to 8$/,
    ],
    ["an ok without an invoke", (h) => h.ok("c", "send", {}), /^1: proc c has no send open that could end with ok$/],
    [
      "an end of another operation",
      (h) => {
        h.begin("c", "send", SEND);
        h.ok("c", "poll", { records: [] });
      },
      /^2: proc c ends poll, but send is open$/,
    ],
    [
      "two open operations of one proc",
      (h) => {
        h.begin("c", "send", SEND);
        h.begin("c", "poll", { topics: [] });
      },
      /^2: proc c begins poll while its send is open$/,
    ],
    [
      "a fault that is open already",
      (h) => {
        for (let times = 0; times < 2; times++) h.begin("n", "nemesis", { name: "kill", target: 1 });
      },
      /^2: proc n begins nemesis while its nemesis is open$/,
    ],
    [
      "the end of a fault that has not begun",
      (h) => {
        h.begin("n", "nemesis", { name: "kill", target: 1 });
        h.ok("n", "nemesis", { name: "kill", target: 2 });
      },
      /^2: proc n has no nemesis open/,
    ],
    [
      "an operation that ends twice",
      (h) => {
        h.send("p:1", 0);
        h.acked(0);
      },
      /^3: proc c has no send open/,
    ],
    [
      "a proc that goes on after an info",
      (h) => {
        h.unknown("p:1", "c");
        h.send("p:2", 0);
      },
      /^3: proc c goes on after its info at 1; a client takes a new name then$/,
    ],
    ["a send without a value", (h) => h.begin("c", "send", { ...SEND, value: null }), /^1: value is null, not a text$/],
    ["a key that is a number", (h) => h.begin("c", "send", { ...SEND, key: 7 }), /^1: key is 7, not a text$/],
    ["acks that there are not", (h) => h.begin("c", "send", { ...SEND, acks: "all" }), /^1: acks is "all"; quorum/],
    [
      "an acknowledgement without an offset",
      (h) => {
        h.beginSend("p:1");
        h.ok("c", "send", { partition: 0, epoch: 1 });
      },
      /^2: offset is missing/,
    ],
    [
      "a polled record of the wrong shape",
      (h) =>
        h.poll("r", [
          { topic: "o", partition: 0, offset: 0, value: "p:1" },
          { topic: "o", partition: 0 },
        ]),
      /^2: records\[1\]: offset is missing, not a whole number from 0$/,
    ],
    [
      "records that are no list",
      (h) => h.did("r", "poll", { topics: [] }, { records: {} }),
      /^2: records is \{\}, not a/,
    ],
    ["topics that are no names", (h) => h.begin("r", "poll", { topics: [1] }), /^1: topics holds something/],
    ["an announcement that is asked for", (h) => h.begin("w", "process", DONE), /^1: process has the type invoke/],
    ["a dump without a broker", (h) => h.ok("end", "final", { topic: "o" }), /^1: broker is missing, not a number$/],
    ["an offset below 0", say({ ...PROCESS, offset: -1 }), /^1: offset is -1, not a whole number from 0$/],
    ["an offset that no number holds", say({ ...PROCESS, offset: 2 ** 53 }), /^1: offset is 9007199254740992, not/],
    [
      "an error that is no code",
      (h) => {
        h.beginSend("p:1");
        h.event("c", "fail", "send", { err: 3 });
      },
      /^2: err is 3, not a text$/,
    ],
    ["a field that objects inherit", (h) => h.line(`{"__proto__":${JSON.stringify(PROCESS)}}`), /^1: type is missing/],
  ])("%s", (_, write, expected) => {
    expect(problemOf(write)).toMatch(expected);
  });
});

describe("is a history:", () => {
  test.each<[string, (script: Script) => void]>([
    ["numbers as procs", (h) => h.line(JSON.stringify({ ...PROCESS, proc: 3 }))],
    [
      "an announcement of a proc that has an operation open",
      (h) => {
        h.begin("c", "poll", { topics: ["o"] });
        h.event("c", "ok", "process", DONE);
        h.ok("c", "poll", { records: [] });
      },
    ],
    [
      "faults of one nemesis that overlap, ended in any order, by name or not",
      (h) => {
        h.begin("n", "nemesis", { name: "kill", target: 1 });
        h.begin("n", "nemesis", { name: "kill", target: 2 });
        h.begin("n", "nemesis", { name: "pause", target: 3 });
        h.ok("n", "nemesis", { name: "kill", target: 2 });
        h.ok("n", "nemesis", { name: "pause", target: 3 });
        h.ok("n", "nemesis", {});
      },
    ],
    ["empty lines at the end", (h) => h.line(JSON.stringify(PROCESS)).line("").line("")],
    ["operations that are open at the end", (h) => h.beginSend("p:1")],
    [
      "a client that goes on under a new name",
      (h) => {
        h.unknown("p:1", "c");
        h.send("p:2", 0, { proc: "c/2" });
      },
    ],
    ["an operation of another tool", (h) => h.did("c", "subscribe", { topics: 1 }, { answer: 2 })],
    [
      "times with fractions that stand still",
      (h) => {
        for (const i of [0, 1]) h.line(JSON.stringify({ ...PROCESS, i, t: 0.5 }));
      },
    ],
    ["questions for a time", (h) => h.did("c", "listOffsets", { topic: "o", at: { timeMs: 5 } }, { offsets: [] })],
    [
      "defaults that are left out",
      (h) => {
        h.did("c", "send", { topic: "o", value: "p:1" }, { partition: 0, offset: 0 });
        h.did("c", "commit", { group: "g", topic: "o", partition: 0, offset: 1 });
      },
    ],
  ])("%s", (_, write) => {
    expect(problemOf(write)).toBeNull();
  });
});
