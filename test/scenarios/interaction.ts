/**
 * interaction.ts: the commands of interaction scenarios.
 *
 * Every command that rafttest knows is here but lease-based reads; an unknown command or argument is an error.
 */
import {
  type ConfChangeSingle,
  type ConfChangeTransition,
  type ConfChangeType,
  type ConfState,
  EntryType,
  encodeConfChange,
  ProposalDropped,
  type Snapshot,
} from "raft-ts";
import type { Block } from "./datadriven.js";
import {
  type Environment,
  type NodeSettings,
  type Recipient,
  ScenarioError,
  type ScenarioNode,
} from "./environment.js";
import { only, parseBoolean, parseNumber, readArguments, UnsupportedScenario } from "./expect-args.js";
import { renderMessage, renderProgress, renderRaftState } from "./render.js";

type Command = (env: Environment, block: Block) => void;

const COMMANDS: Readonly<Record<string, Command>> = {
  _breakpoint: () => {},
  "add-nodes": addNodes,
  campaign: forNode(({ raft }) => raft.campaign()),
  compact,
  "deliver-msgs": deliverMessages,
  "forget-leader": forNode(({ raft }) => raft.forgetLeader()),
  "log-level": (env, block) => setLogLevel(env, readArguments(block, []).words[0]),
  "process-append-thread": forNodes("processing append thread", (env, node) => env.processAppend(node)),
  "process-apply-thread": forNodes("processing apply thread", (env, node) => env.processApply(node)),
  "process-ready": forNodes("handling Ready", (env, node) => env.processReady(node)),
  propose,
  "propose-conf-change": proposeConfChange,
  "raft-log": forNode((node, env) => env.writeLog(node)),
  "raft-state": raftState,
  "report-unreachable": reportUnreachable,
  "send-snapshot": sendSnapshot,
  "set-randomized-election-timeout": setElectionTimeout,
  stabilize,
  status: forNode(writeStatus),
  "tick-election": forNode(({ raft, electionTicks }) => tickTimes(() => raft.tick(), electionTicks)),
  "tick-heartbeat": forNode(({ raft, heartbeatTicks }) => tickTimes(() => raft.tick(), heartbeatTicks)),
  "transfer-leadership": transferLeadership,
};

/** Carries out one command and returns its output. @throws UnsupportedScenario: the runner does not know it. */
export function runCommand(env: Environment, block: Block): string {
  const command = Object.hasOwn(COMMANDS, block.command) ? COMMANDS[block.command] : undefined;
  if (command === undefined) throw new UnsupportedScenario(`unknown command "${block.command}"`);
  let failure = "";
  try {
    command(env, block);
  } catch (error) {
    if (!(error instanceof ScenarioError || error instanceof ProposalDropped)) throw error;
    failure = error.message; // Shown at every log level.
  }
  const output = [env.takeOutput(), failure].filter((part) => part !== "").join("\n");
  return output === "" ? "ok" : output;
}

function forNode(action: (node: ScenarioNode, env: Environment) => void): Command {
  return (env, block) => action(env.node(parseNumber(only(readArguments(block, []).words))), env);
}

function forNodes(phase: string, action: (env: Environment, node: ScenarioNode) => void): Command {
  return (env, block) => {
    const { words } = readArguments(block, []);
    for (const word of words) {
      const node = env.node(parseNumber(word));
      if (words.length > 1) env.write(`> ${node.id} ${phase}`);
      action(env, node);
    }
  };
}

function tickTimes(tick: () => void, count: number): void {
  for (let at = 0; at < count; at++) tick();
}

const NODE_ARGUMENTS = [
  "voters",
  "learners",
  "inflight",
  "index",
  "content",
  "async-storage-writes",
  "prevote",
  "checkquorum",
  "max-committed-size-per-ready",
  "disable-conf-change-validation",
  "read-only",
  "step-down-on-removal",
];

function addNodes(env: Environment, block: Block): void {
  const { words, named } = readArguments(block, NODE_ARGUMENTS);
  const ids = (key: string): number[] => (named.get(key) ?? []).map(parseNumber);
  const flag = (key: string): boolean => named.has(key) && parseBoolean(only(named.get(key) ?? []));
  const count = (key: string): number => parseNumber(only(named.get(key) ?? []));
  if (named.has("read-only") && only(named.get("read-only") ?? []) !== "safe") {
    throw new UnsupportedScenario("reads by lease are no part of this core");
  }
  const settings: NodeSettings = {
    asyncStorageWrites: flag("async-storage-writes"),
    preVote: flag("prevote"),
    checkQuorum: flag("checkquorum"),
    disableConfChangeValidation: flag("disable-conf-change-validation"),
    stepDownOnRemoval: flag("step-down-on-removal"),
    ...(named.has("inflight") ? { maxInflightMessages: count("inflight") } : {}),
    ...(named.has("max-committed-size-per-ready")
      ? { maxCommittedSizePerReady: count("max-committed-size-per-ready") }
      : {}),
  };
  const isBootstrap = ["voters", "learners", "index", "content"].some((key) => named.has(key));
  const confState: ConfState = {
    voters: ids("voters"),
    learners: ids("learners"),
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  };
  const start: Snapshot = {
    metadata: { index: named.has("index") ? count("index") : 0, term: 1, confState },
    data: Buffer.from((named.get("content") ?? []).join()),
  };
  for (let at = parseNumber(only(words)); at > 0; at--) env.addNode(settings, isBootstrap ? start : null);
}

function compact(env: Environment, block: Block): void {
  const [id, index] = readArguments(block, []).words.map(parseNumber);
  const node = env.node(id ?? 0);
  if ((index ?? 0) < node.storage.firstIndex()) {
    throw new ScenarioError("requested index is unavailable due to compaction");
  }
  node.storage.compact(index ?? 0);
  env.writeLog(node);
}

function deliverMessages(env: Environment, block: Block): void {
  const { words, named } = readArguments(block, ["drop", "type"]);
  const recipients: Recipient[] = words.map((word) => ({ id: parseNumber(word), drop: false }));
  for (const dropped of named.get("drop") ?? []) {
    const id = parseNumber(dropped);
    if (recipients.some((one) => one.id === id)) throw new UnsupportedScenario(`${id} both gets and loses messages`);
    recipients.push({ id, drop: true });
  }
  const type = named.has("type") ? only(named.get("type") ?? []) : null;
  if (env.deliver(type, recipients) === 0) env.write("no messages");
}

const LOG_LEVELS = ["debug", "info", "warn", "error", "fatal", "none"];

function setLogLevel(env: Environment, level: string | undefined): void {
  const name = (level ?? "").toLowerCase();
  if (!LOG_LEVELS.includes(name)) throw new UnsupportedScenario(`unknown log level "${name}"`);
  env.quiet = name === "none";
}

function propose(env: Environment, block: Block): void {
  const { words } = readArguments(block, []);
  const [id, data] = words;
  if (data === undefined || words.length !== 2) throw new UnsupportedScenario("propose takes a node and a payload");
  env.node(parseNumber(id)).raft.propose([{ type: EntryType.normal, data: Buffer.from(data) }]);
}

const TRANSITIONS: Readonly<Record<string, ConfChangeTransition>> = {
  auto: "auto",
  implicit: "jointImplicit",
  explicit: "jointExplicit",
};

function proposeConfChange(env: Environment, block: Block): void {
  const { words, named } = readArguments(block, ["v1", "transition"]);
  const { raft } = env.node(parseNumber(only(words)));
  const isV1 = named.has("v1") && parseBoolean(only(named.get("v1") ?? []));
  const name = named.has("transition") ? only(named.get("transition") ?? []) : "auto";
  const transition = Object.hasOwn(TRANSITIONS, name) ? TRANSITIONS[name] : undefined;
  if (transition === undefined) throw new UnsupportedScenario(`unknown transition "${name}"`);
  const changes = parseChanges(block.input);
  const context = new Uint8Array(0);
  // As entries, so that a change which is not allowed enters the log as an empty entry.
  if (!isV1) {
    raft.propose([{ type: EntryType.confChangeV2, data: encodeConfChange({ transition, changes, context }) }]);
    return;
  }
  const [change] = changes;
  if (change === undefined || changes.length !== 1 || transition !== "auto") {
    throw new ScenarioError("v1 conf change can only have one operation and no transition");
  }
  raft.propose([{ type: EntryType.confChange, data: encodeConfChange({ ...change, context }) }]);
}

const CHANGE_TYPES: Readonly<Record<string, ConfChangeType>> = {
  v: "addVoter",
  l: "addLearner",
  r: "removeNode",
  u: "updateNode",
};

/** Changes as `v1 l2 r3 u4`. @throws UnsupportedScenario. */
export function parseChanges(input: string): readonly ConfChangeSingle[] {
  return input
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => {
      const type = CHANGE_TYPES[word.charAt(0)];
      if (type === undefined) throw new UnsupportedScenario(`unknown change "${word}"`);
      return { type, nodeId: parseNumber(word.slice(1)) };
    });
}

function raftState(env: Environment, block: Block): void {
  if (block.args.length > 0) throw new UnsupportedScenario("raft-state takes no argument");
  for (const { raft } of env.nodes) env.write(renderRaftState(raft.status()));
}

function reportUnreachable(env: Environment, block: Block): void {
  const [reporter, unreachable] = twoNodes(block);
  env.node(reporter).raft.reportUnreachable(unreachable);
}

function sendSnapshot(env: Environment, block: Block): void {
  const [from, to] = twoNodes(block);
  const { raft, history } = env.node(from);
  const snapshot = history[history.length - 1] ?? null;
  const type = "MsgSnap";
  const message = { ...EMPTY, type, from, to, term: raft.term, snapshot } as const;
  env.messages.push(message);
  env.write(renderMessage(message));
}

const EMPTY = {
  logTerm: 0,
  index: 0,
  entries: [],
  commit: 0,
  vote: 0,
  reject: false,
  rejectHint: 0,
  context: null,
  responses: [],
} as const;

function twoNodes(block: Block): readonly [number, number] {
  const [first, second, ...more] = readArguments(block, []).words.map(parseNumber);
  if (first === undefined || second === undefined || more.length > 0) {
    throw new UnsupportedScenario(`${block.command} takes two nodes`);
  }
  return [first, second];
}

function setElectionTimeout(env: Environment, block: Block): void {
  const { words, named } = readArguments(block, ["timeout"]);
  env.node(parseNumber(only(words))).raft.setElectionTimeout(parseNumber(only(named.get("timeout") ?? [])));
}

function stabilize(env: Environment, block: Block): void {
  const { words, named } = readArguments(block, ["log-level"]);
  const nodes = words.length === 0 ? env.nodes : words.map((word) => env.node(parseNumber(word)));
  const before = env.quiet;
  if (named.has("log-level")) setLogLevel(env, only(named.get("log-level") ?? []));
  try {
    env.stabilize(nodes);
  } finally {
    env.quiet = before;
  }
}

function writeStatus({ raft }: ScenarioNode, env: Environment): void {
  for (const [id, progress] of raft.status().progress) env.write(renderProgress(id, progress));
}

function transferLeadership(env: Environment, block: Block): void {
  const { words, named } = readArguments(block, ["from", "to"]);
  if (words.length > 0) throw new UnsupportedScenario("transfer-leadership takes from= and to=");
  const from = parseNumber(only(named.get("from") ?? []));
  env.node(from).raft.transferLeader(parseNumber(only(named.get("to") ?? [])));
}
