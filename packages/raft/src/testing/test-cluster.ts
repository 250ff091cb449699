/**
 * test-cluster.ts: a group of nodes with their storage and a network that does what it is told. Time is counted in ticks.
 *
 * Every node runs with asynchronous storage; `settle` does all storage work and delivers all messages that may pass, in
 * the order they were sent. Between calls nothing happens by itself.
 */
import { assertDefined } from "../assert.js";
import { decodeConfChange } from "../core/confchange-codec.js";
import { EMPTY_CONFIGURATION } from "../core/configuration.js";
import { RawNode } from "../raw-node.js";
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type ConfChange,
  type ConfChangeV2,
  type ConfState,
  type Entry,
  EntryType,
  type Message,
  type RaftConfig,
  type ReadState,
} from "../types.js";
import { MemoryStorage } from "./memory-storage.js";

/** Settings of all nodes of a cluster. */
export type TestSettings = Partial<Omit<RaftConfig, "id" | "storage">>;

/** Election timeout of test nodes, ticks; node n draws n ticks more, so that elections have one candidate at a time. */
export const TEST_ELECTION_TICKS = 10;

/** Rounds after which `settle` gives up: work that never ends is a defect. */
const SETTLE_ROUNDS_MAX = 10_000;

/** One node, its disk and its state machine. */
export class TestNode {
  raft: RawNode;
  readonly applied: Entry[] = [];
  readonly reads: ReadState[] = [];
  private readonly appendWork: Message[] = [];
  private readonly applyWork: Message[] = [];
  /** While true nothing reaches the disk. */
  diskStopped = false;

  constructor(
    readonly id: number,
    readonly storage: MemoryStorage,
    private readonly settings: TestSettings,
  ) {
    this.raft = this.start();
  }

  private start(): RawNode {
    return new RawNode({
      electionTicks: TEST_ELECTION_TICKS,
      heartbeatTicks: 1,
      random: (endExclusive) => this.id % endExclusive,
      ...this.settings,
      asyncStorageWrites: true,
      id: this.id,
      storage: this.storage,
    });
  }

  /** The process dies and starts again with what is on the disk; the state machine starts from the stored snapshot. */
  restart(): void {
    this.appendWork.length = 0;
    this.applyWork.length = 0;
    this.applied.length = 0;
    this.diskStopped = false;
    this.raft = this.start();
  }

  /** Takes what the core has to say. Returns messages for others and for itself. */
  takeMessages(): readonly Message[] {
    if (!this.raft.hasReady()) return [];
    const ready = this.raft.ready();
    this.reads.push(...ready.readStates);
    const sent: Message[] = [];
    for (const message of ready.messages) {
      if (message.to === APPEND_THREAD) this.appendWork.push(message);
      else if (message.to === APPLY_THREAD) this.applyWork.push(message);
      else sent.push(message);
    }
    return sent;
  }

  /** Does all storage work. Returns the messages that it released. */
  work(): readonly Message[] {
    if (this.diskStopped) return [];
    const released: Message[] = [];
    for (const work of this.appendWork.splice(0)) {
      const { term, vote, commit } = work;
      if (term !== 0) this.storage.hardState = { term, vote, commit };
      if (work.snapshot !== null) {
        this.storage.applySnapshot(work.snapshot);
        this.applied.length = 0;
      }
      this.storage.append(work.entries);
      released.push(...work.responses);
    }
    for (const work of this.applyWork.splice(0)) {
      for (const entry of work.entries) this.apply(entry);
      released.push(...work.responses);
    }
    return released;
  }

  private apply(entry: Entry): void {
    this.applied.push(entry);
    if (entry.type !== EntryType.normal) this.raft.applyConfChange(decodeConfChange(entry.type, entry.data));
  }

  /** Payloads of the applied entries, as text; no-ops and membership changes are left out. */
  texts(): readonly string[] {
    return this.applied
      .filter((entry) => entry.type === EntryType.normal && entry.data.length > 0)
      .map((entry) => new TextDecoder().decode(entry.data));
  }

  /** Terms of the stored log, from the first entry on. */
  storedTerms(): readonly number[] {
    return this.storage.allEntries().map((entry) => entry.term);
  }

  /** Forgets the log up to what was applied, as a host does that took a snapshot. */
  compact(): void {
    const index = this.raft.applied;
    const term = assertDefined(this.applied[this.applied.length - 1], "something was applied").term;
    this.storage.saveSnapshot({
      metadata: { index, term, confState: this.raft.confState },
      data: new TextEncoder().encode(this.texts().join()),
    });
    this.storage.compact(index);
  }
}

/** A group, and the network between its nodes. */
export class TestCluster {
  readonly nodes = new Map<number, TestNode>();
  /** Every message that was handed to the network, delivered or not. */
  readonly sent: Message[] = [];
  /** Messages that it refuses are lost. */
  filter: (message: Message) => boolean = () => true;
  private readonly cutLinks = new Set<string>();
  private readonly queue: Message[] = [];

  constructor(
    ids: readonly number[],
    private readonly settings: TestSettings = {},
    confState: ConfState = { ...EMPTY_CONFIGURATION, voters: ids },
  ) {
    for (const id of ids) this.nodes.set(id, new TestNode(id, MemoryStorage.bootstrap(confState), settings));
  }

  /** A node that knows nothing yet, and is in no configuration. */
  addBlankNode(id: number): TestNode {
    return this.addNode(id, new MemoryStorage());
  }

  /** A node with the log that is in `storage`. */
  addNode(id: number, storage: MemoryStorage, settings: TestSettings = {}): TestNode {
    const node = new TestNode(id, storage, { ...this.settings, ...settings });
    this.nodes.set(id, node);
    return node;
  }

  node(id: number): TestNode {
    return assertDefined(this.nodes.get(id), `node ${id} exists`);
  }

  raft(id: number): RawNode {
    return this.node(id).raft;
  }

  /** Ids of the nodes that believe to lead, ascending. */
  leaders(): readonly number[] {
    return [...this.nodes.values()].filter(({ raft }) => raft.state === "leader").map(({ id }) => id);
  }

  /** Nothing passes between these nodes, both ways. */
  cut(left: number, right: number): void {
    this.cutOneWay(left, right);
    this.cutOneWay(right, left);
  }

  cutOneWay(from: number, to: number): void {
    this.cutLinks.add(`${from}>${to}`);
  }

  isolate(id: number): void {
    for (const other of this.nodes.keys()) if (other !== id) this.cut(id, other);
  }

  heal(): void {
    this.cutLinks.clear();
    this.filter = () => true;
  }

  campaign(id: number): this {
    this.raft(id).campaign();
    return this.settle();
  }

  propose(id: number, ...texts: readonly string[]): this {
    for (const text of texts) {
      this.raft(id).propose([{ type: EntryType.normal, data: new TextEncoder().encode(text) }]);
    }
    return this.settle();
  }

  change(id: number, change: ConfChange | ConfChangeV2): this {
    this.raft(id).proposeConfChange(change);
    return this.settle();
  }

  /** Ticks these nodes, all together, settling after each tick. */
  tick(ids: readonly number[], count = 1): this {
    for (let at = 0; at < count; at++) {
      for (const id of ids) this.raft(id).tick();
      this.settle();
    }
    return this;
  }

  /** Hands a message to the network. */
  post(message: Message): void {
    this.sent.push(message);
    if (this.passes(message)) this.queue.push(message);
  }

  private passes(message: Message): boolean {
    const isWithinNode = message.from === message.to || message.from < 0;
    return isWithinNode || (!this.cutLinks.has(`${message.from}>${message.to}`) && this.filter(message));
  }

  /** Storage works and messages are delivered until nothing is left. */
  settle(): this {
    for (let round = 0; round < SETTLE_ROUNDS_MAX; round++) {
      for (const node of this.nodes.values()) {
        for (const message of node.takeMessages()) this.post(message);
        for (const message of node.work()) this.post(message);
      }
      if (this.queue.length === 0) return this;
      for (const message of this.queue.splice(0)) this.nodes.get(message.to)?.raft.step(message);
    }
    throw new Error("the cluster does not come to rest");
  }

  /** Messages of that type that were sent since `start`, a length of `sent`. */
  sentOf(type: Message["type"], start = 0): readonly Message[] {
    return this.sent.slice(start).filter((message) => message.type === type);
  }
}
