/**
 * materialised.ts: keeps a shard's state in a key-value store, with the index that it was applied up to in the same transaction.
 *
 * It is a cache of checkpoint and log: a restart that finds it newer than the checkpoint begins there and decodes fewer commands; one that
 * finds nothing, or something older or damaged, does without.
 * Invariants:
 *   K1  what stands in the store is the state at its applied index, whole
 *   K2  one transaction is under way; what changes meanwhile is collected as keys, so memory is bounded by the state
 *   K3  after a write that failed the next one is the whole state, after a wait that doubles: what was in the failed one may be missing
 */
import type { Clock, GroupId, KeyValue, KeyValueChange, Logger, TimerHandle } from "@varve/base";
import type { Change } from "@varve/groups";

/** Where the changes come from. */
export interface ChangeSource {
  takeChanges(): readonly Change[];
  /** All of it; what `takeChanges` gives next are the changes since. */
  entries(): readonly Change[];
}

export interface MaterialisedOptions {
  readonly store: KeyValue;
  readonly groupId: GroupId;
  readonly clock: Clock;
  readonly logger: Logger;
}

const RETRY_MS = 1_000;
const RETRY_MS_MAX = 60_000;

export class Materialised {
  private readonly options: MaterialisedOptions;
  private readonly prefix: string;
  private source: ChangeSource | null = null;
  /** What is stored is a state of the source, not of another one, nor in doubt. */
  private isStored = false;
  private writing: Promise<void> | null = null;
  private isDue = false;
  private isClosing = false;
  private retry: TimerHandle | null = null;
  private retryMs = RETRY_MS;

  constructor(options: MaterialisedOptions) {
    this.options = options;
    this.prefix = `${options.groupId}/`;
  }

  /** What was stored, by the shard's own keys. */
  *entries(): Generator<readonly [key: string, value: Uint8Array]> {
    for (const [key, value] of this.options.store.entries(this.prefix)) yield [key.slice(this.prefix.length), value];
  }

  /** From now on follows this state. `isStored`: what is stored is a state before it; else it is written as a whole. */
  follow(source: ChangeSource, isStored: boolean): void {
    this.source = source;
    this.isStored = isStored;
    if (!isStored) this.changed();
  }

  /** The state has changed. */
  changed(): void {
    this.isDue = true;
    if (this.writing === null && this.retry === null) this.writeNow();
  }

  /** Resolves when the store has everything, or a write has failed; what changes afterwards is not followed. */
  async close(): Promise<void> {
    this.isClosing = true;
    this.stopRetrying();
    while (this.writing !== null) await this.writing;
    this.source = null;
  }

  /** Nothing more is written, but what is under way: the process ends. */
  abandon(): void {
    this.source = null;
    this.stopRetrying();
  }

  private writeNow(): void {
    const { source } = this;
    this.isDue = false;
    if (source === null) return;
    const work = this.isStored ? this.put(source.takeChanges()) : this.putWhole(source);
    this.writing = work
      .then(
        () => this.wrote(),
        (error: unknown) => this.failed(error),
      )
      .then(() => {
        this.writing = null;
        if (this.isDue && this.retry === null) this.writeNow();
      });
  }

  private async putWhole(source: ChangeSource): Promise<void> {
    await this.options.store.clear(this.prefix);
    if (this.source !== source) return;
    source.takeChanges();
    await this.put(source.entries());
    if (this.source === source) this.isStored = true;
  }

  private put(changes: readonly Change[]): Promise<void> {
    return this.options.store.write(changes.map(([key, value]): KeyValueChange => [this.prefix + key, value]));
  }

  private wrote(): void {
    if (this.retryMs > RETRY_MS) this.options.logger.info({ prefix: this.prefix }, "group state is materialised again");
    this.retryMs = RETRY_MS;
  }

  private failed(error: unknown): void {
    const { clock, logger } = this.options;
    this.isStored = false;
    this.isDue = !this.isClosing;
    if (this.source === null || this.isClosing) return;
    if (this.retryMs === RETRY_MS)
      logger.warn(
        { err: error, prefix: this.prefix },
        "group state could not be materialised; it stays in checkpoints and the log, and is tried again",
      );
    this.retry = clock.setTimer(this.retryMs, () => {
      this.retry = null;
      this.writeNow();
    });
    this.retryMs = Math.min(2 * this.retryMs, RETRY_MS_MAX);
  }

  private stopRetrying(): void {
    this.retry?.cancel();
    this.retry = null;
  }
}
