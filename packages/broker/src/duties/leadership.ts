/**
 * leadership.ts: moves leaderships: back to the preferred replicas when things are calm, away when this broker stops.
 *
 * Invariant: a leadership is handed only to a voter that is connected, is not about to stop, whose log is known to be complete and whose disk is not slow.
 */
import type { BrokerId, Clock, ReplicaId } from "@varve/base";
import type { Replica } from "../replica/replica.js";

export interface LeadershipOptions {
  readonly clock: Clock;
  readonly replicas: () => Iterable<Replica>;
  readonly brokerOf: (groupId: number, replicaId: ReplicaId) => BrokerId | null;
  readonly isConnected: (broker: BrokerId) => boolean;
  readonly isSlow: (broker: BrokerId) => boolean;
  /** It said that it stops now. */
  readonly isLeaving: (broker: BrokerId) => boolean;
  /** The replica that should lead a group when all are well; null = no matter. */
  readonly preferred: (groupId: number) => ReplicaId | null;
}

/** A leader this young is left alone, milliseconds. */
const SETTLED_MS = 3_000;
/** Transfers begun per call of `balance`: a returning broker takes its partitions back step by step. */
const TRANSFERS_PER_STEP = 16;
/** Entries that a successor may still miss; the core waits for it to catch up before it hands over. */
export const LAG_MAX = 64;

export class Leadership {
  private readonly options: LeadershipOptions;
  private readonly ledSince = new Map<Replica, { readonly term: number; readonly sinceMs: number }>();

  constructor(options: LeadershipOptions) {
    this.options = options;
  }

  /** Called once a second: hands settled leaderships to preferred replicas that are up to date. */
  balance(): void {
    const nowMs = this.options.clock.monotonicMs();
    let begun = 0;
    for (const replica of this.options.replicas()) {
      if (!replica.isReadyLeader()) {
        this.ledSince.delete(replica);
        continue;
      }
      const led = this.ledSince.get(replica);
      if (led === undefined || led.term !== replica.node.term) {
        this.ledSince.set(replica, { term: replica.node.term, sinceMs: nowMs });
        continue;
      }
      const preferred = this.options.preferred(replica.groupId);
      if (preferred === null || preferred === replica.id || nowMs - led.sinceMs < SETTLED_MS) continue;
      if (begun < TRANSFERS_PER_STEP && this.canLead(replica, preferred)) {
        begun++;
        this.ledSince.set(replica, { term: replica.node.term, sinceMs: nowMs });
        replica.transferLeader(preferred);
      }
    }
  }

  /**
   * Hands every leadership here to the most complete other voter of those brokers that may take one; the number that is still here. Brokers that
   * are to lead no more may not take each other's: they would hand them back and forth for ever.
   */
  leave(mayTake: (broker: BrokerId) => boolean = () => true): number {
    let led = 0;
    for (const replica of this.options.replicas()) {
      if (!replica.isLeader()) continue;
      const successor = this.successor(replica, mayTake);
      if (successor === null) continue;
      led++;
      if (replica.node.transferee === 0) replica.transferLeader(successor);
    }
    return led;
  }

  /** Hands one leadership to the first of these that can take it; false when none can yet. */
  handOver(replica: Replica, to: readonly ReplicaId[]): boolean {
    const successor = to.find((id) => id !== replica.id && this.canLead(replica, id));
    if (successor === undefined) return false;
    if (replica.node.transferee === 0) replica.transferLeader(successor);
    return true;
  }

  private successor(replica: Replica, mayTake: (broker: BrokerId) => boolean): ReplicaId | null {
    let best: ReplicaId | null = null;
    let bestMatch = -1;
    for (const id of replica.log.replicas.voters) {
      const broker = this.options.brokerOf(replica.groupId, id);
      if (id === replica.id || broker === null || !mayTake(broker) || !this.canLead(replica, id)) continue;
      const match = replica.node.progress(id)?.match ?? -1;
      if (match > bestMatch) {
        best = id;
        bestMatch = match;
      }
    }
    return best;
  }

  private canLead(replica: Replica, id: ReplicaId): boolean {
    const { brokerOf, isConnected, isSlow, isLeaving } = this.options;
    const broker = brokerOf(replica.groupId, id);
    if (broker === null || !isConnected(broker) || isSlow(broker) || isLeaving(broker)) return false;
    if (!replica.log.replicas.voters.includes(id)) return false;
    const progress = replica.node.progress(id);
    return (
      progress?.state === "replicate" && progress.isAnswering && replica.node.lastIndex - progress.match <= LAG_MAX
    );
  }
}
