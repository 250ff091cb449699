/**
 * link.ts: the Link port over TCP sockets of this process.
 *
 * Nagle's algorithm is off, since a turn leaves in one write anyway; TCP keepalive is on as a second line behind the pings of the
 * hub. A name is looked up at each dial, and nothing remembers the answer: addresses move. All buffers of one `write` are corked together: Node.js passes them to the kernel in one writev.
 */
import { connect, createServer, type LookupFunction, type Server, type Socket } from "node:net";
import {
  assert,
  type Link,
  type LinkCloseReason,
  type LinkConnection,
  type LinkHandlers,
  type LinkListener,
  VarveError,
} from "@varve/base";

/** From the last byte to the kernel's first probe. */
export const KEEPALIVE_MS = 10_000;
/** Accepted and not yet taken by the process; the kernel may cap it. */
const BACKLOG = 511;

const CLOSE_REASONS: Readonly<Record<string, LinkCloseReason>> = {
  ECONNREFUSED: "refused",
  ETIMEDOUT: "timeout",
  ENOTFOUND: "unreachable",
  EAI_AGAIN: "unreachable",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EADDRNOTAVAIL: "unreachable",
};

function closeReasonOf(error: unknown): LinkCloseReason {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return CLOSE_REASONS[code] ?? "reset";
}

/** Host and port of `host:port` or `[v6]:port`; null when it is neither. */
export function parseAddress(address: string): { readonly host: string; readonly port: number } | null {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port < 1 || port > 65_535 ? null : { host, port };
}

/** A connection over a socket, plain or secured. */
export class SocketConnection implements LinkConnection {
  readonly remoteAddress: string;
  private readonly socket: Socket;
  private reason: LinkCloseReason = "ended";
  private destroyed = false;

  constructor(socket: Socket, remoteAddress: string) {
    this.socket = socket;
    this.remoteAddress = remoteAddress;
    // An error between creation and start is kept for onClose.
    socket.on("error", (error) => {
      this.reason = closeReasonOf(error);
    });
  }

  get bufferedBytes(): number {
    return this.socket.writableLength;
  }

  start(handlers: LinkHandlers): void {
    const { socket } = this;
    if (handlers.onDrain !== undefined) socket.on("drain", handlers.onDrain);
    const onClose = (): void => {
      if (this.destroyed) return;
      this.destroy();
      handlers.onClose(this.reason);
    };
    // The end is told when the other side's arrives: what is still to be written cannot be answered any more.
    socket.once("end", onClose);
    if (socket.closed) setImmediate(onClose);
    else socket.once("close", onClose);
    // Plain arrays above this line: a Buffer's `slice` shares memory where an array's copies.
    socket.on("data", (chunk) => handlers.onData(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
  }

  write(buffers: readonly Uint8Array[]): void {
    const { socket } = this;
    if (socket.destroyed || socket.writableEnded) return;
    if (buffers.length === 1 && buffers[0] !== undefined) {
      socket.write(buffers[0]);
      return;
    }
    socket.cork();
    for (const buffer of buffers) socket.write(buffer);
    socket.uncork();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.destroyed = true;
    this.socket.destroy();
  }
}

function listen(host: string, port: number, onConnection: (connection: LinkConnection) => void): Promise<LinkListener> {
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS }, (socket) => {
    onConnection(new SocketConnection(socket, remoteAddressOf(socket)));
  });
  return bind(server, host, port);
}

/** Where an accepted connection comes from. */
export function remoteAddressOf(socket: Socket): string {
  return `${socket.remoteAddress ?? "unknown"}:${socket.remotePort ?? 0}`;
}

/** Begins to accept. @throws VarveError ADDRESS_UNUSABLE. */
export function bind(server: Server, host: string, port: number): Promise<LinkListener> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      reject(
        new VarveError("ADDRESS_UNUSABLE", {
          message: `cannot listen on ${host}:${port}: ${cause.message}; choose another port or stop what uses it`,
          details: { host, port },
          cause,
        }),
      );
    });
    server.listen({ host, port, backlog: BACKLOG }, () => {
      const bound = server.address();
      assert(bound !== null && typeof bound === "object", "a TCP server that listens has a port");
      resolve({ port: bound.port, close: () => closeServer(server) });
    });
  });
}

/** The port is free at once; the server's own callback would wait for every accepted connection. */
function closeServer(server: Server): Promise<void> {
  server.close();
  return new Promise((resolve) => setImmediate(resolve));
}

/** @throws VarveError INVALID_ARGUMENT. */
export function requireAddress(address: string): { readonly host: string; readonly port: number } {
  const parsed = parseAddress(address);
  if (parsed === null) throw new VarveError("INVALID_ARGUMENT", { message: `${address} is not host:port` });
  return parsed;
}

function dial(address: string, lookup: LookupFunction | undefined): LinkConnection {
  const parsed = requireAddress(address);
  const asked = lookup === undefined ? parsed : { ...parsed, lookup };
  const options = { ...asked, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS };
  return new SocketConnection(connect(options), address);
}

/** Byte streams over TCP; `lookup` in the place of the system's. */
export function createNodeLink(lookup?: LookupFunction): Link {
  return { listen, dial: (address) => dial(address, lookup) };
}

/** Byte streams over TCP. */
export const nodeLink: Link = createNodeLink();
