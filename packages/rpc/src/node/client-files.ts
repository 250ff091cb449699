/**
 * client-files.ts: the certificate files of a client, which somebody may be renewing at any moment.
 *
 * Invariants:
 *   F1  files that contradict each other, as in the midst of a renewal, are read again for up to a second; one that is not there is not waited for
 *   F2  files that cannot be used leave those in use that could be, as a broker's do (TlsKeeper): a client that works is not ended by a copy that
 *       was cut off. `onTrouble` hears of it, once until the trouble is another one. Only files that never could be used are an error
 */
import { setTimeout as delay } from "node:timers/promises";
import { readTlsFiles, type TlsFiles, type TlsMaterial } from "@varve/base/node";

/** Looks at files that contradict each other, and the time between two of them. */
const LOOKS = 5;
const LOOK_AGAIN_MS = 250;

export class ClientFiles {
  private readonly files: TlsFiles;
  private readonly onTrouble: (error: Error) => void;
  private usable: TlsMaterial | null = null;
  private trouble = "";

  constructor(files: TlsFiles, onTrouble: (error: Error) => void) {
    this.files = files;
    this.onTrouble = onTrouble;
  }

  /** What they hold now, else what they held. @throws VarveError INVALID_CONFIG (F2). */
  async read(): Promise<TlsMaterial> {
    for (let look = 1; ; look++) {
      try {
        this.usable = await readTlsFiles(this.files);
        this.trouble = "";
        return this.usable;
      } catch (error) {
        if (this.usable !== null) {
          this.tell(error);
          return this.usable;
        }
        if (look === LOOKS || isMissing(error)) throw error;
        await delay(LOOK_AGAIN_MS);
      }
    }
  }

  private tell(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    if (error.message === this.trouble) return;
    this.trouble = error.message;
    this.onTrouble(error);
  }
}

/** Nobody renews what cannot be opened. */
function isMissing(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : null;
  return cause instanceof Error && "syscall" in cause;
}
