/**
 * cluster-health.ts: whether everything is well, and if not, what is wrong, in words. Needs no controller leader.
 */
import { type BrokerId, CONTROLLER_GROUP, delay } from "@varve/base";
import type { ClusterHealthResponse, HealthProblem, Init } from "@varve/rpc";
import type { Broker } from "../broker.js";
import { newestStatuses } from "../duties/status.js";
import { controllerProblem, partitionProblem } from "./replica-problems.js";

/** How long other brokers may take to answer, milliseconds. */
const GATHER_MS = 2_000;
/**
 * One look may deceive: a follower lacks what is on its way to it, and a leader takes everyone for silent for a heartbeat after each check of
 * its quorum (Raft thesis 6.2). So what is not well is looked at again.
 */
const LOOKS_MAX = 5;
/** With what one look may take at most, a caller with 5 s hears the answer. */
const LOOKING_MS_MAX = 1_500;
const LOOK_AGAIN_MS = 100;
const PROBLEMS_MAX = 1_000;

export async function clusterHealth(broker: Broker): Promise<Init<ClusterHealthResponse>> {
  const { clock } = broker.ports;
  const untilMs = clock.monotonicMs() + LOOKING_MS_MAX;
  for (let look = 1; ; look++) {
    const health = await healthNow(broker);
    const isLast = look === LOOKS_MAX || clock.monotonicMs() >= untilMs;
    if (health.healthy === true || isLast || !isOfReplicas(health)) return health;
    await delay(clock, LOOK_AGAIN_MS);
  }
}

/** Whether all that is wrong concerns replicas, which a moment may mend; what concerns a broker or a seed lasts. */
function isOfReplicas({ problems = [], brokersReady, brokersExpected }: Init<ClusterHealthResponse>): boolean {
  return brokersReady === brokersExpected && problems.length > 0;
}

async function healthNow(broker: Broker): Promise<Init<ClusterHealthResponse>> {
  const statuses = await broker.statuses.gather([], GATHER_MS);
  const state = broker.state();
  const problems: Init<HealthProblem>[] = [];
  const expected = state.brokers();
  const ready = new Set<BrokerId>();
  for (const { brokerId, grpcAddress } of expected) {
    const status = statuses.find((answer) => answer.brokerId === brokerId);
    if (status?.ready) ready.add(brokerId);
    else {
      const why = status === undefined ? "does not answer" : `is not ready: ${status.reasons.join(", ")}`;
      problems.push({ broker: brokerId, message: `broker ${brokerId} (${grpcAddress}) ${why}` });
    }
  }
  const gone = state.decommissioned();
  const missingSeeds = broker.settings.seeds.filter(
    (seed) => !gone.has(seed) && !expected.some(({ peerAddress }) => peerAddress === seed),
  );
  for (const seed of missingSeeds) problems.push({ message: `the seed ${seed} has not registered` });
  const newest = newestStatuses(statuses);
  const controllers = controllerProblem(newest.get(CONTROLLER_GROUP), state.controllerReplicas);
  if (controllers !== null) problems.push({ message: `the controller ${controllers}` });
  let healthy = 0;
  for (const topic of state.topics()) {
    for (const partition of topic.partitions) {
      const problem = partitionProblem(newest.get(partition.groupId), partition);
      if (problem === null) healthy++;
      else
        problems.push({
          topic: topic.topic,
          partition: partition.partition,
          message: `${topic.topic}/${partition.partition} ${problem}`,
        });
    }
  }
  return {
    healthy: problems.length === 0,
    problems: problems.slice(0, PROBLEMS_MAX),
    brokersReady: ready.size,
    brokersExpected: expected.length + missingSeeds.length,
    partitionsHealthy: healthy,
    partitionsExpected: state.partitionCount,
  };
}
