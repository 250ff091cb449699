/**
 * render.ts: writes messages, entries and states the way scenario files show them.
 */
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type ConfChangeSingle,
  type ConfState,
  decodeConfChange,
  type Entry,
  EntryType,
  type Message,
  type NodeState,
  type ProgressState,
  type ProgressView,
  type Ready,
  type Snapshot,
  type Status,
} from "raft-ts";

const STATE_NAMES: Readonly<Record<NodeState, string>> = {
  follower: "StateFollower",
  preCandidate: "StatePreCandidate",
  candidate: "StateCandidate",
  leader: "StateLeader",
};
const PROGRESS_NAMES: Readonly<Record<ProgressState, string>> = {
  probe: "StateProbe",
  replicate: "StateReplicate",
  snapshot: "StateSnapshot",
};
const CHANGE_LETTERS = { addVoter: "v", addLearner: "l", removeNode: "r", updateNode: "u" } as const;

/** A state of a node. */
export function renderState(state: NodeState): string {
  return STATE_NAMES[state];
}

function renderTarget(id: number): string {
  if (id === APPEND_THREAD) return "AppendThread";
  return id === APPLY_THREAD ? "ApplyThread" : String(id);
}

function renderChanges(changes: readonly ConfChangeSingle[]): string {
  return changes.map(({ type, nodeId }) => `${CHANGE_LETTERS[type]}${nodeId}`).join(" ");
}

/** One entry: term, index, type and content. */
export function renderEntry(entry: Entry): string {
  const place = `${entry.term}/${entry.index}`;
  if (entry.type === EntryType.normal) return `${place} EntryNormal ${JSON.stringify(text(entry.data))}`;
  const name = entry.type === EntryType.confChange ? "EntryConfChange" : "EntryConfChangeV2";
  return `${place} ${name} ${renderChanges(decodeConfChange(entry.type, entry.data).changes)}`.trimEnd();
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}

function renderConfState(state: ConfState): string {
  const list = (ids: readonly number[]): string => `[${ids.join(" ")}]`;
  return (
    `Voters:${list(state.voters)} VotersOutgoing:${list(state.votersOutgoing)} Learners:${list(state.learners)} ` +
    `LearnersNext:${list(state.learnersNext)} AutoLeave:${state.autoLeave}`
  );
}

function renderSnapshot({ metadata }: Snapshot): string {
  return `Index:${metadata.index} Term:${metadata.term} ConfState:${renderConfState(metadata.confState)}`;
}

/** A message with its entries, snapshot and responses, on as many lines as that takes. */
export function renderMessage(message: Message, indent = ""): string {
  const { from, to, type, term, logTerm, index, entries } = message;
  const lines = [`${indent}${renderTarget(from)}->${renderTarget(to)} ${type} Term:${term} Log:${logTerm}/${index}`];
  const add = (more: string): void => {
    lines[lines.length - 1] += more;
  };
  if (message.reject) add(` Rejected (Hint: ${message.rejectHint})`);
  if (message.commit !== 0) add(` Commit:${message.commit}`);
  if (message.vote !== 0) add(` Vote:${message.vote}`);
  const [first] = entries;
  if (first !== undefined && entries.length === 1) add(` Entries:[${renderEntry(first)}]`);
  if (entries.length > 1) {
    add(" Entries:[");
    lines.push(...entries.map((entry) => `${indent}  ${renderEntry(entry)}`), `${indent}]`);
  }
  if (message.snapshot !== null) lines.push(`${indent}  Snapshot: ${renderSnapshot(message.snapshot)}`);
  if (message.responses.length > 0) {
    add(" Responses:[");
    lines.push(...message.responses.map((response) => renderMessage(response, `${indent}  `)), `${indent}]`);
  }
  return lines.join("\n");
}

/** All that a Ready asks for. */
export function renderReady(ready: Ready): string {
  const lines: string[] = [];
  if (ready.softState !== null)
    lines.push(`Lead:${ready.softState.leader} State:${renderState(ready.softState.state)}`);
  if (ready.hardState !== null) {
    const { term, vote, commit } = ready.hardState;
    lines.push(`HardState Term:${term}${vote === 0 ? "" : ` Vote:${vote}`} Commit:${commit}`);
  }
  if (ready.readStates.length > 0) {
    lines.push(`ReadStates [${ready.readStates.map((read) => `{${read.index} ${read.context}}`).join(" ")}]`);
  }
  if (ready.entries.length > 0) lines.push("Entries:", ...ready.entries.map(renderEntry));
  if (ready.snapshot !== null) lines.push(`Snapshot ${renderSnapshot(ready.snapshot)}`);
  if (ready.committedEntries.length > 0) lines.push("CommittedEntries:", ...ready.committedEntries.map(renderEntry));
  if (ready.messages.length > 0) lines.push("Messages:", ...ready.messages.map((message) => renderMessage(message)));
  if (lines.length === 0) return "<empty Ready>";
  return [`Ready MustSync=${ready.mustSync}:`, ...lines].join("\n");
}

/** What a leader knows of one member. */
export function renderProgress(id: number, progress: ProgressView): string {
  const parts = [`${id}: ${PROGRESS_NAMES[progress.state]} match=${progress.match} next=${progress.next}`];
  if (progress.isLearner) parts.push("learner");
  if (progress.isPaused) parts.push("paused");
  if (progress.pendingSnapshot > 0) parts.push(`pendingSnap=${progress.pendingSnapshot}`);
  if (!progress.recentActive) parts.push("inactive");
  if (progress.inflightCount > 0)
    parts.push(`inflight=${progress.inflightCount}${progress.inflightFull ? "[full]" : ""}`);
  return parts.join(" ");
}

/** A node's state as it sees itself. */
export function renderRaftState(status: Status): string {
  const { voters, votersOutgoing } = status.confState;
  const isVoter = voters.includes(status.id) || votersOutgoing.includes(status.id);
  const role = `${renderState(status.state)} ${isVoter ? "(Voter)" : "(Non-Voter)"}`;
  return `${status.id}: ${role} Term:${status.hardState.term} Lead:${status.leader}`;
}

/** A configuration, as `voters=(1 2)&&(1) learners=(3)`. */
export function renderConfiguration(config: ConfState): string {
  const set = (ids: readonly number[]): string => `(${ids.join(" ")})`;
  const outgoing = config.votersOutgoing.length > 0 ? `&&${set(config.votersOutgoing)}` : "";
  const parts = [`voters=${set(config.voters)}${outgoing}`];
  if (config.learners.length > 0) parts.push(`learners=${set(config.learners)}`);
  if (config.learnersNext.length > 0) parts.push(`learners_next=${set(config.learnersNext)}`);
  if (config.autoLeave) parts.push("autoleave");
  return parts.join(" ");
}
