/**
 * simulation.test.ts: random schedules of a whole group against the safety properties of the Raft paper (figure 3).
 *
 * One seed decides everything: who ticks, which message arrives, is lost or comes twice, when a disk finishes, who
 * crashes with which of its unsynced writes. Broken variants of the host and of the core must be caught.
 */
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import { assertDefined, RaftAssertionError } from "../assert.js";
import { RawNode } from "../raw-node.js";
import { MemoryStorage } from "../testing/memory-storage.js";
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type ConfChangeSingle,
  type ConfChangeV2,
  type ConfState,
  type Entry,
  EntryType,
  type Message,
} from "../types.js";
import { decodeConfChange } from "./confchange-codec.js";
import { EMPTY_CONFIGURATION } from "./configuration.js";
import { jointVote } from "./quorum.js";

type Fault = "none" | "ackBeforeFsync" | "voteNotPersisted" | "commitOldTerm";

class Violation extends Error {
  override readonly name = "Violation";
}

function hold(condition: boolean, property: string): void {
  if (!condition) throw new Violation(property);
}

interface SimNode {
  readonly id: number;
  raft: RawNode;
  storage: MemoryStorage;
  appendWork: Message[];
  applyWork: Message[];
  /** Index applied by this incarnation. */
  applied: number;
  appliedConf: ConfState;
  /** Index of the newest snapshot that this incarnation installed. */
  snapshotIndex: number;
  commitSeen: number;
  /** Reads under way: the highest index that was known to be committed when they began. */
  reads: Map<number, number>;
}

const NODES = [1, 2, 3, 4, 5];

class Simulation {
  private readonly prng: Prng;
  private readonly nodes = new Map<number, SimNode>();
  private readonly network: Message[] = [];
  private readonly leaderOfTerm = new Map<number, number>();
  private readonly votesGiven = new Map<string, number>();
  /** Term and payload of each committed entry, by index. */
  private readonly committed = new Map<number, string>();
  private committedMax = 0;
  private proposals = 0;
  private readContexts = 0;
  private calm = false;
  private readonly cut = new Set<number>();
  readonly options: {
    readonly preVote: boolean;
    readonly checkQuorum: boolean;
    readonly changes: boolean;
    /** Elections and crashes come so often that leaders rarely finish what they began. */
    readonly stormy: boolean;
    readonly messageBytesMax: number;
  };

  constructor(
    seed: number,
    private readonly fault: Fault,
  ) {
    this.prng = new Prng(seed);
    this.options = {
      preVote: this.prng.chance(0.5),
      checkQuorum: this.prng.chance(0.5),
      changes: fault === "none" && this.prng.chance(0.5),
      stormy: this.prng.chance(0.5),
      messageBytesMax: this.prng.pick([1, 60]),
    };
    const voters = this.options.changes ? [1, 2, 3] : this.prng.pick([[1, 2, 3], NODES]);
    for (const id of NODES) {
      // Those that may be added later start from the founding configuration, too, as its log does.
      this.nodes.set(id, this.start(id, MemoryStorage.bootstrap({ ...EMPTY_CONFIGURATION, voters })));
    }
  }

  private start(id: number, storage: MemoryStorage): SimNode {
    const base = storage.storedSnapshot().metadata;
    const raft = new RawNode({
      id,
      storage,
      electionTicks: 6,
      heartbeatTicks: 2,
      applied: base.index,
      random: (endExclusive) => this.prng.between(0, endExclusive - 1),
      preVote: this.options.preVote,
      checkQuorum: this.options.checkQuorum,
      asyncStorageWrites: true,
      maxSizePerMessage: this.options.messageBytesMax,
      maxCommittedSizePerReady: 80,
      maxInflightMessages: 3,
      maxUncommittedSize: 200,
      stepDownOnRemoval: true,
      faults: { commitOldTerm: this.fault === "commitOldTerm" },
    });
    return {
      id,
      raft,
      storage,
      appendWork: [],
      applyWork: [],
      applied: base.index,
      appliedConf: base.confState,
      snapshotIndex: 0,
      commitSeen: raft.commit,
      reads: new Map(),
    };
  }

  run(events: number): void {
    for (let at = 0; at < events; at++) {
      const node = assertDefined(this.nodes.get(this.prng.pick(NODES)), "a node");
      this.event(node);
      this.checkNode(node);
    }
  }

  private event(node: SimNode): void {
    if (this.options.stormy && this.prng.chance(0.01)) {
      if (this.prng.chance(0.5)) node.raft.campaign();
      else this.crash(node);
      return;
    }
    const dice = this.prng.between(0, 9_999);
    if (dice < 900) node.raft.tick();
    else if (dice < 5_000) this.deliver();
    else if (dice < 7_000) this.takeReady(node);
    else if (dice < 8_200) this.finishAppend(node);
    else if (dice < 9_100) this.finishApply(node);
    else if (dice < 9_700) this.propose(node);
    else if (dice < 9_800) this.read(node);
    else if (dice < 9_830) this.transfer(node);
    else if (dice < 9_930) this.compact(node);
    else if (dice < 9_970) this.crash(node);
    else this.toggleCut(node.id);
  }

  private toggleCut(id: number): void {
    if (this.cut.has(id)) this.cut.delete(id);
    else if (this.cut.size < 2) this.cut.add(id);
  }

  private post(message: Message): void {
    if (message.type === "MsgVoteResp" && !message.reject) this.noteVote(message);
    if (message.from === message.to || message.from < 0) {
      this.stepInto(message);
      return;
    }
    if (this.cut.has(message.from) || this.cut.has(message.to) || this.prng.chance(0.05)) {
      this.reportSnapshot(message, false);
      return;
    }
    this.network.push(message);
    if (this.prng.chance(0.03)) this.network.push(message);
  }

  private noteVote(message: Message): void {
    const key = `${message.from} in ${message.term}`;
    const before = this.votesGiven.get(key) ?? message.to;
    hold(before === message.to, `one vote per term: node ${key} voted for ${before} and ${message.to}`);
    this.votesGiven.set(key, message.to);
  }

  private stepInto(message: Message): void {
    const node = assertDefined(this.nodes.get(message.to), "a node");
    node.raft.step(message);
    this.checkNode(node);
  }

  /** Mostly in order; sometimes a later message overtakes. */
  private deliver(): void {
    if (this.network.length === 0) return;
    const at = this.prng.chance(0.8) ? 0 : this.prng.between(0, this.network.length - 1);
    const [message] = this.network.splice(at, 1);
    if (message === undefined) return;
    const arrives = !this.cut.has(message.to);
    if (arrives) this.stepInto(message);
    this.reportSnapshot(message, arrives);
  }

  /** What a host owes its core: the fate of every snapshot that it was given to send. */
  private reportSnapshot(message: Message, ok: boolean): void {
    if (message.type === "MsgSnap") this.nodes.get(message.from)?.raft.reportSnapshot(message.to, ok);
  }

  private takeReady(node: SimNode): void {
    if (!node.raft.hasReady()) return;
    const ready = node.raft.ready();
    for (const read of ready.readStates) {
      const floor = node.reads.get(Number(read.context)) ?? 0;
      hold(read.index >= floor, `linearizable reads: ${read.index} is below ${floor}, committed before the read`);
    }
    // A request for votes speaks for a log and a term: it waits for the writes of both, as answers do.
    const held = ready.messages.filter(({ type }) => type === "MsgVote");
    hold(held.length === 0 || ready.messages.some(({ to }) => to === APPEND_THREAD), "a candidate writes its vote");
    for (const message of ready.messages) {
      if (message.to === APPEND_THREAD) {
        this.takeAppend(node, { ...message, responses: [...held, ...message.responses] });
      } else if (message.to === APPLY_THREAD) node.applyWork.push(message);
      else if (!held.includes(message)) this.post(message);
    }
  }

  private takeAppend(node: SimNode, work: Message): void {
    node.appendWork.push(work);
    if (this.fault !== "ackBeforeFsync") return;
    for (const response of work.responses) if (response.to !== node.id) this.post(response);
  }

  private finishAppend(node: SimNode): void {
    const work = node.appendWork.shift();
    if (work === undefined) return;
    this.write(node, work);
    for (const response of work.responses) this.post(response);
  }

  private write(node: SimNode, work: Message): void {
    const { term, vote, commit } = work;
    if (term !== 0) {
      const kept = this.fault === "voteNotPersisted" ? 0 : vote;
      node.storage.hardState = { term, vote: kept, commit };
    }
    if (work.snapshot !== null) {
      node.storage.applySnapshot(work.snapshot);
      node.applied = work.snapshot.metadata.index;
      node.snapshotIndex = work.snapshot.metadata.index;
      node.appliedConf = work.snapshot.metadata.confState;
    }
    node.storage.append(work.entries);
  }

  private finishApply(node: SimNode): void {
    const work = node.applyWork.shift();
    if (work === undefined) return;
    // A snapshot that was stored meanwhile covers entries that were given out before it.
    for (const entry of work.entries) if (entry.index > node.snapshotIndex) this.apply(node, entry);
    for (const response of work.responses) this.post(response);
  }

  private apply(node: SimNode, entry: Entry): void {
    hold(entry.index === node.applied + 1, `entries are applied in order: ${entry.index} after ${node.applied}`);
    hold(node.storage.term(entry.index) === entry.term, "applied entries are durable where they are applied");
    node.applied = entry.index;
    this.noteCommitted(entry);
    if (entry.type === EntryType.normal) return;
    node.appliedConf = node.raft.applyConfChange(decodeConfChange(entry.type, entry.data));
  }

  private noteCommitted(entry: Entry): void {
    const value = `${entry.term}:${Buffer.from(entry.data).toString("latin1")}`;
    const before = this.committed.get(entry.index) ?? value;
    hold(before === value, `state machine safety: index ${entry.index} is ${before} and ${value}`);
    this.committed.set(entry.index, value);
    this.committedMax = Math.max(this.committedMax, entry.index);
  }

  private propose(node: SimNode): void {
    if (node.raft.state !== "leader" && this.prng.chance(0.9)) return;
    try {
      if (this.options.changes && !this.calm && this.prng.chance(0.1)) node.raft.proposeConfChange(this.randomChange());
      else node.raft.propose([{ type: EntryType.normal, data: Buffer.from(`p${this.proposals++}`) }]);
    } catch (error) {
      if (!(error instanceof Error && error.name === "ProposalDropped")) throw error;
    }
  }

  /** Keeps nodes 1 and 2 voters, so that every change is allowed and a quorum can be reached. */
  private randomChange(): ConfChangeV2 {
    const changes: ConfChangeSingle[] = [];
    for (const nodeId of [3, 4, 5]) {
      const type = this.prng.pick(["addVoter", "addLearner", "removeNode", null] as const);
      if (type !== null) changes.push({ type, nodeId });
    }
    return {
      transition: "jointImplicit",
      changes: changes.length > 0 ? changes : [{ type: "updateNode", nodeId: 1 }],
      context: new Uint8Array(0),
    };
  }

  private read(node: SimNode): void {
    const context = ++this.readContexts;
    node.reads.set(context, this.committedMax);
    node.raft.readIndex(context);
  }

  private transfer(node: SimNode): void {
    node.raft.transferLeader(this.prng.pick(NODES));
  }

  private compact(node: SimNode): void {
    const { storage, applied } = node;
    if (applied <= storage.storedSnapshot().metadata.index || node.appendWork.length > 0) return;
    const term = storage.term(applied);
    if (typeof term !== "number" || applied < storage.firstIndex()) return;
    storage.saveSnapshot({ metadata: { index: applied, term, confState: node.appliedConf }, data: new Uint8Array(0) });
    storage.compact(applied);
  }

  /** Some of the writes in the queue were finished, in order; their responses never left. */
  private crash(node: SimNode): void {
    const done = this.prng.between(0, node.appendWork.length);
    for (const work of node.appendWork.slice(0, done)) this.write(node, work);
    const restarted = this.start(node.id, node.storage.copy());
    this.nodes.set(node.id, restarted);
    this.checkNode(restarted);
  }

  private checkNode({ raft, id }: SimNode): void {
    const node = assertDefined(this.nodes.get(id), "a node");
    if (node.raft !== raft) return;
    hold(raft.commit >= node.commitSeen, "the commit index of a process never goes back");
    if (raft.commit > node.commitSeen && raft.state === "leader") this.checkQuorumHolds(raft);
    node.commitSeen = raft.commit;
    if (raft.state === "leader") this.checkLeader(raft);
  }

  /** An index is committed only if a quorum of the configuration in force has it on disk. */
  private checkQuorumHolds(raft: RawNode): void {
    const holds = (id: number): boolean => {
      const storage = this.nodes.get(id)?.storage;
      return storage !== undefined && (storage.lastIndex() >= raft.commit || storage.firstIndex() > raft.commit);
    };
    // A change may have come into force after the quorum answered; then the rule held for the configuration before.
    if (this.options.changes || this.fault !== "none") return;
    hold(
      jointVote(raft.confState, holds) === "won",
      `index ${raft.commit} is committed without a quorum that holds it`,
    );
  }

  private checkLeader(raft: RawNode): void {
    const before = this.leaderOfTerm.get(raft.term) ?? raft.id;
    hold(before === raft.id, `election safety: ${before} and ${raft.id} lead term ${raft.term}`);
    if (!this.leaderOfTerm.has(raft.term)) {
      const newest = Math.max(0, ...this.leaderOfTerm.keys());
      if (raft.term > newest) hold(raft.lastIndex >= this.committedMax, "leader completeness: the log is too short");
    }
    this.leaderOfTerm.set(raft.term, raft.id);
  }

  /** Faults and changes end; then the group must find a leader, commit something new, and agree on all of it. */
  settle(): void {
    this.cut.clear();
    this.calm = true;
    const goal = this.committedMax + 5;
    for (let round = 0; round < 5_000; round++) {
      for (const node of this.nodes.values()) {
        if (round % 4 === 0) node.raft.tick();
        if (round % 20 === 0 && this.committedMax < goal) this.propose(node);
        this.takeReady(node);
        while (node.appendWork.length > 0) this.finishAppend(node);
        while (node.applyWork.length > 0) this.finishApply(node);
      }
      while (this.network.length > 0) this.deliver();
      if (this.committedMax >= goal && this.hasConverged()) return;
    }
    throw new Violation("liveness: a group without faults elects a leader, commits and agrees");
  }

  private hasConverged(): boolean {
    const leader = [...this.nodes.values()].find(({ raft }) => raft.state === "leader" && raft.committedInTerm);
    if (leader === undefined || leader.raft.commit !== leader.raft.lastIndex) return false;
    const { voters, votersOutgoing, learners } = leader.raft.confState;
    return (
      votersOutgoing.length === 0 &&
      [...voters, ...learners].every((id) => this.nodes.get(id)?.applied === leader.raft.lastIndex)
    );
  }

  get committedCount(): number {
    return this.committed.size;
  }

  get terms(): number {
    return this.leaderOfTerm.size;
  }
}

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const SEEDS = 40;
const EVENTS = 15_000;

describe("a group under random crashes, losses and delays", () => {
  test(`keeps the safety properties of figure 3, and recovers when the faults end (SEED=${seed})`, () => {
    let committed = 0;
    let terms = 0;
    for (let at = 0; at < SEEDS; at++) {
      const simulation = new Simulation(seed + at, "none");
      try {
        simulation.run(EVENTS);
        simulation.settle();
      } catch (error) {
        throw new Error(`SEED=${seed + at}`, { cause: error });
      }
      committed += simulation.committedCount;
      terms += simulation.terms;
    }
    expect(committed).toBeGreaterThan(SEEDS * 30);
    expect(terms).toBeGreaterThan(SEEDS * 3);
  });

  test.each(["ackBeforeFsync", "voteNotPersisted", "commitOldTerm"] as const)(
    "is caught when it is broken: %s",
    (fault) => {
      expect(seedsUntilCaught(fault, 2_000)).not.toBeNull();
    },
  );

  test("does the same again with the same seed", () => {
    const first = new Simulation(7, "none");
    const second = new Simulation(7, "none");
    first.run(EVENTS);
    second.run(EVENTS);
    expect(second.committedCount).toBe(first.committedCount);
    expect(second.terms).toBe(first.terms);
  });
});

/** The first of the recorded seeds from 1 on that shows the fault. */
function seedsUntilCaught(fault: Fault, seedsMax: number): number | null {
  for (let at = 1; at <= seedsMax; at++) {
    try {
      const simulation = new Simulation(at, fault);
      simulation.run(EVENTS);
    } catch (error) {
      if (error instanceof Violation || error instanceof RaftAssertionError) return at;
      throw error;
    }
  }
  return null;
}
