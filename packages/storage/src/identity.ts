/**
 * identity.ts: node.json, what makes a data directory itself: directory id, cluster, broker, starts.
 *
 * Written beside and renamed; the directory is synced. Invariant I1: directory id, cluster id and broker id never change once set.
 */
import { assert, type Disk, type Random, randomUuid, VarveError } from "@varve/base";
import type { NodeIdentity } from "./api.js";
import { readAll } from "./wal/recover.js";

/** The format that this version writes; a newer one is refused. */
export const FORMAT_VERSION = 1;
const BOOT_IDS_MAX = 64;

interface NodeFile extends NodeIdentity {
  readonly walId: string;
  readonly note: string | null;
}

export class IdentityFile {
  private readonly disk: Disk;
  private readonly dir: string;
  private content: NodeFile;
  private writing: Promise<void> = Promise.resolve();

  private constructor(disk: Disk, dir: string, content: NodeFile) {
    this.disk = disk;
    this.dir = dir;
    this.content = content;
  }

  /** Reads node.json, or makes it in an empty folder, and notes this start. @throws VarveError DATA_DIR_UNUSABLE. */
  static async open(disk: Disk, dir: string, random: Random): Promise<IdentityFile> {
    const names = await disk.list(dir);
    const bootId = randomUuid(random);
    let content: NodeFile;
    if (names.includes("node.json")) {
      const known = parse(dir, await readAll(disk, `${dir}/node.json`));
      content = { ...known, bootIds: [...known.bootIds, bootId].slice(-BOOT_IDS_MAX) };
    } else {
      if (names.includes("wal") || names.includes("topics"))
        throw unusable(dir, "holds logs but no node.json: its identity is lost; do not reuse it");
      content = {
        directoryId: randomUuid(random),
        clusterId: null,
        brokerId: null,
        bootIds: [bootId],
        formatVersion: FORMAT_VERSION,
        walId: randomUuid(random).replaceAll("-", ""),
        note: null,
      };
    }
    const file = new IdentityFile(disk, dir, content);
    await file.write(content);
    return file;
  }

  get identity(): NodeIdentity {
    const { directoryId, clusterId, brokerId, bootIds, formatVersion } = this.content;
    return { directoryId, clusterId, brokerId, bootIds, formatVersion };
  }

  get walId(): string {
    return this.content.walId;
  }

  get note(): string | null {
    return this.content.note;
  }

  adopt(clusterId: string, brokerId: number): Promise<void> {
    const { clusterId: known, brokerId: knownBroker } = this.content;
    assert(known === null || known === clusterId, "I1: a directory belongs to one cluster");
    assert(knownBroker === null || knownBroker === brokerId, "I1: a directory belongs to one broker");
    return this.change({ clusterId, brokerId });
  }

  setNote(note: string): Promise<void> {
    return this.change({ note });
  }

  private change(patch: Partial<NodeFile>): Promise<void> {
    this.writing = this.writing.then(async () => {
      const next = { ...this.content, ...patch };
      await this.write(next);
      this.content = next;
    });
    return this.writing;
  }

  private async write(content: NodeFile): Promise<void> {
    const path = `${this.dir}/node.json`;
    const file = await this.disk.open(`${path}.tmp`, "create");
    await file.truncate(0);
    await file.write([Buffer.from(`${JSON.stringify(content, null, 2)}\n`)], 0);
    await file.sync();
    await file.close();
    await this.disk.rename(`${path}.tmp`, path);
    await this.disk.syncDir(this.dir);
  }
}

function parse(dir: string, bytes: Buffer): NodeFile {
  let raw: Partial<NodeFile>;
  try {
    raw = JSON.parse(bytes.toString("utf8")) as Partial<NodeFile>;
  } catch {
    throw unusable(dir, "has a node.json that cannot be read: its identity is lost; do not reuse it");
  }
  const version = raw.formatVersion ?? 0;
  if (version > FORMAT_VERSION) {
    throw unusable(
      dir,
      `was written in format ${version} by a newer version, this one knows up to ${FORMAT_VERSION}; install the newer version`,
    );
  }
  const { directoryId, clusterId = null, brokerId = null, bootIds = [], walId, note = null } = raw;
  if (directoryId === undefined || walId === undefined)
    throw unusable(dir, "has a node.json without an identity; do not reuse it");
  return { directoryId, clusterId, brokerId, bootIds, formatVersion: FORMAT_VERSION, walId, note };
}

export function unusable(dir: string, why: string): VarveError {
  return new VarveError("DATA_DIR_UNUSABLE", { message: `data directory ${dir} ${why}`, details: { dataDir: dir } });
}
