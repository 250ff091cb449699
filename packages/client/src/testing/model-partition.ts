/**
 * model-partition.ts: the obvious model of one partition: a list of batches, who may append, and what is a repeat.
 */
import { VarveError } from "@varve/base";
import {
  batchBaseSequence,
  batchLastOffset,
  batchProducerEpoch,
  batchProducerId,
  batchRecordCount,
  stampBatch,
} from "@varve/records";

/** Batches by which a repeat is recognised, per producer. */
const RECENT_BATCHES = 5;

interface ProducerState {
  epoch: number;
  nextSequence: number;
  recent: { readonly sequence: number; readonly baseOffset: number }[];
}

export interface Appended {
  readonly baseOffset: number;
  readonly duplicate: boolean;
  readonly leaderEpoch: number;
}

export class ModelPartition {
  readonly name: string;
  leader: number;
  epoch = 1;
  logStart = 0;
  nextOffset = 0;
  readonly batches: Uint8Array[] = [];
  private readonly producers = new Map<number, ProducerState>();
  private waiters: (() => void)[] = [];

  constructor(name: string, leader: number) {
    this.name = name;
    this.leader = leader;
  }

  /** @throws VarveError OUT_OF_ORDER_SEQUENCE, FENCED_PRODUCER. */
  append(bytes: Uint8Array): Appended {
    const count = batchRecordCount(bytes);
    const producerId = batchProducerId(bytes);
    const repeat = producerId < 0 ? null : this.admit(producerId, batchProducerEpoch(bytes), batchBaseSequence(bytes));
    if (repeat !== null) return { baseOffset: repeat, duplicate: true, leaderEpoch: this.epoch };
    const baseOffset = this.nextOffset;
    const copy = Uint8Array.from(bytes);
    stampBatch(copy, baseOffset, this.epoch);
    this.batches.push(copy);
    this.nextOffset += count;
    const state = this.producers.get(producerId);
    if (state !== undefined) {
      state.recent = [...state.recent, { sequence: state.nextSequence, baseOffset }].slice(-RECENT_BATCHES);
      state.nextSequence += count;
    }
    this.wake();
    return { baseOffset, duplicate: false, leaderEpoch: this.epoch };
  }

  /** Whole batches from the one that holds `offset` on, at most `bytesMax` but at least one. */
  read(offset: number, bytesMax: number): Uint8Array[] {
    const found: Uint8Array[] = [];
    let bytes = 0;
    for (const batch of this.batches) {
      if (batchLastOffset(batch) < offset) continue;
      bytes += batch.length;
      if (found.length > 0 && bytes > bytesMax) break;
      found.push(batch);
    }
    return found;
  }

  /** Drops whole batches below `offset`, as retention does. */
  trim(offset: number): void {
    while (this.batches[0] !== undefined && batchLastOffset(this.batches[0]) < offset) this.batches.shift();
    this.logStart = Math.max(this.logStart, offset);
    this.wake();
  }

  /** The last batch is gone with a leader that had it alone; a new epoch begins. */
  loseLast(): void {
    const lost = this.batches.pop();
    if (lost === undefined) return;
    const count = batchRecordCount(lost);
    this.nextOffset -= count;
    for (const state of this.producers.values()) {
      if (!state.recent.some(({ baseOffset }) => baseOffset === this.nextOffset)) continue;
      state.recent = state.recent.filter(({ baseOffset }) => baseOffset !== this.nextOffset);
      state.nextSequence -= count;
    }
    this.moveTo(this.leader);
  }

  /** All producers were silent for longer than the log remembers them. */
  forgetProducers(): void {
    this.producers.clear();
  }

  moveTo(leader: number): void {
    this.leader = leader;
    this.epoch++;
    this.wake();
  }

  /** Resolves at the next change. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  wake(): void {
    for (const wake of this.waiters.splice(0)) wake();
  }

  /** The offset of the batch if it is a repeat, else null. */
  private admit(producerId: number, epoch: number, sequence: number): number | null {
    let state = this.producers.get(producerId);
    if (state === undefined || epoch > state.epoch) {
      if (sequence !== 0) throw this.outOfOrder(sequence, 0);
      state = { epoch, nextSequence: 0, recent: [] };
      this.producers.set(producerId, state);
    }
    if (epoch < state.epoch) {
      throw new VarveError("FENCED_PRODUCER", { message: `${this.name}: epoch ${epoch}, now ${state.epoch}` });
    }
    const repeat = state.recent.find((each) => each.sequence === sequence);
    if (repeat !== undefined) return repeat.baseOffset;
    if (sequence !== state.nextSequence) throw this.outOfOrder(sequence, state.nextSequence);
    return null;
  }

  private outOfOrder(sequence: number, expectedSequence: number): VarveError {
    const message = `${this.name}: sequence ${sequence}, expected ${expectedSequence}`;
    return new VarveError("OUT_OF_ORDER_SEQUENCE", { message, details: { sequence, expectedSequence } });
  }
}
