/**
 * broker.ts: puts one broker together from its ports and keeps its parts in step.
 *
 * Order of a start: lock and recover the data directory; listen to peers; belong to a cluster; run the controller's replica and the
 * partitions found on disk; register; then ready. Order of a stop: leaderships away; listeners closed; replicas stopped; flush.
 */
import { type BrokerId, CONTROLLER_GROUP, delay, type KeyValue, toVarveError, VarveError } from "@varve/base";
import {
  type ControllerCommand,
  type ControllerState,
  FIRST_LEVEL,
  levelProblem,
  peerProtocols,
  refusalError,
  SUPPORTED_LEVELS,
} from "@varve/cluster";
import { createPeerHub, type LinkDownReason, type PeerHello, type PeerHub } from "@varve/peer";
import { openStorage, type Storage } from "@varve/storage";
import type { BrokerPorts, BrokerSettings, PublicAddresses } from "./broker-settings.js";
import { ControllerAccess } from "./controller/access.js";
import { Controller } from "./controller/controller.js";
import { Announcements } from "./duties/announcements.js";
import { ClusterClock } from "./duties/cluster-clock.js";
import { Duties } from "./duties/duties.js";
import { PeerAddresses } from "./duties/peer-addresses.js";
import { Presence } from "./duties/presence.js";
import { StatusExchange } from "./duties/status-exchange.js";
import { coordinatorFactory } from "./groups/coordinator-factory.js";
import { openControllerLog } from "./membership/controller-log.js";
import { type Member, Membership, readJoinRequest } from "./membership/membership.js";
import { answerJoin, checkIdentity, register } from "./membership/registration.js";
import { type BrokerFacts, readinessOf } from "./ops/index.js";
import { ByteBudget } from "./partition/byte-budget.js";
import { PartitionSet } from "./partition/partition-set.js";
import { wantedReplica } from "./partition/wanted-replica.js";
import { PeerKind, PeerMethod } from "./peer-kinds.js";
import { ReplicaHost } from "./replica/host.js";
import type { Role } from "./replica/replica.js";
import { encodeError, Forwarding } from "./routing/forwarding.js";
import { decodeJson, encodeJson } from "./routing/json-payload.js";
import { LeaderTable } from "./routing/leader-table.js";
import { ReplicaPlaces } from "./routing/replica-places.js";
import { Router } from "./routing/router.js";

const SWEEP_MS = 100;
const DISK_LOOK_MS = 100;
const ANNOUNCE_MS = 1_000;
const REFRESH_AGAIN_MS = 100;
const REPLICA_CHANGES_MS = 200;
const FOUNDING_LOOK_MS = 10;
const CALL_MS = 5_000;

export class Broker {
  readonly settings: BrokerSettings;
  readonly ports: BrokerPorts;
  readonly storage: Storage;
  readonly hub: PeerHub;
  readonly host: ReplicaHost;
  readonly leaders = new LeaderTable();
  readonly partitions: PartitionSet;
  readonly router: Router;
  readonly access: ControllerAccess;
  readonly forwarding: Forwarding;
  readonly statuses: StatusExchange;
  readonly inFlight: ByteBudget;
  readonly clusterClock: ClusterClock;
  /** Materialised state of the groups coordinated here. */
  private readonly groupStore: KeyValue;
  private readonly announcements: Announcements;
  private readonly membership: Membership;
  readonly presence: Presence;
  readonly duties: Duties;
  private readonly places: ReplicaPlaces;
  private readonly addresses: PeerAddresses;
  /** The port that peers reach this broker at. */
  peerPort = 0;
  private controllerHere: Controller | null = null;
  private member: Member | null = null;
  private registered = false;
  private stopping = false;
  private readonly stopped = new AbortController();
  /** Its disk is watched until then: also a stop must not wait for a disk that does not answer. */
  private readonly closed = new AbortController();
  /** By group. */
  private preferredReplicas = new Map<number, number>();
  private wantedCount = 0;
  /** The feature level that this broker shakes hands by. */
  private saidLevel: number = FIRST_LEVEL;
  private fatal: string | null = null;

  private constructor(settings: BrokerSettings, ports: BrokerPorts, storage: Storage, groupStore: KeyValue) {
    this.settings = settings;
    this.ports = ports;
    this.storage = storage;
    this.groupStore = groupStore;
    const { clock, random, logger } = ports;
    this.inFlight = new ByteBudget(settings.inFlightBytesMax);
    this.clusterClock = new ClusterClock(clock);
    this.hub = createPeerHub({
      link: ports.link,
      hello: () => this.hello(),
      clock,
      random,
      logger,
      encodeError,
      onMessage: (from, _lane, kind, payload) => this.receive(from, kind, payload),
      onLinkUp: (peer) => this.linkUp(peer),
      onLinkDown: (broker, reason) => this.linkDown(broker, reason),
      queueBytesMax: settings.peerQueueBytesMax,
    });
    this.addresses = new PeerAddresses({ self: settings.brokerId, seeds: settings.seeds, hub: this.hub });
    this.places = new ReplicaPlaces(
      () => this.controllerHere?.state ?? null,
      () => this.membership.foundingVoters(),
    );
    const brokerOf = (groupId: number, replicaId: number): BrokerId | null => this.places.brokerOf(groupId, replicaId);
    this.host = new ReplicaHost({
      clock,
      random,
      logger,
      links: this.hub,
      brokerOf,
      heartbeatMs: settings.heartbeatMs,
      electionTimeoutMs: settings.electionTimeoutMs,
      appendBytesMax: settings.appendBytesMax,
      uncommittedBytesMax: settings.uncommittedBytesPerGroupMax,
      appendClockMs: () => this.clusterClock.appendMs(),
      learnerBytesPerSecond: settings.moveBytesPerSecond,
      onFailure: (groupId, error) => this.replicaFailed(groupId, error),
      ...(ports.faults === undefined ? {} : { raftFaults: ports.faults }),
    });
    const onRole = (groupId: number, role: Role): void => {
      if (role.kind === "leader" && role.ready) this.announcements.leads({ groupId, term: role.term });
    };
    this.partitions = new PartitionSet({
      storage,
      host: this.host,
      clock,
      logger,
      codec: ports.codec,
      inFlight: this.inFlight,
      uncommittedBytesMax: settings.uncommittedBytesPerGroupMax,
      undrainedBytesMax: settings.undrainedBytesMax,
      batchLimits: settings,
      meter: ports.meter,
      brokerOf,
      onRole,
      onDamaged: (groupId, replicaId) => this.duties.renewals.note(groupId, replicaId),
      coordinator: coordinatorFactory({
        store: groupStore,
        clock,
        logger,
        nowMs: () => this.clusterClock.nowMs(),
        state: () => this.state(),
        refreshState: () => this.refreshState(),
        brokerOf,
        onRole,
      }),
    });
    this.announcements = new Announcements({
      brokerId: settings.brokerId,
      clock,
      hub: this.hub,
      leaders: this.leaders,
      clusterClock: this.clusterClock,
      replicas: () => this.host.all(),
    });
    this.access = new ControllerAccess({
      brokerId: settings.brokerId,
      controller: () => this.controllerHere,
      hub: this.hub,
      clock,
      leaders: this.leaders,
      brokerOf: (replicaId) => this.places.brokerOf(CONTROLLER_GROUP, replicaId),
      isStopping: () => this.stopping,
    });
    this.router = new Router({
      brokerId: settings.brokerId,
      clock,
      state: () => this.state(),
      refreshState: (context) => this.access.refresh(context),
      partitions: this.partitions,
      leaders: this.leaders,
      isStopping: () => this.stopping,
    });
    this.forwarding = new Forwarding(this.hub);
    this.statuses = new StatusExchange({
      brokerId: settings.brokerId,
      hub: this.hub,
      host: this.host,
      leaders: this.leaders,
      readiness: () => readinessOf(this.facts()),
      handOver: (replica, to) => this.duties.leadership.handOver(replica, [to]),
    });
    this.presence = new Presence({
      settings,
      ports,
      hub: this.hub,
      host: this.host,
      partitions: this.partitions,
      leaders: this.leaders,
      statuses: this.statuses,
      brokerOf,
      wanted: () => this.wantedCount,
      stopped: this.stopped.signal,
    });
    this.membership = new Membership({
      brokerId: settings.brokerId,
      seeds: settings.seeds,
      peerAddress: settings.peerAddress,
      expectedClusterId: settings.expectedClusterId,
      certifiedClusterId: settings.certifiedClusterId,
      storage,
      hub: this.hub,
      clock,
      random,
      logger,
    });
    this.duties = new Duties({
      settings,
      ports,
      storage,
      hub: this.hub,
      host: this.host,
      controller: () => this.controllerHere,
      state: () => this.state(),
      foundingVoters: () => this.membership.foundingVoters(),
      clusterId: () => this.member?.clusterId ?? null,
      brokerOf,
      preferred: (groupId) => this.preferredReplicas.get(groupId) ?? null,
      execute: (command) => this.execute(command),
    });
    this.hub.handleCall(PeerMethod.join, async (_from, payload) => {
      const request = decodeJson(payload, "a request to join", readJoinRequest);
      const voters = this.membership.foundingVoters();
      const answer = await answerJoin({ access: this.access, clock }, request, voters, (address) =>
        this.hub.connect(address),
      );
      return encodeJson(answer);
    });
  }

  /** Recovers the data directory and starts listening to peers. `ready` tells when the broker serves. */
  static async start(settings: BrokerSettings, ports: BrokerPorts): Promise<Broker> {
    const { clock, random, logger, disk, walThread, codec } = ports;
    let broker: Broker | null = null;
    const storage = await openStorage(settings.dataDir, disk, walThread, codec, {
      clock,
      random,
      logger,
      onFatal: ports.onFatal,
      ...(ports.onRecovery === undefined ? {} : { onRecovery: ports.onRecovery }),
      onFlush: (durationMs, bytes) => {
        broker?.duties.disk.flushed(durationMs);
        ports.onFlush(durationMs, bytes);
      },
      walFileBytes: settings.walFileBytes,
      tailCacheBytesMax: settings.tailCacheBytesMax,
      undrainedBytesMax: settings.undrainedBytesMax,
      diskReserveBytes: settings.diskReserveBytes,
      checkpointIntervalBytes: settings.checkpointIntervalBytes,
      producerExpiryMs: settings.producerExpiryMs,
      ...(ports.faults === undefined ? {} : { faults: ports.faults }),
      onQuarantine: (groupId, reason) => clock.defer(() => broker?.quarantined(groupId, reason)),
    });
    let groupStore: KeyValue | null = null;
    try {
      checkIdentity(storage, settings);
      groupStore = await ports.keyValue.open(`${settings.dataDir}/state`);
      const started = new Broker(settings, ports, storage, groupStore);
      broker = started;
      broker.every(DISK_LOOK_MS, () => started.duties.disk.look(), broker.closed.signal);
      broker.peerPort = (await broker.hub.listen(settings.listenHost, settings.peerPort)).port;
      return broker;
    } catch (error) {
      await groupStore?.close();
      await storage.close();
      throw error;
    }
  }

  /** Belongs to a cluster, knows its metadata, and is registered. Runs until then, or until `stop`. */
  async becomeReady(addresses: PublicAddresses): Promise<void> {
    const { signal } = this.stopped;
    for (const seed of this.settings.seeds) if (seed !== this.settings.peerAddress) this.hub.connect(seed);
    this.member = await this.membership.resolve(signal);
    await this.runController(this.member);
    this.host.start();
    this.every(SWEEP_MS, () => this.sweep());
    this.every(ANNOUNCE_MS, () => this.everySecond());
    this.every(REPLICA_CHANGES_MS, () => this.duties.replicaChanges.step());
    this.every(this.settings.retentionCheckMs, () => this.retain());
    // The founding command comes first in the controller's log.
    while (this.state().clusterId === null) await delay(this.ports.clock, FOUNDING_LOOK_MS, signal);
    const { access, settings } = this;
    await register({ access, clock: this.ports.clock, settings, identity: this.storage.identity }, addresses, signal);
    while (!(await this.refreshState())) await delay(this.ports.clock, REFRESH_AGAIN_MS, signal);
    this.registered = true;
    this.metadataChanged(this.state());
    void this.duties.scrub.run();
    this.presence.watchCatchUp();
  }

  /** What readiness is judged by. */
  facts(): BrokerFacts {
    return {
      brokerId: this.settings.brokerId,
      clusterId: this.member?.clusterId ?? null,
      membershipWaitsFor: this.member === null ? this.membership.waitingFor() : null,
      recovering: null,
      registered: this.registered,
      controller: this.access.leader(),
      ...this.presence.facts(),
      pressure: this.storage.pressure(),
      decommissioned: this.isDecommissioned,
      shuttingDown: this.stopping,
      fatal: this.fatal,
    };
  }

  /** A command of this broker's own, for the controller. @throws VarveError, also for what the controller refuses. */
  private async execute(command: ControllerCommand): Promise<void> {
    const deadlineAtMs = this.ports.clock.monotonicMs() + CALL_MS;
    const result = await this.access.execute(command, { deadlineAtMs, signal: this.stopped.signal });
    if (!result.ok) throw refusalError(result);
  }

  private refreshState(): Promise<boolean> {
    return this.access.refresh({
      deadlineAtMs: this.ports.clock.monotonicMs() + CALL_MS,
      signal: this.stopped.signal,
    });
  }

  state(): ControllerState {
    const controller = this.controllerHere;
    if (controller === null) {
      throw new VarveError("NOT_ENOUGH_REPLICAS", {
        message: "this broker does not belong to a cluster yet; nothing was done; retry, or look at its /readyz",
        retryAfterMs: 500,
      });
    }
    return controller.state;
  }

  get controller(): Controller | null {
    return this.controllerHere;
  }

  /** The first failure after which it cannot go on. */
  noteFatal(error: Error): void {
    this.fatal ??= error.message;
  }

  get isDecommissioned(): boolean {
    return this.duties.retirement.isOver;
  }

  get isStopping(): boolean {
    return this.stopping;
  }

  /** Moves leaderships away; resolves when none is left or the time is over. New produce finds the new leaders, and no read waits here any more. */
  async leave(forMs: number): Promise<void> {
    this.stopping = true;
    this.presence.stopGate.leave();
    const untilMs = this.ports.clock.monotonicMs() + forMs;
    while (this.duties.leadership.leave() > 0 && this.ports.clock.monotonicMs() < untilMs)
      await delay(this.ports.clock, 20);
    this.partitions.endWaits();
  }

  /** Stops everything and makes the data directory clean. `leave` first, unless it must be quick. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.duties.scrub.stop();
    this.stopped.abort(new VarveError("SHUTTING_DOWN", { message: "the broker is stopping" }));
    await this.partitions.close();
    this.host.stop();
    await this.hub.close();
    await this.groupStore.close();
    await this.storage.close().finally(() => this.closed.abort());
  }

  /** Ends at once, as a killed process would: nothing is flushed, materialised, handed over or said to anybody. */
  async kill(): Promise<void> {
    this.stopping = true;
    this.duties.scrub.stop();
    this.stopped.abort(new VarveError("SHUTTING_DOWN", { message: "the broker was killed" }));
    this.closed.abort();
    this.host.stop();
    this.hub.destroy();
    this.partitions.abandon();
    await this.groupStore.close();
    await this.storage.abandon();
  }

  private hello(): PeerHello {
    const { identity } = this.storage;
    const protocols = peerProtocols(this.saidLevel);
    return {
      brokerId: this.settings.brokerId,
      clusterId: identity.clusterId,
      directoryId: identity.directoryId,
      bootId: identity.bootIds[identity.bootIds.length - 1] ?? "",
      protocolMin: protocols.min,
      protocolMax: protocols.max,
    };
  }

  private receive(from: BrokerId, kind: number, payload: Uint8Array): void {
    if (kind === PeerKind.raft) {
      try {
        this.host.receive(payload, (groupId, sender) => this.places.noteSender(groupId, sender, from));
      } catch (error) {
        this.ports.logger.warn({ err: error, from }, "a malformed Raft message was dropped");
      }
    } else if (kind === PeerKind.leaders) {
      this.announcements.heard(from, payload);
    } else if (kind === PeerKind.slowDisk) {
      this.duties.disk.heard(from);
    } else if (kind === PeerKind.retired) {
      this.duties.retirement.heard(from);
    } else if (kind === PeerKind.stopping) {
      this.presence.heardStopping(from, payload);
    }
  }

  private linkUp(peer: PeerHello): void {
    this.ports.logger.info({ peer: peer.brokerId }, "link to a broker is up");
    this.presence.met(peer);
    this.announcements.greet(peer.brokerId);
  }

  private linkDown(broker: BrokerId, reason: LinkDownReason): void {
    this.ports.logger.warn({ peer: broker, reason }, "link to a broker is down");
    if (reason === "refused") this.leaders.dropBroker(broker);
    this.host.peerDown(broker, reason);
  }

  private async runController(member: Member): Promise<void> {
    const { storage, membership } = this;
    const { logger } = this.ports;
    const opened = await openControllerLog({ storage, membership, logger }, member, this.stopped.signal);
    const { log, isNew } = opened;
    this.member = opened.member;
    const controller = new Controller(log, this.ports.clock, {
      changed: (state) => this.metadataChanged(state),
      roleChanged: (role) => {
        if (role.kind !== "leader" || !role.ready) return;
        this.announcements.leads({ groupId: CONTROLLER_GROUP, term: role.term });
        this.ports.clock.defer(() => this.duties.controller.step());
      },
    });
    const problem = levelProblem(controller.state.featureLevel, SUPPORTED_LEVELS);
    if (problem !== null) throw new VarveError("DATA_DIR_UNUSABLE", { message: `${problem}; nothing was changed` });
    this.controllerHere = controller;
    const replica = this.host.add(log, controller);
    controller.attach(replica);
    if (isNew && member.voters[0]?.replicaId === opened.member.replicaId) this.host.standAtCreation(replica);
    this.metadataChanged(controller.state);
  }

  private metadataChanged(state: ControllerState): void {
    this.addresses.follow(state);
    if (state.featureLevel !== this.saidLevel) {
      this.saidLevel = state.featureLevel;
      this.hub.announce();
    }
    this.preferredReplicas = state.preferredReplicas();
    const wanted = state.replicasOf(this.storage.identity.directoryId);
    this.wantedCount = wanted.length;
    const hasLeft = (groupId: number, replicaId: number): boolean => state.hasLeft(groupId, replicaId);
    // A controller's log that was lost is learned anew from its beginning, and tells on its way of replicas that have left long since. One that
    // were made then would be empty under the id of one that had promised something. So nothing is made until all is known that was decided.
    const certain = this.registered ? wanted : wanted.filter(({ groupId }) => this.storage.group(groupId) !== null);
    this.partitions.reconcile(certain.map(wantedReplica), hasLeft).catch(() => {});
    for (const coordinator of this.partitions.allCoordinators()) coordinator.topicsChanged();
  }

  private everySecond(): void {
    this.announcements.repeat();
    this.presence.stopGate.step();
    this.duties.everySecond(!this.stopping && this.registered);
  }

  /** Damage was found in a log that was open. Without the controller's nothing here can go on; the next start makes it anew. */
  private quarantined(groupId: number, reason: string): void {
    if (groupId !== CONTROLLER_GROUP || this.controllerHere === null) this.partitions.quarantined(groupId);
    else this.ports.onFatal(new Error(`the controller's log in this data directory is damaged: ${reason}`));
  }

  /**
   * Every broker decides by what its own replica of the controller has applied: topics that were deleted, replicas that have left. One that applies
   * no more must not go on by what it knew. A fresh replica would not help, since it would be given the same commands.
   */
  private replicaFailed(groupId: number, error: Error): void {
    if (groupId !== CONTROLLER_GROUP) return;
    const message = `the replica of the controller stopped, so this broker would act on metadata that grow old: ${error.message}`;
    this.ports.onFatal(new Error(message, { cause: error }));
  }

  private sweep(): void {
    const nowMs = this.ports.clock.monotonicMs();
    for (const partition of this.partitions.all()) partition.sweep(nowMs);
    for (const coordinator of this.partitions.allCoordinators()) coordinator.sweep(nowMs);
  }

  private retain(): void {
    const nowMs = this.clusterClock.nowMs();
    for (const partition of this.partitions.all()) partition.retain(nowMs);
  }

  private every(periodMs: number, work: () => void, end = this.stopped.signal): void {
    this.ports.clock.setTimer(periodMs, () => {
      if (end.aborted) return;
      try {
        work();
      } catch (error) {
        this.ports.logger.error({ err: toVarveError(error) }, "a periodic duty failed; it is tried again");
      }
      this.every(periodMs, work, end);
    });
  }
}
