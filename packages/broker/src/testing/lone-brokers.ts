/**
 * lone-brokers.ts: brokers for tests, each alone in its cluster: real sockets, a simulated disk.
 */
import { createServer } from "node:net";
import { silentLogger } from "@varve/base";
import type { RpcChannel } from "@varve/rpc";
import { createClient } from "@varve/rpc/node";
import type { SimDisk } from "@varve/storage/testing";
import { parseConfig } from "../config/index.js";
import { type RunningBroker, runBroker } from "../node/run-broker.js";

export class LoneBrokers {
  private readonly running: RunningBroker[] = [];
  private readonly channels: RpcChannel[] = [];

  /** @param config settings beside those that make it a cluster of one; a port that is taken before: one that `freePort` gave. */
  async start(disk: SimDisk, config: object = {}, peerPort?: number): Promise<RunningBroker> {
    const port = peerPort ?? (await freePort());
    const parsed = parseConfig({
      brokerId: 1,
      dataDir: "/broker-1",
      cluster: { seeds: [`127.0.0.1:${port}`] },
      listen: { grpcPort: 0, peerPort: port, opsPort: 0 },
      ...config,
    });
    const ports = { logger: silentLogger, disk: disk.process(), walThread: disk.walThread(), watchProcess: false };
    const broker = await runBroker(parsed, ports);
    this.running.push(broker);
    return broker;
  }

  /** A connection of its own. */
  connect({ grpcPort }: RunningBroker): RpcChannel {
    const channel = createClient(`127.0.0.1:${grpcPort}`);
    this.channels.push(channel);
    return channel;
  }

  async kill(broker: RunningBroker): Promise<void> {
    this.running.splice(this.running.indexOf(broker), 1);
    await broker.kill();
  }

  async end(): Promise<void> {
    for (const channel of this.channels.splice(0)) channel.close();
    await Promise.all(this.running.splice(0).map((broker) => broker.kill()));
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
