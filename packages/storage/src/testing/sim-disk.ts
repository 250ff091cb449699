/**
 * sim-disk.ts: a disk in memory that forgets what was not synced, as a power cut does. Deterministic: it draws nothing itself.
 *
 * `crash(prng)` keeps any subset of unsynced writes (down to sectors) and of unsynced names; `crash({ keepNothing: true })`
 * keeps none. After a crash the old process's handles and unfinished calls are dead: they never settle.
 * With zero latencies it is as fast as memory, on the real clock or a simulated one.
 */
import { type Clock, type Disk, type DiskFile, type DiskLock, VarveError, type WalThread } from "@varve/base";
import { type CrashDraw, SimFile } from "./sim-file.js";
import { SimHandle, systemError } from "./sim-handle.js";
import { SimWalThread } from "./sim-wal-thread.js";

/** What a crash does to what was not synced: lose all of it, or draw. */
export type CrashChoice = "lose" | { readonly keepNothing: true } | CrashDraw;

export interface SimDiskOptions {
  /** Waits for latencies; without it there are none. */
  readonly clock?: Clock;
  /** Milliseconds that the next call takes; absent: none. */
  readonly latencyMs?: (kind: "read" | "write" | "sync") => number;
  /** Bytes that fit on it. Default 2^40. */
  readonly capacityBytes?: number;
}

/** A call that changes the disk or makes a change durable: where a crash may fall. */
export interface SimStep {
  readonly number: number;
  readonly what: "create" | "write" | "sync" | "truncate" | "rename" | "remove" | "makeDir" | "syncDir";
  readonly path: string;
}

const STAGING_BYTES = 9 * 1024 * 1024;

interface NameChange {
  readonly dir: string;
  readonly apply: (names: Map<string, SimFile | "dir">) => void;
}

export class SimDisk implements Disk {
  private readonly clock: Clock | null;
  private readonly latencyMs: (kind: "read" | "write" | "sync") => number;
  private names = new Map<string, SimFile | "dir">();
  private syncedNames = new Map<string, SimFile | "dir">();
  private nameChanges: NameChange[] = [];
  private readonly locks = new Set<string>();
  private stepCount = 0;
  private readBytes = new Map<string, number>();
  private capacityBytes: number;
  /** Counts processes: what belongs to an earlier one is dead. */
  private life = 0;
  private isPowered = true;
  private stagingMemory: Uint8Array | null = null;
  private readonly unreadable = new Set<string>();
  private syncFailure: { readonly match: string; readonly error: Error; readonly isOnce: boolean } | null = null;
  /** Syncs that have failed so far. */
  failedSyncs = 0;
  /** Called before each step; may call `powerOff`. */
  onStep: ((step: SimStep) => void) | null = null;

  constructor(options: SimDiskOptions = {}) {
    this.clock = options.clock ?? null;
    this.latencyMs = options.latencyMs ?? (() => 0);
    this.capacityBytes = options.capacityBytes ?? 2 ** 40;
  }

  /** Memory of the WAL thread: one for all processes of this machine, since only one of them lives. */
  get staging(): Uint8Array {
    this.stagingMemory ??= new Uint8Array(STAGING_BYTES);
    return this.stagingMemory;
  }

  /** A WAL thread of the process that runs now. */
  walThread(): WalThread {
    return new SimWalThread(this);
  }

  /**
   * The disk as the process that runs now sees it: dead after the next crash or kill, so that what is left of that process, a timer
   * for example, cannot reach the files of the next one.
   */
  process(): Disk {
    const { life } = this;
    const ask = <T>(call: () => Promise<T>): Promise<T> => (life === this.life ? call() : new Promise(() => undefined));
    return {
      open: (path, mode) => ask(() => this.open(path, mode)),
      list: (path) => ask(() => this.list(path)),
      makeDir: (path) => ask(() => this.makeDir(path)),
      rename: (from, to) => ask(() => this.rename(from, to)),
      remove: (path) => ask(() => this.remove(path)),
      removeDir: (path) => ask(() => this.removeDir(path)),
      syncDir: (path) => ask(() => this.syncDir(path)),
      freeBytes: (path) => ask(() => this.freeBytes(path)),
      lock: (path) => ask(() => this.lock(path)),
    };
  }

  // What tests and simulations do to it.

  /** From now on nothing changes and no call settles, until `crash`. */
  powerOff(): void {
    this.isPowered = false;
  }

  /** The power cut: what was not synced is kept in part, or not at all; everything that was open is dead; locks are free. */
  crash(choice: CrashChoice): void {
    const draw = choice === "lose" || "keepNothing" in choice ? null : choice;
    this.life++;
    this.isPowered = true;
    for (const change of this.nameChanges) if (draw?.chance(0.5)) change.apply(this.syncedNames);
    this.nameChanges = [];
    // A name survives only with the folders above it.
    for (const path of this.syncedNames.keys()) if (!this.hasFolders(path)) this.syncedNames.delete(path);
    this.names = new Map(this.syncedNames);
    for (const file of new Set(this.names.values())) if (file !== "dir") file.crash(draw);
    this.locks.clear();
  }

  /** The process ends and the system lives on: nothing is lost, everything that was open is dead. */
  killProcess(): void {
    this.life++;
    this.isPowered = true;
    this.locks.clear();
  }

  /** Steps so far. */
  get steps(): number {
    return this.stepCount;
  }

  /** Bytes read per path since `resetReads`. */
  reads(): ReadonlyMap<string, number> {
    return this.readBytes;
  }

  resetReads(): void {
    this.readBytes = new Map();
  }

  flipBit(path: string, position: number, mask = 1): void {
    this.file(path).flip(position, mask);
  }

  cutFile(path: string, length: number): void {
    this.file(path).cut(length);
  }

  /** A part of one file is found in another, too. */
  misdirect(from: string, to: string, position: number, length: number): void {
    const bytes = new Uint8Array(length);
    const read = this.file(from).read(bytes, position);
    this.file(to).overwrite(bytes.subarray(0, read), position);
  }

  /** Everything is gone for ever but `kept`, as with a new disk. Between a crash and the next start. */
  wipe(kept: (path: string) => boolean = () => false): void {
    this.unreadable.clear();
    this.nameChanges = [];
    this.syncedNames = new Map([...this.names].filter(([path]) => kept(path)));
    this.names = new Map(this.syncedNames);
    this.locks.clear();
    this.life++;
  }

  /** Takes a file away, durably. */
  loseFile(path: string): void {
    this.names.delete(path);
    this.syncedNames.delete(path);
  }

  /** From now on no read of that file succeeds, as of a bad sector. */
  failReads(path: string): void {
    this.unreadable.add(path);
  }

  setCapacity(bytes: number): void {
    this.capacityBytes = bytes;
  }

  /** Syncs of paths that contain `match` fail from now on. */
  failSyncs(match: string, error: Error): void {
    this.syncFailure = { match, error, isOnce: false };
  }

  /** Bytes that are used. */
  get usedBytes(): number {
    let used = 0;
    for (const file of this.names.values()) if (file !== "dir") used += file.length;
    return used;
  }

  /** The next sync fails with EIO; what it was to make durable never will be. */
  failNextSync(): void {
    this.syncFailure = { match: "", error: systemError("EIO", "simulated failure of fsync"), isOnce: true };
  }

  /** Syncs succeed again. */
  healSyncs(): void {
    this.syncFailure = null;
  }

  paths(): string[] {
    return [...this.names.keys()].sort();
  }

  contentOf(path: string): Uint8Array {
    const file = this.file(path);
    const bytes = new Uint8Array(file.length);
    file.read(bytes, 0);
    return bytes;
  }

  /** Another disk with the same content, all of it durable. */
  copy(): SimDisk {
    const disk = new SimDisk();
    for (const [path, file] of this.names) {
      if (file === "dir") disk.names.set(path, "dir");
      else {
        const twin = new SimFile();
        twin.write(this.contentOf(path), 0);
        twin.sync();
        disk.names.set(path, twin);
      }
    }
    disk.syncedNames = new Map(disk.names);
    return disk;
  }

  // Synchronous calls, for the simulated WAL thread.

  /** Whether calls of that process still do something. */
  isAlive(life: number): boolean {
    return this.isPowered && life === this.life;
  }

  get currentLife(): number {
    return this.life;
  }

  writeNow(path: string, bytes: Uint8Array, position: number): boolean {
    if (!this.step("write", path)) return false;
    this.file(path).write(bytes, position);
    return true;
  }

  syncNow(path: string): boolean {
    if (!this.step("sync", path)) return false;
    this.checkSync(path, this.file(path));
    this.file(path).sync();
    return true;
  }

  // Disk

  open(path: string, mode: "read" | "readwrite" | "create"): Promise<DiskFile> {
    return this.call("read", () => {
      if (this.names.get(path) === undefined && mode === "create") {
        if (!this.step("create", path)) return undefined;
        const file = new SimFile();
        this.change(parentOf(path), (names) => names.set(path, file));
      }
      return new SimHandle(this, path, this.file(path), this.life);
    });
  }

  list(path: string): Promise<string[]> {
    return this.call("read", () => {
      const prefix = `${path}/`;
      const names = [...this.names.keys()].filter(
        (name) => name.startsWith(prefix) && !name.slice(prefix.length).includes("/"),
      );
      return names.map((name) => name.slice(prefix.length)).sort();
    });
  }

  makeDir(path: string): Promise<void> {
    return this.call("write", () => {
      const parts = path.split("/");
      for (let count = 1; count <= parts.length; count++) {
        const dir = parts.slice(0, count).join("/");
        if (dir === "" || this.names.get(dir) === "dir") continue;
        if (count <= 2) {
          // Folders above the data directory are the operator's and taken to be there.
          this.names.set(dir, "dir");
          this.syncedNames.set(dir, "dir");
          continue;
        }
        if (this.names.has(dir)) throw systemError("ENOTDIR", dir);
        if (!this.step("makeDir", dir)) return undefined;
        this.change(parentOf(dir), (names) => names.set(dir, "dir"));
      }
      return null;
    }).then(() => undefined);
  }

  rename(from: string, to: string): Promise<void> {
    return this.call("write", () => {
      const file = this.file(from);
      if (from === to) return null;
      if (!this.step("rename", to)) return undefined;
      this.change(parentOf(to), (names) => {
        if (names.get(from) === file) names.delete(from);
        names.set(to, file);
      });
      return null;
    }).then(() => undefined);
  }

  remove(path: string): Promise<void> {
    return this.call("write", () => {
      const file = this.names.get(path);
      if (file === undefined) return null;
      if (!this.step("remove", path)) return undefined;
      this.change(parentOf(path), (names) => {
        if (names.get(path) === file) names.delete(path);
      });
      return null;
    }).then(() => undefined);
  }

  removeDir(path: string): Promise<void> {
    return this.call("write", () => {
      const inside = [...this.names.keys()]
        .filter((name) => name === path || name.startsWith(`${path}/`))
        .sort()
        .reverse();
      for (const name of inside) {
        if (!this.step("remove", name)) return undefined;
        const file = this.names.get(name);
        this.change(parentOf(name), (names) => {
          if (names.get(name) === file) names.delete(name);
        });
      }
      return null;
    }).then(() => undefined);
  }

  syncDir(path: string): Promise<void> {
    return this.call("sync", () => {
      if (!this.step("syncDir", path)) return undefined;
      this.checkSync(path, null);
      const mine = this.nameChanges.filter(({ dir }) => dir === path);
      this.nameChanges = this.nameChanges.filter(({ dir }) => dir !== path);
      for (const change of mine) change.apply(this.syncedNames);
      return null;
    }).then(() => undefined);
  }

  freeBytes(_path: string): Promise<number> {
    return this.call(null, () => this.freeNow());
  }

  private freeNow(): number {
    return Math.max(0, this.capacityBytes - this.usedBytes);
  }

  /** By how much of that a file can grow. */
  roomFor(growthBytes: number): number {
    return growthBytes <= 0 ? growthBytes : Math.min(growthBytes, this.freeNow());
  }

  lock(path: string): Promise<DiskLock> {
    return this.call(null, () => {
      if (this.locks.has(path)) {
        throw new VarveError("DATA_DIR_UNUSABLE", {
          message: `data directory ${path} is in use by another broker of this simulation; stop that one first`,
          details: { dataDir: path },
        });
      }
      this.locks.add(path);
      const { life } = this;
      return {
        release: async () => {
          if (life === this.life) this.locks.delete(path);
        },
      };
    });
  }

  /** Runs `action` after the latency, in the process that asked; never settles when that one is dead. `undefined`: died in it. */
  call<T>(kind: "read" | "write" | "sync" | null, action: () => T | undefined): Promise<T> {
    const { life } = this;
    return new Promise((resolve, reject) => {
      const run = (): void => {
        if (!this.isAlive(life)) return;
        try {
          const result = action();
          if (result !== undefined) resolve(result);
        } catch (error) {
          reject(error);
        }
      };
      this.later(kind, run);
    });
  }

  /** Runs `action` after the latency of such a call. */
  later(kind: "read" | "write" | "sync" | null, action: () => void): void {
    const delayMs = kind === null ? 0 : this.latencyMs(kind);
    if (delayMs > 0 && this.clock !== null) this.clock.setTimer(delayMs, action);
    else action();
  }

  /** Counts a step; false: the power went off before it. */
  step(what: SimStep["what"], path: string): boolean {
    this.stepCount++;
    this.onStep?.({ number: this.stepCount, what, path });
    return this.isPowered;
  }

  /** @throws what the sync of that file, or folder, fails with. */
  checkSync(path: string, file: SimFile | null): void {
    const failure = this.syncFailure;
    if (failure === null || !path.includes(failure.match)) return;
    if (failure.isOnce) this.syncFailure = null;
    this.failedSyncs++;
    file?.syncFailed();
    throw failure.error;
  }

  /** @throws EIO when that file cannot be read. */
  checkRead(path: string): void {
    if (!this.unreadable.has(path)) return;
    throw Object.assign(systemError("EIO", `simulated failure of a read of ${path}`), { syscall: "read" });
  }

  noteRead(path: string, bytes: number): void {
    this.readBytes.set(path, (this.readBytes.get(path) ?? 0) + bytes);
  }

  private change(dir: string, apply: (names: Map<string, SimFile | "dir">) => void): void {
    apply(this.names);
    this.nameChanges.push({ dir, apply });
  }

  private file(path: string): SimFile {
    const file = this.names.get(path);
    if (file === undefined) throw systemError("ENOENT", path);
    if (file === "dir") throw systemError("EISDIR", path);
    return file;
  }

  private hasFolders(path: string): boolean {
    for (let dir = parentOf(path); dir !== ""; dir = parentOf(dir))
      if (this.syncedNames.get(dir) !== "dir") return false;
    return true;
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}
