/** index.ts: a seeded Random and a hand-driven Clock for tests and the simulator. */
export { Prng } from "./prng.js";
export { SimClock } from "./sim-clock.js";
