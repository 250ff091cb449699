/**
 * grpc-transport.ts: RpcTransport on @grpc/grpc-js.
 */
import { Client, Metadata, type ServiceError } from "@grpc/grpc-js";
import { isVarveError, onAbort, type VarveError } from "@varve/base";
import type { BidiMethod, UnaryMethod } from "../methods.js";
import type { BidiOptions, ClientStream, RpcChannel, RpcTransport, UnaryOptions } from "../transport.js";
import type { Init } from "../wire/message-codec.js";
import { ClientFiles } from "./client-files.js";
import { GrpcClientStream } from "./client-stream.js";
import type { ClientTls } from "./client-tls.js";
import { asBuffer, wireStatus } from "./metadata.js";
import { CHANNEL_OPTIONS, silenceGrpc } from "./options.js";
import { PlainCredentials } from "./plain-credentials.js";
import { abortedError, callError } from "./raw-error.js";
import { TlsCredentials } from "./tls-credentials.js";

/** Connections over plain HTTP/2. */
export const grpcTransport: RpcTransport = {
  channel: (address) => new GrpcChannel(address, new PlainCredentials()),
};

/** Connections inside TLS. `onTrouble`: files have become such that they cannot be used; those that could be stay in use. */
export function tlsTransport(tls: ClientTls, onTrouble: (error: Error) => void = () => {}): RpcTransport {
  const files = new ClientFiles(tls, onTrouble);
  return { channel: (address) => new GrpcChannel(address, new TlsCredentials(files, tls.serverName, address)) };
}

/** A channel to `host:port`; the same as `grpcTransport.channel`. */
export function createClient(address: string): RpcChannel {
  return grpcTransport.channel(address);
}

class GrpcChannel implements RpcChannel {
  readonly address: string;
  private client: Client;
  private readonly credentials: TlsCredentials | PlainCredentials;
  private renewedAtMs = Number.NEGATIVE_INFINITY;
  private closed = false;

  constructor(address: string, credentials: TlsCredentials | PlainCredentials) {
    silenceGrpc();
    this.address = address;
    this.credentials = credentials;
    this.client = this.connection();
  }

  unary<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Init<Request>,
    options: UnaryOptions,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      if (signal?.aborted) {
        reject(abortedError({ address: this.address, method: method.name }, signal.reason).withEffect("NOT_APPLIED"));
        return;
      }
      const call = this.client.makeUnaryRequest<Uint8Array, Buffer>(
        method.path,
        asBuffer,
        passBytes,
        method.encodeRequest(request),
        new Metadata(),
        { deadline: Date.now() + Math.max(1, options.deadlineMs) },
        (error, bytes) => {
          forget?.();
          if (error !== null) reject(this.error(error, method.name, signal));
          else settleDecoded(resolve, reject, () => method.decodeResponse(bytes ?? EMPTY));
        },
      );
      const abort = (): void => {
        reject(abortedError({ address: this.address, method: method.name }, signal?.reason));
        call.cancel();
      };
      const forget = signal === undefined ? null : onAbort(signal, abort);
    });
  }

  bidi<Request, Response>(
    method: BidiMethod<Request, Response>,
    options: BidiOptions,
  ): ClientStream<Request, Response> {
    const { signal } = options;
    const call = this.client.makeBidiStreamRequest<Buffer, Buffer>(
      method.path,
      asBuffer,
      passBytes,
      new Metadata(),
      {},
    );
    if (signal?.aborted) call.cancel();
    if (signal !== undefined)
      call.on(
        "status",
        onAbort(signal, () => call.cancel()),
      );
    return new GrpcClientStream(call, method, (error) => this.error(error, method.name, signal));
  }

  renew(): void {
    const nowMs = performance.now();
    if (this.closed || nowMs - this.renewedAtMs < RENEWAL_MS) return;
    this.renewedAtMs = nowMs;
    const before = this.client;
    this.client = this.connection();
    before.close();
  }

  close(): void {
    this.closed = true;
    this.client.close();
  }

  private connection(): Client {
    return new Client(this.address, this.credentials, CHANNEL_OPTIONS);
  }

  private error(error: ServiceError, method: string, signal: AbortSignal | undefined): VarveError {
    if (isVarveError(error)) return error;
    const { address, closed } = this;
    const status = wireStatus(error);
    const tls = this.credentials.failureIn(status.message);
    return callError(status, { address, method, closed, aborted: signal?.aborted === true, tls }, error);
  }
}

/** At most one new connection in this time: an attempt that nobody answers is given up only by the system, after minutes. */
const RENEWAL_MS = 1_000;
const EMPTY = Buffer.alloc(0);

function passBytes(bytes: Buffer): Buffer {
  return bytes;
}

function settleDecoded<T>(resolve: (value: T) => void, reject: (error: unknown) => void, decode: () => T): void {
  try {
    resolve(decode());
  } catch (error) {
    reject(isVarveError(error) ? error.withEffect("UNKNOWN") : error);
  }
}
