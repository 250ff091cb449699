/**
 * lmdb-store.ts: the KeyValue port on LMDB. Whether LMDB may have what is in a folder is `lmdb-folder.ts`'s to say.
 *
 * Invariants:
 *   M1  one LMDB transaction is under way at a time; calls that come meanwhile go into the next one, in their order
 *   M2  a stored value is the value and its CRC32C with the key (4 bytes, lowest first), which the check at the next start compares
 *   M3  the map is touched only while the file is at least as long as it was known to be: beyond a file's end a map ends the process
 *
 * Options of LMDB, and why:
 * - noSync: the log is what is durable, and a second stream of fsyncs would share its disk. A killed process loses nothing, since its writes are the
 *   kernel's by then; after a power cut the folder begins anew.
 * - overlappingSync off: it syncs after all, and adds a third meta page, and rollbacks at open.
 * - noSubdir off: data and lock in one folder of their own.
 * - encoding and keyEncoding "binary": bytes in, bytes out, and keys sort as ASCII does; nothing is packed, so there are no shared structures.
 * - cache off: the state machines above are the cache.
 * - mapSize: room to grow without moving the map; it takes addresses, neither memory nor disk.
 * - noReadAhead, useWritemap, noMemInit keep their default, which is off: the file is read at the start, once and as a whole; a stray pointer must
 *   not reach it; neither may old memory.
 *
 * `lmdb` is loaded by the first `open`: it takes 50 ms and a native module that most commands of the command line do not need. What remains: a
 * file that someone cuts while it is open is noticed before each use of it (M3), but one that is cut during a use, or overwritten with other
 * pages, may still end the process with SIGBUS or worse, as with any memory map; the next start finds it and begins anew. And a failed commit is
 * also printed by the library itself.
 */
import { statSync } from "node:fs";
import {
  assert,
  assertKey,
  assertKeyPrefix,
  GIB,
  type KeyValueChange,
  type KeyValueOpener,
  type Logger,
  VarveError,
} from "@varve/base";
import type { RootDatabase } from "lmdb";
import { nativeCodec } from "./codec.js";
import { type FragileStore, LastingStore } from "./lasting-store.js";
import type { EntryCheck } from "./lmdb-check.js";
import { LmdbFolder } from "./lmdb-folder.js";
import { machineBoot } from "./machine-boot.js";

const CHECKSUM_BYTES = 4;
/** Changes after which a transaction takes in no further call. */
const GROUP_CHANGES_MAX = 10_000;

type Database = RootDatabase<Buffer, Buffer>;

export interface LmdbStoreOptions {
  /** Hears why a store begins anew. */
  readonly logger: Logger;
  /**
   * Size of a store's file beyond which it takes no more writes (DISK_FULL); `clear` still works, and a file that is larger at the next start is
   * begun anew. Default 1 GiB; one transaction may exceed it by its own size.
   */
  readonly bytesMax?: number;
  /** Names this run of the machine; for tests. */
  readonly boot?: string;
}

/**
 * Stores on this machine's disk, one a folder.
 * `open` rejects with DATA_DIR_UNUSABLE when the folder cannot be written; never because of what is in it, or for want of space.
 */
export function lmdbStores(options: LmdbStoreOptions): KeyValueOpener {
  const { logger, bytesMax = GIB, boot = machineBoot() } = options;
  return {
    async open(path) {
      const { open } = await import("lmdb");
      const folder = new LmdbFolder(path, { logger, bytesMax, boot, isEntry });
      const openDatabase = () =>
        open<Buffer, Buffer>({
          path,
          noSubdir: false,
          noSync: true,
          overlappingSync: false,
          mapSize: 2 * bytesMax,
          maxDbs: 1,
          keyEncoding: "binary",
          encoding: "binary",
          cache: false,
        });
      return new LastingStore(path, () => new LmdbStore(folder, folder.open(openDatabase), { bytesMax, logger }));
    },
  };
}

const checksum = (key: Uint8Array, value: Uint8Array): number => nativeCodec.crc32c(value, nativeCodec.crc32c(key));

/** M2 */
const isEntry: EntryCheck = (key, stored) => {
  const valueBytes = stored.length - CHECKSUM_BYTES;
  return valueBytes >= 0 && stored.readUInt32LE(valueBytes) === checksum(key, stored.subarray(0, valueBytes));
};

function storedValue(key: Buffer, value: Uint8Array): Buffer {
  const stored = Buffer.allocUnsafe(value.length + CHECKSUM_BYTES);
  stored.set(value);
  stored.writeUInt32LE(checksum(key, value), value.length);
  return stored;
}

type Work =
  | { readonly kind: "write"; readonly changes: readonly KeyValueChange[] }
  | { readonly kind: "clear"; readonly prefix: string };

interface Call {
  readonly work: Work;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

class LmdbStore implements FragileStore {
  private readonly folder: LmdbFolder;
  private readonly database: Database;
  private readonly bytesMax: number;
  private readonly logger: Logger;
  /** The longest that the file was seen: it never shrinks by itself. */
  private fileBytes = 0;
  private isGone = false;
  /** Calls for the next transaction: no more than callers have made without waiting. */
  private waiting: Call[] = [];
  private running: Promise<void> | null = null;
  private isClosed = false;

  constructor(
    folder: LmdbFolder,
    database: Database,
    { bytesMax, logger }: { readonly bytesMax: number; readonly logger: Logger },
  ) {
    this.folder = folder;
    this.database = database;
    this.bytesMax = bytesMax;
    this.logger = logger;
  }

  /** M3 */
  get isLost(): boolean {
    if (this.isGone) return true;
    const bytes = statSync(this.folder.dataFile, { throwIfNoEntry: false })?.size ?? 0;
    if (bytes >= this.fileBytes) {
      this.fileBytes = bytes;
      return false;
    }
    const { path } = this.folder;
    this.logger.error(
      { path, bytes, bytesBefore: this.fileBytes },
      "the file of a store was cut or removed; it begins anew",
    );
    this.isGone = true;
    return true;
  }

  entries(prefix: string): Iterable<readonly [key: string, value: Uint8Array]> {
    this.assertOpen();
    assertKeyPrefix(prefix);
    return this.select(prefix);
  }

  write(changes: readonly KeyValueChange[]): Promise<void> {
    for (const [key] of changes) assertKey(key);
    return this.call({ kind: "write", changes });
  }

  clear(prefix: string): Promise<void> {
    assertKeyPrefix(prefix);
    return this.call({ kind: "clear", prefix });
  }

  async close(): Promise<void> {
    this.assertOpen();
    this.isClosed = true;
    await this.running;
    await this.database.close();
    if (!this.isLost) this.folder.closed();
  }

  /** The range holds one read transaction, from its first step to its end. */
  private *select(prefix: string): Generator<readonly [key: string, value: Uint8Array]> {
    this.assertOpen();
    if (this.isLost) return;
    for (const { key, value } of this.database.getRange(rangeOf(prefix)))
      yield [key.toString("latin1"), new Uint8Array(value.subarray(0, value.length - CHECKSUM_BYTES))];
  }

  private call(work: Work): Promise<void> {
    this.assertOpen();
    return new Promise((resolve, reject) => {
      this.waiting.push({ work, resolve, reject });
      this.running ??= this.run();
    });
  }

  /** M1: one transaction after the other, until nothing waits. */
  private async run(): Promise<void> {
    // What is called in one turn shares a transaction.
    await Promise.resolve();
    while (this.waiting.length > 0) {
      const group = this.takeGroup();
      try {
        await this.commit(group.map(({ work }) => work));
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.running = null;
  }

  /** The longest run of writes that fits into one transaction, or one clear. */
  private takeGroup(): Call[] {
    let count = 0;
    let changes = 0;
    for (const { work } of this.waiting) {
      if (count > 0 && (work.kind === "clear" || changes >= GROUP_CHANGES_MAX)) break;
      count++;
      if (work.kind === "clear") break;
      changes += work.changes.length;
    }
    return this.waiting.splice(0, count);
  }

  private async commit(group: readonly Work[]): Promise<void> {
    if (this.isLost) throw this.lost();
    const [first] = group;
    if (first?.kind === "clear") {
      const keys = [...this.database.getKeys(rangeOf(first.prefix))];
      await this.transact(keys.map((key) => [key, null]));
      return;
    }
    const changes = group.flatMap((work) => (work.kind === "write" ? work.changes : []));
    if (changes.length > 0) this.refuseBeyondBound();
    await this.transact(changes.map(([key, value]) => [Buffer.from(key, "latin1"), value]));
  }

  /** Resolves when the transaction is visible, and the kernel has it. */
  private async transact(changes: readonly (readonly [key: Buffer, value: Uint8Array | null])[]): Promise<void> {
    if (changes.length === 0) return;
    try {
      // In a batch `put` and `remove` only queue; the batch's promise tells how all of them ended.
      await this.database.batch(() => {
        for (const [key, value] of changes)
          void (value === null ? this.database.remove(key) : this.database.put(key, storedValue(key, value)));
      });
    } catch (error) {
      const { path } = this.folder;
      const message = `a transaction on the store in ${path} failed; nothing of it was written; check the disk`;
      throw new VarveError("DATA_DIR_UNUSABLE", { message, details: { path }, cause: await reasonOf(error) });
    }
  }

  private lost(): VarveError {
    const { path } = this.folder;
    return new VarveError("DATA_DIR_UNUSABLE", {
      message: `the file of the store in ${path} was cut or removed; nothing was written; clear, then write the whole state`,
      details: { path },
    });
  }

  private refuseBeyondBound(): void {
    const { path } = this.folder;
    const size = this.fileBytes;
    if (size <= this.bytesMax) return;
    throw new VarveError("DISK_FULL", {
      message: `the store in ${path} has ${size} bytes, more than its bound of ${this.bytesMax}; nothing was written`,
      details: { path, bytes: size, bytesMax: this.bytesMax },
    });
  }

  private assertOpen(): void {
    assert(!this.isClosed, "nothing is called on a closed store");
  }
}

/** Keys that begin with the prefix end where the text begins whose last character is the next one; ASCII ends at 0x7f, so there is one. */
function rangeOf(prefix: string): { start?: Buffer; end?: Buffer } {
  const last = prefix.length - 1;
  if (last < 0) return {};
  const end = prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
  return { start: Buffer.from(prefix, "latin1"), end: Buffer.from(end, "latin1") };
}

/** What LMDB says. A failed commit has it in a promise of its own, which would else be a rejection that nobody handles. */
async function reasonOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error && "commitError" in error)) return error;
  return Promise.resolve(error.commitError).catch((reason: unknown) => reason);
}
