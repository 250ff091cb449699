/** index.ts: simulated networks, and faults for real ones. */
export { type MessageFate, MessageFaults } from "./message-faults.js";
export { type PathDelay, SimNetwork, type SimNetworkOptions } from "./sim-network.js";
export { partitionableLink, Switchboard } from "./switchboard.js";
