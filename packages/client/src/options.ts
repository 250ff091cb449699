/**
 * options.ts: the settings of a client, with what happens when they are left out.
 */
import { LIMITS, type Logger, silentLogger, VarveError } from "@varve/base";

export interface VarveOptions {
  /** `host:port` of one or more brokers, as text (several with commas) or a list; port 7650 when left out. Any broker will do. */
  readonly bootstrap: string | readonly string[];
  /** Longest time that a call tries, milliseconds. Default 30,000. Larger: rides out longer outages; smaller: fails sooner. */
  readonly requestDeadlineMs?: number | undefined;
  /** Encrypts the connections; `{}` for brokers whose certificates an authority of the system signed. Default: no TLS. */
  readonly tls?: TlsOptions | undefined;
  /** Gets what the SDK has to say, in pino's shape. Default: nothing is said; the SDK never prints. */
  readonly logger?: Logger | undefined;
}

/** How brokers are known, and how this client shows who it is. The files are PEM, and read again at each new connection. */
export interface TlsOptions {
  /** Authorities that may have signed the brokers' certificates. Default: those of the system. */
  readonly caFile?: string | undefined;
  /** The client's certificate and its intermediates, where brokers ask for one; with `keyFile`. */
  readonly certFile?: string | undefined;
  /** The key of the client's certificate. */
  readonly keyFile?: string | undefined;
  /** Name that every broker's certificate must be for. Default: the host of the address that is connected to. */
  readonly serverName?: string | undefined;
}

/** Ends a wait. */
export interface WaitOptions {
  /** Rejects the wait with ABORTED when it is aborted. What is on its way to a broker may still take effect. */
  readonly signal?: AbortSignal | undefined;
}

export interface ClientSettings {
  readonly bootstrap: readonly string[];
  readonly requestDeadlineMs: number;
  readonly logger: Logger;
}

const DEFAULT_PORT = 7650;
const TLS_FIELDS: readonly string[] = ["caFile", "certFile", "keyFile", "serverName"];

/** `tls` when it is whole. @throws VarveError INVALID_ARGUMENT: a certificate without its key, an empty or unknown field. */
export function checkedTls(tls: TlsOptions): TlsOptions {
  if (typeof tls !== "object" || tls === null) throw invalidArgument("tls must be an object such as { caFile }");
  for (const [name, value] of Object.entries(tls)) {
    if (!TLS_FIELDS.includes(name)) throw invalidArgument(`tls.${name} is unknown; there are ${TLS_FIELDS.join(", ")}`);
    if (value !== undefined && (typeof value !== "string" || value === ""))
      throw invalidArgument(`tls.${name} is ${JSON.stringify(value)}, but must be a text`);
  }
  if ((tls.certFile === undefined) !== (tls.keyFile === undefined))
    throw invalidArgument("tls.certFile and tls.keyFile belong together; give both or neither");
  return tls;
}

/** @throws VarveError INVALID_ARGUMENT: no address, an address that is none, a deadline that is no positive number. */
export function clientSettings(options: VarveOptions): ClientSettings {
  const listed = typeof options.bootstrap === "string" ? options.bootstrap.split(",") : options.bootstrap;
  const bootstrap = [...new Set(listed.map((address) => parseAddress(address.trim())))];
  if (bootstrap.length === 0) throw invalidArgument("bootstrap has no address; give host:port of a broker");
  return {
    bootstrap,
    requestDeadlineMs: positive("requestDeadlineMs", options.requestDeadlineMs ?? LIMITS.requestDeadlineMs),
    logger: options.logger ?? silentLogger,
  };
}

function parseAddress(address: string): string {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:/]+)(?::(\d{1,5}))?$/.exec(address);
  const port = Number(match?.[2] ?? DEFAULT_PORT);
  if (match === null || port < 1 || port > 65_535) {
    throw invalidArgument(`bootstrap address ${JSON.stringify(address)} is not host:port`);
  }
  return `${match[1]}:${port}`;
}

/** `value` when it is a number above 0. @throws VarveError INVALID_ARGUMENT. */
export function positive(name: string, value: number): number {
  if (typeof value === "number" && value > 0) return value;
  throw invalidArgument(`${name} is ${String(value)}, but must be a number above 0`);
}

/** `value` when it is an integer in `min .. max`. @throws VarveError INVALID_ARGUMENT. */
export function integerIn(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalidArgument(`${name} is ${String(value)}, but must be an integer in ${min} .. ${max}`);
}

export function invalidArgument(message: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", { message, effect: "NOT_APPLIED" });
}
