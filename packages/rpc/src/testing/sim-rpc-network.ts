/**
 * sim-rpc-network.ts: RpcTransport and servers inside one process, on a Clock that a test drives.
 *
 * Messages are encoded and decoded as on a real wire. A stopped server refuses new calls and breaks open ones; a silent one
 * neither answers nor refuses, as a paused process does.
 */
import { type Clock, isVarveError, onAbort, VarveError } from "@varve/base";
import { publicError } from "../errors/status.js";
import {
  ADMIN_METHODS,
  type AnyMethod,
  type BidiMethod,
  GROUP_METHODS,
  LOG_METHODS,
  type UnaryMethod,
} from "../methods.js";
import type {
  AdminServiceHandlers,
  BidiHandler,
  CallContext,
  GroupServiceHandlers,
  LogServiceHandlers,
  UnaryHandler,
} from "../server.js";
import type { ClientStream, RpcChannel, RpcTransport, UnaryOptions } from "../transport.js";
import { Pipe } from "./pipe.js";

export interface SimServices {
  readonly log?: Partial<LogServiceHandlers>;
  readonly group?: Partial<GroupServiceHandlers>;
  readonly admin?: Partial<AdminServiceHandlers>;
}

/**
 * What becomes of one unary call. `loseAnswer`: the server works and the client hears nothing but a broken connection. `lateMs`: the same, and
 * the request was held somewhere on its way: it arrives after so long, when its client has gone on.
 */
export type UnaryFate = "pass" | "refuse" | "loseRequest" | "loseAnswer" | { readonly lateMs: number };

export interface SimRpcOptions {
  readonly clock: Clock;
  /** Way of one message; asked per message. Default 0.5 ms. */
  readonly latencyMs?: () => number;
  /** Decides about each unary call. */
  readonly fate?: (method: string, address: string) => UnaryFate;
}

interface Server {
  readonly services: SimServices;
  state: "up" | "silent" | "down";
  /** Breaks every open call. */
  readonly breaks: Set<(error: VarveError) => void>;
  /** Called when it is no longer silent. */
  waiting: (() => void)[];
}

export class SimRpcNetwork {
  private readonly servers = new Map<string, Server>();
  private readonly options: SimRpcOptions;

  constructor(options: SimRpcOptions) {
    this.options = options;
  }

  /** Starts a server; one that ran there is killed. */
  serve(address: string, services: SimServices): void {
    this.stop(address);
    this.servers.set(address, { services, state: "up", breaks: new Set(), waiting: [] });
  }

  /** Kills it: open calls break, new ones are refused. */
  stop(address: string): void {
    const server = this.servers.get(address);
    if (server === undefined) return;
    this.breakConnections(address);
    changeState(server, "down");
  }

  /** Pauses it: nothing is answered and nothing refused until `resume`; then it goes on with what arrived meanwhile. */
  silence(address: string): void {
    const server = this.servers.get(address);
    if (server?.state === "up") changeState(server, "silent");
  }

  resume(address: string): void {
    const server = this.servers.get(address);
    if (server?.state === "silent") changeState(server, "up");
  }

  /** Breaks open calls; new ones succeed. */
  breakConnections(address: string): void {
    for (const each of [...(this.servers.get(address)?.breaks ?? [])]) each(broken(address));
  }

  transport(): RpcTransport {
    return { channel: (address) => new SimChannel(address, this) };
  }

  /** @internal */
  unary<Request, Response>(
    address: string,
    method: UnaryMethod<Request, Response>,
    bytes: Uint8Array,
    options: UnaryOptions,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const { clock } = this.options;
      const server = this.servers.get(address);
      const fate = this.options.fate?.(method.name, address) ?? "pass";
      if (server === undefined || server.state === "down" || fate === "refuse") {
        clock.setTimer(this.latencyMs(), () => reject(refused(address)));
        return;
      }
      if (typeof fate === "object") {
        clock.setTimer(fate.lateMs, () => this.arriveLate(server, method, bytes));
        clock.setTimer(this.latencyMs(), () => reject(broken(address)));
        return;
      }
      const controller = new AbortController();
      const settle = (action: () => void): void => {
        server.breaks.delete(onBreak);
        timer.cancel();
        forget?.();
        action();
      };
      const onBreak = (error: VarveError): void =>
        settle(() => {
          controller.abort(error);
          reject(error);
        });
      const timer = clock.setTimer(options.deadlineMs, () => onBreak(timedOut(address)));
      server.breaks.add(onBreak);
      const abort = (): void => onBreak(aborted(address));
      const forget = options.signal === undefined ? null : onAbort(options.signal, abort);
      if (options.signal?.aborted) abort();
      const deliver = async (): Promise<void> => {
        await heard(server);
        if (controller.signal.aborted) return;
        if (fate === "loseRequest") {
          onBreak(broken(address));
          return;
        }
        const context = { deadlineMs: options.deadlineMs, signal: controller.signal };
        try {
          const answer = await this.answer(server, method, bytes, context);
          await heard(server);
          if (fate === "loseAnswer") onBreak(broken(address));
          else this.reply(() => settle(() => resolve(method.decodeResponse(answer))));
        } catch (error) {
          this.reply(() => settle(() => reject(publicError(error, method))));
        }
      };
      clock.setTimer(this.latencyMs(), () => {
        deliver().catch(reject);
      });
    });
  }

  /** Nobody waits for the answer any more; what its process had not read when it ended is gone. */
  private arriveLate<Request, Response>(
    server: Server,
    method: UnaryMethod<Request, Response>,
    bytes: Uint8Array,
  ): void {
    if (server.state === "down") return;
    const context = { deadlineMs: Number.POSITIVE_INFINITY, signal: new AbortController().signal };
    heard(server)
      .then(() => this.answer(server, method, bytes, context))
      .catch(() => {});
  }

  /** @internal */
  bidi<Request, Response>(
    address: string,
    method: BidiMethod<Request, Response>,
    signal: AbortSignal | undefined,
  ): ClientStream<Request, Response> {
    const toServer = new Pipe(this.options.clock, () => this.latencyMs());
    const toClient = new Pipe(this.options.clock, () => this.latencyMs());
    const server = this.servers.get(address);
    const controller = new AbortController();
    const cut = (error: VarveError): void => {
      server?.breaks.delete(cut);
      controller.abort(error);
      toServer.fail(error);
      toClient.fail(error);
    };
    if (server === undefined || server.state === "down") {
      this.reply(() => cut(refused(address)));
    } else {
      server.breaks.add(cut);
      const forget = signal === undefined ? null : onAbort(signal, () => cut(aborted(address)));
      controller.signal.addEventListener("abort", () => forget?.());
      if (signal?.aborted) cut(aborted(address));
      const context = { deadlineMs: Number.POSITIVE_INFINITY, signal: controller.signal };
      this.serveStream(server, method, { toServer, toClient, done: () => server.breaks.delete(cut) }, context);
    }
    return {
      write: async (request) => {
        const bytes = method.encodeRequest(request);
        await toServer.write(bytes);
      },
      end: () => toServer.finish(),
      cancel: () => cut(aborted(address)),
      responses: decoded(
        toClient,
        (bytes) => method.decodeResponse(bytes),
        () => cut(aborted(address)),
      ),
    };
  }

  private serveStream<Request, Response>(
    server: Server,
    method: BidiMethod<Request, Response>,
    pipes: { readonly toServer: Pipe; readonly toClient: Pipe; readonly done: () => void },
    context: Pick<CallContext, "deadlineMs" | "signal">,
  ): void {
    const handler = handlerOf(server.services, method as AnyMethod) as BidiHandler<Request, Response>;
    const stream = {
      requests: whileHeard(
        server,
        decoded(
          pipes.toServer,
          (bytes) => method.decodeRequest(bytes),
          () => {},
        ),
      ),
      write: async (response: Parameters<typeof method.encodeResponse>[0]) => {
        await heard(server);
        await pipes.toClient.write(method.encodeResponse(response));
      },
    };
    handler(stream, { ...context, peer: "simulated", hasRoom: () => true, principal: null })
      .then(
        () => pipes.toClient.finish(),
        (error: unknown) => pipes.toClient.finishWith(publicError(error, method)),
      )
      .finally(pipes.done);
  }

  private async answer<Request, Response>(
    server: Server,
    method: UnaryMethod<Request, Response>,
    bytes: Uint8Array,
    context: Pick<CallContext, "deadlineMs" | "signal">,
  ): Promise<Uint8Array> {
    const handler = handlerOf(server.services, method as AnyMethod) as UnaryHandler<Request, Response>;
    const request = method.decodeRequest(bytes);
    return method.encodeResponse(
      await handler(request, { ...context, peer: "simulated", hasRoom: () => true, principal: null }),
    );
  }

  private reply(action: () => void): void {
    this.options.clock.setTimer(this.latencyMs(), action);
  }

  private latencyMs(): number {
    return this.options.latencyMs?.() ?? 0.5;
  }
}

class SimChannel implements RpcChannel {
  readonly address: string;
  private readonly network: SimRpcNetwork;
  private readonly closing = new AbortController();

  constructor(address: string, network: SimRpcNetwork) {
    this.address = address;
    this.network = network;
  }

  async unary<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Parameters<UnaryMethod<Request, Response>["encodeRequest"]>[0],
    options: UnaryOptions,
  ): Promise<Response> {
    const signal = this.signalWith(options.signal);
    return this.network.unary(this.address, method, method.encodeRequest(request), { ...options, signal });
  }

  bidi<Request, Response>(
    method: BidiMethod<Request, Response>,
    options: { readonly signal?: AbortSignal | undefined },
  ): ClientStream<Request, Response> {
    return this.network.bidi(this.address, method, this.signalWith(options.signal));
  }

  /** Addresses are fixed here, and every call is a connection of its own. */
  renew(): void {}

  close(): void {
    this.closing.abort();
  }

  private signalWith(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.closing.signal : eitherOf(signal, this.closing.signal);
  }
}

/** As `AbortSignal.any`, whose signals Node.js keeps for ever when what listens to them never lets go: runs of a simulator would pile up. */
function eitherOf(one: AbortSignal, other: AbortSignal): AbortSignal {
  const either = new AbortController();
  for (const signal of [one, other]) {
    if (signal.aborted) either.abort(signal.reason);
    else onAbort(signal, () => either.abort(signal.reason));
  }
  return either.signal;
}

function handlerOf(services: SimServices, method: AnyMethod): unknown {
  for (const [methods, handlers] of [
    [LOG_METHODS, services.log],
    [GROUP_METHODS, services.group],
    [ADMIN_METHODS, services.admin],
  ] as const) {
    for (const [key, value] of Object.entries(methods)) {
      const handler = (handlers as Readonly<Record<string, unknown>> | undefined)?.[key];
      if (value.path === method.path && typeof handler === "function") return handler.bind(handlers);
    }
  }
  return async () => {
    throw new VarveError("INVALID_ARGUMENT", { message: `${method.path} is not served here` });
  };
}

async function* decoded<T>(
  pipe: Pipe,
  decode: (bytes: Uint8Array) => T,
  onLeave: () => void,
): AsyncGenerator<T, void, undefined> {
  let ended = false;
  try {
    for await (const bytes of pipe.messages()) yield decode(bytes);
    ended = true;
  } catch (error) {
    ended = isVarveError(error);
    throw error;
  } finally {
    if (!ended) onLeave();
  }
}

/** A silent server takes its messages later. */
async function* whileHeard<T>(server: Server, messages: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  for await (const message of messages) {
    await heard(server);
    yield message;
  }
}

function changeState(server: Server, state: Server["state"]): void {
  server.state = state;
  for (const wake of server.waiting.splice(0)) wake();
}

/** Resolves when the server is not silent. */
async function heard(server: Server): Promise<void> {
  while (server.state === "silent") await new Promise<void>((resolve) => server.waiting.push(resolve));
}

function refused(address: string): VarveError {
  return new VarveError("UNREACHABLE", {
    message: `nobody listens at ${address}; nothing was written`,
    effect: "NOT_APPLIED",
    details: { address },
  });
}

function broken(address: string): VarveError {
  return new VarveError("UNREACHABLE", {
    message: `the connection to ${address} broke; it may have taken effect`,
    effect: "UNKNOWN",
    details: { address },
  });
}

function timedOut(address: string): VarveError {
  return new VarveError("TIMEOUT", {
    message: `no answer from ${address}; it may have taken effect`,
    details: { address },
  });
}

function aborted(address: string): VarveError {
  return new VarveError("ABORTED", {
    message: `the call to ${address} was ended by its signal`,
    effect: "UNKNOWN",
    details: { address },
  });
}
