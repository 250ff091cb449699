/**
 * examine.ts: what each broker advertises, and whether it answers from here. Every listener is looked at for itself, all at the same time.
 *
 * An address is well when its name has an address, somebody answers there, and it is the cluster, or the broker, that it should be. An address that
 * two brokers advertise is wrong whoever answers.
 */
import type { BrokerDetails, ClusterDescription } from "@varve/client";

/** How the world is looked at; each rejects with an Error that says in words what is wrong. */
export interface Probe {
  /** Addresses of a host's name; an address is its own. */
  resolve(host: string): Promise<readonly string[]>;
  /** Resolves when somebody accepts a connection. */
  connect(host: string, port: number): Promise<void>;
  /** The id of the cluster that answers clients at `host:port`. */
  clusterId(address: string): Promise<string>;
  /** The id of the broker that answers operators at `host:port`. */
  brokerId(address: string): Promise<number>;
}

export type ListenerName = "clients" | "peers" | "ops";

/** One advertised address, as it looks from here. */
export interface ListenerReport {
  readonly listener: ListenerName;
  /** As the broker advertises it; empty: a broker of an earlier version, which does not tell. */
  readonly address: string;
  /** What its host's name stands for here. */
  readonly addresses: readonly string[];
  /** What is wrong, in words; null: it answers. */
  readonly problem: string | null;
}

export interface BrokerReport {
  readonly id: number;
  readonly rack: string | null;
  readonly listeners: readonly ListenerReport[];
}

type Check = (address: string, host: string, port: number) => Promise<void>;

/** The reports, in the order of the brokers. Never rejects. */
export function examine(
  { clusterId, brokers }: Pick<ClusterDescription, "clusterId" | "brokers">,
  probe: Probe,
): Promise<BrokerReport[]> {
  const advertised = brokers.flatMap(({ address, peerAddress, opsAddress }) => [address, peerAddress, opsAddress]);
  const isShared = (address: string): boolean => advertised.filter((other) => other === address).length > 1;
  const look = async (listener: ListenerName, address: string, check: Check): Promise<ListenerReport> => {
    if (address === "") return { listener, address, addresses: [], problem: null };
    const { addresses, problem } = await lookAt(address, probe, check);
    const shared = isShared(address) ? "another listener advertises the same address" : null;
    return { listener, address, addresses, problem: problem ?? shared };
  };
  const report = async ({ id, rack, address, peerAddress, opsAddress }: BrokerDetails): Promise<BrokerReport> => ({
    id,
    rack,
    listeners: await Promise.all([
      look("clients", address, async (at) => {
        const answering = await probe.clusterId(at);
        if (answering !== clusterId) throw new Error(`another cluster answers there: ${answering}`);
      }),
      look("peers", peerAddress, (_, host, port) => probe.connect(host, port)),
      look("ops", opsAddress, async (at) => {
        const answering = await probe.brokerId(at);
        if (answering !== id) throw new Error(`broker ${answering} answers there`);
      }),
    ]),
  });
  return Promise.all(brokers.map(report));
}

/** What is wrong of all that is looked at, a line each. */
export function problemsOf(reports: readonly BrokerReport[], wanted: ReadonlySet<ListenerName>): string[] {
  return reports.flatMap(({ id, listeners }) =>
    listeners.flatMap(({ listener, address, problem }) =>
      problem !== null && wanted.has(listener) ? [`broker ${id}, ${listener}, ${address}: ${problem}`] : [],
    ),
  );
}

async function lookAt(
  address: string,
  probe: Probe,
  check: Check,
): Promise<Pick<ListenerReport, "addresses" | "problem">> {
  let addresses: readonly string[] = [];
  try {
    const parts = /^\[?([^\]]+?)\]?:([0-9]+)$/.exec(address);
    const [, host = "", port = ""] = parts ?? [];
    if (parts === null) throw new Error("is not host:port");
    addresses = await probe.resolve(host);
    await probe.connect(host, Number(port));
    await check(address, host, Number(port));
    return { addresses, problem: null };
  } catch (error) {
    return { addresses, problem: error instanceof Error ? error.message : String(error) };
  }
}
