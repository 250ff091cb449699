/**
 * address.ts: `host:port` as text: what is one, what it is made of, and which hosts mean this machine only.
 */

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const HOST_LENGTH_MAX = 253;
const HOST = /^[A-Za-z0-9._-]+$/;
const IPV6 = /^[0-9A-Fa-f:.]+$/;

/** The parts of `host:port` or `[ipv6]:port`; null when the text is neither. */
export function parseHostPort(text: string): HostPort | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  if (match === null) return null;
  const [, ipv6, name, digits] = match;
  const host = ipv6 ?? name ?? "";
  const port = Number(digits);
  const valid = ipv6 === undefined ? HOST.test(host) : IPV6.test(host);
  return valid && host.length <= HOST_LENGTH_MAX && port >= 1 && port <= 65_535 ? { host, port } : null;
}

/** The text that parseHostPort reads. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

export function hostPortProblem(text: string): string | null {
  return parseHostPort(text) === null ? `${JSON.stringify(text)} is not host:port with a port in 1 .. 65535` : null;
}

/** Why a listener cannot bind to `text`; null when it may. */
export function listenHostProblem(text: string): string | null {
  return HOST.test(text) || IPV6.test(text)
    ? null
    : `${JSON.stringify(text)} is not a host name or an IP address without port`;
}

/** Whether only processes of this machine reach a listener on this address. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.[0-9]{1,3}){3}$/.test(host);
}

/** Whether a listener on this address accepts on all interfaces, so that it is no address to connect to. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || /^[0:]+$/.test(host);
}
