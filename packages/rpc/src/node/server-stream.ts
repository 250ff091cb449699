/**
 * server-stream.ts: a grpc-js duplex call as a ServerStream: typed messages, held back in both directions.
 */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { onAbort, VarveError } from "@varve/base";
import type { BidiMethod } from "../methods.js";
import type { ServerStream } from "../server.js";
import type { Init } from "../wire/message-codec.js";
import { asBuffer } from "./metadata.js";

export class GrpcServerStream<Request, Response> implements ServerStream<Request, Response> {
  private readonly call: ServerDuplexStream<Buffer, Buffer>;
  private readonly method: BidiMethod<Request, Response>;
  private readonly signal: AbortSignal;

  constructor(call: ServerDuplexStream<Buffer, Buffer>, method: BidiMethod<Request, Response>, signal: AbortSignal) {
    this.call = call;
    this.method = method;
    this.signal = signal;
  }

  get requests(): AsyncIterable<Request> {
    return this.read();
  }

  write(response: Init<Response>): Promise<void> {
    if (this.signal.aborted) return Promise.reject(clientGone());
    if (this.call.write(asBuffer(this.method.encodeResponse(response)))) return Promise.resolve();
    return this.drained();
  }

  private async *read(): AsyncGenerator<Request, void, undefined> {
    const chunks = this.call.iterator({ destroyOnReturn: false });
    try {
      for await (const chunk of chunks) yield this.method.decodeRequest(chunk as Buffer);
    } catch (error) {
      throw this.signal.aborted ? clientGone() : error;
    }
    if (this.signal.aborted) throw clientGone();
  }

  private drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.call.off("drain", settle);
        forget();
        if (this.signal.aborted) reject(clientGone());
        else resolve();
      };
      this.call.on("drain", settle);
      const forget = onAbort(this.signal, settle);
    });
  }
}

function clientGone(): VarveError {
  return new VarveError("ABORTED", { message: "the client of this stream is gone, or the server closes" });
}
