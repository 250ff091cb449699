/**
 * grpc-server.ts: RpcServer on @grpc/grpc-js. Messages pass through it as bytes; decoding is ours, so that a message that
 * cannot be read gets a typed error like any other.
 */
import { setMaxListeners } from "node:events";
import { type handleBidiStreamingCall, type handleUnaryCall, type MethodDefinition, Server } from "@grpc/grpc-js";
import { LIMITS, VarveError } from "@varve/base";
import { GRPC_STATUS } from "../errors/status.js";
import {
  ADMIN_METHODS,
  type AnyMethod,
  type BidiMethod,
  GROUP_METHODS,
  LOG_METHODS,
  METHODS,
  SCALER_METHODS,
  type UnaryMethod,
} from "../methods.js";
import type {
  AdminServiceHandlers,
  BidiHandler,
  CallContext,
  GroupServiceHandlers,
  LogServiceHandlers,
  RpcServer,
  ScalerServiceHandlers,
  UnaryHandler,
} from "../server.js";
import { HEALTH_METHODS, Health, UnknownService } from "../services/health.js";
import { REFLECTION_METHODS, reflectionHandler } from "../services/reflection.js";
import { CONNECTION_LIMITS, type ConnectionLimits, type ConnectionStats } from "./connection-limits.js";
import { Door } from "./door.js";
import { statusObject } from "./metadata.js";
import { LARGE_RESPONSE_BYTES, serverOptions, silenceGrpc } from "./options.js";
import { GrpcServerStream } from "./server-stream.js";
import type { ServerTls } from "./tls-door.js";

type Handler = handleUnaryCall<Buffer, Buffer> | handleBidiStreamingCall<Buffer, Buffer>;
type AnyHandler = UnaryHandler<unknown, unknown> | BidiHandler<unknown, unknown>;

/** What `open` calls can be asked to do. */
interface OpenCall {
  readonly stream: boolean;
  abort(reason: VarveError): void;
}

export interface RpcServerOptions {
  /** Largest message from a client, bytes, without what stands around its batch. Default and most: LIMITS.produceRequestBytesMax. */
  readonly requestBytesMax?: number;
  /** What a unary call without a deadline gets, milliseconds. Default LIMITS.requestDeadlineMs. */
  readonly requestDeadlineMs?: number;
  /** Bounds of connections; what is left out has its default in CONNECTION_LIMITS. */
  readonly connections?: Partial<ConnectionLimits>;
  /** Encrypts, and asks clients for certificates; default: plain HTTP/2. */
  readonly tls?: ServerTls | undefined;
  /** Told of every failure that callers see as INTERNAL, whose text they do not get. */
  readonly onInternalError?: (error: unknown, method: string) => void;
}

/** A server over sockets. */
export interface GrpcRpcServer extends RpcServer {
  /** What connections take at the moment. */
  connectionStats(): ConnectionStats;
}

/** A server of the public API over HTTP/2, plain or inside TLS. */
export function createServer(options: RpcServerOptions = {}): GrpcRpcServer {
  silenceGrpc();
  return new GrpcServer(options);
}

const UNARY_PATHS: ReadonlySet<string> = new Set(
  [...Object.values(METHODS), ...Object.values(SCALER_METHODS)].flatMap(({ kind, path }) =>
    kind === "unary" ? [path] : [],
  ),
);
/** Between two looks whether a connection has taken enough of what it asked for. */
const ROOM_LOOK_MS = 20;
/** How long the last answers may take to go out when the server closes, and between two looks whether they had that. */
const GOODBYE_MS = 1_000;
const GOODBYE_LOOK_MS = 100;

class GrpcServer implements GrpcRpcServer {
  private readonly server: Server;
  private readonly door: Door;
  private readonly health = new Health();
  private readonly services: string[] = [];
  private readonly open = new Set<OpenCall>();
  private readonly options: RpcServerOptions;
  private closing = false;
  /** While it closes: since when no call runs. */
  private idleSinceMs: number | null = null;

  constructor(options: RpcServerOptions) {
    this.options = options;
    const limits = { ...CONNECTION_LIMITS, ...options.connections };
    this.server = new Server(serverOptions(limits, options.requestBytesMax));
    this.door = new Door(this.server, limits, UNARY_PATHS, options.tls ?? null);
    this.add(HEALTH_METHODS, this.health);
    const reflection = reflectionHandler(
      () => this.services,
      (text) => Buffer.from(text, "base64"),
    );
    this.add({ info: REFLECTION_METHODS.v1 }, { info: reflection });
    this.add({ info: REFLECTION_METHODS.v1alpha }, { info: reflection });
  }

  addLogService(handlers: LogServiceHandlers): void {
    this.add(LOG_METHODS, handlers);
  }

  addGroupService(handlers: GroupServiceHandlers): void {
    this.add(GROUP_METHODS, handlers);
  }

  addAdminService(handlers: AdminServiceHandlers): void {
    this.add(ADMIN_METHODS, handlers);
  }

  addScalerService(handlers: ScalerServiceHandlers): void {
    this.add(SCALER_METHODS, handlers);
  }

  setServing(serving: boolean): void {
    this.health.setServing(serving && !this.closing);
  }

  async start(host: string, port: number): Promise<{ readonly port: number }> {
    try {
      return { port: await this.door.listen(host, port) };
    } catch (error) {
      throw addressUnusable(`${host}:${port}`, error);
    }
  }

  connectionStats(): ConnectionStats {
    return this.door.stats();
  }

  async close(graceMs: number): Promise<void> {
    this.setServing(false);
    this.closing = true;
    this.door.close();
    const closed = new Promise<void>((resolve) => {
      this.server.tryShutdown(() => resolve());
    });
    for (const call of [...this.open]) if (call.stream) call.abort(shuttingDown());
    const timer = setTimeout(() => this.destroy(), graceMs);
    const looks = setInterval(() => this.endIdle(), GOODBYE_LOOK_MS);
    await closed;
    clearInterval(looks);
    clearTimeout(timer);
  }

  /**
   * Ends what is open without a call that runs: a stream whose end its client does not read, since it has not read what came before, keeps its
   * connection. What was answered had as long to go out.
   */
  private endIdle(): void {
    if (this.open.size > 0) this.idleSinceMs = null;
    else this.idleSinceMs ??= performance.now();
    if (this.idleSinceMs !== null && performance.now() - this.idleSinceMs >= GOODBYE_MS) this.destroy();
  }

  destroy(): void {
    this.closing = true;
    this.door.close();
    for (const call of [...this.open]) call.abort(shuttingDown());
    this.server.forceShutdown();
  }

  /** Registers the methods of one service with handlers of the same keys. */
  private add(methods: Readonly<Record<string, unknown>>, handlers: object): void {
    const definition: Record<string, MethodDefinition<Buffer, Buffer>> = {};
    const implementation: Record<string, Handler> = {};
    const handlerOf = handlers as Readonly<Record<string, AnyHandler>>;
    for (const [key, value] of Object.entries(methods)) {
      const method = value as AnyMethod;
      const handler = handlerOf[key];
      if (handler === undefined) throw new TypeError(`no handler for ${method.path}`);
      const stream = method.kind === "bidi";
      definition[key] = {
        path: method.path,
        requestStream: stream,
        responseStream: stream,
        requestSerialize: passBytes,
        requestDeserialize: passBytes,
        responseSerialize: passBytes,
        responseDeserialize: passBytes,
      };
      implementation[key] = stream
        ? this.bidi(method as BidiMethod<unknown, unknown>, handler.bind(handlers) as BidiHandler<unknown, unknown>)
        : this.unary(method as UnaryMethod<unknown, unknown>, handler.bind(handlers) as UnaryHandler<unknown, unknown>);
      if (!this.services.includes(method.service)) this.services.push(method.service);
      this.health.addService(method.service);
    }
    this.server.addService(definition, implementation);
  }

  private unary(
    method: UnaryMethod<unknown, unknown>,
    handler: UnaryHandler<unknown, unknown>,
  ): handleUnaryCall<Buffer, Buffer> {
    return (call, callback) => {
      const { context, done } = this.admit(call, false, () => {});
      this.answer(method, handler, call.request, context)
        .then(
          (response) => callback(null, response),
          (error: unknown) => callback(this.failure(error, method)),
        )
        .finally(done);
    };
  }

  private async answer(
    method: UnaryMethod<unknown, unknown>,
    handler: UnaryHandler<unknown, unknown>,
    request: Buffer,
    context: CallContext,
  ): Promise<Buffer> {
    const response = method.encodeResponse((await handler(method.decodeRequest(request), context)) as never);
    if (response.length >= LARGE_RESPONSE_BYTES && !context.hasRoom(response.length)) throw notTaken(context.peer);
    if (response.length >= LARGE_RESPONSE_BYTES) this.door.handed(context.peer, response.length);
    return Buffer.from(response.buffer, response.byteOffset, response.byteLength);
  }

  private bidi(
    method: BidiMethod<unknown, unknown>,
    handler: BidiHandler<unknown, unknown>,
  ): handleBidiStreamingCall<Buffer, Buffer> {
    return (call) => {
      let over = false;
      const finish = (error: unknown): void => {
        if (over) return;
        over = true;
        if (error === null) call.end();
        else call.emit("error", this.failure(error, method));
        done();
      };
      const { context, done } = this.admit(call, true, finish);
      const { add, taken } = this.door.outgoingOf(context.peer);
      const room = (bytes: number): Promise<void> => this.room(context, bytes, add);
      handler(new GrpcServerStream(call, method, context.signal, { room, add, taken }), context).then(
        () => finish(null),
        finish,
      );
    };
  }

  /** Resolves when a message of that many bytes may be handed to the caller's connection, or the caller is gone. */
  private async room({ signal, hasRoom }: CallContext, bytes: number, add: (bytes: number) => void): Promise<void> {
    while (bytes >= LARGE_RESPONSE_BYTES && !signal.aborted && !hasRoom(bytes))
      await new Promise((resolve) => setTimeout(resolve, ROOM_LOOK_MS).unref());
    add(bytes);
  }

  /** Notes an open call; `onAbort` is told when this server ends it. */
  private admit(
    call: { on(event: "cancelled", listener: () => void): unknown; getPeer(): string; getDeadline(): Date | number },
    stream: boolean,
    onAbort: (reason: VarveError) => void,
  ): { context: CallContext; done: () => void } {
    const controller = new AbortController();
    // Everything that a stream has in flight listens to it; their number has its own bounds.
    if (stream) setMaxListeners(0, controller.signal);
    const entry: OpenCall = {
      stream,
      abort(reason) {
        controller.abort(reason);
        onAbort(reason);
      },
    };
    const done = (): void => {
      this.open.delete(entry);
      if (stream) controller.abort();
    };
    call.on("cancelled", () => entry.abort(new VarveError("ABORTED", { message: "the caller gave up or went away" })));
    this.open.add(entry);
    const peer = call.getPeer();
    const context: CallContext = {
      deadlineMs: this.deadlineLeftMs(call.getDeadline(), stream),
      signal: controller.signal,
      peer,
      hasRoom: (bytes) => this.door.hasRoom(peer, bytes),
      principal: null,
    };
    return { context, done };
  }

  private deadlineLeftMs(deadline: Date | number, stream: boolean): number {
    const atMs = Number(deadline);
    if (Number.isFinite(atMs)) return Math.max(0, atMs - Date.now());
    return stream ? Number.POSITIVE_INFINITY : (this.options.requestDeadlineMs ?? LIMITS.requestDeadlineMs);
  }

  private failure(error: unknown, method: AnyMethod): ReturnType<typeof statusObject> {
    if (error instanceof UnknownService) return { code: GRPC_STATUS.NOT_FOUND, details: "unknown service" };
    const status = statusObject(error, method);
    if (status.code === GRPC_STATUS.INTERNAL) this.options.onInternalError?.(error, method.path);
    return status;
  }
}

function passBytes(bytes: Buffer): Buffer {
  return bytes;
}

function addressUnusable(address: string, cause: unknown): VarveError {
  const problem = cause instanceof Error ? cause.message : String(cause);
  return new VarveError("ADDRESS_UNUSABLE", {
    message: `cannot listen on ${address} for gRPC: ${problem}; is another process using the port?`,
    details: { address },
    cause,
  });
}

function notTaken(peer: string): VarveError {
  return new VarveError("BROKER_OVERLOADED", {
    message: `${peer} has not taken the answers to its earlier calls, or too many clients have not; take them, then ask again`,
    effect: "NONE",
    retryAfterMs: 100,
  });
}

function shuttingDown(): VarveError {
  return new VarveError("SHUTTING_DOWN", {
    message: "this broker is stopping and ended the stream; connect to another broker",
    effect: "UNKNOWN",
    retryAfterMs: 100,
  });
}
