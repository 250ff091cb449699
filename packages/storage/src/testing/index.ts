/** index.ts: a disk in memory that forgets what was not synced, for simulations and for test clusters. */
export { type CrashChoice, SimDisk, type SimDiskOptions } from "./sim-disk.js";
