/**
 * raw-http2.ts: HTTP/2 by hand, to say what no library would. Source: RFC 9113 (frames), RFC 7541 (HPACK).
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export const Type = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const Flag = { none: 0, endStream: 1, ack: 1, endHeaders: 4 } as const;

/** A frame; `length` may lie. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = new Uint8Array(0),
  length: number = payload.length,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** One setting of a SETTINGS frame. */
export function setting(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt32BE(value, 2);
  return bytes;
}

/** A header as HPACK writes it without its tables; texts of up to 126 bytes. */
export function header(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0, name.length), Buffer.from(name), Buffer.of(value.length), Buffer.from(value)]);
}

/** The header block of a call. */
export function callHeaders(path: string): Buffer {
  return Buffer.concat([
    header(":method", "POST"),
    header(":scheme", "http"),
    header(":path", path),
    header(":authority", "hostile"),
    header("content-type", "application/grpc"),
    header("te", "trailers"),
  ]);
}

/** What stands before a gRPC message; `length` may lie. */
export function grpcMessage(message: Uint8Array, length: number = message.length, flags = 0): Buffer {
  return Buffer.concat([Buffer.of(flags), uint32(length), message]);
}

/** After this time the other side does not read any more. */
const TAKEN_MS = 500;

/** A connection that says what it is told and reads unless it is told not to. */
export class RawConnection {
  readonly socket: Socket;
  /** Bytes that came from the other side. */
  heardBytes = 0;
  isClosed = false;
  /** The other side said that it ends the connection, and why. */
  goaway: number | null = null;
  private rest: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      this.heardBytes += chunk.length;
      this.listen(chunk);
    });
    socket.once("close", () => {
      this.isClosed = true;
    });
  }

  static async open(port: number, localAddress = "127.0.0.1"): Promise<RawConnection> {
    const socket = connect({ host: "127.0.0.1", port, localAddress });
    const connection = new RawConnection(socket);
    await Promise.race([once(socket, "connect"), once(socket, "close")]);
    return connection;
  }

  /** The same, after the preface and settings. */
  static async speaking(port: number, settings: readonly Buffer[] = [], localAddress?: string): Promise<RawConnection> {
    const connection = await RawConnection.open(port, localAddress);
    await connection.say(PREFACE, frame(Type.settings, Flag.none, 0, Buffer.concat(settings)));
    return connection;
  }

  /** Writes, and waits until the kernel has taken enough of it; false: the connection is over, or nobody reads. */
  async say(...parts: readonly Buffer[]): Promise<boolean> {
    if (this.isOver || this.socket.destroyed || !this.socket.writable) return false;
    if (this.socket.write(Buffer.concat(parts)))
      return new Promise((resolve) => setImmediate(() => resolve(!this.isOver)));
    const waited = new AbortController();
    const signal = AbortSignal.any([waited.signal, AbortSignal.timeout(TAKEN_MS)]);
    const options = { signal };
    await Promise.race([once(this.socket, "drain", options), once(this.socket, "close", options)]).catch(() => {});
    const isTaken = !this.socket.writableNeedDrain;
    waited.abort();
    return isTaken && !this.isOver;
  }

  /** Nothing that is said here is heard any more. */
  get isOver(): boolean {
    return this.isClosed || this.goaway !== null;
  }

  close(): void {
    this.socket.destroy();
  }

  private listen(chunk: Buffer): void {
    this.rest = Buffer.concat([this.rest, chunk]);
    while (this.rest.length >= 9 && this.rest.length >= 9 + this.rest.readUIntBE(0, 3)) {
      const end = 9 + this.rest.readUIntBE(0, 3);
      if (this.rest[3] === Type.goaway && end >= 17) this.goaway = this.rest.readUInt32BE(13);
      this.rest = this.rest.subarray(end);
    }
  }
}
