/**
 * key-value.ts: the port to an ordered store of small entries, for state that is materialised from a log and can be made anew from it.
 *
 * Invariants of every implementation:
 *   V1  a `write` or `clear` is one transaction: readers and restarts see all of it or nothing
 *   V2  transactions take effect in the order of the calls, also of calls that nobody awaited
 *   V3  what resolved survives the end of the process, however it ends; a power cut may take the newest transactions, as whole ones, newest
 *       first, up to all of them
 *   V4  an iteration sees one state: the one that was newest when it took its first step
 *   V5  a store without files (there was no space to make them, or they went away) is empty and refuses writes, until a `clear` succeeds; then it
 *       takes writes of what was cleared
 * A store is no place for what exists only once: an implementation that finds its files damaged begins empty.
 */
import { assert } from "../assert.js";

/** Longest key. */
export const KEY_BYTES_MAX = 1_000;

/** What to do with a key: give it this value, or remove it (null; nothing happens when it is absent). */
export type KeyValueChange = readonly [key: string, value: Uint8Array | null];

/** Keys are ASCII text of 1 to `KEY_BYTES_MAX` characters; values are any bytes, also none. */
export interface KeyValue {
  /**
   * Entries whose key begins with `prefix` (empty: all), in the order of the keys' bytes. Holds every transaction that had resolved before the
   * first step (V4); one that was under way then is in it as a whole or not at all. Values are copies, the caller's own. Step through
   * without waiting in between: an implementation may keep what it shows from being reused, until the iteration is over or abandoned.
   */
  entries(prefix: string): Iterable<readonly [key: string, value: Uint8Array]>;
  /**
   * Makes all changes in one transaction; of two of one key the later counts. Resolves when V3 holds and readers see them. Values are not copied: they
   * must not change until it settles. A rejection says that nothing of it happened.
   */
  write(changes: readonly KeyValueChange[]): Promise<void>;
  /** Removes every entry whose key begins with `prefix`, in one transaction: those of earlier calls of `write`, none of later ones. */
  clear(prefix: string): Promise<void>;
  /** Waits for what is under way, then lets go of the files. Nothing may be called afterwards. */
  close(): Promise<void>;
}

export interface KeyValueOpener {
  /**
   * Opens the store in the folder `path`, and makes it when there is none. It must not be open already.
   * Neither damage nor a full disk makes it fail: then the store is empty (V5), and the log says so.
   */
  open(path: string): Promise<KeyValue>;
}

/** Refuses what is no key; a wrong key is a mistake of the program. */
export function assertKey(key: string): void {
  assert(key.length >= 1 && key.length <= KEY_BYTES_MAX, "a key has 1 to KEY_BYTES_MAX characters");
  assert(isAscii(key), "a key is ASCII");
}

/** Refuses what no key can begin with. */
export function assertKeyPrefix(prefix: string): void {
  assert(prefix.length <= KEY_BYTES_MAX && isAscii(prefix), "a prefix of keys is ASCII and no longer than a key");
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}
