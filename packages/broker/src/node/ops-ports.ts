/**
 * ops-ports.ts: the operators' listeners: one port for everything, or the probes on one and metrics with the status page on another.
 *
 * Both are plain HTTP: the kubelet's probes and most scrapers speak nothing else, and nothing can be changed through them. What they tell,
 * names of topics and groups among it, is kept from strangers by the address that it is bound to.
 */
import type { BrokerConfig } from "../config/index.js";
import { type OpsServer, type OpsServerOptions, type OpsThread, startOpsServer } from "./ops-server.js";

export interface OpsPorts extends OpsServer {
  /** Of metrics and the status page; null: they are on the same port. */
  readonly metricsPort: number | null;
}

/**
 * `thread`: how the probes are answered from a thread; null: from this event loop.
 * @throws VarveError ADDRESS_UNUSABLE; nothing is left open.
 */
export async function startOps(
  { listen }: BrokerConfig,
  source: OpsServerOptions["source"],
  thread: OpsThread | null,
): Promise<OpsPorts> {
  const { metricsPort } = listen;
  const scope = metricsPort === null ? "all" : "probes";
  const from = thread === null ? {} : { thread };
  const ops = await startOpsServer({ address: listen.address, port: listen.opsPort, source, scope, ...from });
  if (metricsPort === null) return { ...ops, metricsPort: null };
  const address = listen.metricsAddress ?? listen.address;
  try {
    const pages = await startOpsServer({ address, port: metricsPort, source, scope: "pages" });
    const close = async (): Promise<void> => void (await Promise.all([ops.close(), pages.close()]));
    return { port: ops.port, metricsPort: pages.port, close };
  } catch (error) {
    await ops.close();
    throw error;
  }
}
