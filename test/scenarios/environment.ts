/**
 * environment.ts: nodes, their storage and one queue of messages, as scenario files drive them.
 *
 * The state machine appends the payload of every entry to its content; each applied entry leaves a snapshot.
 */
import {
  APPEND_THREAD,
  APPLY_THREAD,
  decodeConfChange,
  type Entry,
  EntryType,
  type HardState,
  type Message,
  type RaftConfig,
  RawNode,
  type Ready,
  type Snapshot,
} from "raft-ts";
import { MemoryStorage } from "raft-ts/testing";
import { renderEntry, renderMessage, renderReady } from "./render.js";

/** What `add-nodes` can set; the rest is the same for all nodes. */
export type NodeSettings = Partial<Omit<RaftConfig, "id" | "storage" | "random">>;

/** A node with its disk and its state machine. */
export interface ScenarioNode {
  readonly id: number;
  readonly raft: RawNode;
  readonly storage: MemoryStorage;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly isAsync: boolean;
  /** One snapshot for each applied entry, the newest last. */
  readonly history: Snapshot[];
  readonly appendWork: Message[];
  readonly applyWork: Message[];
}

/** Who gets messages, or loses them. */
export interface Recipient {
  readonly id: number;
  readonly drop: boolean;
}

const ELECTION_TICKS = 3;
const HEARTBEAT_TICKS = 1;

/** A command failed in a way that its output shows. */
export class ScenarioError extends Error {
  override readonly name = "ScenarioError";
}

export class Environment {
  readonly nodes: ScenarioNode[] = [];
  messages: Message[] = [];
  /** At log level "none" nothing is shown but errors. */
  quiet = false;
  private output: string[] = [];

  write(text: string): void {
    if (!this.quiet) this.output.push(text);
  }

  /** What was written since the last call. */
  takeOutput(): string {
    const text = this.output.join("\n");
    this.output = [];
    return text;
  }

  node(id: number): ScenarioNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new ScenarioError(`node ${id} does not exist`);
    return node;
  }

  addNode(settings: NodeSettings, start: Snapshot | null): void {
    const id = this.nodes.length + 1;
    const storage = new MemoryStorage();
    const history: Snapshot[] = [];
    if (start === null) {
      history.push(storage.storedSnapshot());
    } else {
      if (start.metadata.index <= 1) throw new ScenarioError("index must be specified as > 1 due to bootstrap");
      storage.applySnapshot(start);
      history.push(start);
    }
    storage.useSnapshots(() => history[history.length - 1] ?? storage.storedSnapshot());
    const raft = new RawNode({
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: HEARTBEAT_TICKS,
      applied: start?.metadata.index ?? 0,
      ...settings,
      id,
      storage,
      // The longest timeout: scenarios set it where they depend on it.
      random: (endExclusive) => endExclusive - 1,
    });
    this.nodes.push({
      id,
      raft,
      storage,
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: HEARTBEAT_TICKS,
      isAsync: settings.asyncStorageWrites ?? false,
      history,
      appendWork: [],
      applyWork: [],
    });
  }

  /** Takes and carries out one Ready. */
  processReady(node: ScenarioNode): void {
    const ready = node.raft.ready();
    this.write(renderReady(ready));
    if (!node.isAsync) {
      store(node, ready.hardState, ready.entries, ready.snapshot);
      apply(node, ready.committedEntries);
    }
    this.route(node, ready);
    if (!node.isAsync) node.raft.advance();
  }

  private route(node: ScenarioNode, ready: Ready): void {
    for (const message of ready.messages) {
      if (message.to === APPEND_THREAD) node.appendWork.push(message);
      else if (message.to === APPLY_THREAD) node.applyWork.push(message);
      else this.messages.push(message);
    }
  }

  processAppend(node: ScenarioNode): void {
    const work = node.appendWork.shift();
    if (work === undefined) {
      this.write("no append work to perform");
      return;
    }
    const { term, vote, commit } = work;
    const hardState = term === 0 && vote === 0 && commit === 0 ? null : { term, vote, commit };
    store(node, hardState, work.entries, work.snapshot);
    this.finish(work);
  }

  processApply(node: ScenarioNode): void {
    const work = node.applyWork.shift();
    if (work === undefined) {
      this.write("no apply work to perform");
      return;
    }
    apply(node, work.entries);
    this.finish(work);
  }

  private finish(work: Message): void {
    this.write(`Processing:\n${renderMessage({ ...work, responses: [] })}`);
    this.write(["Responses:", ...work.responses.map((response) => renderMessage(response))].join("\n"));
    this.messages.push(...work.responses);
  }

  /** Delivers what waits for the recipients, in the order it was sent. Returns how many messages that were. */
  deliver(type: string | null, recipients: readonly Recipient[]): number {
    let count = 0;
    for (const { id, drop } of recipients) {
      const isMeant = (message: Message): boolean =>
        message.to === id && (type === null || message.type === type) && !(drop && isLocal(message));
      const meant = this.messages.filter(isMeant);
      this.messages = this.messages.filter((message) => !isMeant(message));
      count += meant.length;
      for (const message of meant) this.deliverOne(message, drop);
    }
    return count;
  }

  private deliverOne(message: Message, drop: boolean): void {
    this.write(`${drop ? "dropped: " : ""}${renderMessage(message)}`);
    if (drop) return;
    const outcome = this.node(message.to).raft.step(message);
    if (outcome === "peer-not-found") this.write("raft: cannot step as peer not found");
    if (outcome === "local-message") this.write("raft: cannot step raft local message");
    if (outcome === "proposal-dropped") this.write("raft proposal dropped");
  }

  /** Lets the nodes work, and messages reach them, until nothing is left to do. */
  stabilize(nodes: readonly ScenarioNode[]): void {
    for (let round = 0; round < STABILIZE_ROUNDS_MAX; round++) {
      if (!this.stabilizeOnce(nodes)) return;
    }
    throw new ScenarioError("the nodes do not come to rest");
  }

  private stabilizeOnce(nodes: readonly ScenarioNode[]): boolean {
    let worked = false;
    const phase = (node: ScenarioNode, name: string): void => {
      this.write(`> ${node.id} ${name}`);
      worked = true;
    };
    for (const node of nodes) {
      if (!node.raft.hasReady()) continue;
      phase(node, "handling Ready");
      this.processReady(node);
    }
    for (const node of nodes) {
      if (!this.messages.some((message) => message.to === node.id)) continue;
      phase(node, "receiving messages");
      this.deliver(null, [{ id: node.id, drop: false }]);
    }
    for (const node of nodes) {
      if (node.appendWork.length > 0) phase(node, "processing append thread");
      while (node.appendWork.length > 0) this.processAppend(node);
    }
    for (const node of nodes) {
      if (node.applyWork.length > 0) phase(node, "processing apply thread");
      while (node.applyWork.length > 0) this.processApply(node);
    }
    return worked;
  }

  /** Shows the stored log of a node. */
  writeLog(node: ScenarioNode): void {
    const { storage } = node;
    const entries = storage.allEntries();
    if (entries.length === 0) {
      this.write(`log is empty: first index=${storage.firstIndex()}, last index=${storage.lastIndex()}`);
    }
    for (const entry of entries) this.write(renderEntry(entry));
  }
}

/** Rounds after which `stabilize` gives up: no scenario comes near, a defect would run for ever. */
const STABILIZE_ROUNDS_MAX = 10_000;

/** Messages within one node are never lost. */
function isLocal(message: Message): boolean {
  return message.from === message.to || message.from < 0 || message.to < 0;
}

function store(
  node: ScenarioNode,
  hardState: HardState | null,
  entries: readonly Entry[],
  snapshot: Snapshot | null,
): void {
  if (hardState !== null) node.storage.hardState = hardState;
  if (snapshot === null) {
    node.storage.append(entries);
    return;
  }
  if (entries.length > 0) throw new ScenarioError("can't apply snapshot and entries at the same time");
  node.storage.applySnapshot(snapshot);
}

function apply(node: ScenarioNode, entries: readonly Entry[]): void {
  for (const entry of entries) {
    const last = node.history[node.history.length - 1];
    if (last === undefined) throw new ScenarioError("a node has a first snapshot");
    let update = entry.data;
    let confState = last.metadata.confState;
    if (entry.type !== EntryType.normal) {
      const change = decodeConfChange(entry.type, entry.data);
      update = change.context;
      confState = node.raft.applyConfChange(change);
    }
    node.history.push({
      metadata: { index: entry.index, term: entry.term, confState },
      data: Buffer.concat([last.data, update]),
    });
  }
}
