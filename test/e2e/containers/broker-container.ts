/**
 * broker-container.ts: one broker in a container, restricted as deploy/compose.yaml and the chart restrict it.
 *
 * It is on two networks. Brokers find each other by names that exist on the private one alone, so to leave that network is to lose the other brokers and
 * nothing else. Clients and probes are on this machine and come through ports that are published on its loopback address, by the other one.
 */
import { GenericContainer, getContainerRuntimeClient, type WaitStrategy } from "testcontainers";
import type { ClusterCertificates } from "./cluster-certificates.js";

const PEER_PORT = 7651;
const OPS_PORT = 7652;
/** What each broker may have, unless a scenario says otherwise. */
export const MEMORY_BYTES = 1024 ** 3;
/** Half of the memory is for what lies outside the heap. */
const HEAP_MIB = 384;
const SEEDS = [1, 2, 3];

/** What is fixed of a broker, whatever container it runs in. */
export interface BrokerPlan {
  readonly id: number;
  /** Name of its container. */
  readonly name: string;
  /** Named volume of its data. */
  readonly volume: string;
  /** Ports on 127.0.0.1 of this machine. */
  readonly grpcPort: number;
  readonly opsPort: number;
  readonly peersNetwork: string;
  readonly clientsNetwork: string;
  readonly labels: Readonly<Record<string, string>>;
  /** null: every link is plain text. */
  readonly certificates: ClusterCertificates | null;
}

/** The name by which other brokers find it. */
export function peerNameOf(id: number): string {
  return `varve-${id}`;
}

/** Whoever starts a broker waits for its own probe. */
const NO_WAIT: WaitStrategy = {
  waitUntilReady: async () => {},
  withStartupTimeout: () => NO_WAIT,
  isStartupTimeoutSet: () => true,
  getStartupTimeout: () => 0,
};

export class BrokerContainer extends GenericContainer {
  private readonly plan: BrokerPlan;

  constructor(image: string, plan: BrokerPlan) {
    super(image);
    this.plan = plan;
    this.withName(plan.name)
      .withLabels(plan.labels)
      .withNetworkMode(plan.clientsNetwork)
      .withBindMounts([
        { source: plan.volume, target: "/var/lib/varve" },
        ...(plan.certificates === null ? [] : [plan.certificates.mountOf(plan.id)]),
      ])
      .withDroppedCapabilities("ALL")
      .withSecurityOpt("no-new-privileges:true")
      // Not the name on the private network: newer engines answer for host names on every network.
      .withHostname(`machine-${plan.id}`)
      .withEnvironment(settingsOf(plan))
      .withWaitStrategy(NO_WAIT);
    const ports = [
      { inside: plan.grpcPort, outside: plan.grpcPort },
      { inside: OPS_PORT, outside: plan.opsPort },
    ];
    this.createOpts.ExposedPorts = Object.fromEntries(ports.map(({ inside }) => [`${inside}/tcp`, {}]));
    this.hostConfig = {
      ...this.hostConfig,
      PortBindings: Object.fromEntries(
        ports.map(({ inside, outside }) => [`${inside}/tcp`, [{ HostIp: "127.0.0.1", HostPort: String(outside) }]]),
      ),
      ReadonlyRootfs: true,
      Memory: MEMORY_BYTES,
      // Names that the engine does not know are asked of nobody outside, and their answer is "no" soon.
      Dns: ["127.0.0.1"],
      DnsOptions: ["timeout:1", "attempts:1"],
    };
  }

  protected override async containerCreated(containerId: string): Promise<void> {
    await joinPeers(containerId, this.plan);
  }
}

/** Connects a container to the private network, under its name there. */
export async function joinPeers(containerId: string, { id, peersNetwork }: BrokerPlan): Promise<void> {
  const client = await getContainerRuntimeClient();
  const network = client.network.getById(peersNetwork);
  await client.container.connectToNetwork(client.container.getById(containerId), network, [peerNameOf(id)]);
}

function settingsOf({ id, grpcPort, opsPort, certificates }: BrokerPlan): Record<string, string> {
  return {
    VARVE_BROKER_ID: String(id),
    VARVE_HOST: `machine-${id}`,
    VARVE_CLUSTER_SEEDS: SEEDS.map((seed) => `${peerNameOf(seed)}:${PEER_PORT}`).join(),
    VARVE_LISTEN_ADDRESS: "0.0.0.0",
    ...(certificates?.settings ?? { VARVE_LISTEN_INSECURE: "true" }),
    // The same port inside as outside, so that what is advertised also leads a client within the container to its broker.
    VARVE_LISTEN_GRPC_PORT: String(grpcPort),
    VARVE_ADVERTISED_GRPC_ADDRESS: `127.0.0.1:${grpcPort}`,
    VARVE_ADVERTISED_PEER_ADDRESS: `${peerNameOf(id)}:${PEER_PORT}`,
    VARVE_ADVERTISED_OPS_ADDRESS: `127.0.0.1:${opsPort}`,
    VARVE_SHUTDOWN_GRACE_MS: "20000",
    VARVE_LIMITS_IN_FLIGHT_BYTES_MAX: "134217728",
    VARVE_BOOTSTRAP: `127.0.0.1:${grpcPort}`,
    NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}`,
  };
}
