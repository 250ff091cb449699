/**
 * message-codec.ts: turns typed objects into protobuf messages and back, driven by the field tables in `gen/`.
 *
 * Encoding is one exact allocation, so bytes are copied once; decoding copies no bytes (views).
 * Invariants:
 *   P1  decode(encode(m)) equals m with its absent fields at their defaults
 *   P2  an integer that travels is a safe one, an int32 in its range, a double finite, an enum value one that the schema names
 *   P3  a list or map has at most REPEATED_MAX elements
 *   P4  whatever breaks P2 or P3, or is no message, is a VarveError INVALID_ARGUMENT with effect NOT_APPLIED
 */
import { assert, VarveError } from "@varve/base";
import { varintSize, writeVarint } from "./varint.js";
import { WIRE_BYTES, WIRE_FIXED64, WIRE_VARINT, WireReader } from "./wire-reader.js";

/** Most elements of one list or map in one message. */
export const REPEATED_MAX = 200_000;

/** What `encode` takes: every field may be left out and then has its default; embedded messages likewise. */
export type Init<T> = T extends Uint8Array | string | number | boolean | null
  ? T
  : T extends readonly (infer Element)[]
    ? readonly Init<Element>[]
    : string extends keyof T
      ? T
      : { readonly [Key in keyof T]?: Init<T[Key]> | undefined };

/** One message type. */
export interface MessageCodec<T> {
  readonly name: string;
  /** @throws VarveError INVALID_ARGUMENT: a number is fractional or out of range, an enum value unknown. */
  encode(message: Init<T>): Uint8Array;
  /** `bytes` fields of the answer are views of `bytes`. @throws VarveError INVALID_ARGUMENT: not such a message. */
  decode(bytes: Uint8Array): T;
}

/** A message whose shape the field table knows. */
export type Fields = Record<string, unknown>;

/** Lists and maps of `double` are not supported: no schema here has them. */
export type ScalarType = "bool" | "bytes" | "double" | "int32" | "int64" | "string";

/** What a field needs of the type of its embedded messages. */
export interface EmbeddedCodec {
  readonly name: string;
  size(message: Fields): number;
  write(bytes: Uint8Array, start: number, message: Fields): number;
  read(reader: WireReader): Fields;
}

/** One field as the schema describes it. */
export interface FieldSpec {
  readonly name: string;
  readonly number: number;
  readonly type: ScalarType | { readonly message: EmbeddedCodec } | { readonly enum: ReadonlySet<number> };
  /** `optional`: absent is null. `map`: from text to `type`. */
  readonly label?: "optional" | "repeated" | "map";
}

const EMPTY_BYTES = new Uint8Array(0);
const DOUBLE_BYTES = 8;
const utf8 = new TextEncoder();

/** A codec that reads a field table. Made by generated code only. */
export class TableCodec<T> implements MessageCodec<T> {
  readonly name: string;
  private readonly fields: readonly Field[];
  private readonly byNumber = new Map<number, Field>();

  constructor(name: string, specs: readonly FieldSpec[]) {
    this.name = name;
    this.fields = specs.map((spec) => new Field(name, spec));
    for (const field of this.fields) this.byNumber.set(field.number, field);
  }

  encode(message: Init<T>): Uint8Array {
    const bytes = new Uint8Array(this.size(message as Fields));
    const end = this.write(bytes, 0, message as Fields);
    assert(end === bytes.length, "a message is as long as was computed");
    return bytes;
  }

  decode(bytes: Uint8Array): T {
    return this.read(new WireReader(bytes, 0, bytes.length, this.name)) as T;
  }

  size(message: Fields): number {
    let size = 0;
    for (const field of this.fields) size += field.size(message[field.name]);
    return size;
  }

  write(bytes: Uint8Array, start: number, message: Fields): number {
    let at = start;
    for (const field of this.fields) at = field.write(bytes, at, message[field.name]);
    return at;
  }

  read(reader: WireReader): Fields {
    const message: Fields = {};
    for (const field of this.fields) message[field.name] = field.initial();
    while (reader.at < reader.end) {
      const tag = reader.int32() >>> 0;
      const field = this.byNumber.get(tag >>> 3);
      if (field === undefined) reader.skip(tag & 7);
      else field.read(reader, tag & 7, message);
    }
    return message;
  }
}

/** Reads and writes one field. */
class Field {
  readonly name: string;
  readonly number: number;
  private readonly type: FieldSpec["type"];
  private readonly label: FieldSpec["label"];
  private readonly owner: string;
  private readonly varint: boolean;
  private readonly wireType: number;
  private readonly tag: number;
  private readonly tagSize: number;

  constructor(owner: string, spec: FieldSpec) {
    this.owner = owner;
    this.name = spec.name;
    this.number = spec.number;
    this.type = spec.type;
    this.label = spec.label;
    const { type } = spec;
    this.varint =
      type === "bool" || type === "int32" || type === "int64" || (typeof type === "object" && "enum" in type);
    const isList = spec.label === "repeated" || spec.label === "map";
    assert(type !== "double" || !isList, "no list or map has doubles");
    this.wireType = this.varint ? WIRE_VARINT : type === "double" ? WIRE_FIXED64 : WIRE_BYTES;
    this.tag = spec.number * 8 + (isList ? WIRE_BYTES : this.wireType);
    this.tagSize = varintSize(this.tag);
  }

  initial(): unknown {
    const { type } = this;
    if (this.label === "repeated") return [];
    if (this.label === "map") return Object.create(null);
    if (this.label === "optional") return null;
    if (type === "string") return "";
    if (type === "bytes") return EMPTY_BYTES;
    if (type === "bool") return false;
    return typeof type === "object" && "message" in type ? null : 0;
  }

  size(value: unknown): number {
    if (value === undefined || value === null) return 0;
    if (this.label === "repeated") return this.listSize(value as readonly unknown[]);
    if (this.label === "map") {
      let size = 0;
      for (const entry of this.entries(value)) size += this.tagSize + withLength(this.entrySize(entry));
      return size;
    }
    if (this.label !== "optional" && isDefault(value)) return 0;
    return this.tagSize + this.valueSize(value);
  }

  write(bytes: Uint8Array, start: number, value: unknown): number {
    if (value === undefined || value === null) return start;
    if (this.label === "repeated") return this.writeList(bytes, start, value as readonly unknown[]);
    if (this.label === "map") {
      let at = start;
      for (const entry of this.entries(value)) at = this.writeEntry(bytes, at, entry);
      return at;
    }
    if (this.label !== "optional" && isDefault(value)) return start;
    return this.writeValue(bytes, writeVarint(bytes, start, this.tag), value);
  }

  read(reader: WireReader, wireType: number, message: Fields): void {
    if (this.label === "repeated" && this.varint && wireType === WIRE_BYTES) {
      const packed = reader.nested(this.owner);
      while (packed.at < packed.end) this.push(message, this.readValue(packed), reader);
      return;
    }
    if (wireType !== (this.label === "map" ? WIRE_BYTES : this.wireType)) {
      throw reader.invalid(`has field ${this.name} in wire type ${wireType}`);
    }
    if (this.label === "repeated") this.push(message, this.readValue(reader), reader);
    else if (this.label === "map") this.readEntry(reader.nested(this.owner), message);
    else message[this.name] = this.readValue(reader);
  }

  private push(message: Fields, value: unknown, reader: WireReader): void {
    const list = message[this.name] as unknown[];
    if (list.length >= REPEATED_MAX) throw reader.invalid(`has more than ${REPEATED_MAX} ${this.name}`);
    list.push(value);
  }

  private listSize(list: readonly unknown[]): number {
    if (list.length > REPEATED_MAX)
      throw this.refuse(`has ${list.length} elements, at most ${REPEATED_MAX} are allowed`);
    let size = 0;
    for (const value of list) size += this.valueSize(value) + (this.varint ? 0 : this.tagSize);
    return this.varint && size > 0 ? this.tagSize + withLength(size) : size;
  }

  private writeList(bytes: Uint8Array, start: number, list: readonly unknown[]): number {
    let at = start;
    if (this.varint) {
      if (list.length === 0) return at;
      let size = 0;
      for (const value of list) size += this.valueSize(value);
      at = writeVarint(bytes, writeVarint(bytes, at, this.tag), size);
      for (const value of list) at = this.writeValue(bytes, at, value);
      return at;
    }
    for (const value of list) at = this.writeValue(bytes, writeVarint(bytes, at, this.tag), value);
    return at;
  }

  private valueSize(value: unknown): number {
    const { type } = this;
    if (type === "bytes") return withLength((value as Uint8Array).length);
    if (type === "string") return withLength(textSize(value as string));
    if (type === "bool") return 1;
    if (type === "double") return DOUBLE_BYTES;
    if (typeof type === "object" && "message" in type) return withLength(type.message.size(value as Fields));
    return varintSize(this.checked(value as number));
  }

  private writeValue(bytes: Uint8Array, start: number, value: unknown): number {
    const { type } = this;
    if (type === "bytes") return writeBytes(bytes, start, value as Uint8Array);
    if (type === "string") return writeText(bytes, start, value as string);
    if (type === "bool") return writeVarint(bytes, start, value === true ? 1 : 0);
    if (type === "double") return writeDouble(bytes, start, this.finite(value as number));
    if (typeof type === "object" && "message" in type) {
      const at = writeVarint(bytes, start, type.message.size(value as Fields));
      return type.message.write(bytes, at, value as Fields);
    }
    return writeVarint(bytes, start, value as number);
  }

  private readValue(reader: WireReader): unknown {
    const { type } = this;
    if (type === "bytes") return reader.view();
    if (type === "string") return reader.text();
    if (type === "bool") return reader.int64() !== 0;
    if (type === "int64") return reader.int64();
    if (type === "int32") return reader.int32();
    if (type === "double") return reader.double();
    if ("message" in type) return type.message.read(reader.nested(type.message.name));
    const value = reader.int32();
    if (!type.enum.has(value)) throw reader.invalid(`has ${value} as ${this.name}, which is no known value`);
    return value;
  }

  /** P2 for a number that is about to be sent. */
  private checked(value: number): number {
    const { type } = this;
    if (!Number.isSafeInteger(value)) throw this.refuse(`is ${value}, but must be an integer up to 2^53 - 1`);
    if (type === "int32" && (value | 0) !== value) throw this.refuse(`is ${value}, but must be an integer of 32 bits`);
    if (typeof type === "object" && "enum" in type && !type.enum.has(value))
      throw this.refuse(`is ${value}, which is no known value`);
    return value;
  }

  private finite(value: number): number {
    if (!Number.isFinite(value)) throw this.refuse(`is ${value}, but must be a finite number`);
    return value;
  }

  private entries(value: unknown): [string, unknown][] {
    const entries = Object.entries(value as Fields).filter((entry) => entry[1] !== undefined);
    if (entries.length > REPEATED_MAX)
      throw this.refuse(`has ${entries.length} entries, at most ${REPEATED_MAX} are allowed`);
    return entries;
  }

  private entrySize([key, value]: [string, unknown]): number {
    return 1 + withLength(textSize(key)) + 1 + this.valueSize(value);
  }

  private writeEntry(bytes: Uint8Array, start: number, entry: [string, unknown]): number {
    let at = writeVarint(bytes, start, this.tag);
    at = writeVarint(bytes, at, this.entrySize(entry));
    at = writeText(bytes, writeVarint(bytes, at, (1 << 3) | WIRE_BYTES), entry[0]);
    at = writeVarint(bytes, at, (2 << 3) | (this.varint ? WIRE_VARINT : WIRE_BYTES));
    return this.writeValue(bytes, at, entry[1]);
  }

  private readEntry(reader: WireReader, message: Fields): void {
    let key = "";
    let value: unknown = this.entryDefault(reader);
    while (reader.at < reader.end) {
      const tag = reader.int32() >>> 0;
      if (tag >>> 3 === 1 && (tag & 7) === WIRE_BYTES) key = reader.text();
      else if (tag >>> 3 === 2 && (tag & 7) === (this.varint ? WIRE_VARINT : WIRE_BYTES))
        value = this.readValue(reader);
      else reader.skip(tag & 7);
    }
    (message[this.name] as Fields)[key] = value;
  }

  /** The value of an entry that has none. */
  private entryDefault({ bytes }: WireReader): unknown {
    const { type } = this;
    if (type === "string") return "";
    if (type === "bytes") return EMPTY_BYTES;
    if (type === "bool") return false;
    if (typeof type === "string" || "enum" in type) return 0;
    return type.message.read(new WireReader(bytes, 0, 0, type.message.name));
  }

  private refuse(problem: string): VarveError {
    return new VarveError("INVALID_ARGUMENT", {
      message: `${this.name} of ${this.owner} ${problem}; nothing was sent`,
      effect: "NOT_APPLIED",
      details: { messageType: this.owner, field: this.name },
    });
  }
}

function isDefault(value: unknown): boolean {
  return value === 0 || value === "" || value === false || (value instanceof Uint8Array && value.length === 0);
}

function withLength(size: number): number {
  return varintSize(size) + size;
}

function writeBytes(bytes: Uint8Array, start: number, value: Uint8Array): number {
  const at = writeVarint(bytes, start, value.length);
  bytes.set(value, at);
  return at + value.length;
}

function writeDouble(bytes: Uint8Array, start: number, value: number): number {
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).setFloat64(start, value, true);
  return start + DOUBLE_BYTES;
}

function textSize(text: string): number {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) >= 0x80) return utf8.encode(text).length;
  return text.length;
}

function writeText(bytes: Uint8Array, start: number, text: string): number {
  const size = textSize(text);
  const at = writeVarint(bytes, start, size);
  if (size === text.length) for (let index = 0; index < size; index++) bytes[at + index] = text.charCodeAt(index);
  else utf8.encodeInto(text, bytes.subarray(at, at + size));
  return at + size;
}
