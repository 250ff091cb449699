/**
 * server.ts: what a program that answers calls implements and gets; the gRPC server itself is node/grpc-server.ts.
 */

import type { ADMIN_METHODS, GROUP_METHODS, LOG_METHODS, Method, SCALER_METHODS } from "./methods.js";
import type { Init } from "./wire/message-codec.js";

/** Facts about one call. */
export interface CallContext {
  /** Milliseconds that the caller had left to wait when the call arrived; Infinity for a stream without a deadline. */
  readonly deadlineMs: number;
  /** Aborted when the caller gave up, went away or the deadline passed, and when the server closes; nobody awaits the answer then. */
  readonly signal: AbortSignal;
  /** Address of the caller. */
  readonly peer: string;
  /**
   * Whether the caller's connection has room for an answer of that many bytes; asked before work that nobody may take. Whoever answers
   * without room has his answer refused with BROKER_OVERLOADED when it is large.
   */
  readonly hasRoom: (bytes: number) => boolean;
  /** Who the caller proved to be; null as long as there is no authentication. */
  readonly principal: null;
}

/** The server's end of a bidirectional stream. */
export interface ServerStream<Request, Response> {
  /**
   * The client's messages in order; ends when the client ends its side. Not taking the next one holds the client back. Iterate
   * once. @throws VarveError ABORTED when the client went away, INVALID_ARGUMENT when a message cannot be read.
   */
  readonly requests: AsyncIterable<Request>;
  /** Queues a message. Resolves when the next one may come; wait for it, or memory grows. @throws VarveError ABORTED when the client is gone. */
  write(response: Init<Response>): Promise<void>;
}

/** Answers a unary call. What it rejects with, when it is a VarveError, reaches the client whole; else INTERNAL without its text. */
export type UnaryHandler<Request, Response> = (request: Request, context: CallContext) => Promise<Init<Response>>;
/** Serves a stream; the stream ends when it settles, with its rejection as error. */
export type BidiHandler<Request, Response> = (
  stream: ServerStream<Request, Response>,
  context: CallContext,
) => Promise<void>;

/** The handlers that a table of methods asks for. */
export type HandlersOf<Methods> = {
  readonly [Name in keyof Methods]: Methods[Name] extends Method<infer Request, infer Response, infer Kind>
    ? Kind extends "unary"
      ? UnaryHandler<Request, Response>
      : BidiHandler<Request, Response>
    : never;
};

export type LogServiceHandlers = HandlersOf<typeof LOG_METHODS>;
export type GroupServiceHandlers = HandlersOf<typeof GROUP_METHODS>;
export type AdminServiceHandlers = HandlersOf<typeof ADMIN_METHODS>;
export type ScalerServiceHandlers = HandlersOf<typeof SCALER_METHODS>;

/** A server of the public API, with health checks and reflection. Add services before `start`. */
export interface RpcServer {
  addLogService(handlers: LogServiceHandlers): void;
  addGroupService(handlers: GroupServiceHandlers): void;
  addAdminService(handlers: AdminServiceHandlers): void;
  addScalerService(handlers: ScalerServiceHandlers): void;
  /** What grpc.health.v1 answers for the server as a whole and for each service; not serving at first. */
  setServing(serving: boolean): void;
  /** Listens; port 0 = any. @throws VarveError ADDRESS_UNUSABLE. */
  start(host: string, port: number): Promise<{ readonly port: number }>;
  /**
   * Takes no new call, ends streams with SHUTTING_DOWN, lets unary calls finish for at most `graceMs`, then cuts the rest.
   * Resolves when nothing is open any more.
   */
  close(graceMs: number): Promise<void>;
  /** Cuts everything at once, as if the process had been killed. */
  destroy(): void;
}
