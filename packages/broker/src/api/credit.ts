/**
 * credit.ts: bytes that the other side of a stream allows to be sent, shared by many senders in the order in which they asked.
 *
 * A sender that finds credit may overdraw it by its last batch; then everybody waits until it is above zero again.
 */
import { VarveError } from "@varve/base";

export class Credit {
  private readonly openMax: number;
  private open = 0;
  private readonly waiting: ((granted: boolean) => void)[] = [];
  private closed = false;

  /** @param openMax most bytes that may be open; a grant beyond it is refused. */
  constructor(openMax: number) {
    this.openMax = openMax;
  }

  get openBytes(): number {
    return this.open;
  }

  /** @throws VarveError INVALID_ARGUMENT: not a count of bytes, or more than may be open; nothing was granted. */
  grant(bytes: number): void {
    if (!Number.isSafeInteger(bytes) || bytes < 1 || this.open + bytes > this.openMax) {
      throw new VarveError("INVALID_ARGUMENT", {
        message: `a grant of ${bytes} bytes on top of ${this.open} is outside 1 .. ${this.openMax} open bytes`,
        details: { bytes, openBytes: this.open, openBytesMax: this.openMax },
        effect: "NONE",
      });
    }
    this.open += bytes;
    this.wake();
  }

  /** Takes up to `bytesMax` of the credit, waiting for its turn; 0 when the stream is over. Give back what was not used. */
  async reserve(bytesMax: number): Promise<number> {
    while (!this.closed && this.open <= 0) {
      const granted = await new Promise<boolean>((resolve) => this.waiting.push(resolve));
      if (!granted) return 0;
    }
    if (this.closed) return 0;
    const bytes = Math.min(bytesMax, this.open);
    this.open -= bytes;
    this.wake();
    return bytes;
  }

  /** What was reserved is settled by what was sent: more is taken, less is given back. */
  settle(reserved: number, sent: number): void {
    this.open += reserved - sent;
    this.wake();
  }

  close(): void {
    this.closed = true;
    for (const resolve of this.waiting.splice(0)) resolve(false);
  }

  /** The first in the queue goes on, unless it would find nothing and lose its place. */
  private wake(): void {
    if (this.open > 0) this.waiting.shift()?.(true);
  }
}
