/**
 * materialised.ts: keeps a shard's state in a key-value store, with the index that it was applied up to in the same transaction.
 *
 * It is a cache of checkpoint and log: a restart that finds it newer than the checkpoint begins there and decodes fewer commands; one that
 * finds nothing, or something older or damaged, does without.
 * Invariants:
 *   K1  what stands in the store is the state at its applied index, whole
 *   K2  one transaction is under way; what changes meanwhile is collected as keys, so memory is bounded by the state
 */
import type { GroupId, KeyValue, KeyValueChange, Logger } from "@varve/base";
import type { Change } from "@varve/groups";

/** Where the changes come from. */
export interface ChangeSource {
  takeChanges(): readonly Change[];
}

export class Materialised {
  private readonly store: KeyValue;
  private readonly prefix: string;
  private readonly logger: Logger;
  private source: ChangeSource | null = null;
  private writing: Promise<void> | null = null;
  private isDue = false;
  private failed = false;

  constructor(store: KeyValue, groupId: GroupId, logger: Logger) {
    this.store = store;
    this.prefix = `${groupId}/`;
    this.logger = logger;
  }

  /** What was stored, by the shard's own keys. */
  *entries(): Generator<readonly [key: string, value: Uint8Array]> {
    for (const [key, value] of this.store.entries(this.prefix)) yield [key.slice(this.prefix.length), value];
  }

  /** From now on follows this state. `replace`: what is stored is not a state before it, but something else. */
  follow(source: ChangeSource, replace: readonly Change[] | null): void {
    this.source = source;
    if (replace === null) return;
    const clear = (this.writing ?? Promise.resolve()).then(() => this.store.clear(this.prefix));
    this.run(clear.then(() => this.put(replace)));
  }

  /** The state has changed. */
  changed(): void {
    this.isDue = true;
    if (this.writing === null) this.writeNow();
  }

  /** Resolves when the store has everything; what changes afterwards is not followed. */
  async close(): Promise<void> {
    while (this.writing !== null) await this.writing;
    this.source = null;
  }

  /** Nothing more is written, but what is under way: the process ends. */
  abandon(): void {
    this.source = null;
  }

  private writeNow(): void {
    if (this.source === null || this.failed) return;
    this.isDue = false;
    this.run(this.put(this.source.takeChanges()));
  }

  private put(changes: readonly Change[]): Promise<void> {
    return this.store.write(changes.map(([key, value]): KeyValueChange => [this.prefix + key, value]));
  }

  private run(work: Promise<void>): void {
    const writing = work
      .catch((error: unknown) => {
        this.failed = true;
        this.logger.warn({ err: error }, "group state could not be materialised; it stays in checkpoints and the log");
      })
      .then(() => {
        if (this.writing !== writing) return;
        this.writing = null;
        if (this.isDue) this.writeNow();
      });
    this.writing = writing;
  }
}
