/**
 * options.ts: how gRPC connections are set up, one table for both ends.
 */
import { type ChannelOptions, logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import { KIB, LIMITS, MIB, SECOND_MS } from "@varve/base";
import type { ConnectionLimits } from "./connection-limits.js";

/** What stands around the batches of a message, at most. */
const AROUND_BATCHES_BYTES = 64 * KIB;
/** Largest message: a full produce request or fetch answer, and room for what stands around the batches. */
export const MESSAGE_BYTES_MAX = Math.max(LIMITS.produceRequestBytesMax, LIMITS.fetchBytesMax) + AROUND_BATCHES_BYTES;
/** What may be on its way unread on a connection; larger than 1 MiB brings nothing on a LAN. */
export const FLOW_CONTROL_WINDOW_BYTES = 4 * MIB;
/** Smaller answers are never held back: together they take little, and the client of a write must hear of it. */
export const LARGE_RESPONSE_BYTES = 64 * KIB;
/** Silence after which a peer is asked whether it lives, and how long it may take to answer. */
const KEEPALIVE_TIME_MS = 10 * SECOND_MS;
const KEEPALIVE_TIMEOUT_MS = 5 * SECOND_MS;

const COMMON = {
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  "grpc-node.flow_control_window": FLOW_CONTROL_WINDOW_BYTES,
  "grpc.keepalive_time_ms": KEEPALIVE_TIME_MS,
  "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
} as const satisfies ChannelOptions;

/** Options of a server that takes messages of up to `requestBytesMax`, without what stands around their batches. */
export function serverOptions(
  limits: ConnectionLimits,
  requestBytesMax: number = LIMITS.produceRequestBytesMax,
): ChannelOptions {
  return {
    ...COMMON,
    "grpc.max_receive_message_length": Math.min(MESSAGE_BYTES_MAX, requestBytesMax + AROUND_BATCHES_BYTES),
    "grpc.max_concurrent_streams": limits.streamsPerConnectionMax,
    "grpc.max_connection_idle_ms": limits.idleMs,
  };
}

/** The client retries by itself, with knowledge of effects; grpc-js must not, and must reconnect soon after a broker's restart. */
export const CHANNEL_OPTIONS: ChannelOptions = {
  ...COMMON,
  "grpc.keepalive_permit_without_calls": 0,
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.min_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": SECOND_MS,
  // Its default, 30 s, is too long for names of pods; a failure asks again.
  "grpc.dns_min_time_between_resolutions_ms": SECOND_MS,
  "grpc.enable_retries": 0,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.service_config_disable_resolution": 1,
  "grpc.enable_http_proxy": 0,
};

/** grpc-js writes to stderr by itself, and a library must not; who wants its lines says so with its own GRPC_VERBOSITY. */
export function silenceGrpc(): void {
  const { GRPC_NODE_VERBOSITY, GRPC_VERBOSITY } = process.env;
  if (GRPC_NODE_VERBOSITY === undefined && GRPC_VERBOSITY === undefined) setLogVerbosity(logVerbosity.NONE);
}
