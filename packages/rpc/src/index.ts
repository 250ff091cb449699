/** index.ts: the public API as typed methods and messages, its errors, and the ports of servers and clients. */
export {
  decodeStatus,
  ERROR_DOMAIN,
  encodeStatus,
  fromErrorStatus,
  GRPC_STATUS,
  publicError,
  STATUS_DETAILS_KEY,
  toErrorStatus,
  type WireStatus,
} from "./errors/status.js";
export type { ScaledObjectRef } from "./gen/keda.js";
export * from "./gen/varve.js";
export {
  ADMIN_METHODS,
  ADMIN_SERVICE,
  type AnyMethod,
  type BidiMethod,
  GROUP_METHODS,
  GROUP_SERVICE,
  LOG_METHODS,
  LOG_SERVICE,
  METHODS,
  type Method,
  type MethodKind,
  methodByNumber,
  SCALER_METHODS,
  SCALER_SERVICE,
  type UnaryMethod,
} from "./methods.js";
export type {
  AdminServiceHandlers,
  BidiHandler,
  CallContext,
  GroupServiceHandlers,
  HandlersOf,
  LogServiceHandlers,
  RpcServer,
  ScalerServiceHandlers,
  ServerStream,
  UnaryHandler,
} from "./server.js";
export type { BidiOptions, ClientStream, RpcChannel, RpcTransport, UnaryOptions } from "./transport.js";
export type { Init, MessageCodec } from "./wire/message-codec.js";
