/**
 * sim-disk.ts: a file system in memory with the habits of a real one at a power cut.
 *
 * Unsynced writes vanish, stay, or tear at a sector, in any combination; so do names that were made, renamed or removed in a folder
 * that was not synced. Everything synced stays. Latency, if any, comes from the Clock.
 */
import { type Clock, type Disk, type DiskFile, delay, VarveError, type WalCommand, type WalThread } from "@varve/base";

/** What a crash does to each unsynced write and name: lose all of it, or draw. */
export type CrashChoice =
  | "lose"
  | { chance(probability: number): boolean; between(first: number, last: number): number };

export interface SimDiskOptions {
  readonly clock?: Clock;
  /** Milliseconds that the next call takes; absent: none. */
  readonly latencyMs?: (kind: "read" | "write" | "sync") => number;
  /** Bytes of the whole disk. */
  readonly capacityBytes?: number;
}

const SECTOR_BYTES = 512;

interface Change {
  readonly position: number;
  readonly bytes: Uint8Array | null;
  /** For a truncation, the new size. */
  readonly size: number;
}

/** Bytes that grow; what lies beyond `size` is zero. */
class Content {
  bytes = Buffer.alloc(0);
  size = 0;

  apply(change: Change): void {
    if (change.bytes === null) {
      this.reserve(change.size);
      if (change.size < this.size) this.bytes.fill(0, change.size, this.size);
      this.size = change.size;
      return;
    }
    this.reserve(change.position + change.bytes.length);
    this.bytes.set(change.bytes, change.position);
    this.size = Math.max(this.size, change.position + change.bytes.length);
  }

  copy(): Content {
    const copy = new Content();
    copy.bytes = Buffer.from(this.bytes.subarray(0, this.size));
    copy.size = this.size;
    return copy;
  }

  private reserve(size: number): void {
    if (size <= this.bytes.length) return;
    const grown = Buffer.alloc(Math.max(size, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.size);
    this.bytes = grown;
  }
}

class Node {
  /** What this process reads. */
  content = new Content();
  /** What a power cut leaves for certain; it follows `content` at each sync by the changes alone. */
  private synced = new Content();
  private unsynced: Change[] = [];

  get size(): number {
    return this.content.size;
  }

  write(bytes: Uint8Array, position: number): void {
    this.change({ position, bytes: Uint8Array.from(bytes), size: 0 });
  }

  change(change: Change): void {
    this.content.apply(change);
    this.unsynced.push(change);
  }

  sync(): void {
    for (const change of this.unsynced) this.synced.apply(change);
    this.unsynced = [];
  }

  crash(choice: CrashChoice): void {
    const changes = this.unsynced;
    this.unsynced = [];
    if (choice !== "lose") {
      for (const change of changes) {
        if (!choice.chance(0.5)) continue;
        if (change.bytes === null || change.bytes.length <= SECTOR_BYTES || choice.chance(0.5))
          this.synced.apply(change);
        else this.tear(change.position, change.bytes, choice);
      }
    }
    this.content = this.synced.copy();
  }

  private tear(position: number, bytes: Uint8Array, choice: Exclude<CrashChoice, "lose">): void {
    for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
      if (!choice.chance(0.5)) continue;
      this.synced.apply({ position: position + at, bytes: bytes.subarray(at, at + SECTOR_BYTES), size: 0 });
    }
  }
}

/** One machine's disk. It outlives the process on it; `crash` is the power cut. */
export class SimDisk implements Disk {
  private readonly options: SimDiskOptions;
  private names = new Map<string, Node | "dir">();
  private syncedNames = new Map<string, Node | "dir">();
  private readonly locks = new Set<string>();
  /** Calls of an earlier process fail after its crash. */
  private generation = 0;
  private failSyncOnce = false;

  constructor(options: SimDiskOptions = {}) {
    this.options = options;
  }

  /** The process and the power are gone. */
  crash(choice: CrashChoice): void {
    this.generation++;
    this.locks.clear();
    const survivors = new Map(this.syncedNames);
    if (choice !== "lose") {
      for (const [path, node] of this.names) if (!survivors.has(path) && choice.chance(0.5)) survivors.set(path, node);
      for (const path of [...survivors.keys()]) if (!this.names.has(path) && choice.chance(0.5)) survivors.delete(path);
    }
    for (const path of [...survivors.keys()].sort()) if (!this.hasParents(survivors, path)) survivors.delete(path);
    this.names = survivors;
    this.syncedNames = new Map(survivors);
    for (const node of this.names.values()) if (node !== "dir") node.crash(choice);
  }

  /** The next sync fails with EIO. */
  failNextSync(): void {
    this.failSyncOnce = true;
  }

  private hasParents(names: ReadonlyMap<string, Node | "dir">, path: string): boolean {
    const parent = parentOf(path);
    return parent === "" || parent === "/" || names.get(parent) === "dir";
  }

  async open(path: string, mode: "read" | "readwrite" | "create"): Promise<DiskFile> {
    this.check(this.generation);
    let node = this.names.get(path);
    if (node === undefined) {
      if (mode !== "create") throw new Error(`ENOENT: ${path}`);
      if (parentOf(path) !== "" && this.names.get(parentOf(path)) !== "dir") throw new Error(`ENOENT: ${path}`);
      node = new Node();
      this.names.set(path, node);
    }
    if (node === "dir") throw new Error(`EISDIR: ${path}`);
    return this.fileOf(node);
  }

  private fileOf(node: Node): DiskFile {
    const generation = this.generation;
    return {
      read: async (target, position) => {
        await this.wait("read", generation);
        const bytes = Math.max(0, Math.min(target.length, node.size - position));
        target.set(node.content.bytes.subarray(position, position + bytes));
        return bytes;
      },
      write: async (buffers, position) => {
        await this.wait("write", generation);
        this.checkSpace(buffers.reduce((sum, buffer) => sum + buffer.length, 0));
        let at = position;
        for (const buffer of buffers) {
          node.write(buffer, at);
          at += buffer.length;
        }
      },
      sync: async () => {
        await this.wait("sync", generation);
        this.sync(node);
      },
      truncate: async (bytes) => {
        await this.wait("write", generation);
        node.change({ position: 0, bytes: null, size: bytes });
      },
      size: async () => node.size,
      close: async () => {},
    };
  }

  private sync(node: Node): void {
    if (this.failSyncOnce) {
      this.failSyncOnce = false;
      throw new Error("EIO: simulated failure of fsync");
    }
    node.sync();
  }

  async list(path: string): Promise<string[]> {
    const prefix = `${path}/`;
    const found: string[] = [];
    for (const name of this.names.keys()) {
      if (name.startsWith(prefix) && !name.slice(prefix.length).includes("/")) found.push(name.slice(prefix.length));
    }
    return found.sort();
  }

  async makeDir(path: string): Promise<void> {
    this.check(this.generation);
    const parts = path.split("/");
    for (let end = 1; end <= parts.length; end++) {
      const dir = parts.slice(0, end).join("/");
      if (dir !== "" && !this.names.has(dir)) this.names.set(dir, "dir");
    }
    // The folders above a data directory are the operator's and taken to be there.
    for (const [dir, node] of this.names)
      if (node === "dir" && path.startsWith(dir) && path.split("/").length <= 2) this.syncedNames.set(dir, node);
  }

  async rename(from: string, to: string): Promise<void> {
    this.check(this.generation);
    const node = this.names.get(from);
    if (node === undefined) throw new Error(`ENOENT: ${from}`);
    this.names.delete(from);
    this.names.set(to, node);
  }

  async remove(path: string): Promise<void> {
    this.check(this.generation);
    if (!this.names.delete(path)) throw new Error(`ENOENT: ${path}`);
  }

  async removeDir(path: string): Promise<void> {
    this.check(this.generation);
    for (const name of [...this.names.keys()])
      if (name === path || name.startsWith(`${path}/`)) this.names.delete(name);
  }

  async syncDir(path: string): Promise<void> {
    await this.wait("sync", this.generation);
    const isIn = (name: string): boolean => parentOf(name) === path;
    for (const name of [...this.syncedNames.keys()])
      if (isIn(name) && !this.names.has(name)) this.syncedNames.delete(name);
    for (const [name, node] of this.names) if (isIn(name)) this.syncedNames.set(name, node);
    if (this.names.has(path)) this.syncedNames.set(path, "dir");
  }

  async freeBytes(): Promise<number> {
    return (this.options.capacityBytes ?? Number.MAX_SAFE_INTEGER) - this.usedBytes();
  }

  async lock(path: string): Promise<{ release(): Promise<void> }> {
    if (this.locks.has(path)) {
      throw new VarveError("DATA_DIR_UNUSABLE", {
        message: `data directory ${path} is in use`,
        details: { dataDir: path },
      });
    }
    this.locks.add(path);
    const generation = this.generation;
    return {
      release: async () => {
        if (generation === this.generation) this.locks.delete(path);
      },
    };
  }

  /** The WAL thread of a process on this machine. */
  walThread(): WalThread {
    const generation = this.generation;
    const files = new Map<number, Node>();
    let last: Promise<void> = Promise.resolve();
    return {
      run: (command) => {
        last = last.then(() => this.carryOut(command, files, generation));
        return last;
      },
      close: async () => {},
    };
  }

  private async carryOut(command: WalCommand, files: Map<number, Node>, generation: number): Promise<void> {
    if (command.kind === "close") {
      files.delete(command.file);
      return;
    }
    if (command.kind === "open") {
      this.check(generation);
      let node = this.names.get(command.path);
      if (node === undefined || node === "dir") {
        node = new Node();
        this.names.set(command.path, node);
      }
      files.set(command.file, node);
      await this.syncDir(command.dir);
      return;
    }
    const node = files.get(command.file);
    if (node === undefined) throw new Error(`file ${command.file} is not open`);
    this.check(generation);
    let at = command.position;
    for (const buffer of command.buffers) {
      node.write(buffer, at);
      at += buffer.length;
    }
    await this.wait("sync", generation);
    this.sync(node);
  }

  private async wait(kind: "read" | "write" | "sync", generation: number): Promise<void> {
    const latencyMs = this.options.latencyMs?.(kind) ?? 0;
    if (latencyMs > 0 && this.options.clock !== undefined) await delay(this.options.clock, latencyMs);
    this.check(generation);
  }

  private check(generation: number): void {
    if (generation !== this.generation) throw new Error("the process that had this file open is gone");
  }

  private checkSpace(bytes: number): void {
    if (this.options.capacityBytes !== undefined && this.usedBytes() + bytes > this.options.capacityBytes)
      throw new Error("ENOSPC: simulated full disk");
  }

  private usedBytes(): number {
    let bytes = 0;
    for (const node of this.names.values()) if (node !== "dir") bytes += node.size;
    return bytes;
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
