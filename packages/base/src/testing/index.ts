/** index.ts: a seeded Random, a hand-driven Clock, stores in memory and a judge of decoders, for tests and the simulator. */
export { type FuzzedDecoder, type FuzzReport, fuzzDecoder, fuzzSeed } from "./fuzz.js";
export { type MemoryKeyValue, memoryKeyValue } from "./memory-key-value.js";
export { type Mutate, mutateBytes, mutateJson } from "./mutations.js";
export { Prng } from "./prng.js";
export { SimClock } from "./sim-clock.js";
