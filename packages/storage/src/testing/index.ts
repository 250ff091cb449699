/** index.ts: a disk that forgets what was not synced, for tests and the simulator. */
export { type CrashChoice, SimDisk, type SimDiskOptions, type SimStep } from "./sim-disk.js";
export type { CrashDraw } from "./sim-file.js";
export { SimWalThread } from "./sim-wal-thread.js";
