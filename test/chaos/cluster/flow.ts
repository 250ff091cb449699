/**
 * flow.ts: one direction of a connection through a proxy: bytes from one socket to another, as a directed link lets them.
 *
 * Invariants:
 *   F1  bytes keep their order, and an end or a break comes after the bytes before it
 *   F2  while the link is held nothing passes; what waits is sent first when it opens
 *   F3  at most QUEUED_BYTES_MAX and one chunk wait here; beyond it the source is not read, and its sender stops by itself
 */
import type { Socket } from "node:net";
import type { DirectedLink } from "./directed-link.js";

const QUEUED_BYTES_MAX = 1 << 20;

type Piece =
  | { readonly kind: "bytes"; readonly bytes: Buffer; readonly dueMs: number }
  | { readonly kind: "end" }
  | { readonly kind: "break" };

export class Flow {
  private readonly source: Socket;
  private readonly target: Socket;
  private readonly link: DirectedLink;
  private readonly queue: Piece[] = [];
  private readonly unwatch: () => void;
  private queuedBytes = 0;
  private isBlocked = false;
  private hasEnded = false;
  private timer: NodeJS.Timeout | null = null;

  /** @param first bytes that were read from the source already. */
  constructor(source: Socket, target: Socket, link: DirectedLink, first: Buffer | null) {
    this.source = source;
    this.target = target;
    this.link = link;
    this.unwatch = link.watch(() => this.move());
    if (first !== null) this.take(first);
    source.on("data", (bytes: Buffer) => this.take(bytes));
    source.once("end", () => this.finish({ kind: "end" }));
    source.once("close", (isBroken) => this.finish(isBroken ? { kind: "break" } : { kind: "end" }));
    target.on("drain", () => {
      this.isBlocked = false;
      this.move();
    });
    target.once("close", () => this.stop());
    source.resume();
  }

  private take(bytes: Buffer): void {
    const fate = this.link.fate();
    if (fate.kind === "breaks") {
      breakOff(this.source);
      this.finish({ kind: "break" });
      return;
    }
    this.queue.push({ kind: "bytes", bytes, dueMs: performance.now() + fate.afterMs });
    this.queuedBytes += bytes.length;
    if (this.queuedBytes > QUEUED_BYTES_MAX) this.source.pause();
    this.move();
  }

  private finish(piece: Piece): void {
    if (this.hasEnded && piece.kind === "end") return;
    this.hasEnded = true;
    this.queue.push(piece);
    this.move();
  }

  private move(): void {
    for (;;) {
      const [piece] = this.queue;
      if (piece === undefined || this.isBlocked || this.link.isHeld || this.target.destroyed) return;
      if (piece.kind === "bytes" && piece.dueMs > performance.now()) {
        this.later(piece.dueMs - performance.now());
        return;
      }
      this.queue.shift();
      this.pass(piece);
    }
  }

  private pass(piece: Piece): void {
    if (piece.kind === "end") this.target.end();
    else if (piece.kind === "break") breakOff(this.target);
    else {
      this.isBlocked = !this.target.write(piece.bytes);
      this.queuedBytes -= piece.bytes.length;
      if (this.queuedBytes <= QUEUED_BYTES_MAX && this.source.isPaused()) this.source.resume();
    }
  }

  private later(ms: number): void {
    if (this.timer !== null) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.move();
    }, Math.ceil(ms));
  }

  private stop(): void {
    this.unwatch();
    if (this.timer !== null) clearTimeout(this.timer);
    this.queue.length = 0;
  }
}

/**
 * Breaks a connection. One that this side has ended already is closed instead: Node loses the handle of a socket that is reset while its
 * shutdown is on its way, and then the process never ends (libuv refuses `uv_tcp_close_reset` there).
 */
export function breakOff(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
