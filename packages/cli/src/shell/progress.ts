/**
 * progress.ts: one line on stderr that rewrites itself while a person waits; nothing when no person looks.
 */
import type { Output } from "./output.js";

const INTERVAL_MS = 100;
const ERASE_LINE = "\r\u001b[2K";

export class Progress {
  private readonly output: Output;
  private readonly text: () => string;
  private timer: NodeJS.Timeout | null = null;

  /** @param text what the line says now; asked for ten times a second. */
  constructor(output: Output, text: () => string) {
    this.output = output;
    this.text = text;
  }

  start(): void {
    if (!this.output.isTerminal || this.timer !== null) return;
    this.timer = setInterval(() => void this.output.write(`${ERASE_LINE}${this.text()}`), INTERVAL_MS);
    this.timer.unref();
  }

  /** Takes the line away again. */
  stop(): void {
    if (this.timer === null) return;
    clearInterval(this.timer);
    this.timer = null;
    void this.output.write(ERASE_LINE);
  }
}
