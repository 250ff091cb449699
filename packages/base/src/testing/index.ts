/** index.ts: a seeded Random, a hand-driven Clock and stores in memory, for tests and the simulator. */
export { type MemoryKeyValue, memoryKeyValue } from "./memory-key-value.js";
export { Prng } from "./prng.js";
export { SimClock } from "./sim-clock.js";
