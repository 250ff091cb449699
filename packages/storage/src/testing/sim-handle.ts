/** sim-handle.ts: an open file of the simulated disk, as the process that opened it has it: with that process it is dead. */
import type { DiskFile } from "@varve/base";
import type { SimFile } from "./sim-file.js";

/** What of the disk a handle needs; see there. */
export interface HandleDisk {
  isAlive(life: number): boolean;
  call<T>(kind: "read" | "write" | "sync" | null, action: () => T | undefined): Promise<T>;
  step(what: "write" | "sync" | "truncate", path: string): boolean;
  roomFor(growthBytes: number): number;
  checkSync(path: string, file: SimFile): void;
  checkRead(path: string): void;
  noteRead(path: string, bytes: number): void;
}

export class SimHandle implements DiskFile {
  private readonly disk: HandleDisk;
  private readonly path: string;
  private readonly content: SimFile;
  private readonly life: number;

  constructor(disk: HandleDisk, path: string, content: SimFile, life: number) {
    this.disk = disk;
    this.path = path;
    this.content = content;
    this.life = life;
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.call("read", () => {
      this.disk.checkRead(this.path);
      const bytes = this.content.read(target, position);
      this.disk.noteRead(this.path, bytes);
      return bytes;
    });
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    return this.call("write", () => {
      let at = position;
      for (const buffer of buffers) {
        if (!this.disk.step("write", this.path)) return undefined;
        const growth = at + buffer.length - this.content.length;
        const missing = growth - this.disk.roomFor(growth);
        // A full disk takes what fits: a short write, and then the error.
        this.content.write(missing === 0 ? buffer : buffer.subarray(0, buffer.length - missing), at);
        if (missing > 0) throw systemError("ENOSPC", "the simulated disk is full");
        at += buffer.length;
      }
      return null;
    }).then(() => undefined);
  }

  sync(): Promise<void> {
    return this.call("sync", () => {
      if (!this.disk.step("sync", this.path)) return undefined;
      this.disk.checkSync(this.path, this.content);
      this.content.sync();
      return null;
    }).then(() => undefined);
  }

  truncate(bytes: number): Promise<void> {
    return this.call("write", () => {
      if (bytes !== this.content.length && !this.disk.step("truncate", this.path)) return undefined;
      this.content.truncate(bytes);
      return null;
    }).then(() => undefined);
  }

  size(): Promise<number> {
    return this.call(null, () => this.content.length);
  }

  close(): Promise<void> {
    return this.call(null, () => null).then(() => undefined);
  }

  private call<T>(kind: "read" | "write" | "sync" | null, action: () => T | undefined): Promise<T> {
    if (!this.disk.isAlive(this.life)) return new Promise(() => undefined);
    return this.disk.call(kind, action);
  }
}

/** An error as the system makes it. */
export function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
