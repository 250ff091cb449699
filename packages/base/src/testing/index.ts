/** index.ts: a seeded Random, a hand-driven Clock, stores in memory, a judge of decoders and a clock for busy machines, for tests and the simulator. */
export { type FuzzedDecoder, type FuzzReport, fuzzDecoder, fuzzSeed } from "./fuzz.js";
export { type MemoryKeyValue, memoryKeyValue } from "./memory-key-value.js";
export { type Mutate, mutateBytes, mutateJson } from "./mutations.js";
export { ownTimeMs } from "./own-time.js";
export { Prng } from "./prng.js";
export { SimClock } from "./sim-clock.js";
