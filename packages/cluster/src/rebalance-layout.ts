/**
 * rebalance-layout.ts: who holds what while a rebalance is planned: replicas, preferred leaderships and bytes per broker, kept up to date with
 * each step of the plan.
 *
 * Every choice is the smallest by a total order, so that an answer depends on who holds what, and not on how it came to that.
 * Invariants:
 *   L1  the replicas of a partition are on distinct brokers, as many as before
 *   L2  no step makes the spread of a partition over racks and hosts worse
 */
import { assert, assertDefined, type BrokerId, type GroupId, type TopicId } from "@varve/base";
import type { PlacementBroker } from "./placement.js";

/** A partition as it is meant to be placed now. */
export interface RebalancePartition {
  readonly groupId: GroupId;
  readonly topicId: TopicId;
  /** The first is the preferred leader. */
  readonly brokers: readonly BrokerId[];
  /** What one replica takes on disk. */
  readonly bytes: number;
  /** It stays where it is, and counts there. */
  readonly isFixed: boolean;
}

/** One partition and where its replicas are by now. */
export interface Placed {
  readonly partition: RebalancePartition;
  brokers: readonly BrokerId[];
}

/** One broker's load. */
export interface Load {
  readonly broker: PlacementBroker;
  readonly replicas: Set<Placed>;
  readonly leads: Set<Placed>;
  /** Replicas per topic. */
  readonly topics: Map<TopicId, number>;
  bytes: number;
}

/** Rack spread counts for so much more than host spread that no host spread outweighs it: at most 7 replicas, 49 for the worst. */
const RACK_WEIGHT = 1_000;

export class Layout {
  /** Brokers that may give and take, by id. */
  readonly loads: readonly Load[];
  readonly placed: readonly Placed[];
  /** Partitions that some step has changed. */
  readonly touched = new Set<Placed>();
  private readonly byId: ReadonlyMap<BrokerId, Load>;
  private readonly racks: ReadonlyMap<BrokerId, { readonly rack: string; readonly host: string }>;
  private readonly rackCount: number;
  private readonly hostCount: number;

  constructor(
    brokers: readonly PlacementBroker[],
    avoid: ReadonlySet<BrokerId>,
    partitions: readonly RebalancePartition[],
  ) {
    const places = brokers.map(({ brokerId, rack, host }) => {
      const name = JSON.stringify(rack);
      return [brokerId, { rack: name, host: `${name}${host}` }] as const;
    });
    this.racks = new Map(places);
    this.rackCount = new Set(places.map(([, { rack }]) => rack)).size;
    this.hostCount = new Set(places.map(([, { host }]) => host)).size;
    this.loads = brokers
      .filter(({ brokerId }) => !avoid.has(brokerId))
      .sort((left, right) => left.brokerId - right.brokerId)
      .map((broker) => ({ broker, replicas: new Set(), leads: new Set(), topics: new Map(), bytes: 0 }));
    this.byId = new Map(this.loads.map((load) => [load.broker.brokerId, load]));
    this.placed = [...partitions]
      .sort((left, right) => left.groupId - right.groupId)
      .map((partition) => ({ partition, brokers: partition.brokers }));
    for (const placed of this.placed) {
      for (const brokerId of placed.brokers) this.enter(placed, brokerId);
      this.noteLeader(placed, "add");
    }
  }

  /** Puts the replica on `from` onto `to`, with the preferred leadership if it had that. */
  move(placed: Placed, from: Load, to: Load): void {
    const at = placed.brokers.indexOf(from.broker.brokerId);
    assert(at >= 0, "L1: the replica that moves is there");
    assert(!to.replicas.has(placed), "L1: a broker gets no second replica");
    this.noteLeader(placed, "delete");
    this.leave(placed, from);
    placed.brokers = placed.brokers.with(at, to.broker.brokerId);
    this.enter(placed, to.broker.brokerId);
    this.noteLeader(placed, "add");
    this.touched.add(placed);
  }

  /** Makes the replica on `to` the preferred leader in the place of the one that is. */
  prefer(placed: Placed, to: Load): void {
    const at = placed.brokers.indexOf(to.broker.brokerId);
    const [first] = placed.brokers;
    assert(at > 0 && first !== undefined, "another replica of the partition becomes its preferred leader");
    this.noteLeader(placed, "delete");
    placed.brokers = placed.brokers.with(at, first).with(0, to.broker.brokerId);
    this.noteLeader(placed, "add");
    this.touched.add(placed);
  }

  /** Whether the replica on `from` may go to `to`: it is not fixed, `to` has none, and the spread gets no worse (L2). */
  mayMove(placed: Placed, from: Load, to: Load): boolean {
    if (placed.partition.isFixed || to.replicas.has(placed)) return false;
    if (from.broker.rack === to.broker.rack && from.broker.host === to.broker.host) return true;
    return this.spreadAfter(placed, from, to) <= this.spreadOf(placed.brokers);
  }

  /** How badly brokers are spread over racks, then hosts: the sum of the squares of the replicas in each. */
  spreadOf(brokers: readonly BrokerId[]): number {
    const places = brokers.map(
      (brokerId) => this.racks.get(brokerId) ?? { rack: `?${brokerId}`, host: `?${brokerId}` },
    );
    return RACK_WEIGHT * squares(places.map(({ rack }) => rack)) + squares(places.map(({ host }) => host));
  }

  spreadAfter({ brokers }: Placed, from: Load, to: Load): number {
    return this.spreadOf(brokers.with(brokers.indexOf(from.broker.brokerId), to.broker.brokerId));
  }

  /** The best spread that so many replicas can have, if every rack had enough hosts. */
  bestSpread(replicas: number): number {
    return RACK_WEIGHT * evenSquares(replicas, this.rackCount) + evenSquares(replicas, this.hostCount);
  }

  load(brokerId: BrokerId): Load | null {
    return this.byId.get(brokerId) ?? null;
  }

  private enter(placed: Placed, brokerId: BrokerId): void {
    const load = this.byId.get(brokerId);
    if (load === undefined) return;
    const { topicId, bytes } = placed.partition;
    load.replicas.add(placed);
    load.bytes += bytes;
    load.topics.set(topicId, (load.topics.get(topicId) ?? 0) + 1);
  }

  private leave(placed: Placed, load: Load): void {
    const { topicId, bytes } = placed.partition;
    load.replicas.delete(placed);
    load.bytes -= bytes;
    load.topics.set(topicId, assertDefined(load.topics.get(topicId), "a topic with a replica is counted") - 1);
  }

  private noteLeader(placed: Placed, change: "add" | "delete"): void {
    const [leader] = placed.brokers;
    if (leader !== undefined) this.byId.get(leader)?.leads[change](placed);
  }
}

function squares(names: readonly string[]): number {
  let sum = 0;
  for (const name of names) for (const other of names) if (name === other) sum++;
  return sum;
}

function evenSquares(replicas: number, places: number): number {
  const each = Math.floor(replicas / places);
  const more = replicas % places;
  return more * (each + 1) ** 2 + (places - more) * each ** 2;
}
