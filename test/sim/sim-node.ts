/**
 * sim-node.ts: one machine of the simulation: a disk that outlives crashes, and the shipped storage, peer hub, replica host and
 * partitions of the process on it, put together as broker.ts does it.
 */
import type { Logger } from "@varve/base";
import type { Prng, SimClock } from "@varve/base/testing";
import { ByteBudget, decodeMessage, Partition, PeerKind, ReplicaHost, type ReplicaLinks } from "@varve/broker/testing";
import { createPeerHub, type PeerHub } from "@varve/peer";
import type { MessageFaults, SimNetwork } from "@varve/peer/testing";
import { nodeCodec } from "@varve/records/node";
import { type GroupLog, openStorage, type Storage } from "@varve/storage";
import { SimDisk } from "@varve/storage/testing";
import type { Checks, LiveLeader } from "./checks.js";
import { watchLog, watchStateMachine } from "./observe.js";
import type { Plan, Variant } from "./plan.js";
import { ProcessClock } from "./process-clock.js";
import { processLink } from "./process-link.js";
import type { Trace } from "./trace.js";
import { Violation } from "./violation.js";

/** The world that nodes share. */
export interface World {
  readonly clock: SimClock;
  readonly prng: Prng;
  readonly network: SimNetwork;
  readonly messageFaults: MessageFaults;
  readonly checks: Checks;
  readonly trace: Trace;
  readonly plan: Plan;
  readonly variant: Variant;
  readonly groupIds: readonly number[];
  readonly nodeIds: readonly number[];
}

interface Process {
  readonly clock: ProcessClock;
  storage: Storage | null;
  hub: PeerHub | null;
  host: ReplicaHost | null;
  detachFaults: () => void;
  readonly partitions: Map<number, Partition>;
}

const DATA_DIR = "/data";
const PEER_PORT = 1;
const SWEEP_MS = 100;
const RETAIN_MS = 1_000;
const MIB = 2 ** 20;
const METER = { produced() {}, fetched() {}, committed() {}, leaderChanged() {} };
const UUID_TAIL_DIGITS = 12;

/** Replica ids of a group are its own: they tell group and node. */
export function replicaIdOf(groupId: number, nodeId: number): number {
  return groupId * 100 + nodeId;
}

export class SimNode {
  readonly id: number;
  readonly name: string;
  /** Makes every sync this much slower. */
  syncSlowdown = 1;
  private readonly world: World;
  private readonly prng: Prng;
  private readonly disk: SimDisk;
  private process: Process | null = null;
  private isReady = false;

  constructor(id: number, world: World) {
    this.id = id;
    this.name = `n${id}`;
    this.world = world;
    this.prng = world.prng.fork();
    const { least, most } = world.plan.syncMs;
    const latency = this.prng.fork();
    this.disk = new SimDisk({
      // The disk outlives its processes: each call's wait belongs to the process that made it.
      clock: {
        monotonicMs: () => world.clock.monotonicMs(),
        wallMs: () => world.clock.wallMs(),
        setTimer: (delayMs, callback) => this.clockNow().setTimer(delayMs, callback),
        defer: (callback) => this.clockNow().defer(callback),
      },
      latencyMs: (kind) => (kind === "sync" ? (least + latency.ratio() * (most - least)) * this.syncSlowdown : 0),
    });
    for (const groupId of world.groupIds) world.checks.addReplica(groupId, replicaIdOf(groupId, id));
  }

  get isUp(): boolean {
    return this.process !== null;
  }

  /** Up, recovered, and not paused. */
  get isServing(): boolean {
    return this.isReady && this.process?.clock.isPaused === false;
  }

  /** Does `work` as this node's process, when it is not paused; false when nobody listens. */
  enter(groupId: number, work: (partition: Partition) => void): boolean {
    const partition = this.process?.partitions.get(groupId);
    if (partition === undefined || !this.isReady) return false;
    this.process?.clock.enter(() => work(partition));
    return true;
  }

  log(groupId: number): GroupLog | null {
    return this.process?.storage?.group(groupId) ?? null;
  }

  leader(groupId: number): LiveLeader | null {
    const replica = this.process?.host?.get(groupId);
    if (replica === undefined || replica === null || !replica.isLeader()) return null;
    return { log: replica.log, term: replica.node.term };
  }

  servesAsLeader(groupId: number): boolean {
    return this.isServing && this.process?.partitions.get(groupId)?.servingEpoch() !== null;
  }

  pause(): void {
    this.process?.clock.pause();
  }

  resume(): void {
    this.process?.clock.resume();
  }

  /** The power goes: the process, and any of the writes that were not synced. */
  crash(isSilent: boolean): void {
    const { process } = this;
    if (process === null) return;
    this.process = null;
    this.isReady = false;
    process.clock.kill();
    process.detachFaults();
    process.host?.stop();
    for (const partition of process.partitions.values()) partition.close();
    this.world.network.crash(this.name, { silent: isSilent });
    this.disk.crash(this.prng);
  }

  /** Starts a process on this machine; it serves when it has recovered. */
  start(): void {
    const clock = new ProcessClock(this.world.clock);
    const process: Process = {
      clock,
      storage: null,
      hub: null,
      host: null,
      detachFaults: () => {},
      partitions: new Map(),
    };
    this.process = process;
    this.boot(process).catch((error: unknown) => this.world.checks.fail(error));
  }

  private async boot(process: Process): Promise<void> {
    const { plan, checks, trace, groupIds } = this.world;
    const storage = await this.openStorage(process.clock);
    process.storage = storage;
    const isFirst =
      storage.groups().length === 0 &&
      groupIds.every((groupId) => checks.appliedIndex(replicaIdOf(groupId, this.id)) === 0);
    const hub = this.createHub(process, storage);
    process.hub = hub;
    const host = this.createHost(process.clock, hub);
    process.host = host;
    for (const groupId of groupIds) {
      const log = storage.group(groupId) ?? (await this.createLog(storage, groupId, isFirst));
      checks.onRecovered(log);
      log.setConfig(this.logConfig());
      trace.note(this.name, "recovered", groupId, log.pointers().appliedIndex, log.lastIndex(), log.hardState.term);
      this.addPartition(process, storage, host, log);
    }
    await hub.listen(this.name, PEER_PORT);
    for (const nodeId of this.world.nodeIds) if (nodeId !== this.id) hub.connect(`n${nodeId}:${PEER_PORT}`);
    host.start();
    this.every(process.clock, SWEEP_MS, () => {
      for (const partition of process.partitions.values()) partition.sweep(process.clock.monotonicMs());
    });
    if (plan.retentionBytes >= 0) {
      this.every(process.clock, RETAIN_MS, () => {
        for (const partition of process.partitions.values()) partition.retain(process.clock.wallMs());
      });
    }
    this.isReady = true;
  }

  private openStorage(clock: ProcessClock): Promise<Storage> {
    const { plan, variant, checks } = this.world;
    return openStorage(DATA_DIR, this.disk, this.disk.walThread(), nodeCodec, {
      clock,
      random: this.prng.fork(),
      logger: this.logger(),
      onFatal: (error) => checks.fail(error),
      walFileBytes: plan.walFileBytes,
      tailCacheBytesMax: plan.tailCacheBytesMax,
      undrainedBytesMax: 64 * MIB,
      diskReserveBytes: 0,
      checkpointIntervalBytes: plan.checkpointIntervalBytes,
      producerExpiryMs: 86_400_000,
      faults: { ackBeforeFsync: variant === "ackBeforeFsync", voteNotPersisted: variant === "voteNotPersisted" },
    });
  }

  private createHub(process: Process, storage: Storage): PeerHub {
    const { clock } = process;
    const { identity } = storage;
    const faults = this.world.messageFaults.attach(this.id, (_from, _lane, kind, payload) => {
      if (kind === PeerKind.raft) clock.enter(() => process.host?.receive(payload));
    });
    process.detachFaults = () => faults.detach();
    return createPeerHub({
      link: processLink(this.world.network.host(this.name), clock),
      clock,
      random: this.prng.fork(),
      logger: this.logger(),
      hello: () => ({
        brokerId: this.id,
        clusterId: null,
        directoryId: identity.directoryId,
        bootId: identity.bootIds[identity.bootIds.length - 1] ?? "",
        protocolMin: 1,
        protocolMax: 1,
      }),
      queueBytesMax: 8 * MIB,
      onMessage: faults.onMessage,
      onLinkUp: () => {},
      onLinkDown: (nodeId, reason) => process.host?.peerDown(nodeId, reason),
    });
  }

  private createHost(clock: ProcessClock, hub: PeerHub): ReplicaHost {
    const { plan, variant, checks, trace } = this.world;
    const links: ReplicaLinks = {
      send: (to, lane, kind, parts) => {
        if (lane === "control") {
          const { groupId, message } = decodeMessage(Buffer.concat(parts));
          if (message.type === "MsgVote" || message.type === "MsgVoteResp")
            trace.note(this.name, message.type, groupId, message.term, to, message.reject ? 1 : 0);
          checks.onSent(groupId, message);
        }
        return hub.send(to, lane, kind, parts);
      },
    };
    return new ReplicaHost({
      clock,
      random: this.prng.fork(),
      logger: this.logger(),
      links,
      brokerOf: (groupId, replicaId) => replicaId - groupId * 100,
      heartbeatMs: plan.heartbeatMs,
      electionTimeoutMs: plan.electionTimeoutMs,
      appendBytesMax: plan.appendBytesMax,
      uncommittedBytesMax: MIB,
      appendClockMs: () => clock.wallMs(),
      raftFaults: { commitOldTerm: variant === "commitOldTerm" },
    });
  }

  private createLog(storage: Storage, groupId: number, isFirst: boolean): Promise<GroupLog> {
    if (!isFirst) throw new Violation("recovery", `${this.name} has lost the log of group ${groupId}`);
    const voters = this.world.nodeIds.map((nodeId) => replicaIdOf(groupId, nodeId));
    return storage.createGroup(
      {
        groupId,
        replicaId: replicaIdOf(groupId, this.id),
        topicId: `00000000-0000-4000-8000-${String(groupId).padStart(UUID_TAIL_DIGITS, "0")}`,
        partition: 0,
        kind: "data",
        initial: { voters, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
      },
      this.logConfig(),
    );
  }

  private addPartition(process: Process, storage: Storage, host: ReplicaHost, log: GroupLog): void {
    const { checks, trace } = this.world;
    const { groupId } = log.spec;
    const partition = new Partition({
      name: { topic: `t${groupId}`, partition: 0 },
      log,
      storage,
      clock: process.clock,
      codec: nodeCodec,
      settings: { batchBytesMax: MIB, batchRecordsMax: 1_000, recordBytesMax: MIB },
      inFlight: new ByteBudget(8 * MIB),
      uncommittedBytesMax: MIB,
      undrainedBytesMax: MIB,
      meter: METER,
      brokerOf: (replicaId) => replicaId - groupId * 100,
      onRole: (_partition, role) => {
        trace.note(this.name, role.kind, groupId, role.term);
        if (role.kind === "leader") checks.onLeader(log, role.term, replica.node.commit);
      },
    });
    watchLog(log, checks);
    const replica = host.add(
      log,
      watchStateMachine(partition, (frames) => {
        trace.note(this.name, "apply", groupId, frames[0]?.index ?? 0, frames.length, replica.node.term);
        const { term, commit } = replica.node;
        checks.onApplied(log, frames, { term, commit, isLeader: replica.isLeader() });
      }),
    );
    partition.attach(replica);
    process.partitions.set(groupId, partition);
  }

  private logConfig(): { segmentBytes: number; segmentMs: number; retentionMs: number; retentionBytes: number } {
    const { segmentBytes, retentionBytes } = this.world.plan;
    return { segmentBytes, segmentMs: -1, retentionMs: -1, retentionBytes };
  }

  private every(clock: ProcessClock, periodMs: number, work: () => void): void {
    clock.setTimer(periodMs, () => {
      work();
      this.every(clock, periodMs, work);
    });
  }

  /** An error in the log of the code under test is one that must not happen here: no disk fails and nothing is damaged. */
  private logger(): Logger {
    const nothing = (): void => {};
    return {
      debug: nothing,
      info: nothing,
      warn: nothing,
      error: (fields, message) => {
        const cause = "err" in fields ? fields.err : JSON.stringify(fields);
        const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
        this.world.checks.fail(new Violation("no-failure", `${this.name}: ${message}: ${text}`));
      },
    };
  }

  private clockNow(): ProcessClock {
    const clock = this.process?.clock;
    if (clock === undefined) throw new RangeError(`${this.name} has no process`);
    return clock;
  }
}
