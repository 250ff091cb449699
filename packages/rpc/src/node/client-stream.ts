/**
 * client-stream.ts: a grpc-js duplex call as a ClientStream.
 */
import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import { isVarveError, type VarveError } from "@varve/base";
import type { BidiMethod } from "../methods.js";
import type { ClientStream } from "../transport.js";
import type { Init } from "../wire/message-codec.js";
import { asBuffer } from "./metadata.js";

export class GrpcClientStream<Request, Response> implements ClientStream<Request, Response> {
  private readonly call: ClientDuplexStream<Buffer, Buffer>;
  private readonly method: BidiMethod<Request, Response>;
  private readonly toError: (error: ServiceError) => VarveError;
  /** Why the stream is over; null while it is open or when it ended in order. */
  private failure: VarveError | null = null;
  private over = false;
  private waiting: (() => void)[] = [];

  constructor(
    call: ClientDuplexStream<Buffer, Buffer>,
    method: BidiMethod<Request, Response>,
    toError: (error: ServiceError) => VarveError,
  ) {
    this.call = call;
    this.method = method;
    this.toError = toError;
    call.on("error", (error) => this.finish(toError(error as ServiceError)));
    call.on("status", () => this.finish(null));
    call.on("drain", () => this.wake());
  }

  write(request: Init<Request>): Promise<void> {
    if (this.over) return Promise.reject(this.overError());
    if (this.call.write(asBuffer(this.method.encodeRequest(request)))) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.waiting.push(() => (this.over ? reject(this.overError()) : resolve()));
    });
  }

  end(): void {
    if (!this.over) this.call.end();
  }

  cancel(): void {
    this.call.cancel();
  }

  get responses(): AsyncIterable<Response> {
    return this.read();
  }

  private async *read(): AsyncGenerator<Response, void, undefined> {
    let ended = false;
    try {
      for await (const chunk of this.call) yield this.decoded(chunk as Buffer);
      ended = true;
    } catch (error) {
      ended = !isVarveError(error);
      throw this.failure ?? this.toError(error as ServiceError);
    } finally {
      if (!ended) this.cancel();
    }
    if (this.failure !== null) throw this.failure;
  }

  /** A message that cannot be read says nothing about what was done. */
  private decoded(chunk: Buffer): Response {
    try {
      return this.method.decodeResponse(chunk);
    } catch (error) {
      throw isVarveError(error) ? error.withEffect("UNKNOWN") : error;
    }
  }

  private finish(failure: VarveError | null): void {
    this.over = true;
    this.failure ??= failure;
    this.wake();
  }

  private wake(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const settle of waiting) settle();
  }

  private overError(): VarveError {
    return this.failure ?? this.toError(Object.assign(new Error("the stream has ended"), ENDED));
  }
}

/** How a write after the stream's orderly end fails. */
const ENDED = { code: 14, details: "the stream has ended", metadata: null } as unknown as ServiceError;
