/**
 * outbox.ts: what waits to leave on one connection, and the batching that makes one socket write of it per turn.
 *
 * Invariants:
 *   O1  frames leave in the order in which they were queued
 *   O2  whatever is queued in one turn leaves in one `write`, unless someone flushes in between
 *   O3  a part of at least `referenceBytesMin` is never copied; smaller ones are copied once, into a slab
 */
import { assert, type Clock, type LinkConnection } from "@varve/base";
import { PEER_LIMITS } from "../limits.js";
import { checkedBytesOf, HEADER_BYTES, payloadCrc, writeHeader } from "./frame.js";

const KIND_MAX = 0xffff;

/** Flushes every outbox that was written to, once, at the end of the turn, in the order of their first frame. */
export class TurnEnd {
  private readonly clock: Clock;
  private dirty: Outbox[] = [];
  private scheduled = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  add(outbox: Outbox): void {
    this.dirty.push(outbox);
    if (this.scheduled) return;
    this.scheduled = true;
    this.clock.defer(() => {
      this.scheduled = false;
      this.flush();
    });
  }

  flush(): void {
    const dirty = this.dirty;
    if (dirty.length === 0) return;
    this.dirty = [];
    for (const outbox of dirty) outbox.flush();
  }
}

export class Outbox {
  private readonly connection: LinkConnection;
  private readonly turnEnd: TurnEnd;
  /** Whether every payload is covered whole by its checksum. */
  private readonly checkWhole: boolean;
  private ready: Uint8Array[] = [];
  private readyBytes = 0;
  private slab: Uint8Array | null = null;
  /** The slab's bytes from `slabStart` to `slabEnd` are queued but not yet in `ready`. */
  private slabStart = 0;
  private slabEnd = 0;
  private closed = false;
  /** Counts flushes: a frame queued at turn t has left once `turn` is greater than t. */
  turn = 0;

  constructor(connection: LinkConnection, turnEnd: TurnEnd, checkWhole: boolean) {
    this.connection = connection;
    this.turnEnd = turnEnd;
    this.checkWhole = checkWhole;
  }

  /** Bytes queued here or in the connection, not yet taken by the kernel. */
  get queuedBytes(): number {
    return this.readyBytes + this.connection.bufferedBytes;
  }

  /** Queues one frame. Parts must not change until they have left. */
  push(type: number, kind: number, id: number, argument: number, parts: readonly Uint8Array[]): void {
    if (this.closed) return;
    let payloadBytes = 0;
    for (let at = 0; at < parts.length; at++) payloadBytes += (parts[at] as Uint8Array).length;
    assert(kind >= 0 && kind <= KIND_MAX, "a message kind or method is a u16");
    assert(payloadBytes <= PEER_LIMITS.frameBytesMax, "a payload fits a frame");
    if (this.readyBytes === 0) this.turnEnd.add(this);
    const checkedBytes = checkedBytesOf(type, payloadBytes, this.checkWhole);
    const slab = this.room(HEADER_BYTES);
    const crc = payloadCrc(parts, checkedBytes);
    writeHeader(slab, this.slabEnd, type, kind, id, argument, payloadBytes, checkedBytes, crc);
    this.slabEnd += HEADER_BYTES;
    for (let at = 0; at < parts.length; at++) this.append(parts[at] as Uint8Array);
    this.readyBytes += HEADER_BYTES + payloadBytes;
  }

  flush(): void {
    if (this.closed || this.readyBytes === 0) return;
    this.seal();
    const ready = this.ready;
    this.ready = [];
    this.readyBytes = 0;
    this.turn++;
    this.connection.write(ready);
  }

  /** Drops what is queued; nothing leaves any more. */
  close(): void {
    this.closed = true;
    this.ready = [];
    this.readyBytes = 0;
    this.slab = null;
  }

  private append(part: Uint8Array): void {
    if (part.length === 0) return;
    if (part.length >= PEER_LIMITS.referenceBytesMin) {
      this.seal();
      this.ready.push(part);
      return;
    }
    this.room(part.length).set(part, this.slabEnd);
    this.slabEnd += part.length;
  }

  private room(bytes: number): Uint8Array {
    if (this.slab !== null && this.slabEnd + bytes <= this.slab.length) return this.slab;
    this.seal();
    this.slab = new Uint8Array(PEER_LIMITS.slabBytes);
    this.slabStart = 0;
    this.slabEnd = 0;
    return this.slab;
  }

  private seal(): void {
    if (this.slab === null || this.slabStart === this.slabEnd) return;
    this.ready.push(this.slab.subarray(this.slabStart, this.slabEnd));
    this.slabStart = this.slabEnd;
  }
}
