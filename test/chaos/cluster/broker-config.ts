/** broker-config.ts: the configuration of a broker under chaos: what `varve dev` writes, with what makes rare states frequent. */
import { writeFileSync } from "node:fs";
import { assertDefined } from "@varve/base";
import type { BrokerPlace } from "varve";

const portOf = (address: string): number => Number(address.split(":").at(-1));
const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(":"));

/** @param inner where the broker listens. @param outer where everybody reaches each broker: its proxies. */
export function writeBrokerConfig(inner: BrokerPlace, outer: readonly BrokerPlace[]): void {
  const own = assertDefined(
    outer.find(({ id }) => id === inner.id),
    "each broker has both places",
  );
  const lines = [
    `brokerId: ${inner.id}`,
    `dataDir: ${JSON.stringify(inner.dataDir)}`,
    `host: chaos-${inner.id}`,
    "cluster:",
    "  seeds:",
    ...outer.map(({ peer }) => `    - ${JSON.stringify(peer)}`),
    "listen:",
    `  address: ${hostOf(inner.grpc)}`,
    // A namespace of its own is a network that can be trusted.
    `  insecure: ${hostOf(inner.grpc) !== "127.0.0.1"}`,
    `  grpcPort: ${portOf(inner.grpc)}`,
    `  peerPort: ${portOf(inner.peer)}`,
    `  opsPort: ${portOf(inner.ops)}`,
    "advertised:",
    `  grpcAddress: ${JSON.stringify(own.grpc)}`,
    `  peerAddress: ${JSON.stringify(own.peer)}`,
    "",
  ];
  writeFileSync(inner.configFile, lines.join("\n"));
}
