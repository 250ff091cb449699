/**
 * host.ts: all replicas of one broker: one ticker, one turn, one way to the peers.
 *
 * Whatever arrives in one turn of the event loop (messages, flushes, proposals) is handed to the cores at once; then each
 * touched replica is processed once, so that its appends share a flush and a socket write.
 */
import type { BrokerId, Clock, GroupId, Logger, Random, ReplicaId } from "@varve/base";
import { randomBelow } from "@varve/base";
import type { Lane, LinkDownReason } from "@varve/peer";
import type { GroupLog } from "@varve/storage";
import type { Message } from "raft-ts";
import { PeerKind } from "../peer-kinds.js";
import { BytePace } from "./byte-pace.js";
import { decodeMessage, encodeMessage } from "./message-codec.js";
import { Replica, type ReplicaTiming, type StateMachine, type Turn } from "./replica.js";

/** How messages leave this broker. */
export interface ReplicaLinks {
  send(to: BrokerId, lane: Lane, kind: number, parts: readonly Uint8Array[]): boolean;
}

export interface ReplicaHostOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly links: ReplicaLinks;
  /** The broker that holds a replica; null when unknown (its messages are dropped, Raft repeats them). */
  readonly brokerOf: (groupId: GroupId, replicaId: ReplicaId) => BrokerId | null;
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
  readonly appendBytesMax: number;
  readonly uncommittedBytesMax: number;
  readonly appendClockMs: () => number;
  /** Bytes a second that are read from disk for replicas that only learn, of all groups together; -1: no limit. */
  readonly learnerBytesPerSecond: number;
  /** A replica has stopped for good in this process: an invariant of it does not hold, or it cannot apply what was committed. */
  readonly onFailure: (groupId: GroupId, error: Error) => void;
  readonly raftFaults?: { readonly commitOldTerm?: boolean };
}

/** Time between the pre-votes of the replicas that saw a leader's process die, milliseconds: the first that can win usually has. */
const SUCCESSION_STEP_MS = 40;

/** First and last wait before a new group's first replica stands again, milliseconds; 1.6 s in all. */
const STAND_AGAIN_FIRST_MS = 25;
const STAND_AGAIN_MAX_MS = 600;

const CONTROL: ReadonlySet<Message["type"]> = new Set([
  "MsgHeartbeat",
  "MsgHeartbeatResp",
  "MsgPreVote",
  "MsgPreVoteResp",
  "MsgVote",
  "MsgVoteResp",
  "MsgTimeoutNow",
  "MsgReadIndex",
  "MsgReadIndexResp",
]);

export class ReplicaHost {
  private readonly options: ReplicaHostOptions;
  private readonly replicas = new Map<GroupId, Replica>();
  private dirty: Replica[] = [];
  private turnSet = false;
  private readonly turn: Turn = { appendedBytes: 0 };
  private ticker: { cancel(): void } | null = null;
  private stopped = false;
  private readonly learnerPace: BytePace;

  constructor(options: ReplicaHostOptions) {
    this.options = options;
    this.learnerPace = new BytePace(options.clock, options.learnerBytesPerSecond);
  }

  start(): void {
    this.scheduleTick();
  }

  stop(): void {
    this.stopped = true;
    this.ticker?.cancel();
    for (const replica of this.replicas.values()) replica.stop();
  }

  /** Runs a replica on this log. A quarantined log gets none: it neither votes nor leads nor acknowledges. */
  add(log: GroupLog, stateMachine: StateMachine): Replica {
    const { clock, random, heartbeatMs, electionTimeoutMs } = this.options;
    const timing: ReplicaTiming = {
      electionTicks: Math.max(5, Math.round(electionTimeoutMs / heartbeatMs)),
      heartbeatTicks: 1,
    };
    const replica = new Replica({
      log,
      timing,
      clock,
      random: (endExclusive) => randomBelow(random, endExclusive),
      appendClockMs: this.options.appendClockMs,
      send: (groupId, message) => this.send(groupId, message),
      wake: (woken) => this.wake(woken),
      stateMachine,
      uncommittedBytesMax: this.options.uncommittedBytesMax,
      appendBytesMax: this.options.appendBytesMax,
      turn: this.turn,
      ...(this.options.raftFaults === undefined ? {} : { raftFaults: this.options.raftFaults }),
      learnerPaceMs: (bytes) => this.learnerPace.take(bytes),
      onLoadError: (error) => {
        this.options.logger.warn(
          { err: error, groupId: log.spec.groupId },
          "frames for a lagging replica could not be read",
        );
      },
      onFailure: (error) => {
        this.options.logger.error(
          { err: error, groupId: log.spec.groupId },
          "a replica stopped: an invariant of it does not hold, or it cannot apply what was committed",
        );
        this.options.onFailure(log.spec.groupId, error);
      },
    });
    this.replicas.set(replica.groupId, replica);
    this.wake(replica);
    return replica;
  }

  /**
   * The first replica of a new group stands at once, and again until the others have made theirs, instead of waiting out an election
   * timeout. More and more rarely, since thousands of groups may be made together.
   */
  standAtCreation(replica: Replica, againMs = STAND_AGAIN_FIRST_MS): void {
    const isOver = this.stopped || this.replicas.get(replica.groupId) !== replica || replica.node.leader !== 0;
    if (isOver || againMs > STAND_AGAIN_MAX_MS) return;
    if (replica.node.state !== "candidate") replica.campaign();
    this.options.clock.setTimer(againMs, () => this.standAtCreation(replica, againMs * 1.5));
  }

  remove(groupId: GroupId): void {
    this.replicas.get(groupId)?.stop();
    this.replicas.delete(groupId);
  }

  get(groupId: GroupId): Replica | null {
    return this.replicas.get(groupId) ?? null;
  }

  all(): IterableIterator<Replica> {
    return this.replicas.values();
  }

  /** A Raft message from a peer. @throws VarveError CORRUPT_BATCH for bytes that are none. */
  receive(payload: Uint8Array, note?: (groupId: GroupId, sender: ReplicaId) => void): void {
    const { groupId, message } = decodeMessage(payload);
    note?.(groupId, message.from);
    this.replicas.get(groupId)?.step(message);
  }

  /** The links to a broker broke; when its address refuses new ones, its process is gone and its groups elect at once. */
  peerDown(broker: BrokerId, reason: LinkDownReason): void {
    for (const replica of this.replicas.values()) {
      const leader = replica.node.leader;
      if (replica.isLeader()) {
        for (const peer of memberIds(replica)) {
          if (this.options.brokerOf(replica.groupId, peer) === broker) replica.reportUnreachable(peer);
        }
      } else if (reason === "refused" && leader !== 0 && this.options.brokerOf(replica.groupId, leader) === broker) {
        this.succeed(replica, leader);
      }
    }
  }

  /** Stands for election after a dead leader, in the order of the replica ids, so that two rarely stand at once. */
  private succeed(replica: Replica, dead: ReplicaId): void {
    replica.forgetLeader();
    const rank = [...replica.log.replicas.voters]
      .filter((id) => id !== dead)
      .sort((a, b) => a - b)
      .indexOf(replica.id);
    if (rank < 0) return;
    const term = replica.node.term;
    this.options.clock.setTimer(rank * SUCCESSION_STEP_MS, () => {
      if (replica.node.leader === 0 && replica.node.term === term && !this.stopped) replica.campaign();
    });
  }

  private send(groupId: GroupId, message: Message): void {
    const broker = this.options.brokerOf(groupId, message.to);
    if (broker === null) return;
    const lane: Lane = CONTROL.has(message.type) ? "control" : "bulk";
    const sent = this.options.links.send(broker, lane, PeerKind.raft, encodeMessage(groupId, message));
    const replica = this.replicas.get(groupId);
    if (replica === undefined) return;
    // Told after this turn, since the core is in the middle of its outputs.
    const { clock } = this.options;
    // A snapshot that is lost on its way, or whose answer is, would be waited for without end. The link keeps the order: the core
    // probes behind it, and an answer that the follower is not there makes it send another.
    if (message.type === "MsgSnap") clock.defer(() => replica.reportSnapshot(message.to, sent));
    // Dropped, so the core must probe again.
    if (!sent && lane === "bulk") clock.defer(() => replica.reportUnreachable(message.to));
  }

  private wake(replica: Replica): void {
    if (replica.queued) return;
    replica.queued = true;
    this.dirty.push(replica);
    if (this.turnSet) return;
    this.turnSet = true;
    this.options.clock.defer(() => this.endTurn());
  }

  private endTurn(): void {
    this.turnSet = false;
    const dirty = this.dirty;
    this.dirty = [];
    for (const replica of dirty) {
      replica.queued = false;
      if (!this.stopped) replica.run();
    }
    this.turn.appendedBytes = 0;
  }

  private scheduleTick(): void {
    this.ticker = this.options.clock.setTimer(this.options.heartbeatMs, () => {
      if (this.stopped) return;
      this.scheduleTick();
      for (const replica of this.replicas.values()) replica.tick();
    });
  }
}

function memberIds(replica: Replica): readonly ReplicaId[] {
  const { voters, learners } = replica.log.replicas;
  return [...voters, ...learners].filter((id) => id !== replica.id);
}
