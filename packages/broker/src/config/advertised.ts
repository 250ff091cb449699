/**
 * advertised.ts: where others reach this broker: what the operator said, else what the listeners are bound to.
 */
import { formatHostPort } from "./address.js";
import type { BrokerConfig } from "./settings.js";

/** Ports that the listeners got; they differ from the settings where those say 0. */
export interface BoundPorts {
  readonly grpcPort: number;
  readonly peerPort: number;
  readonly opsPort: number;
}

/** Each as `host:port`. */
export interface AdvertisedAddresses {
  readonly grpcAddress: string;
  readonly peerAddress: string;
  readonly opsAddress: string;
}

export function advertisedAddresses(
  { listen, advertised }: Pick<BrokerConfig, "listen" | "advertised">,
  ports: BoundPorts = listen,
): AdvertisedAddresses {
  const at = (port: number): string => formatHostPort({ host: listen.address, port });
  return {
    grpcAddress: advertised.grpcAddress ?? at(ports.grpcPort),
    peerAddress: advertised.peerAddress ?? at(ports.peerPort),
    opsAddress: advertised.opsAddress ?? at(ports.opsPort),
  };
}
