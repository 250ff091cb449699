/**
 * memory-key-value.ts: key-value stores in memory that forget as a power cut does. Deterministic: it draws nothing itself.
 *
 * One stands for the stores of one machine: what is open dies with the process (`kill`) or the machine (`crash`), what is stored may survive. After
 * that the old process's handles are dead: their calls never settle, but for `close`, which has nothing left to do.
 */
import { assert } from "../assert.js";
import {
  assertKey,
  assertKeyPrefix,
  type KeyValue,
  type KeyValueChange,
  type KeyValueOpener,
} from "../ports/key-value.js";
import type { Prng } from "./prng.js";

/** Transactions of one store that a power cut may take; the oldest beyond that is durable. */
const UNSYNCED_MAX = 256;

type Transaction = readonly KeyValueChange[] | { readonly clear: string };
type Entries = Map<string, Uint8Array>;

/** The stores of one machine. */
export interface MemoryKeyValue extends KeyValueOpener {
  /** Makes durable what has resolved so far, in every store. Closing a store does it too. */
  sync(): void;
  /** The power cut: of what resolved since the last sync, each store keeps the oldest transactions, as many as are drawn. */
  crash(random: Prng): void;
  /** The process ends and the machine lives on: what resolved is there, what was under way is not. */
  kill(): void;
  /** The stores are gone, as after damage to their files. Use it between `crash` or `kill` and `open`, or before the first `open`. */
  loseAll(): void;
}

/** Stores that live as long as what this returns. */
export function memoryKeyValue(): MemoryKeyValue {
  return new Machine();
}

class Machine implements MemoryKeyValue {
  private readonly stores = new Map<string, Store>();
  private readonly opened = new Set<Handle>();

  open(path: string): Promise<KeyValue> {
    assert(![...this.opened].some((handle) => handle.path === path), "a store is opened once at a time");
    const store = this.stores.get(path) ?? new Store();
    this.stores.set(path, store);
    const handle: Handle = new Handle(path, store, () => this.opened.delete(handle));
    this.opened.add(handle);
    return Promise.resolve(handle);
  }

  sync(): void {
    for (const store of this.stores.values()) store.sync();
  }

  crash(random: Prng): void {
    this.kill();
    for (const store of this.stores.values()) store.crash(random);
  }

  kill(): void {
    for (const handle of this.opened) handle.isDead = true;
    this.opened.clear();
  }

  loseAll(): void {
    assert(this.opened.size === 0, "files of an open store are not taken away");
    this.stores.clear();
  }
}

/** What one store has, and what of it a power cut cannot take. */
class Store {
  private visible: Entries = new Map();
  private durable: Entries = new Map();
  private unsynced: Transaction[] = [];

  apply(transaction: Transaction): void {
    applyTo(this.visible, transaction);
    this.unsynced.push(transaction);
    if (this.unsynced.length <= UNSYNCED_MAX) return;
    const oldest = this.unsynced.shift();
    if (oldest !== undefined) applyTo(this.durable, oldest);
  }

  select(prefix: string): (readonly [key: string, value: Uint8Array])[] {
    const keys = [...this.visible.keys()].filter((key) => key.startsWith(prefix)).sort();
    return keys.map((key) => [key, (this.visible.get(key) ?? new Uint8Array()).slice()]);
  }

  sync(): void {
    for (const transaction of this.unsynced) applyTo(this.durable, transaction);
    this.unsynced = [];
  }

  crash(random: Prng): void {
    this.unsynced = this.unsynced.slice(0, random.between(0, this.unsynced.length));
    this.sync();
    this.visible = new Map(this.durable);
  }
}

class Handle implements KeyValue {
  readonly path: string;
  isDead = false;
  private isClosed = false;
  private readonly store: Store;
  private readonly onClose: () => void;
  private last: Promise<void> = Promise.resolve();

  constructor(path: string, store: Store, onClose: () => void) {
    this.path = path;
    this.store = store;
    this.onClose = onClose;
  }

  entries(prefix: string): Iterable<readonly [key: string, value: Uint8Array]> {
    this.assertOpen();
    assertKeyPrefix(prefix);
    const { store } = this;
    return (function* () {
      yield* store.select(prefix);
    })();
  }

  write(changes: readonly KeyValueChange[]): Promise<void> {
    for (const [key] of changes) assertKey(key);
    return this.run([...changes]);
  }

  clear(prefix: string): Promise<void> {
    assertKeyPrefix(prefix);
    return this.run({ clear: prefix });
  }

  async close(): Promise<void> {
    this.assertOpen();
    this.isClosed = true;
    if (this.isDead) return;
    await this.last;
    if (this.isDead) await never();
    this.store.sync();
    this.onClose();
  }

  private run(transaction: Transaction): Promise<void> {
    this.assertOpen();
    this.last = this.last.then(() => (this.isDead ? never() : this.store.apply(transaction)));
    return this.last;
  }

  private assertOpen(): void {
    assert(!this.isClosed, "nothing is called on a closed store");
  }
}

function applyTo(entries: Entries, transaction: Transaction): void {
  if ("clear" in transaction) {
    for (const key of entries.keys()) if (key.startsWith(transaction.clear)) entries.delete(key);
    return;
  }
  for (const [key, value] of transaction) {
    if (value === null) entries.delete(key);
    else entries.set(key, value.slice());
  }
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
