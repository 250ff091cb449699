/**
 * registration.ts: a broker's place in the controller's state: it registers at each start, and answers others that want to join.
 */
import { type BrokerId, type Clock, delay, isVarveError, VarveError } from "@varve/base";
import { expectValue, refusalError, SUPPORTED_LEVELS } from "@varve/cluster";
import type { NodeIdentity, Storage } from "@varve/storage";
import type { BrokerSettings, PublicAddresses } from "../broker-settings.js";
import type { ControllerAccess } from "../controller/access.js";
import type { JoinAnswer, JoinRequest } from "./membership.js";

export interface RegistrationOptions {
  readonly access: ControllerAccess;
  readonly clock: Clock;
  readonly settings: BrokerSettings;
  readonly identity: NodeIdentity;
}

const RETRY_MS = 200;
const CALL_MS = 5_000;

/**
 * Tells the controller where this broker is reached. Runs until it is known, or until `signal`.
 * @throws VarveError DATA_DIR_UNUSABLE and others of the controller: this directory is refused.
 */
export async function register(
  { access, clock, settings, identity }: RegistrationOptions,
  { grpcAddress, opsAddress }: PublicAddresses,
  signal: AbortSignal,
): Promise<void> {
  const { bootIds, directoryId } = identity;
  const { brokerId, peerAddress, rack, host, version } = settings;
  for (;;) {
    try {
      const result = await access.execute(
        {
          kind: "registerBroker",
          brokerId,
          directoryId,
          bootId: bootIds[bootIds.length - 1] ?? "",
          priorBootIds: bootIds.slice(0, -1),
          grpcAddress,
          peerAddress,
          opsAddress,
          rack,
          host,
          version,
          formatVersion: SUPPORTED_LEVELS.max,
          formatVersionMin: SUPPORTED_LEVELS.min,
        },
        { deadlineAtMs: clock.monotonicMs() + CALL_MS, signal },
      );
      if (!result.ok && result.code !== "NOT_ENOUGH_REPLICAS") throw refusalError(result);
      expectValue(result, "member");
      return;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!isVarveError(error) || !(error.retryable || error.code === "COMMIT_UNKNOWN" || error.code === "TIMEOUT"))
        throw error;
    }
    await delay(clock, RETRY_MS, signal);
  }
}

/**
 * A broker that belongs to no cluster asks to join this one, or one that has lost its replica of the controller's group asks for another,
 * which it gets when the lost one has left. Any member answers. `accepted` is told its address.
 */
export async function answerJoin(
  { access, clock }: Pick<RegistrationOptions, "access" | "clock">,
  request: JoinRequest,
  voters: JoinAnswer["voters"],
  accepted: (peerAddress: string) => void,
): Promise<JoinAnswer> {
  const result = await access.execute(
    {
      kind: "joinBroker",
      brokerId: request.brokerId,
      directoryId: request.directoryId,
      bootId: request.bootIds[request.bootIds.length - 1] ?? "",
      priorBootIds: request.bootIds.slice(0, -1),
      peerAddress: request.peerAddress,
    },
    { deadlineAtMs: clock.monotonicMs() + CALL_MS },
  );
  // Its founders are about to found the cluster.
  if (!result.ok && result.code === "NOT_ENOUGH_REPLICAS") return { replicaId: 0, voters };
  if (!result.ok) return { replicaId: 0, voters, refused: result.message };
  accepted(request.peerAddress);
  const { replicaId, controllerReplicas } = expectValue(result, "member");
  const lost = controllerReplicas.find((known) => known.replicaId === request.lost);
  if (lost === undefined) return { replicaId, voters };
  if (lost.directoryId !== request.directoryId) throw strangerLost(request);
  const renewal = { kind: "renewControllerReplica", replicaId: lost.replicaId } as const;
  if (!lost.leaving) await access.execute(renewal, { deadlineAtMs: clock.monotonicMs() + CALL_MS });
  return { replicaId: 0, voters };
}

function strangerLost({ brokerId, lost }: JoinRequest): VarveError {
  return new VarveError("INVALID_ARGUMENT", {
    message: `broker ${brokerId} says that it has lost replica ${lost} of the controller, which was never in its directory; nothing was changed`,
  });
}

/** @throws VarveError DATA_DIR_UNUSABLE: the directory is another broker's. */
export function checkIdentity(
  storage: Storage,
  { brokerId, certifiedClusterId }: { readonly brokerId: BrokerId; readonly certifiedClusterId: string | null },
): void {
  const { brokerId: known, clusterId } = storage.identity;
  if (clusterId !== null && certifiedClusterId !== null && clusterId !== certifiedClusterId) {
    throw new VarveError("DATA_DIR_UNUSABLE", {
      message: `this data directory belongs to cluster ${clusterId}, but the certificate in peerTls.certFile is of cluster ${certifiedClusterId}; nothing was changed; have one made for varve://cluster/${clusterId}`,
      details: { clusterId, certifiedClusterId },
    });
  }
  if (known === null || known === brokerId) return;
  throw new VarveError("DATA_DIR_UNUSABLE", {
    message: `this data directory belongs to broker ${known}, but the configuration says ${brokerId}; nothing was changed; correct one of them`,
    details: { brokerId, directoryBrokerId: known },
  });
}
