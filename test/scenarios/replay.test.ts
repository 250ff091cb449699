/**
 * replay.test.ts: the runner of scenario files: what it reads, what it refuses, and what it compares.
 */
import { describe, expect, test } from "vitest";
import { compareOutputs } from "./compare.js";
import { parseScenario, ScenarioFormatError } from "./datadriven.js";
import { UnsupportedScenario } from "./expect-args.js";
import { parseOutput } from "./grammar.js";
import { compareStep, replay } from "./replay.js";

/** A scenario of commands without expectations; returns what each of them shows. */
function show(...commands: readonly string[]): readonly string[] {
  const text = commands.map((command) => `${command}\n----\nok\n`).join("\n");
  return replay("interaction", text).map((step) => step.actual);
}

function lastOf(...commands: readonly string[]): string {
  return show(...commands).at(-1) ?? "";
}

const THREE = ["log-level none", "add-nodes 3 voters=(1,2,3) index=2", "campaign 1", "stabilize", "log-level debug"];

describe("the format", () => {
  test("a block is a command with arguments, its input and its output", () => {
    const [block] = parseScenario("# comment\n\nenter-joint autoleave=true x=(1, 2) y\nv1 r2\n----\nout 1\n out 2\n\n");
    expect(block).toEqual({
      line: 3,
      command: "enter-joint",
      args: [
        { key: "autoleave", values: ["true"] },
        { key: "x", values: ["1", "2"] },
        { key: "y", values: [] },
      ],
      input: "v1 r2",
      expected: "out 1\n out 2",
    });
  });

  test("a second separator lets the output have empty lines", () => {
    const [first, second] = parseScenario("a\n----\n----\none\n\ntwo\n----\n----\n\nb\n----\nok\n");
    expect(first?.expected).toBe("one\n\ntwo");
    expect(second?.command).toBe("b");
  });

  test("a command goes on after a backslash", () => {
    const [block] = parseScenario("add-nodes 3 \\\n  voters=(1,2)\n----\nok\n");
    expect(block?.args.map(({ key }) => key)).toEqual(["3", "voters"]);
  });

  test.each([
    { why: "a command without a separator", text: "campaign 1\nok\n" },
    { why: "an output without an end", text: "a\n----\n----\none\n" },
    { why: "an argument with an open bracket", text: "a x=(1\n----\nok\n" },
  ])("refuses $why", ({ text }) => {
    expect(() => parseScenario(text)).toThrow(ScenarioFormatError);
  });
});

describe("what the runner does not know", () => {
  test.each([
    { why: "an unknown command", commands: ["dance 1"] },
    { why: "a command that is a property of every object", commands: ["constructor"] },
    { why: "an unknown argument", commands: ["add-nodes 1 voters=(1) index=2 colour=red"] },
    { why: "an unknown transition", commands: [...THREE, "propose-conf-change 1 transition=slowly"] },
    { why: "an unknown log level", commands: ["log-level loud"] },
    { why: "reads by lease", commands: ["add-nodes 1 voters=(1) index=2 read-only=lease-based"] },
    { why: "a node that is no number", commands: [...THREE, "campaign one"] },
    { why: "a message that is both delivered and dropped", commands: [...THREE, "deliver-msgs 1 drop=(1)"] },
  ])("fails: $why", ({ commands }) => {
    const failure = catching(() => show(...commands));
    expect(failure.cause).toBeInstanceOf(UnsupportedScenario);
  });

  test("a line of the expected output that it cannot read is a difference", () => {
    const { differing, notes } = compareOutputs(
      "1: StateProbe match=1 next=2\nsomething new",
      "1: StateProbe match=1 next=2",
    );
    expect(differing).toBe(1);
    expect(notes.join()).toContain("something new");
  });
});

function catching(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("nothing was thrown");
}

describe("the comparison", () => {
  const message = '1->2 MsgApp Term:1 Log:1/3 Commit:4 Entries:[1/4 EntryNormal "a"]';

  test("log text does not count", () => {
    expect(compareOutputs(`INFO 1 became leader\n${message}`, message).differing).toBe(0);
    expect(compareOutputs("INFO 1 became leader\nDEBUG x", "ok").differing).toBe(0);
  });

  test("indentation does not count", () => {
    expect(compareOutputs(`    ${message}`, message)).toMatchObject({ differing: 0 });
  });

  test.each([
    ["from", message.replace("1->2", "3->2")],
    ["to", message.replace("1->2", "1->3")],
    ["message", message.replace("MsgApp", "MsgSnap")],
    ["messageTerm", message.replace("Term:1", "Term:2")],
    ["logTerm", message.replace("Log:1/3", "Log:2/3")],
    ["logIndex", message.replace("Log:1/3", "Log:1/2")],
    ["commit", message.replace("Commit:4", "Commit:5")],
    ["term", message.replace("[1/4", "[2/4")],
    ["index", message.replace("[1/4", "[1/5")],
    ["type", message.replace("EntryNormal", "EntryConfChange")],
    ["data", message.replace('"a"', '"b"')],
    ["rejected", message.replace(" Commit:4", " Rejected (Hint: 0) Commit:4")],
  ])("a different %s of a message is one difference or more", (field, other) => {
    const { differing, notes } = compareOutputs(other, message);
    expect(differing).toBeGreaterThanOrEqual(1);
    expect(notes.join("\n")).toContain(`message.${field}:`);
  });

  test("a missing line and one too many differ", () => {
    expect(compareOutputs(`${message}\n${message}`, message).differing).toBeGreaterThan(0);
    expect(compareOutputs(message, `${message}\n${message}`).differing).toBeGreaterThan(0);
    expect(compareOutputs(message, "ok").differing).toBeGreaterThan(0);
  });

  test("the order of lines counts", () => {
    expect(compareOutputs("Entries:\nMessages:", "Messages:\nEntries:").differing).toBe(2);
  });

  test("pure functions are compared line by line", () => {
    expect(compareStep("quorum", "VoteWon", "VoteWon")).toMatchObject({ fields: 1, differing: 0 });
    expect(compareStep("confchange", "a\nb", "a\nc").differing).toBe(1);
  });

  test("every kind of line is read", () => {
    const { unparsed, lines } = parseOutput(
      [
        "> 1 handling Ready",
        "> 1 receiving messages",
        "> 1 processing append thread",
        "> 1 processing apply thread",
        "Ready MustSync=true:",
        "<empty Ready>",
        "Lead:0 State:StatePreCandidate",
        "HardState Term:1 Commit:2",
        "ReadStates [{1 7}]",
        "Snapshot Index:4 Term:1 ConfState:Voters:[1 2] VotersOutgoing:[] Learners:[] LearnersNext:[] AutoLeave:false",
        "1/3 EntryConfChangeV2",
        "dropped: 1->AppendThread MsgStorageAppend Term:0 Log:0/0 Entries:[",
        "] Responses:[",
        "2: StateSnapshot match=0 next=5 learner paused pendingSnap=4 inactive inflight=3[full]",
        "1: StateFollower (Non-Voter) Term:1 Lead:2",
        "log is empty: first index=3, last index=2",
        "no messages",
        "raft proposal dropped",
      ].join("\n"),
    );
    expect(unparsed).toEqual([]);
    expect(lines).toHaveLength(18);
  });
});

describe("commands that the published files do not use", () => {
  test("raft-state shows every node as it sees itself", () => {
    expect(lastOf(...THREE, "raft-state").split("\n")).toEqual([
      "1: StateLeader (Voter) Term:1 Lead:1",
      "2: StateFollower (Voter) Term:1 Lead:1",
      "3: StateFollower (Voter) Term:1 Lead:1",
    ]);
  });

  test("transfer-leadership moves leadership", () => {
    const output = lastOf(...THREE, "transfer-leadership from=1 to=3", "stabilize log-level=none", "raft-state");
    expect(output).toContain("3: StateLeader (Voter) Term:2 Lead:3");
  });

  test("send-snapshot queues and shows the newest snapshot", () => {
    const output = lastOf(...THREE, "send-snapshot 1 2");
    expect(output).toContain("1->2 MsgSnap Term:1 Log:0/0");
    expect(output).toContain("Snapshot: Index:3 Term:1 ConfState:Voters:[1 2 3]");
  });

  test("set-randomized-election-timeout decides when a node stands", () => {
    const commands = [...THREE, "set-randomized-election-timeout 2 timeout=3", "tick-election 2", "raft-state"];
    expect(lastOf(...commands)).toContain("2: StateCandidate (Voter) Term:2 Lead:0");
    const patient = [...THREE, "set-randomized-election-timeout 2 timeout=4", "tick-election 2", "raft-state"];
    expect(lastOf(...patient)).toContain("2: StateFollower (Voter) Term:1 Lead:1");
  });

  test("learners are members that do not vote", () => {
    const commands = ["log-level none", "add-nodes 3 voters=(1,2) learners=(3) index=2", "campaign 1", "stabilize"];
    expect(lastOf(...commands, "log-level debug", "raft-state")).toContain(
      "3: StateFollower (Non-Voter) Term:1 Lead:1",
    );
    expect(lastOf(...commands, "log-level debug", "status 1")).toContain("3: StateReplicate match=3 next=4 learner");
  });

  test("step-down-on-removal makes a removed leader a follower", () => {
    const settings = "add-nodes 3 voters=(1,2,3) index=2 step-down-on-removal=true";
    const commands = ["log-level none", settings, "campaign 1", "stabilize", "propose-conf-change 1 v1=true\nr1"];
    const output = lastOf(...commands, "stabilize", "log-level debug", "raft-state");
    expect(output).toContain("1: StateFollower (Non-Voter) Term:1 Lead:0");
  });

  test("a removed leader that stays drops proposals", () => {
    const commands = [...THREE, "propose-conf-change 1 v1=true\nr1", "stabilize log-level=none", "propose 1 foo"];
    expect(lastOf(...commands)).toBe("raft proposal dropped");
  });

  test("disable-conf-change-validation lets a second change into the log", () => {
    const propose = ["propose-conf-change 1 transition=explicit\nl2", "propose-conf-change 1 transition=explicit\nl3"];
    const commands = (more: string): string[] => [
      "log-level none",
      `add-nodes 1 voters=(1) index=2 ${more}`,
      "campaign 1",
      "stabilize",
      ...propose,
      "log-level debug",
      "process-ready 1",
    ];
    expect(lastOf(...commands("disable-conf-change-validation=true"))).toContain("1/5 EntryConfChangeV2 l3");
    expect(lastOf(...commands(""))).toContain('1/5 EntryNormal ""');
  });

  test("max-committed-size-per-ready gives entries out one by one", () => {
    const setup = ["log-level none", "add-nodes 1 voters=(1) index=2 max-committed-size-per-ready=1", "campaign 1"];
    const commands = [...setup, "stabilize", "propose 1 foo", "propose 1 bar", "log-level debug", "stabilize"];
    const pages = lastOf(...commands)
      .split("CommittedEntries:")
      .slice(1);
    expect(pages).toHaveLength(2);
    expect(pages[0]).toContain("foo");
    expect(pages[0]).not.toContain("bar");
  });

  test("a follower's proposals travel to the leader", () => {
    const commands = [...THREE, "propose 2 foo", "stabilize 2", "stabilize 1"];
    const outputs = show(...commands);
    expect(outputs.at(-2)).toContain('2->1 MsgProp Term:0 Log:0/0 Entries:[0/0 EntryNormal "foo"]');
    expect(outputs.at(-1)).toContain('1/4 EntryNormal "foo"');
  });

  test("forget-leader lets a follower vote at once", () => {
    const setup = ["log-level none", "add-nodes 3 voters=(1,2,3) index=2 checkquorum=true", "campaign 1", "stabilize"];
    const commands = [...setup, "forget-leader 3", "campaign 2", "stabilize 2 3", "log-level debug", "raft-state"];
    expect(lastOf(...commands)).toContain("2: StateLeader (Voter) Term:2 Lead:2");
  });

  test("work that is not there is said to be missing", () => {
    const setup = ["log-level none", "add-nodes 1 voters=(1) index=2 async-storage-writes=true", "log-level debug"];
    expect(lastOf(...setup, "process-append-thread 1")).toBe("no append work to perform");
    expect(lastOf(...setup, "process-apply-thread 1")).toBe("no apply work to perform");
    expect(lastOf(...setup, "deliver-msgs 1")).toBe("no messages");
    expect(lastOf(...setup, "raft-log 1")).toBe("log is empty: first index=3, last index=2");
  });

  test("deliver-msgs type= delivers only messages of that type", () => {
    const outputs = show(
      ...THREE,
      "propose 1 foo",
      "tick-heartbeat 1",
      "process-ready 1",
      "deliver-msgs 2 type=MsgHeartbeat",
    );
    expect(outputs.at(-1)).toBe("1->2 MsgHeartbeat Term:1 Log:0/0 Commit:3");
  });
});
