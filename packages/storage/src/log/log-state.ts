/**
 * log-state.ts: everything about a log that is a function of its committed frames, and its form in a checkpoint.
 *
 * Checkpoint file: magic u32, version u32, body bytes u32, body CRC32C u32, then the body: JSON text bytes u32, the text, and the tagged
 * sections (tag u8, bytes u32, content) of state machines. Written beside its final name and renamed.
 * Invariants:
 *   S1  frames are applied in order, each once
 *   S2  the log start never goes back
 */
import { assert, type Offset, type RaftIndex, type Term, VarveError } from "@varve/base";
import { batchBaseSequence, batchProducerEpoch, batchProducerId, batchRecordCount, crc32c } from "@varve/records";
import { type CheckpointSection, type Frame, FrameKind, type LogSnapshot, type ReplicaSet } from "../api.js";
import { view } from "../bytes.js";
import { decodeLogStart } from "../frame.js";
import { type ProducerRow, ProducerTable } from "./producer-table.js";

/** Where an epoch begins in a log. */
export interface EpochStart {
  readonly term: Term;
  readonly index: RaftIndex;
  readonly offset: Offset;
}

interface CheckpointBody {
  readonly index: RaftIndex;
  readonly term: Term;
  readonly offset: Offset;
  readonly appendTimeMs: number;
  readonly logStart: { readonly index: RaftIndex; readonly offset: Offset };
  readonly replicas: ReplicaSet;
  readonly epochs: readonly EpochStart[];
  readonly producers: readonly ProducerRow[];
}

const MAGIC = 0x31505456;
const VERSION = 1;
const HEADER_BYTES = 16;

export class LogState {
  index: RaftIndex = 0;
  term: Term = 0;
  /** Offset of the next record: the high watermark of the applied prefix. */
  offset: Offset = 0;
  appendTimeMs = 0;
  logStart = { index: 1, offset: 0 };
  replicas: ReplicaSet;
  epochs: EpochStart[] = [];
  producers: ProducerTable;
  private readonly producerExpiryMs: number;

  constructor(replicas: ReplicaSet, producerExpiryMs: number) {
    this.replicas = replicas;
    this.producerExpiryMs = producerExpiryMs;
    this.producers = new ProducerTable(producerExpiryMs);
  }

  apply(frame: Frame): void {
    assert(frame.index === this.index + 1, "S1: frames are applied in order");
    this.index = frame.index;
    if (frame.term !== this.term) this.epochs.push({ term: frame.term, index: frame.index, offset: frame.baseOffset });
    this.term = frame.term;
    this.offset = frame.baseOffset + frame.offsetSpan;
    this.appendTimeMs = frame.appendTimeMs;
    if (frame.kind === FrameKind.batch) this.applyBatch(frame);
    else if (frame.kind === FrameKind.logStart) this.moveLogStart(frame);
  }

  private applyBatch(frame: Frame): void {
    const { data } = frame;
    const producerId = batchProducerId(data);
    if (producerId < 0) return;
    const stamp = {
      producerId,
      producerEpoch: batchProducerEpoch(data),
      baseSequence: batchBaseSequence(data),
      recordCount: batchRecordCount(data),
    };
    this.producers.apply(stamp, frame.baseOffset, frame.term, frame.appendTimeMs);
  }

  private moveLogStart(frame: Frame): void {
    const start = decodeLogStart(frame.data);
    assert(start !== null, "a committed logStart frame has a payload");
    if (start.offset < this.logStart.offset || start.index < this.logStart.index) return;
    this.logStart = start;
    const keep = this.epochs.findLastIndex((epoch) => epoch.index <= start.index);
    if (keep > 0) this.epochs.splice(0, keep);
  }

  /** Term of an applied index, as far as the epochs reach back. */
  termOf(index: RaftIndex): Term | null {
    const epoch = this.epochs.findLast((start) => start.index <= index);
    return epoch?.term ?? null;
  }

  encode(sections: readonly CheckpointSection[]): Uint8Array {
    const body: CheckpointBody = {
      index: this.index,
      term: this.term,
      offset: this.offset,
      appendTimeMs: this.appendTimeMs,
      logStart: this.logStart,
      replicas: this.replicas,
      epochs: this.epochs,
      producers: this.producers.rows(),
    };
    const text = Buffer.from(JSON.stringify(body));
    const parts: Uint8Array[] = [u32(text.length), text];
    for (const { tag, bytes } of sections) parts.push(Uint8Array.of(tag), u32(bytes.length), bytes);
    const content = Buffer.concat(parts);
    return Buffer.concat([u32(MAGIC), u32(VERSION), u32(content.length), u32(crc32c(content)), content]);
  }

  /** Puts a snapshot in the place of everything. */
  restore(snapshot: LogSnapshot): void {
    const body = parse(snapshot.encoded).body;
    this.index = body.index;
    this.term = body.term;
    this.offset = body.offset;
    this.appendTimeMs = body.appendTimeMs;
    this.logStart = { ...body.logStart };
    this.replicas = body.replicas;
    this.epochs = [...body.epochs];
    this.producers = new ProducerTable(this.producerExpiryMs, body.producers);
  }
}

/** @throws VarveError CORRUPT_BATCH when the bytes are not one whole, valid checkpoint. */
export function decodeSnapshot(encoded: Uint8Array): LogSnapshot {
  const { body, sections } = parse(encoded);
  const { index, term, offset, replicas } = body;
  return { index, term, offset, replicas, sections, encoded };
}

function parse(encoded: Uint8Array): { readonly body: CheckpointBody; readonly sections: CheckpointSection[] } {
  const source = view(encoded);
  if (source.length < HEADER_BYTES || source.readUInt32LE(0) !== MAGIC) throw damaged("it has no checkpoint header");
  if (source.readUInt32LE(4) !== VERSION) throw damaged(`its version is ${source.readUInt32LE(4)}`);
  const content = source.subarray(HEADER_BYTES);
  if (content.length !== source.readUInt32LE(8) || crc32c(content) !== source.readUInt32LE(12)) {
    throw damaged("its checksum does not match");
  }
  const textBytes = content.readUInt32LE(0);
  const body = JSON.parse(content.toString("utf8", 4, 4 + textBytes)) as CheckpointBody;
  const sections: CheckpointSection[] = [];
  for (let at = 4 + textBytes; at < content.length; ) {
    const tag = content[at] ?? 0;
    const bytes = content.readUInt32LE(at + 1);
    sections.push({ tag, bytes: content.subarray(at + 5, at + 5 + bytes) });
    at += 5 + bytes;
  }
  return { body, sections };
}

function damaged(why: string): VarveError {
  return new VarveError("CORRUPT_BATCH", {
    message: `a checkpoint cannot be used: ${why}; nothing was changed`,
    effect: "NONE",
  });
}

function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(value, 0);
  return bytes;
}
