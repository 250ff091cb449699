/**
 * log-scrub.ts: reads and checks every file of one log while it is in use: segments, their indexes, checkpoints.
 *
 * What only served as a hint or can be written again from memory is repaired: an index, the newest checkpoint. All other damage quarantines the
 * replica, here and now, as a read or a start would that met it. Files that retention or a snapshot removes meanwhile are no damage.
 */
import type { ScrubReport } from "../api.js";
import type { Checksum } from "../frame/payload.js";
import { type CheckedSegment, checkSegment, type Pace } from "../segment/segment-check.js";
import {
  decodeIndexEntries,
  encodeIndexEntries,
  INDEX_ENTRY_BYTES,
  type IndexEntry,
} from "../segment/segment-format.js";
import { damageText, decodeCheckpoint, isDamage, isMissingFile, isUnreadable } from "./checkpoint.js";
import type { LogCore } from "./log-core.js";
import { parseLogFileName } from "./log-files.js";
import type { LogKeeper } from "./log-keeper.js";
import type { SegmentInfo } from "./segment-plan.js";

/** What an index file says. */
interface Hints {
  readonly entries: readonly IndexEntry[];
  /** Nothing in the file is damaged. */
  readonly isWhole: boolean;
}

const NO_HINTS: Hints = { entries: [], isWhole: true };

export class LogScrub {
  private readonly core: LogCore;
  private readonly keeper: LogKeeper;

  constructor(core: LogCore, keeper: LogKeeper) {
    this.core = core;
    this.keeper = keeper;
  }

  /** See GroupLog.scrub. */
  async run(checksum: Checksum, pace: Pace): Promise<ScrubReport> {
    const { core } = this;
    const report = { files: 0, bytes: 0, rebuilt: 0 };
    const paced: Pace = async (bytes) => {
      if (core.isStopped || !(await pace(bytes)) || core.isStopped) return false;
      report.bytes += bytes;
      return true;
    };
    for (const { name } of [...core.plan.list()]) {
      if (core.isStopped) break;
      report.files++;
      if (await this.segment(name, checksum, paced)) report.rebuilt++;
    }
    for (const index of await this.checkpointIndexes()) {
      if (core.isStopped) break;
      report.files++;
      if (await this.checkpoint(index, paced)) report.rebuilt++;
    }
    return report;
  }

  /** Whether its index was made anew. */
  private async segment(name: number, checksum: Checksum, pace: Pace): Promise<boolean> {
    const { core } = this;
    const { generation } = core;
    // As it is now: one that was in use when the scrub began may be sealed since.
    const find = (): SegmentInfo | undefined => core.plan.list().find((segment) => segment.name === name);
    const segment = find();
    const end = segment === undefined ? 0 : core.drainedEnd(segment);
    if (segment === undefined || end === 0) return false;
    const path = core.files.segmentPath(name);
    try {
      const isSealed = segment.lastIndex <= core.drainedIndex && segment !== core.plan.active;
      const hints = isSealed ? await this.readIndex(segment, pace) : NO_HINTS;
      const noted = new Set(hints.entries.map(({ index }) => index));
      const check = { path, spec: core.spec, segment, end, checksum, pace, noted };
      const found = await core.files.readFresh(path, (file) => checkSegment(file, check));
      return isSealed && found !== null && (await this.judgeIndex(segment, hints, found));
    } catch (error) {
      const isGone = core.generation !== generation || core.isStopped || find() === undefined;
      if (!isGone) this.damaged(error);
      return false;
    }
  }

  private async readIndex(segment: SegmentInfo, pace: Pace): Promise<Hints> {
    const { files } = this.core;
    const bytes = await files.readWhole(files.indexPath(segment.name)).catch((error: unknown) => {
      if (isMissingFile(error) || isUnreadable(error)) return new Uint8Array(0);
      throw error;
    });
    if (!(await pace(bytes.length))) return NO_HINTS;
    const entries = decodeIndexEntries(bytes, segment.bytes);
    return { entries, isWhole: entries.length * INDEX_ENTRY_BYTES === bytes.length };
  }

  /** An index that is damaged, untrue or lacks more than half is made anew: true. Which frames it names is its own affair. */
  private async judgeIndex(segment: SegmentInfo, hints: Hints, { entries, noted }: CheckedSegment): Promise<boolean> {
    const { core } = this;
    const isTrue = hints.entries.every((entry) => {
      const frame = noted.get(entry.index);
      return frame?.position === entry.position && frame.baseOffset === entry.baseOffset;
    });
    if (hints.isWhole && isTrue && 2 * hints.entries.length >= entries.length) return false;
    const path = core.files.indexPath(segment.name);
    core.context.logger.warn({ path }, "a sparse index is damaged or short; it is made anew from its segment");
    await this.keeper.afterJobs(async () => {
      const isThere = core.plan.list().some(({ name }) => name === segment.name);
      if (!core.isStopped && isThere) await core.files.replaceIndex(segment.name, encodeIndexEntries(entries));
    });
    return true;
  }

  private async checkpointIndexes(): Promise<number[]> {
    return (await this.core.files.names()).flatMap((name) => {
      const parsed = parseLogFileName(name);
      return parsed.kind === "checkpoint" ? [parsed.number] : [];
    });
  }

  /** Whether it was written again. */
  private async checkpoint(index: number, pace: Pace): Promise<boolean> {
    const { core } = this;
    const { generation } = core;
    try {
      const encoded = await core.files.readCheckpoint(index);
      if (!(await pace(encoded.length))) return false;
      const { owner, image } = decodeCheckpoint(encoded);
      const isOwn = owner.groupId === core.spec.groupId && image.index === index;
      if (!isOwn) core.setQuarantine(`${core.files.checkpointPath(index)} is of another log or index`);
      return false;
    } catch (error) {
      const isThere = (await this.checkpointIndexes()).includes(index);
      if (core.generation !== generation || core.isStopped || !isThere) return false;
      if (this.keeper.canReplaceCheckpoint(index) && (isDamage(error) || isUnreadable(error))) {
        core.context.logger.warn({ index }, "the newest checkpoint is damaged; a new one takes its place");
        this.keeper.checkpoint();
        await this.keeper.afterJobs(async () => undefined);
        return true;
      }
      this.damaged(error, core.files.checkpointPath(index));
      return false;
    }
  }

  private damaged(error: unknown, path?: string): void {
    const { core } = this;
    const where = path === undefined ? "" : `${path}: `;
    if (isDamage(error)) core.setQuarantine(`${where}${damageText(error)}`);
    else if (isMissingFile(error)) core.setQuarantine(`a file is missing: ${error.message}`);
    else if (isUnreadable(error)) core.setQuarantine(`a file cannot be read: ${error.message}`);
    else throw error;
  }
}
