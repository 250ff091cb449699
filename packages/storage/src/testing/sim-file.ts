/**
 * sim-file.ts: one file of the simulated disk: what the system shows, and what would survive a power cut.
 *
 * Content is kept in sparse pages. Every write since the last sync is remembered; a crash keeps any part of them, sector by sector.
 */

/** Where a crash draws its fate from; a `Prng` is one. */
export interface CrashDraw {
  chance(probability: number): boolean;
  between(first: number, last: number): number;
}

const PAGE_BYTES = 16 * 1024;
const SECTOR_BYTES = 512;

/** Sparse bytes with a length. */
class Pages {
  private readonly pages: Map<number, Uint8Array>;
  length: number;

  constructor(pages: Map<number, Uint8Array> = new Map(), length = 0) {
    this.pages = pages;
    this.length = length;
  }

  read(target: Uint8Array, position: number): number {
    const bytes = Math.max(0, Math.min(target.length, this.length - position));
    for (let at = 0; at < bytes; ) {
      const start = (position + at) % PAGE_BYTES;
      const run = Math.min(PAGE_BYTES - start, bytes - at);
      const page = this.pages.get(Math.floor((position + at) / PAGE_BYTES));
      if (page === undefined) target.fill(0, at, at + run);
      else target.set(page.subarray(start, start + run), at);
      at += run;
    }
    return bytes;
  }

  write(bytes: Uint8Array, position: number): void {
    for (let at = 0; at < bytes.length; ) {
      const number = Math.floor((position + at) / PAGE_BYTES);
      const start = (position + at) % PAGE_BYTES;
      const run = Math.min(PAGE_BYTES - start, bytes.length - at);
      let page = this.pages.get(number);
      if (page === undefined && isZero(bytes, at, at + run)) {
        at += run;
        continue;
      }
      page ??= new Uint8Array(PAGE_BYTES);
      page.set(bytes.subarray(at, at + run), start);
      this.pages.set(number, page);
      at += run;
    }
    this.length = Math.max(this.length, position + bytes.length);
  }

  truncate(length: number): void {
    for (const [number, page] of this.pages) {
      const start = number * PAGE_BYTES;
      if (start >= length) this.pages.delete(number);
      else if (start + PAGE_BYTES > length) page.fill(0, length - start);
    }
    this.length = length;
  }

  clone(): Pages {
    return new Pages(new Map([...this.pages].map(([number, page]) => [number, page.slice()])), this.length);
  }
}

/** Zeros need no page: a preallocated file costs nothing. */
function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false;
  return true;
}

type Change =
  | { readonly kind: "write"; readonly bytes: Uint8Array; readonly position: number }
  | { readonly kind: "truncate"; readonly length: number };

export class SimFile {
  private current = new Pages();
  private synced = new Pages();
  private changes: Change[] = [];

  get length(): number {
    return this.current.length;
  }

  read(target: Uint8Array, position: number): number {
    return this.current.read(target, position);
  }

  write(bytes: Uint8Array, position: number): void {
    const kept = bytes.slice();
    this.current.write(kept, position);
    this.changes.push({ kind: "write", bytes: kept, position });
  }

  truncate(length: number): void {
    if (length === this.current.length) return;
    this.current.truncate(length);
    this.changes.push({ kind: "truncate", length });
  }

  sync(): void {
    for (const change of this.changes) apply(this.synced, change);
    this.changes = [];
  }

  /** What a failed sync leaves, as Linux does it: the bytes are shown, count as written back, and never reach the disk. */
  syncFailed(): void {
    this.changes = [];
  }

  /** Bytes that would survive now, whatever is lost. */
  syncedBytes(): Uint8Array {
    const bytes = new Uint8Array(this.synced.length);
    this.synced.read(bytes, 0);
    return bytes;
  }

  /** The power goes: of each change since the last sync any part stays. Null: nothing does. */
  crash(draw: CrashDraw | null): void {
    for (const change of this.changes) {
      if (draw === null) continue;
      if (change.kind === "truncate") {
        if (draw.chance(0.5)) apply(this.synced, change);
      } else {
        keepSome(this.synced, change.bytes, change.position, draw);
      }
    }
    this.changes = [];
    this.current = this.synced.clone();
  }

  /** Damages what is stored, as rot does: in what is shown and in what survives. */
  flip(position: number, mask: number): void {
    for (const pages of [this.current, this.synced]) {
      const byte = new Uint8Array(1);
      if (pages.read(byte, position) === 1) pages.write(Uint8Array.of((byte[0] ?? 0) ^ mask), position);
    }
  }

  /** Puts bytes where they do not belong, as a misdirected write does: into what is shown and what survives. */
  overwrite(bytes: Uint8Array, position: number): void {
    for (const pages of [this.current, this.synced])
      pages.write(bytes.subarray(0, Math.max(0, pages.length - position)), position);
  }

  /** Cuts what is stored, as a broken file system may. */
  cut(length: number): void {
    this.current.truncate(length);
    this.synced.truncate(length);
    this.changes = [];
  }
}

function apply(pages: Pages, change: Change): void {
  if (change.kind === "truncate") pages.truncate(change.length);
  else pages.write(change.bytes, change.position);
}

/** All, nothing, a prefix, or any subset of a write's sectors. */
function keepSome(pages: Pages, bytes: Uint8Array, position: number, draw: CrashDraw): void {
  const fate = draw.between(0, 3);
  if (fate === 0) return;
  const prefix = fate === 1 ? draw.between(0, bytes.length) : bytes.length;
  for (let at = 0; at < prefix; ) {
    const run = Math.min(SECTOR_BYTES - ((position + at) % SECTOR_BYTES), prefix - at);
    if (fate !== 3 || draw.chance(0.5)) pages.write(bytes.subarray(at, at + run), position + at);
    at += run;
  }
}
