/**
 * counted-reads.ts: a Disk that tells how many bytes are read through it, so that a start can say how far it has come.
 */
import type { Disk, DiskFile } from "@varve/base";

/** `note` is told of every read, after it. */
export function countedReads(disk: Disk, note: (bytes: number) => void): Disk {
  return {
    open: async (path, mode) => countedFile(await disk.open(path, mode), note),
    list: (path) => disk.list(path),
    makeDir: (path) => disk.makeDir(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    removeDir: (path) => disk.removeDir(path),
    syncDir: (path) => disk.syncDir(path),
    freeBytes: (path) => disk.freeBytes(path),
    lock: (path) => disk.lock(path),
  };
}

function countedFile(file: DiskFile, note: (bytes: number) => void): DiskFile {
  return {
    read: async (target, position) => {
      const bytes = await file.read(target, position);
      note(bytes);
      return bytes;
    },
    write: (buffers, position) => file.write(buffers, position),
    sync: () => file.sync(),
    truncate: (bytes) => file.truncate(bytes),
    size: () => file.size(),
    close: () => file.close(),
  };
}
