/** index.ts: the real clock and randomness of a Node.js process. */
export { nodeClock } from "./clock.js";
export { nodeRandom } from "./random.js";
