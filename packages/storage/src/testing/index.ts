/** index.ts: a disk in memory that forgets what was not synced, for simulations and for test clusters, and processes that die on it. */
export { type DeathPlan, DyingProcess, SYNC_LATENCY_MS } from "./dying-process.js";
export { type CrashChoice, SimDisk, type SimDiskOptions } from "./sim-disk.js";
