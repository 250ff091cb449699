/**
 * ports.ts: everything through which the SDK touches the world. node/ has the real ones; tests and the simulator bring others.
 */
import type { Clock, Codec, Random } from "@varve/base";
import type { RpcTransport } from "@varve/rpc";

/** Publishes what the SDK does to whoever subscribed; costs nothing when nobody did. */
export interface Diagnostics {
  /** Whether anybody listens to `channel`; asked before a message is made. */
  hasSubscribers(channel: DiagnosticsChannel): boolean;
  publish(channel: DiagnosticsChannel, message: object): void;
}

/** Names of the diagnostics channels. The README says what each carries. */
export type DiagnosticsChannel =
  | "varve:client:call-retry"
  | "varve:client:metadata"
  | "varve:producer:acknowledged"
  | "varve:producer:retry"
  | "varve:producer:failed"
  | "varve:producer:epoch"
  | "varve:reader:subscribed"
  | "varve:reader:interrupted"
  | "varve:consumer:assigned"
  | "varve:consumer:revoked"
  | "varve:consumer:lost"
  | "varve:consumer:stalled";

export interface ClientPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: RpcTransport;
  readonly codec: Codec;
  readonly diagnostics: Diagnostics;
}
