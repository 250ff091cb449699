/**
 * client-process.ts: one program that uses the shipped SDK: it can be killed, and then nothing of it runs or is heard again.
 */
import type { Prng, SimClock } from "@varve/base/testing";
import { VarveClient } from "@varve/client/core";
import { nodeCodec } from "@varve/records/node";
import type { BidiMethod, ClientStream, RpcChannel, RpcTransport, UnaryMethod } from "@varve/rpc";
import { ProcessClock } from "./process-clock.js";

/** Hears what a client asks and is answered. */
export interface CallObserver {
  /** A unary call begins; what it returns hears the answer, or null when it failed. */
  unary(method: string, request: unknown): ((answer: unknown | null) => void) | null;
  /** A message of a stream has come. */
  received(method: string, message: unknown): void;
}

const NO_DIAGNOSTICS = { hasSubscribers: () => false, publish() {} };

export class ClientProcess {
  readonly varve: VarveClient;
  readonly clock: ProcessClock;
  private readonly channels: RpcChannel[] = [];
  private dead = false;

  constructor(
    world: { readonly clock: SimClock; readonly transport: RpcTransport },
    options: { readonly prng: Prng; readonly bootstrap: readonly string[]; readonly observer: CallObserver },
  ) {
    this.clock = new ProcessClock(world.clock);
    const transport: RpcTransport = {
      channel: (address) => {
        const inner = world.transport.channel(address);
        this.channels.push(inner);
        return this.wrap(inner, options.observer);
      },
    };
    const ports = { clock: this.clock, random: options.prng, transport, codec: nodeCodec, diagnostics: NO_DIAGNOSTICS };
    this.varve = new VarveClient({ bootstrap: options.bootstrap }, ports);
  }

  get isDead(): boolean {
    return this.dead;
  }

  /** kill -9. `isSilent`: as when its machine goes, so that nobody hears of it. */
  kill(isSilent: boolean): void {
    this.dead = true;
    this.clock.kill();
    if (!isSilent) for (const channel of this.channels) channel.close();
  }

  private wrap(inner: RpcChannel, observer: CallObserver): RpcChannel {
    const alive = <T>(promise: Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        promise.then(
          (value) => this.clock.enter(() => resolve(value)),
          (error: unknown) => this.clock.enter(() => reject(error)),
        );
      });
    return {
      address: inner.address,
      unary: <Request, Response>(
        method: UnaryMethod<Request, Response>,
        ...rest: [never, Parameters<RpcChannel["unary"]>[2]]
      ): Promise<Response> => {
        const heard = observer.unary(method.name, rest[0]);
        const answer = inner.unary(method, rest[0], rest[1]);
        answer.then(
          (value) => heard?.(value),
          () => heard?.(null),
        );
        return alive(answer);
      },
      bidi: <Request, Response>(
        method: BidiMethod<Request, Response>,
        options: Parameters<RpcChannel["bidi"]>[1],
      ): ClientStream<Request, Response> => {
        const stream = inner.bidi(method, options);
        const awake = (): Promise<void> => new Promise((resolve) => this.clock.enter(resolve));
        const responses = async function* (): AsyncGenerator<Response, void, undefined> {
          for await (const message of stream.responses) {
            await awake();
            observer.received(method.name, message);
            yield message;
          }
        };
        return {
          write: (request) => alive(stream.write(request)),
          end: () => stream.end(),
          cancel: () => stream.cancel(),
          responses: responses(),
        };
      },
      renew: () => inner.renew(),
      close: () => inner.close(),
    };
  }
}
