/**
 * readiness.ts: may traffic come here? The facts of a broker in, the answer of /readyz out.
 *
 * A broker becomes ready when it is a member of its cluster, knows the cluster's metadata and every replica that it must run has caught up once.
 * Invariants:
 *   R1  it is not ready exactly when there is a reason, and every reason is told
 *   R2  after `caughtUp` only its own trouble is a reason: one that is taken out of service because its peers fail makes it worse, and brings a
 *       whole cluster down in a row
 */
import type { BrokerId, ClusterId } from "@varve/base";
import type { Startup } from "./startup.js";

/** What is known of a broker now. */
export interface BrokerFacts {
  readonly brokerId: BrokerId;
  /** null while it belongs to no cluster. */
  readonly clusterId: ClusterId | null;
  /** What it waits for before it belongs to one; shown as the reason. */
  readonly membershipWaitsFor: string | null;
  /** Reads its data folder, and how far it is; null: no more. */
  readonly recovering: Pick<Startup, "logs" | "logsRecovered"> | null;
  /** Its registration has been applied. */
  readonly registered: boolean;
  /** Every replica here has caught up once since the start: a latch. */
  readonly caughtUp: boolean;
  /** Replicas that have not yet; null: not looked yet. */
  readonly replicasBehind: number | null;
  /** Broker that leads the controller; null = unknown. */
  readonly controller: BrokerId | null;
  readonly replicaCount: number;
  /** Replicas that it should run and does not run yet. */
  readonly replicasMissing: number;
  /** Replicas here whose leader is unknown. */
  readonly replicasLeaderless: number;
  /** `topic/partition` of the replicas here that stopped over damage. */
  readonly replicasQuarantined: readonly string[];
  /** Why produce is refused now; null = it is not. Overload passes by itself and is no reason to send traffic elsewhere. */
  readonly pressure: "BROKER_OVERLOADED" | "DISK_FULL" | null;
  readonly shuttingDown: boolean;
  /** It holds nothing any more and may be stopped. */
  readonly decommissioned: boolean;
  /** Why it cannot go on: a failed write or fsync, after which nothing becomes durable any more, or a decision of the controller that it cannot apply. */
  readonly fatal: string | null;
}

/** The answer of /readyz. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly brokerId: BrokerId;
  readonly clusterId: ClusterId | null;
  readonly controller: BrokerId | null;
  readonly replicaCount: number;
}

/** The answer of /livez: false = only a new start can help. */
export interface Liveness {
  readonly live: boolean;
  readonly reasons: readonly string[];
}

/** Quarantined replicas that are named; the rest is counted. */
const NAMED_MAX = 10;

export function readinessOf(facts: BrokerFacts): Readiness {
  const { brokerId, clusterId, controller, replicaCount } = facts;
  const reasons = reasonsOf(facts);
  return { ready: reasons.length === 0, reasons, brokerId, clusterId, controller, replicaCount };
}

export function livenessOf({ fatal }: Pick<BrokerFacts, "fatal">): Liveness {
  return fatal === null ? { live: true, reasons: [] } : { live: false, reasons: [fatal] };
}

function reasonsOf(facts: BrokerFacts): string[] {
  const reasons: string[] = [];
  if (facts.fatal !== null) reasons.push(`it cannot go on: ${facts.fatal}`);
  if (facts.shuttingDown) reasons.push("shutting down");
  if (facts.decommissioned) reasons.push("decommissioned: it holds nothing any more and may be stopped");
  if (facts.recovering !== null) reasons.push(recoveryReason(facts.recovering));
  if (facts.clusterId === null)
    reasons.push(`not a member of a cluster: ${facts.membershipWaitsFor ?? "waiting for its seeds"}`);
  else if (!facts.registered) reasons.push("not registered with the controller yet");
  if (!facts.caughtUp) reasons.push(...catchUpReasons(facts));
  if (facts.replicasQuarantined.length > 0) reasons.push(quarantineReason(facts.replicasQuarantined));
  if (facts.pressure === "DISK_FULL") reasons.push("too little free disk space: produce is refused");
  return reasons;
}

function recoveryReason({ logs, logsRecovered }: Pick<Startup, "logs" | "logsRecovered">): string {
  return `recovering from the data folder${logs === 0 ? "" : `: ${logsRecovered} of ${logs} logs`}`;
}

function catchUpReasons(facts: BrokerFacts): string[] {
  const reasons: string[] = [];
  if (facts.controller === null) reasons.push("no controller leader is known");
  if (facts.replicasMissing > 0) reasons.push(`${facts.replicasMissing} replicas are not running yet`);
  if (facts.replicasLeaderless > 0) reasons.push(`${facts.replicasLeaderless} partitions here have no known leader`);
  if (reasons.length > 0) return reasons;
  const { replicasBehind: behind } = facts;
  return behind === null || behind === 0
    ? ["it has not asked yet whether its replicas have caught up"]
    : [`${behind} replicas here have not caught up since the start`];
}

function quarantineReason(names: readonly string[]): string {
  const rest = names.length - NAMED_MAX;
  const named = names.slice(0, NAMED_MAX).join(", ");
  return `${names.length} replicas found damage in their files and do not serve: ${named}${rest > 0 ? ` and ${rest} more` : ""}; see varve log inspect`;
}
