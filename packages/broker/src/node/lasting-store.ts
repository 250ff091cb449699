/**
 * lasting-store.ts: a key-value store whose files may be missing for a while: there was no space to make them, or somebody took them away.
 *
 * Meanwhile it is empty and refuses writes; `clear`, with which everybody begins who writes a whole state, tries to open it again.
 * Invariant:
 *   L1  a store that was opened again takes writes of a prefix only after this prefix was cleared: what it lost is not written on as if it were there
 */
import { assert, type KeyValue, type KeyValueChange, VarveError } from "@varve/base";

/** A store that notices when its files are gone. Then only `close` may be called. */
export interface FragileStore extends KeyValue {
  readonly isLost: boolean;
}

export class LastingStore implements KeyValue {
  private readonly path: string;
  private readonly open: () => FragileStore;
  private store: FragileStore | null = null;
  /** Prefixes that were cleared since the store was opened again (L1); null: it is as it was opened first. */
  private cleared: Set<string> | null = null;
  private closing: Promise<void> = Promise.resolve();
  private isClosed = false;

  /** `open` makes the store, or throws a VarveError DISK_FULL when there is no space for it. */
  constructor(path: string, open: () => FragileStore) {
    this.path = path;
    this.open = open;
    try {
      this.store = open();
    } catch (error) {
      if (!(error instanceof VarveError) || error.code !== "DISK_FULL") throw error;
      this.cleared = new Set();
    }
  }

  entries(prefix: string): Iterable<readonly [key: string, value: Uint8Array]> {
    this.assertOpen();
    return this.usable()?.entries(prefix) ?? [];
  }

  write(changes: readonly KeyValueChange[]): Promise<void> {
    this.assertOpen();
    const store = this.usable();
    if (store === null || !changes.every(([key]) => this.isWhole(key))) return Promise.reject(this.isEmpty());
    return store.write(changes);
  }

  async clear(prefix: string): Promise<void> {
    this.assertOpen();
    await (this.usable() ?? (await this.openAgain())).clear(prefix);
    this.cleared?.add(prefix);
  }

  async close(): Promise<void> {
    this.assertOpen();
    this.isClosed = true;
    await this.closing;
    await this.store?.close();
  }

  /** The store, unless it has lost its files; then what is left of it is closed. */
  private usable(): FragileStore | null {
    const { store } = this;
    if (store === null || !store.isLost) return store;
    this.store = null;
    this.cleared = new Set();
    this.closing = store.close();
    return null;
  }

  private async openAgain(): Promise<FragileStore> {
    await this.closing;
    this.assertOpen();
    this.store ??= this.open();
    return this.store;
  }

  private isWhole(key: string): boolean {
    if (this.cleared === null) return true;
    for (const prefix of this.cleared) if (key.startsWith(prefix)) return true;
    return false;
  }

  private isEmpty(): VarveError {
    const { path } = this;
    return new VarveError("DATA_DIR_UNUSABLE", {
      message: `the store in ${path} has lost its files, or had no space to make them; nothing was written; clear, then write the whole state`,
      details: { path },
    });
  }

  private assertOpen(): void {
    assert(!this.isClosed, "nothing is called on a closed store");
  }
}
