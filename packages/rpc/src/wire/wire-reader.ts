/**
 * wire-reader.ts: walks the bytes of one protobuf message.
 *
 * Invariants:
 *   W1  nothing outside `start .. end - 1` is read; each step consumes at least one byte, so a walk ends
 *   W2  bytes that are no message are a VarveError INVALID_ARGUMENT with effect NOT_APPLIED, never another error
 * Source: protobuf.dev, "Encoding".
 */
import { VarveError } from "@varve/base";

export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_BYTES = 2;
export const WIRE_FIXED32 = 5;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Below this a loop beats the call of TextDecoder.decode. */
const ASCII_LOOP_BYTES_MAX = 64;

export class WireReader {
  at: number;
  readonly bytes: Uint8Array;
  readonly end: number;
  private readonly messageName: string;

  constructor(bytes: Uint8Array, start: number, end: number, messageName: string) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.messageName = messageName;
  }

  /** A signed 64-bit number. @throws VarveError INVALID_ARGUMENT beyond 2^53 - 1. */
  int64(): number {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.byte();
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else high |= bits << 31;
      if (byte < 0x80) {
        const value = high * 2 ** 32 + (low >>> 0);
        if (!Number.isSafeInteger(value)) throw this.invalid("has a number beyond 2^53 - 1");
        return value;
      }
    }
    throw this.invalid("has a number of more than ten bytes");
  }

  /** A signed 32-bit number; higher bits are dropped, as protobuf says. */
  int32(): number {
    let low = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.byte();
      if (shift < 35) low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return low;
    }
    throw this.invalid("has a number of more than ten bytes");
  }

  /** @throws VarveError INVALID_ARGUMENT: not finite. */
  double(): number {
    const start = this.at;
    this.jump(8);
    const value = new DataView(this.bytes.buffer, this.bytes.byteOffset + start, 8).getFloat64(0, true);
    if (!Number.isFinite(value)) throw this.invalid("has a number that is not finite");
    return value;
  }

  /** A length, and the position after that many bytes, which is inside the message. */
  private endOfField(): number {
    const length = this.int32();
    const end = this.at + length;
    if (length < 0 || end > this.end) throw this.invalid("is cut off, or a length in it is wrong");
    return end;
  }

  /** A view, not a copy: of a Buffer it is a Buffer. */
  view(): Uint8Array {
    const end = this.endOfField();
    const view = this.bytes.subarray(this.at, end);
    this.at = end;
    return view;
  }

  text(): string {
    const end = this.endOfField();
    const start = this.at;
    this.at = end;
    if (end - start <= ASCII_LOOP_BYTES_MAX) {
      let text = "";
      let at = start;
      for (; at < end; at++) {
        const byte = this.bytes[at] ?? 0x80;
        if (byte >= 0x80) break;
        text += String.fromCharCode(byte);
      }
      if (at === end) return text;
    }
    try {
      return utf8.decode(this.bytes.subarray(start, end));
    } catch {
      throw this.invalid("has text that is not UTF-8");
    }
  }

  /** A reader of the embedded message that comes next. */
  nested(messageName: string): WireReader {
    const end = this.endOfField();
    const reader = new WireReader(this.bytes, this.at, end, messageName);
    this.at = end;
    return reader;
  }

  /** Passes over a field that is not known here. */
  skip(wireType: number): void {
    if (wireType === WIRE_VARINT) this.int32();
    else if (wireType === WIRE_BYTES) this.at = this.endOfField();
    else if (wireType === WIRE_FIXED64) this.jump(8);
    else if (wireType === WIRE_FIXED32) this.jump(4);
    else throw this.invalid(`has a field of wire type ${wireType}`);
  }

  invalid(problem: string): VarveError {
    return new VarveError("INVALID_ARGUMENT", {
      message: `${this.messageName} ${problem}; nothing was done; send a valid protobuf message`,
      effect: "NOT_APPLIED",
      details: { messageType: this.messageName },
    });
  }

  private byte(): number {
    if (this.at >= this.end) throw this.invalid("is cut off");
    return this.bytes[this.at++] ?? 0;
  }

  private jump(length: number): void {
    if (this.at + length > this.end) throw this.invalid("is cut off");
    this.at += length;
  }
}
