/**
 * tls-keeper.ts: keeps what TLS files hold up to date: looks at them again and again and tells who uses them when they have changed.
 *
 * It compares contents instead of waiting for notices of the file system: a mounted secret of Kubernetes is a symbolic link that is
 * exchanged, which watchers of files miss.
 * Invariants:
 *   T1  listeners are told only of material that is whole: its key fits its certificate. What does not fit is looked at again, and the
 *       one before stays in use
 *   T2  a trouble is told once, until its text changes or it is over
 */
import { SECOND_MS } from "../limits.js";
import { readTlsFiles, type TlsFiles, type TlsMaterial } from "./tls-files.js";

const LOOK_MS = 2 * SECOND_MS;

export interface TlsKeeperOptions {
  /** Between two looks at the files, milliseconds. Default 2,000. */
  readonly lookMs?: number;
  /** Throws what its user has against material that is whole; it is not taken over then. `inUse`: what it would replace; null: nothing yet. */
  readonly accept?: (material: TlsMaterial, inUse: TlsMaterial | null) => void;
  /** The files have changed and are in use. */
  readonly onReload?: (material: TlsMaterial) => void;
  /** The files have changed and cannot be used; the earlier ones stay in use. */
  readonly onTrouble?: (error: Error) => void;
}

export class TlsKeeper {
  private readonly files: TlsFiles;
  private readonly options: TlsKeeperOptions;
  private readonly listeners = new Set<(material: TlsMaterial) => void>();
  private timer: NodeJS.Timeout | null = null;
  private current: TlsMaterial;
  private trouble = "";
  private closed = false;
  private reloadCount = 0;
  private failureCount = 0;

  private constructor(files: TlsFiles, options: TlsKeeperOptions, first: TlsMaterial) {
    this.files = files;
    this.options = options;
    this.current = first;
  }

  /** @throws VarveError INVALID_CONFIG: the files cannot be used; and what `accept` throws. */
  static async open(files: TlsFiles, options: TlsKeeperOptions = {}): Promise<TlsKeeper> {
    const first = await readTlsFiles(files);
    options.accept?.(first, null);
    const keeper = new TlsKeeper(files, options, first);
    keeper.later();
    return keeper;
  }

  get material(): TlsMaterial {
    return this.current;
  }

  /** Changes that were taken over, and looks that found files which cannot be used. */
  get counts(): { readonly reloads: number; readonly failures: number } {
    return { reloads: this.reloadCount, failures: this.failureCount };
  }

  /** Calls `listener` at each change from now on. */
  onChange(listener: (material: TlsMaterial) => void): void {
    this.listeners.add(listener);
  }

  close(): void {
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.listeners.clear();
  }

  private later(): void {
    this.timer = setTimeout(() => void this.look().finally(() => !this.closed && this.later()), this.lookMs);
    this.timer.unref();
  }

  private get lookMs(): number {
    return this.options.lookMs ?? LOOK_MS;
  }

  private async look(): Promise<void> {
    try {
      const next = await readTlsFiles(this.files);
      const isNews = next.fingerprint !== this.current.fingerprint;
      if (isNews) this.options.accept?.(next, this.current);
      this.trouble = "";
      if (this.closed || !isNews) return;
      this.current = next;
      this.reloadCount++;
      for (const listener of this.listeners) listener(next);
      this.options.onReload?.(next);
    } catch (thrown) {
      this.failureCount++;
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      if (error.message === this.trouble) return;
      this.trouble = error.message;
      this.options.onTrouble?.(error);
    }
  }
}
