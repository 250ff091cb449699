/**
 * wal-scrub.ts: reads and checks the complete files of the write-ahead log while the one after them is written.
 *
 * Whatever still counts in them is in memory, too: frames that are not drained, the term and vote, the newest mark. So damage costs nothing: frames go
 * to segments and the rest is written again, into the current file; then nobody needs the damaged file, and it is put aside. Until that is
 * durable a start would find the damage and quarantine whom it concerns.
 * Invariants:
 *   X1  a file is complete when the file after it has a flush: that one says with which flush it ends, so also flushes that are gone are missed
 *   X2  a file that was freed, and perhaps used again, while it was read is no damage
 */
import { type Clock, type Disk, type DiskFile, delay, type Logger } from "@varve/base";
import type { ScrubReport } from "../api.js";
import type { Checksum } from "../frame/payload.js";
import { FLUSH_HEADER_BYTES, type FlushHeader, flushHeaderBytes, readBody, readFlushHeader } from "./flush-format.js";
import type { WalFile, WalFiles } from "./wal-files.js";

export interface WalScrubOptions {
  readonly files: WalFiles;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly walId: Uint8Array;
  readonly checksum: Checksum;
  readonly logger: Logger;
  /** Has everything that counts in the files up to this number drained or written again. */
  readonly relieve: (number: number) => void;
  /** Has a flush follow that says which file is the oldest that counts. */
  readonly nameOldest: () => void;
}

/** Must pay for bytes before they are read; false stops. */
type Pace = (bytes: number) => Promise<boolean>;

/** Bytes that are paid for at once. */
const PAY_BYTES = 256 * 1024;
/** A damaged file is relieved again and again for so long; then new flushes will do it, as for any old file. */
const RELIEVE_TIMES = 20;
const RELIEVE_EVERY_MS = 500;

export class WalScrub {
  private readonly options: WalScrubOptions;

  constructor(options: WalScrubOptions) {
    this.options = options;
  }

  /** Bytes that a round would read now. */
  get bytes(): number {
    return this.options.files.complete().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Checks every complete file; `rebuilt` counts those whose content was written again because of damage. */
  async run(pace: Pace): Promise<ScrubReport> {
    const report = { files: 0, bytes: 0, rebuilt: 0 };
    const paced: Pace = async (bytes) => {
      if (!(await pace(bytes))) return false;
      report.bytes += bytes;
      return true;
    };
    for (const file of this.options.files.complete()) {
      const problem = await this.problemOf(file, paced);
      if (problem === "stopped") break;
      report.files++;
      if (problem === null || !this.options.files.noteDamage(file.number)) continue; // X2
      const { path } = file;
      this.options.logger.error({ path, problem }, "a file of the WAL is damaged: what counts in it is written again");
      await this.relieve(file);
      report.rebuilt++;
    }
    return report;
  }

  private async relieve({ number }: WalFile): Promise<void> {
    const { files, clock, relieve, nameOldest } = this.options;
    for (let times = 0; times < RELIEVE_TIMES && files.isHeld(number); times++) {
      if (files.find(number) === null) nameOldest();
      else relieve(number);
      await delay(clock, RELIEVE_EVERY_MS);
    }
  }

  private async problemOf(file: WalFile, pace: Pace): Promise<string | "stopped" | null> {
    try {
      const next = await this.firstFlushOf(file.number + 1);
      return next === null ? null : await this.check(file, next, pace);
    } catch (error) {
      return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  /** X1: null when there is none (yet), or when it is damaged itself, which its own turn finds. */
  private async firstFlushOf(number: number): Promise<FlushHeader | null> {
    const file = this.options.files.find(number);
    if (file === null) return null;
    return this.reading(file, (open) => this.headerAt(open, number, 0));
  }

  private check(file: WalFile, next: FlushHeader, pace: Pace): Promise<string | "stopped" | null> {
    return this.reading(file, async (open) => {
      let before: FlushHeader | null = null;
      let paidBytes = 0;
      for (let position = 0; before === null || before.sequence + 1 < next.sequence; ) {
        const header = await this.headerAt(open, file.number, position);
        if (header === null) return `no flush begins at byte ${position}, where one was written`;
        if (before !== null && (header.sequence !== before.sequence + 1 || header.previousCrc !== before.crc))
          return `flush ${header.sequence} at byte ${position} does not follow flush ${before.sequence}`;
        for (; paidBytes < position + header.totalBytes; paidBytes += PAY_BYTES)
          if (!(await pace(Math.min(PAY_BYTES, file.bytes - paidBytes)))) return "stopped";
        const body = new Uint8Array(header.bodyBytes);
        const start = position + FLUSH_HEADER_BYTES + 8 * header.groups.length;
        const records = readBody(header, body.subarray(0, await open.read(body, start)), this.options.checksum);
        if (typeof records === "string") return `flush ${header.sequence} at byte ${position}: ${records}`;
        before = header;
        position += header.totalBytes;
      }
      return before.crc === next.previousCrc ? null : `the next file does not follow its last flush ${before.sequence}`;
    });
  }

  private async headerAt(file: DiskFile, number: number, position: number): Promise<FlushHeader | null> {
    const { walId, checksum } = this.options;
    const fixed = new Uint8Array(FLUSH_HEADER_BYTES);
    const neededBytes = flushHeaderBytes(fixed.subarray(0, await file.read(fixed, position)), walId);
    if (neededBytes === null || position + neededBytes > (await file.size())) return null;
    const bytes = new Uint8Array(neededBytes);
    const header = readFlushHeader(bytes.subarray(0, await file.read(bytes, position)), checksum);
    return header?.fileNumber === number ? header : null;
  }

  private async reading<T>(file: WalFile, use: (open: DiskFile) => Promise<T>): Promise<T> {
    const open = await this.options.disk.open(file.path, "read");
    try {
      return await use(open);
    } finally {
      await open.close();
    }
  }
}
