/** broker-config.ts: the configuration of a broker under chaos: what `varve dev` writes, with what makes rare states frequent. */
import { writeFileSync } from "node:fs";
import type { BrokerPlace } from "varve";

const portOf = (address: string): number => Number(address.split(":").at(-1));

export function writeBrokerConfig(place: BrokerPlace, places: readonly BrokerPlace[]): void {
  const lines = [
    `brokerId: ${place.id}`,
    `dataDir: ${JSON.stringify(place.dataDir)}`,
    `host: chaos-${place.id}`,
    "cluster:",
    "  seeds:",
    ...places.map(({ peer }) => `    - ${JSON.stringify(peer)}`),
    "listen:",
    `  grpcPort: ${portOf(place.grpc)}`,
    `  peerPort: ${portOf(place.peer)}`,
    `  opsPort: ${portOf(place.ops)}`,
    "",
  ];
  writeFileSync(place.configFile, lines.join("\n"));
}
