/**
 * gated-connection.ts: a dialed connection whose directions can be held one by one; see switchboard.ts.
 *
 * Invariant: while a direction is blocked nothing crosses it, neither bytes nor the fact that an end has closed; when it opens, what
 * waited crosses in order.
 */
import type { LinkCloseReason, LinkConnection, LinkHandlers } from "@varve/base";

export interface Gate {
  readonly address: string;
  /** Makes the real connection. */
  readonly dial: () => LinkConnection;
  readonly isOutBlocked: () => boolean;
  readonly isInBlocked: () => boolean;
  readonly onMade: (connection: GatedConnection) => void;
  readonly onGone: (connection: GatedConnection) => void;
}

export class GatedConnection implements LinkConnection {
  readonly remoteAddress: string;
  private readonly gate: Gate;
  /** Null while the dial itself is held. */
  private inner: LinkConnection | null = null;
  private handlers: LinkHandlers | null = null;
  private held: (readonly Uint8Array[])[] = [];
  private heldBytes = 0;
  private heldClose: LinkCloseReason | null = null;
  private paused = false;
  /** What the owner wants of this side's direction; crosses when it may. */
  private wish: "open" | "end" | "destroy" = "open";

  constructor(gate: Gate) {
    this.gate = gate;
    this.remoteAddress = gate.address;
    gate.onMade(this);
    this.dialIfAllowed();
  }

  get bufferedBytes(): number {
    return this.heldBytes + (this.inner?.bufferedBytes ?? 0);
  }

  start(handlers: LinkHandlers): void {
    this.handlers = handlers;
    if (this.inner !== null) this.startInner(this.inner);
  }

  write(buffers: readonly Uint8Array[]): void {
    if (this.inner !== null && this.held.length === 0 && !this.gate.isOutBlocked()) {
      this.inner.write(buffers);
      return;
    }
    this.held.push(buffers);
    for (const buffer of buffers) this.heldBytes += buffer.length;
  }

  pause(): void {
    this.paused = true;
    this.inner?.pause();
  }

  resume(): void {
    this.paused = false;
    queueMicrotask(() => this.passIn());
  }

  end(): void {
    this.wish = "end";
    this.passOut();
  }

  destroy(): void {
    this.wish = "destroy";
    this.handlers = null;
    this.passOut();
  }

  onBlocked(): void {
    if (this.gate.isInBlocked()) this.inner?.pause();
  }

  onHealed(): void {
    this.dialIfAllowed();
    this.passOut();
    this.passIn();
  }

  /** Lets the other side's bytes and close cross if the way is open and the owner reads. */
  private passIn(): void {
    if (this.gate.isInBlocked() || this.paused) return;
    if (this.heldClose !== null) this.close(this.heldClose);
    else this.inner?.resume();
  }

  private dialIfAllowed(): void {
    if (this.inner !== null || this.gate.isOutBlocked() || this.gate.isInBlocked()) return;
    if (this.wish === "destroy") {
      this.gate.onGone(this);
      return;
    }
    this.inner = this.gate.dial();
    if (this.handlers !== null) this.startInner(this.inner);
  }

  private startInner(inner: LinkConnection): void {
    inner.start({
      onData: (chunk) => this.handlers?.onData(chunk),
      onDrain: () => {
        if (this.heldBytes === 0) this.handlers?.onDrain?.();
      },
      onClose: (reason) => {
        if (this.gate.isInBlocked()) this.heldClose = reason;
        else this.close(reason);
      },
    });
    if (this.gate.isInBlocked()) inner.pause();
  }

  /** Lets this side's bytes, end or close cross if the way is open. */
  private passOut(): void {
    const { inner } = this;
    if (this.gate.isOutBlocked()) return;
    if (inner === null) {
      if (this.wish === "destroy") this.gate.onGone(this);
      return;
    }
    if (this.wish === "destroy") {
      inner.destroy();
      this.gate.onGone(this);
      return;
    }
    const { held } = this;
    this.held = [];
    const hadBytes = this.heldBytes > 0;
    this.heldBytes = 0;
    for (const buffers of held) inner.write(buffers);
    if (this.wish === "end") inner.end();
    else if (hadBytes && inner.bufferedBytes === 0) this.handlers?.onDrain?.();
  }

  private close(reason: LinkCloseReason): void {
    const { handlers } = this;
    this.handlers = null;
    this.gate.onGone(this);
    handlers?.onClose(reason);
  }
}
