/**
 * hung-disk-ends.ts: a process whose disk does not answer ends, so that others lead and somebody looks.
 *
 * Only time in which the process runs counts: this is called by its own clock.
 * Source: fault 17 of ../../README.md; `storage.hungDiskMs` in the broker's OPERATIONS.md.
 */
import type { PendingWork } from "@varve/storage";
import { hold } from "../violation.js";

/** How much later than it should it may end: it looks several times a second, and so do we. */
const LATE_MS = 3_000;

export class HungDiskEnds {
  private readonly name: string;
  private readonly hungMs: number;
  private readonly everyMs: number;
  private id = 0;
  private waitedMs = 0;

  /** `check` is called every `everyMs`. */
  constructor(name: string, hungMs: number, everyMs: number) {
    this.name = name;
    this.hungMs = hungMs;
    this.everyMs = everyMs;
  }

  check(pending: PendingWork | null): void {
    this.waitedMs = pending !== null && pending.id === this.id ? this.waitedMs + this.everyMs : 0;
    this.id = pending?.id ?? 0;
    const { name, waitedMs, hungMs } = this;
    hold("hung-disk", waitedMs < hungMs + LATE_MS, () => `${name} has waited ${waitedMs} ms for its disk and runs on`);
  }
}
