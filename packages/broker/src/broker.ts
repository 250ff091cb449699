/**
 * broker.ts: puts one broker together from its ports and keeps its parts in step.
 *
 * Order of a start: lock and recover the data directory; listen to peers; belong to a cluster; run the controller's replica and the
 * partitions found on disk; register; then ready. Order of a stop: leaderships away; listeners closed; replicas stopped; flush.
 */
import { type BrokerId, CONTROLLER_GROUP, delay, type KeyValue, VarveError } from "@varve/base";
import { type ControllerCommand, type ControllerState, refusalError } from "@varve/cluster";
import { createPeerHub, type PeerHub } from "@varve/peer";
import { openStorage, type Storage } from "@varve/storage";
import type { BrokerPorts, BrokerSettings, PublicAddresses } from "./broker-settings.js";
import { ControllerAccess } from "./controller/access.js";
import type { Controller } from "./controller/controller.js";
import { Metadata } from "./controller/metadata.js";
import { Announcements } from "./duties/announcements.js";
import { ClusterClock } from "./duties/cluster-clock.js";
import { Duties } from "./duties/duties.js";
import { PeerAddresses } from "./duties/peer-addresses.js";
import { Periodic } from "./duties/periodic.js";
import { Presence } from "./duties/presence.js";
import { StatusExchange } from "./duties/status-exchange.js";
import { coordinatorFactory } from "./groups/coordinator-factory.js";
import { type Member, Membership, readJoinRequest } from "./membership/membership.js";
import { answerJoin, checkIdentity, register } from "./membership/registration.js";
import { type BrokerFacts, readinessOf } from "./ops/index.js";
import { ByteBudget } from "./partition/byte-budget.js";
import { PartitionSet } from "./partition/partition-set.js";
import { PeerDesk } from "./peer-desk.js";
import { PeerMethod } from "./peer-kinds.js";
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
  private readonly metadata: Metadata;
  private readonly peers: PeerDesk;
  private readonly periodic: Periodic;
  /** The port that peers reach this broker at. */
  peerPort = 0;
  private member: Member | null = null;
  private stopping = false;
  private readonly stopped = new AbortController();
  /** Its disk is watched until then: also a stop must not wait for a disk that does not answer. */
  private readonly closed = new AbortController();
  private fatal: string | null = null;

  private constructor(settings: BrokerSettings, ports: BrokerPorts, storage: Storage, groupStore: KeyValue) {
    this.settings = settings;
    this.ports = ports;
    this.storage = storage;
    this.groupStore = groupStore;
    const { clock, random, logger } = ports;
    this.inFlight = new ByteBudget(settings.inFlightBytesMax);
    this.clusterClock = new ClusterClock(clock);
    this.hub = this.makeHub();
    this.periodic = new Periodic({ clock, logger, stopped: this.stopped.signal });
    this.places = new ReplicaPlaces(
      () => this.controller?.state ?? null,
      () => this.membership.foundingVoters(),
    );
    const brokerOf = (groupId: number, replicaId: number): BrokerId | null => this.places.brokerOf(groupId, replicaId);
    this.host = this.makeHost();
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
    this.metadata = new Metadata({
      ports,
      storage,
      hub: this.hub,
      host: this.host,
      partitions: this.partitions,
      membership: () => this.membership,
      addresses: new PeerAddresses({ self: settings.brokerId, seeds: settings.seeds, hub: this.hub }),
      announcements: this.announcements,
      duties: () => this.duties,
    });
    this.access = new ControllerAccess({
      brokerId: settings.brokerId,
      controller: () => this.controller,
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
      wanted: () => this.metadata.wantedCount,
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
      controller: () => this.controller,
      state: () => this.state(),
      foundingVoters: () => this.membership.foundingVoters(),
      clusterId: () => this.member?.clusterId ?? null,
      brokerOf,
      isLeaving: (broker) => this.presence.isLeaving(broker),
      preferred: (groupId) => this.metadata.preferred(groupId),
      execute: (command) => this.execute(command),
    });
    this.peers = new PeerDesk({
      brokerId: settings.brokerId,
      storage,
      logger,
      host: this.host,
      leaders: this.leaders,
      places: this.places,
      announcements: this.announcements,
      presence: this.presence,
      duties: this.duties,
      featureLevel: () => this.metadata.featureLevel,
    });
    this.answerJoins();
  }

  private makeHub(): PeerHub {
    const { settings } = this;
    const { clock, link, logger, random } = this.ports;
    return createPeerHub({
      link,
      hello: () => this.peers.hello(),
      clock,
      random,
      logger,
      encodeError,
      onMessage: (from, _lane, kind, payload) => this.peers.receive(from, kind, payload),
      onLinkUp: (peer) => this.peers.linkUp(peer),
      onLinkDown: (broker, reason) => this.peers.linkDown(broker, reason),
      queueBytesMax: settings.peerQueueBytesMax,
    });
  }

  private makeHost(): ReplicaHost {
    const { settings } = this;
    const { clock, faults, logger, random } = this.ports;
    return new ReplicaHost({
      clock,
      random,
      logger,
      links: this.hub,
      brokerOf: (groupId, replicaId) => this.places.brokerOf(groupId, replicaId),
      heartbeatMs: settings.heartbeatMs,
      electionTimeoutMs: settings.electionTimeoutMs,
      appendBytesMax: settings.appendBytesMax,
      uncommittedBytesMax: settings.uncommittedBytesPerGroupMax,
      appendClockMs: () => this.clusterClock.appendMs(),
      learnerBytesPerSecond: settings.moveBytesPerSecond,
      onFailure: (groupId, error) => this.replicaFailed(groupId, error),
      ...(faults === undefined ? {} : { raftFaults: faults }),
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
      broker.periodic.every(DISK_LOOK_MS, () => started.duties.disk.look(), broker.closed.signal);
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
    this.member = await this.metadata.run(this.member, signal);
    this.host.start();
    this.periodic.every(SWEEP_MS, () => this.sweep());
    this.periodic.every(ANNOUNCE_MS, () => this.everySecond());
    this.periodic.every(REPLICA_CHANGES_MS, () => this.duties.replicaChanges.step());
    this.periodic.every(this.settings.retentionCheckMs, () => this.retain());
    // The founding command comes first in the controller's log.
    while (this.state().clusterId === null) await delay(this.ports.clock, FOUNDING_LOOK_MS, signal);
    const { access, settings } = this;
    await register({ access, clock: this.ports.clock, settings, identity: this.storage.identity }, addresses, signal);
    while (!(await this.refreshState())) await delay(this.ports.clock, REFRESH_AGAIN_MS, signal);
    this.metadata.registeredNow();
    void this.duties.scrub.run();
    this.presence.watchCatchUp();
  }

  /** Directories that ask to become members. */
  private answerJoins(): void {
    this.hub.handleCall(PeerMethod.join, async (_from, payload) => {
      const request = decodeJson(payload, "a request to join", readJoinRequest);
      const voters = this.membership.foundingVoters();
      const answer = await answerJoin({ access: this.access, clock: this.ports.clock }, request, voters, (address) =>
        this.hub.connect(address),
      );
      return encodeJson(answer);
    });
  }

  /** What readiness is judged by. */
  facts(): BrokerFacts {
    return {
      brokerId: this.settings.brokerId,
      clusterId: this.member?.clusterId ?? null,
      membershipWaitsFor: this.member === null ? this.membership.waitingFor() : null,
      recovering: null,
      registered: this.metadata.isRegistered,
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
    return this.metadata.state();
  }

  get controller(): Controller | null {
    return this.metadata.controller;
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

  private everySecond(): void {
    this.announcements.repeat();
    if (this.stopping) {
      this.presence.stopGate.leave();
      this.duties.leadership.leave(); // It may have been elected since.
    } else this.presence.stopGate.step();
    this.duties.everySecond(!this.stopping && this.metadata.isRegistered);
  }

  /** Damage was found in a log that was open. Without the controller's nothing here can go on; the next start makes it anew. */
  private quarantined(groupId: number, reason: string): void {
    if (groupId !== CONTROLLER_GROUP || this.controller === null) this.partitions.quarantined(groupId);
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
}
