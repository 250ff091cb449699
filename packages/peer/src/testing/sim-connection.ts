/**
 * sim-connection.ts: one end of a simulated connection, under the rules of the Link port.
 *
 * Arriving bytes are handed out whole or, at random, in two pieces, so that frames span chunks. Bytes beyond `KERNEL_BYTES` that
 * have not arrived count as buffered.
 */
import { assert, type Clock, type LinkCloseReason, type LinkConnection, type LinkHandlers } from "@varve/base";
import type { Prng } from "@varve/base/testing";
import type { Segment, SimPipe } from "./sim-pipe.js";

const KERNEL_BYTES = 256 * 1024;
const SPLIT_PROBABILITY = 0.2;

export class SimConnection implements LinkConnection {
  readonly remoteAddress: string;
  private readonly clock: Clock;
  private readonly prng: Prng;
  private handlers: LinkHandlers | null = null;
  private out: SimPipe | null = null;
  private other: SimConnection | null = null;
  private unsentBytes = 0;
  private readonly arrived: Segment[] = [];
  private paused = false;
  private dead = false;
  private scheduled = false;

  constructor(remoteAddress: string, clock: Clock, prng: Prng) {
    this.remoteAddress = remoteAddress;
    this.clock = clock;
    this.prng = prng;
  }

  get bufferedBytes(): number {
    return Math.max(0, this.unsentBytes - KERNEL_BYTES);
  }

  get isDead(): boolean {
    return this.dead;
  }

  /** Sets the way out; before anything else. */
  setOut(out: SimPipe): void {
    this.out = out;
  }

  /** Names the other end, once there is one. */
  setOther(other: SimConnection): void {
    this.other = other;
  }

  start(handlers: LinkHandlers): void {
    assert(this.handlers === null, "a connection is started once");
    this.handlers = handlers;
    this.schedule();
  }

  write(buffers: readonly Uint8Array[]): void {
    if (this.dead) return;
    const bytes = new Uint8Array(buffers.reduce((sum, buffer) => sum + buffer.length, 0));
    let at = 0;
    for (const buffer of buffers) {
      bytes.set(buffer, at);
      at += buffer.length;
    }
    this.unsentBytes += bytes.length;
    this.out?.put({ kind: "data", bytes });
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.schedule();
  }

  end(): void {
    if (!this.dead) this.out?.put({ kind: "end" });
  }

  destroy(): void {
    if (this.dead) return;
    this.dead = true;
    // A close may cut off what the kernel still had, as a reset does, or come after it.
    const cut = this.prng.chance(0.5);
    if (cut) this.out?.drop();
    this.out?.put({ kind: cut ? "reset" : "end" });
  }

  /** The host is gone. `silent`: as at a power cut, nothing tells the other side. */
  crash(silent: boolean): void {
    this.dead = true;
    this.out?.drop();
    if (!silent) this.out?.put({ kind: "reset" });
  }

  /** Ends this end as a reset from the network does. */
  breakOff(): void {
    this.out?.drop();
    this.receive({ kind: "reset" });
  }

  /** A segment of the other end arrives. */
  receive(segment: Segment): void {
    if (this.dead) return;
    this.arrived.push(segment);
    if (this.handlers !== null) this.handOut();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.clock.defer(() => {
      this.scheduled = false;
      this.handOut();
    });
  }

  private handOut(): void {
    while (!this.dead && !this.paused && this.handlers !== null) {
      const segment = this.arrived.shift();
      if (segment === undefined) return;
      this.handle(this.handlers, segment);
    }
  }

  private handle(handlers: LinkHandlers, segment: Segment): void {
    switch (segment.kind) {
      case "data":
        this.other?.onTaken(segment.bytes.length);
        this.handOutBytes(handlers, segment.bytes);
        return;
      case "open":
        return;
      default:
        this.close(handlers, closeReasonOf(segment.kind));
    }
  }

  private handOutBytes(handlers: LinkHandlers, bytes: Uint8Array): void {
    const cutAt = bytes.length > 1 && this.prng.chance(SPLIT_PROBABILITY) ? this.prng.between(1, bytes.length - 1) : 0;
    if (cutAt > 0) handlers.onData(bytes.subarray(0, cutAt));
    if (!this.dead) handlers.onData(bytes.subarray(cutAt));
  }

  /** The other end has taken bytes off the network. */
  private onTaken(bytes: number): void {
    const before = this.bufferedBytes;
    this.unsentBytes -= bytes;
    if (before === 0 || this.bufferedBytes > 0 || this.dead) return;
    this.clock.defer(() => {
      if (!this.dead) this.handlers?.onDrain?.();
    });
  }

  private close(handlers: LinkHandlers, reason: LinkCloseReason): void {
    this.dead = true;
    if (reason === "ended") this.out?.put({ kind: "end" });
    handlers.onClose(reason);
  }
}

function closeReasonOf(kind: "refused" | "end" | "reset"): LinkCloseReason {
  return kind === "end" ? "ended" : kind;
}
